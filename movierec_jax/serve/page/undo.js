/** The notice after a change, with a button that takes it back. */

import { byId } from "./dom.js";
import { overlap } from "./shapes.js";

const SHOWN_MS = 10_000;
const GAP_PX = 8;

let last = null;
let timer;
/** The element that the user touched last. */
let touched = document.body;

/**
 * Shows what was done, with a button that calls `takeBack`. key: a further change of the same thing is taken back
 * together with those before it.
 */
export function offerUndo(text, takeBack, key = null) {
  last = { key, takeBack: key !== null && last?.key === key ? last.takeBack : takeBack };
  byId("undo-text").textContent = text;
  byId("undo").hidden = false;
  // What lies behind an open dialog cannot be clicked.
  (document.querySelector("dialog[open]") ?? document.body).append(byId("undo"));
  stayClear();
  hideLater();
}

/** Moves the notice above the field or button touched last, where it would cover it. */
function stayClear() {
  const box = byId("undo");
  box.style.bottom = "";
  // Nobody is about to touch what is no control, and some of that is as large as the page.
  const control = touched.closest(".rate") ?? touched.closest("button, input, select, a");
  if (!control) return;
  const field = control.getBoundingClientRect();
  if (overlap(field, box.getBoundingClientRect())) box.style.bottom = `${innerHeight - field.top + GAP_PX}px`;
}

/** Takes the notice back out of a dialog that closes. */
export const leaveDialog = () => document.body.append(byId("undo"));

/** Removes the notice. */
export function dismissUndo() {
  last = null;
  byId("undo").hidden = true;
}

function hideLater() {
  clearTimeout(timer);
  timer = setTimeout(dismissUndo, SHOWN_MS);
}

function undo() {
  const { takeBack } = last;
  const hadFocus = byId("undo").contains(document.activeElement);
  dismissUndo();
  if (hadFocus) byId("list-name").focus();
  takeBack();
}

const isTyping = ({ target }) => target.matches("input:not([type=radio], [type=checkbox], [type=range])");

byId("undo-button").addEventListener("click", undo);
byId("undo-close").addEventListener("click", dismissUndo);
for (const event of ["pointerenter", "focusin"]) byId("undo").addEventListener(event, () => clearTimeout(timer));
for (const event of ["pointerleave", "focusout"]) byId("undo").addEventListener(event, hideLater);
for (const event of ["pointerdown", "keydown"]) {
  document.addEventListener(event, ({ target }) => (touched = target), { capture: true });
}
document.addEventListener("keydown", (event) => {
  if (!last || event.key !== "z" || !(event.ctrlKey || event.metaKey) || isTyping(event)) return;
  event.preventDefault();
  undo();
});
