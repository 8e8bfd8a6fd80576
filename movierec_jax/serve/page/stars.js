/** Draws stars, and has the field of stars to rate a film with. */

import { button, el, svg } from "./dom.js";

export const STAR = "m12 2.6 2.9 6 6.6.9-4.8 4.6 1.2 6.5L12 17.5l-5.9 3.1 1.2-6.5L2.5 9.5l6.6-.9z";
const MAX_STEPS = 20;
const MAX_STARS = 10;

/** The rating scale of the server as stars, with all values a rating can have. */
export class Scale {
  constructor({ rating_scale: [lowest, highest], rating_step: step }) {
    this.lowest = lowest;
    this.highest = highest;
    const numSteps = Math.min(MAX_STEPS, Math.max(1, Math.round((highest - lowest) / (step || 0.5))));
    this.values = Array.from({ length: numSteps + 1 }, (_, n) => rounded(lowest + (n * (highest - lowest)) / numSteps));
    const isWholeStars = lowest >= 0 && Number.isInteger(highest) && highest <= MAX_STARS;
    this.stars = isWholeStars ? highest : 5;
    this.zero = lowest >= 0 ? 0 : lowest;
  }

  /** The fraction of all stars that a rating fills, from 0 to 1. */
  share(rating) {
    return Math.min(1, Math.max(0, (rating - this.zero) / (this.highest - this.zero)));
  }

  /** The index of the last star that a rating fills, even in part. */
  star(rating) {
    return Math.max(0, Math.ceil(this.share(rating) * this.stars - 1e-6) - 1);
  }
}

const rounded = (number) => Math.round(number * 100) / 100;

export const starsText = (rating) => `${rating} ${rating === 1 ? "star" : "stars"}`;

/** Draws a row of stars filled for a rating. It is hidden from screen readers, which need a text beside it. */
export function drawnStars(scale, rating) {
  const width = 24 * scale.stars;
  const row = (name) =>
    svg(
      "g",
      { class: name },
      Array.from({ length: scale.stars }, (_, n) => svg("path", { d: STAR, transform: `translate(${24 * n} 0)` })),
    );
  const filled = svg("svg", { x: 0, y: 0, width: 0, height: 24 }, row("filled"));
  const drawing = svg(
    "svg",
    { class: "stars", viewBox: `0 0 ${width} 24`, "aria-hidden": "true" },
    row("open"),
    filled,
  );
  drawing.fill = (share) => filled.setAttribute("width", share * width);
  drawing.fill(rating === null ? 0 : scale.share(rating));
  return drawing;
}

let fields = 0;

/**
 * Returns a field of stars to rate with: radio buttons over drawn stars, so that arrow keys and screen readers work.
 * Number keys give whole stars, Delete removes the rating. A second tap on a star gives half of it, since fingers are
 * too wide for half a star. onChange: called with the new rating, null for none, and what gave it: "mouse", "touch" or
 * "pen", empty for keys. `show(rating, canRemove)` sets the field.
 */
export function starsField(scale, title, onChange) {
  let rating = null;
  let canRemove = false;
  const name = `stars-${(fields += 1)}`;
  const drawing = drawnStars(scale, null);
  const text = el("span", { class: "rate-text", "aria-hidden": "true" });
  const radios = scale.values.map((value, n) => {
    const radio = el("input", { type: "radio", name, value, "aria-label": starsText(value) });
    const from = n ? scale.share(scale.values[n - 1]) : 0;
    radio.style.left = `${from * 100}%`;
    radio.style.width = `${(scale.share(value) - from) * 100}%`;
    return radio;
  });
  const remove = button(cross(), () => removeRating(), {
    class: "remove",
    "aria-label": `Remove the rating of ${title}`,
  });
  const group = el(
    "div",
    { class: "rate-stars", role: "radiogroup", "aria-label": `Rating of ${title}` },
    drawing,
    radios,
  );
  const field = el("div", { class: "rate" }, group, text, remove);

  const valueOf = (radio) => Number(radio.value);
  function show(value, isRemovable) {
    rating = value;
    canRemove = isRemovable;
    for (const radio of radios) radio.checked = valueOf(radio) === value;
    drawing.fill(value === null ? 0 : scale.share(value));
    text.textContent = value ?? "";
    remove.hidden = value === null || !canRemove;
  }
  function change(value, pointer = "") {
    if (value === rating) return;
    show(value, true);
    onChange(value, pointer);
  }
  function removeRating() {
    if (rating === null || !canRemove) return;
    const hasFocus = field.contains(document.activeElement);
    change(null);
    if (hasFocus) radios[0].focus();
  }
  /** The highest rating within the tapped star; if given already, the next lower one. */
  function valueAfterTap(value) {
    const choices = scale.values.filter((one) => scale.star(one) === scale.star(value)).reverse();
    return choices[(choices.indexOf(rating) + 1) % choices.length];
  }

  for (const radio of radios) {
    radio.addEventListener("click", (event) => {
      const value = event.pointerType === "touch" ? valueAfterTap(valueOf(radio)) : valueOf(radio);
      change(value, event.pointerType);
    });
    // A tap may check another radio button than the one that was hit.
    radio.addEventListener("change", () => change(valueOf(radios.find((one) => one.checked))));
    radio.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") drawing.fill(scale.share(valueOf(radio)));
    });
  }
  group.addEventListener("pointerleave", () => drawing.fill(rating === null ? 0 : scale.share(rating)));
  group.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Delete" || event.key === "Backspace") removeRating();
    else if (scale.values.includes(Number(event.key)) && event.key !== " ") {
      change(Number(event.key));
      radios.find((radio) => radio.checked).focus();
    } else return;
    event.preventDefault();
  });
  show(null, false);
  field.show = show;
  return field;
}

function cross() {
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: "m7 7 10 10M17 7 7 17" }));
}
