/** Messages at the top of the page: errors, waits, and the form for a token. */

import { hooks } from "./api.js";
import { button, byId, el } from "./dom.js";

/** Shows a problem under a name, in place of an earlier one of that name; without a problem, removes it. */
export function notice(name, problem = null, retry = null) {
  if (problem?.name === "AbortError") return;
  byId("notices").querySelector(`[data-name="${name}"]`)?.remove();
  if (!problem) return;
  const close = button("Dismiss", () => notice(name), { class: "button quiet" });
  const again =
    retry &&
    button("Try again", () => {
      notice(name);
      retry();
    });
  byId("notices").append(el("div", { class: "notice", "data-name": name }, el("p", {}, problem.message), again, close));
}

/** Calls a function, shows its problem with a button to try again, and returns whether it succeeded. */
export async function attempt(name, call, retry = null) {
  try {
    await call();
    notice(name);
    return true;
  } catch (error) {
    if (!(error.name === "AbortError" || "status" in error)) throw error;
    // A request that the server rejects would be rejected again.
    notice(name, error, error.status === 0 || error.status >= 429 ? retry : null);
    return false;
  }
}

hooks.waiting = (detail, seconds) => {
  const again = `Trying again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`;
  notice("wait", { message: `The server is busy. ${detail} ${again}` });
};

hooks.answered = () => notice("wait");

hooks.askToken = (detail) =>
  new Promise((resolve) => {
    const input = el("input", { id: "token", type: "password", autocomplete: "off", required: true });
    const form = el(
      "form",
      { class: "notice", "data-name": "token" },
      el("p", {}, `This server requires a token. ${detail}`),
      el("label", { for: "token" }, "Token"),
      input,
      el("button", { class: "button strong", type: "submit" }, "Submit"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.remove();
      resolve(input.value.trim());
    });
    byId("notices").append(form);
    input.focus();
  });
