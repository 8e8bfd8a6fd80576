/** Stars: drawn, and as a field to rate with. */

import { button, el, svg } from "./dom.js";

export const STAR = "m12 2.6 2.9 6 6.6.9-4.8 4.6 1.2 6.5L12 17.5l-5.9 3.1 1.2-6.5L2.5 9.5l6.6-.9z";
const MOST_STEPS = 20;
const MOST_STARS = 10;

/** The stars that ratings may be, from the server's lowest and highest and the step between them. */
export class Scale {
  constructor({ rating_scale: [lowest, highest], rating_step: step }) {
    this.lowest = lowest;
    this.highest = highest;
    const number = Math.min(MOST_STEPS, Math.max(1, Math.round((highest - lowest) / (step || 0.5))));
    this.values = Array.from({ length: number + 1 }, (_, n) => rounded(lowest + (n * (highest - lowest)) / number));
    const isCounted = lowest >= 0 && Number.isInteger(highest) && highest <= MOST_STARS;
    this.stars = isCounted ? highest : 5;
    this.zero = lowest >= 0 ? 0 : lowest;
  }

  /** How much of all stars a rating fills, 0 to 1. */
  share(rating) {
    return Math.min(1, Math.max(0, (rating - this.zero) / (this.highest - this.zero)));
  }

  /** Which star, from 0, the end of a rating lies in. */
  star(rating) {
    return Math.max(0, Math.ceil(this.share(rating) * this.stars - 1e-6) - 1);
  }
}

const rounded = (number) => Math.round(number * 100) / 100;

export const starsText = (rating) => `${rating} ${rating === 1 ? "star" : "stars"}`;

/** A row of stars, filled to a share; for eyes alone, so a text must tell the same. */
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
 * A field of stars: radio buttons over the drawn stars, so arrow keys and screen readers work as anywhere. Number keys
 * give whole stars, Delete takes the rating away. A finger, too wide for half a star, taps a star again for less of it.
 * onChange: told the new rating, null for none. `show(rating)` sets it from outside.
 */
export function starsField(scale, title, rating, onChange) {
  const name = `stars-${(fields += 1)}`;
  const drawing = drawnStars(scale, rating);
  const text = el("span", { class: "rate-text", "aria-hidden": "true" });
  const radios = scale.values.map((value, n) => {
    const radio = el("input", { type: "radio", name, value, "aria-label": starsText(value) });
    const from = n ? scale.share(scale.values[n - 1]) : 0;
    radio.style.left = `${from * 100}%`;
    radio.style.width = `${(scale.share(value) - from) * 100}%`;
    return radio;
  });
  const remove = button(cross(), () => takeAway(), { class: "remove", "aria-label": `Remove the rating of ${title}` });
  const group = el(
    "div",
    { class: "rate-stars", role: "radiogroup", "aria-label": `Rating of ${title}` },
    drawing,
    radios,
  );
  const field = el("div", { class: "rate" }, group, text, remove);

  const valueOf = (radio) => Number(radio.value);
  function show(value) {
    rating = value;
    for (const radio of radios) radio.checked = valueOf(radio) === value;
    drawing.fill(value === null ? 0 : scale.share(value));
    text.textContent = value ?? "";
    field.classList.toggle("is-rated", value !== null);
    remove.hidden = value === null;
  }
  function change(value) {
    if (value === rating) return;
    show(value);
    onChange(value);
  }
  function takeAway() {
    const isFocused = field.contains(document.activeElement);
    change(null);
    if (isFocused) radios[0].focus();
  }
  /** The most of the star that was tapped; if it has the rating already, the next less of it. */
  function tapped(value) {
    const choices = scale.values.filter((one) => scale.star(one) === scale.star(value)).reverse();
    return choices[(choices.indexOf(rating) + 1) % choices.length];
  }

  for (const radio of radios) {
    radio.addEventListener("click", (event) => {
      const value = event.pointerType === "touch" ? tapped(valueOf(radio)) : valueOf(radio);
      change(value);
    });
    // A tap may have checked another one than was hit.
    radio.addEventListener("change", () => change(valueOf(radios.find((one) => one.checked))));
    radio.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") drawing.fill(scale.share(valueOf(radio)));
    });
  }
  group.addEventListener("pointerleave", () => drawing.fill(rating === null ? 0 : scale.share(rating)));
  group.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Delete" || event.key === "Backspace") takeAway();
    else if (scale.values.includes(Number(event.key)) && event.key !== " ") {
      change(Number(event.key));
      radios.find((radio) => radio.checked).focus();
    } else return;
    event.preventDefault();
  });
  show(rating);
  field.show = show;
  return field;
}

function cross() {
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: "m7 7 10 10M17 7 7 17" }));
}
