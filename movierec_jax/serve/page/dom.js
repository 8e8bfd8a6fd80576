/** Building elements. Text goes in as text nodes alone, so that no title can be markup. */

const SVG = "http://www.w3.org/2000/svg";

/** A new element. properties: attributes (true for an empty one, false or null for none), and listeners as `on`. */
export function el(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for a part of a drawing. */
export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

/** A button with a label, that does something. */
export function button(label, onClick, properties = {}) {
  return el("button", { type: "button", class: "button", ...properties, on: { click: onClick } }, label);
}

/** Opens the details of a film, in the dialog that listens for it; the focus returns to the element. */
export function openFilm(element, movie, isToRate = false) {
  element.dispatchEvent(new CustomEvent("open-film", { bubbles: true, detail: { movie, isToRate } }));
}

function filled(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** `call`, but only once nobody has asked for it for a while. */
export function debounced(call, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), milliseconds);
  };
}

/** Tells people who do not see the page what has changed on it. */
export function say(text) {
  byId("said").textContent = text;
}

export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Makes the children of a list those of `items`, in their order: elements whose key stays are kept, moved and brought
 * up to date, and the one with the focus keeps it.
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
