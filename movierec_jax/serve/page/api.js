/** Requests to the server, and the problems that it answers with. */

const TOKEN = "movierec token";
const MOST_WAITS = 5;
const LONGEST_WAIT = 60;

/** What went wrong, in words for people. status: of HTTP, 0 where the server was not reached. */
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** What the page does meanwhile: `askToken(detail)` gives a token, `waiting(detail, seconds)` and `answered()` tell. */
export const hooks = { askToken: async () => "", waiting() {}, answered() {} };

let token = stored(() => sessionStorage.getItem(TOKEN)) ?? "";
let asked = null;

/** What the server answers, as JSON; null where it answers nothing. query: its lists become repeated parameters. */
export async function request(path, { method = "GET", query = {}, body, signal } = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) url.searchParams.append(name, one);
  }
  for (let waits = 0; ;) {
    const sent = token;
    const response = await reached(url, method, body, signal);
    if (response.ok) {
      hooks.answered();
      return response.status === 204 ? null : response.json();
    }
    const detail = await detailOf(response);
    if (response.status === 401) {
      // Another request may have brought a new one in the meantime.
      if (sent === token) await newToken(detail);
    } else if ([429, 503].includes(response.status) && waits < MOST_WAITS) {
      waits += 1;
      const seconds = secondsOf(response.headers.get("Retry-After"), waits);
      hooks.waiting(detail, seconds);
      await pause(seconds, signal);
    } else {
      hooks.answered();
      throw new Problem(`${leadOf(response.status)} ${detail}`.trim(), response.status);
    }
    signal?.throwIfAborted();
  }
}

/** A part of a path: ids may be any JSON value. */
export const part = (id) => encodeURIComponent(String(id));

async function reached(url, method, body, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const reason = navigator.onLine ? "It may have been stopped." : "You seem to be offline.";
    throw new Problem(`The server cannot be reached. ${reason}`, 0);
  }
}

async function newToken(detail) {
  asked ??= hooks.askToken(detail).finally(() => (asked = null));
  token = await asked;
  stored(() => sessionStorage.setItem(TOKEN, token));
}

async function detailOf(response) {
  try {
    const { title, detail, errors = [] } = await response.json();
    const told = errors.map(({ location, message }) => `${[location].flat().join(".")}: ${message}`).join("; ");
    return sentence(told || detail || title || "");
  } catch {
    return sentence(response.statusText);
  }
}

function leadOf(status) {
  if (status === 404) return "Not found.";
  if (status === 422 || status === 400) return "The server could not use this.";
  if (status === 429 || status === 503) return "The server is still busy.";
  return "Something went wrong on the server.";
}

function sentence(text) {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return !whole || /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Retry-After is seconds or a date; without it each wait is twice the one before. */
function secondsOf(after, waits) {
  const seconds = after === null ? 2 ** (waits - 1) : Number(after);
  const known = Number.isNaN(seconds) ? (Date.parse(after) - Date.now()) / 1000 : seconds;
  return Math.min(LONGEST_WAIT, Math.max(1, Math.ceil(known || 1)));
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** What a browser that stores nothing throws on counts as nothing. */
export function stored(call) {
  try {
    return call();
  } catch {
    return null;
  }
}
