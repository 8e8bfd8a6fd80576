/** Requests to the server: JSON, tokens, and retries while it is busy. */

const TOKEN_KEY = "movierec token";
const MAX_RETRIES = 5;
const MAX_WAIT_SECONDS = 60;

/** A failed request with a message for the user. status: HTTP status, 0 if the server was not reached. */
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Called during requests; notices.js sets them: `askToken(detail)` returns a token, the others show and end a wait. */
export const hooks = { askToken: async () => "", waiting() {}, answered() {} };

let token = stored(() => sessionStorage.getItem(TOKEN_KEY)) ?? "";
let tokenRequest = null;

/** Returns the JSON of a response, null if it is empty. query: lists become repeated parameters. file: sent as it is. */
export async function request(path, { method = "GET", query = {}, body, file, signal } = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) url.searchParams.append(name, one);
  }
  for (let retries = 0; ;) {
    const tokenSent = token;
    const response = await send(url, method, { body, file }, signal);
    if (response.ok) {
      hooks.answered();
      return response.status === 204 ? null : response.json();
    }
    const detail = await detailOf(response);
    if (response.status === 401) {
      // Another request may have got a new token meanwhile.
      if (tokenSent === token) await newToken(detail);
    } else if ([429, 503].includes(response.status) && retries < MAX_RETRIES) {
      retries += 1;
      const seconds = waitSeconds(response.headers.get("Retry-After"), retries);
      hooks.waiting(detail, seconds);
      await pause(seconds, signal);
    } else {
      hooks.answered();
      throw new Problem(`${introduction(response.status)} ${detail}`.trim(), response.status);
    }
    signal?.throwIfAborted();
  }
}

/** An id, which may be a number or text, as part of a path. */
export const part = (id) => encodeURIComponent(String(id));

async function send(url, method, { body, file }, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (file) headers["Content-Type"] = "application/octet-stream";
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    const sent = file ?? (body === undefined ? undefined : JSON.stringify(body));
    return await fetch(url, { method, headers, body: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const reason = navigator.onLine ? "It may have stopped." : "You seem to be offline.";
    throw new Problem(`The server cannot be reached. ${reason}`, 0);
  }
}

async function newToken(detail) {
  tokenRequest ??= hooks.askToken(detail).finally(() => (tokenRequest = null));
  token = await tokenRequest;
  stored(() => sessionStorage.setItem(TOKEN_KEY, token));
}

async function detailOf(response) {
  try {
    const { title, detail, errors = [] } = await response.json();
    const messages = errors.map(({ location, message }) => `${[location].flat().join(".")}: ${message}`).join("; ");
    return sentence(messages || detail || title || "");
  } catch {
    return sentence(response.statusText);
  }
}

function introduction(status) {
  // The server says what it has not found.
  if (status === 404) return "";
  if (status === 422 || status === 400) return "The server rejected the request.";
  if (status === 429 || status === 503) return "The server is still busy.";
  return "Something went wrong on the server.";
}

function sentence(text) {
  const capitalised = text.charAt(0).toUpperCase() + text.slice(1);
  return !capitalised || /[.!?]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}

/** Retry-After holds seconds or a date; without it, waits double. */
function waitSeconds(retryAfter, retries) {
  const number = retryAfter === null ? 2 ** (retries - 1) : Number(retryAfter);
  const seconds = Number.isNaN(number) ? (Date.parse(retryAfter) - Date.now()) / 1000 : number;
  return Math.min(MAX_WAIT_SECONDS, Math.max(1, Math.ceil(seconds || 1)));
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

/** Returns what a call to the browser's storage returns, null where storage is blocked. */
export function stored(call) {
  try {
    return call();
  } catch {
    return null;
  }
}

/** Returns the list that the browser keeps under a key, empty without one. */
export function savedJson(key) {
  const saved = stored(() => JSON.parse(localStorage.getItem(key)));
  return Array.isArray(saved) ? saved : [];
}

/** Keeps the values of a map as a list under a key, where the browser allows it. */
export const saveJson = (key, map) => stored(() => localStorage.setItem(key, JSON.stringify([...map.values()])));
