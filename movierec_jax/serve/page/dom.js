/** Builds elements. Text becomes text nodes only, so that no title is read as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Returns a new element. properties: attributes (true: empty, false or null: none), and listeners under `on`. */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Returns a new SVG element, with properties as in `el`. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Returns a button with a label and a listener. */
export function button(label, onClick, properties = {}) {
  return el("button", { type: "button", class: "button", ...properties, on: { click: onClick } }, label);
}

/** Opens the details of a film; the focus returns to the element afterwards. */
export function openFilm(element, movie) {
  element.dispatchEvent(new CustomEvent("open-film", { bubbles: true, detail: { movie } }));
}

function fill(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Returns a function that calls `call` once it has not been called for a while. */
export function debounced(call, milliseconds) {
  let timer;
  return (...parameters) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...parameters), milliseconds);
  };
}

/** Announces a change to users of screen readers. */
export function say(text) {
  byId("status").textContent = text;
}

export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Makes a change and scrolls, so that an element stays where it is. */
export function keepInPlace(element, change) {
  const { top } = element.getBoundingClientRect();
  change();
  if (element.isConnected) scrollBy({ top: element.getBoundingClientRect().top - top, behavior: "instant" });
}

/**
 * Shows `items` as the children of a list. An element whose key stays is moved and updated, so that it keeps the focus;
 * moves are animated.
 */
export function showList(list, items, keyOf, make, update = () => {}) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const before = new Map([...old].map(([key, child]) => [key, child.getBoundingClientRect().top]));
  const children = items.map((item) => {
    const key = keyOf(item);
    const child = old.get(key) ?? make(item);
    child.dataset.key = key;
    update(child, item);
    return child;
  });
  list.replaceChildren(...children);
  if (focused?.isConnected) focused.focus({ preventScroll: true });
  if (isStill() || !old.size) return;
  for (const child of children) {
    const from = before.get(child.dataset.key);
    const moved = from === undefined ? null : from - child.getBoundingClientRect().top;
    if (moved === null) child.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 260, easing: "ease-out" });
    else if (moved) {
      child.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], {
        duration: 260,
        easing: "ease-out",
      });
    }
  }
}
