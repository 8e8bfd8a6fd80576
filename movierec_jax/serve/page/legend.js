/** The legends of the map: what is marked, and the families of genres. */

import { button, byId, el, svg } from "./dom.js";
import { FAMILIES, paintedAs } from "./films.js";
import { STAR } from "./stars.js";

/** Shows what the marks on films mean. name: of the user; rated, listed: keys of films. */
export function showMarks({ name, rated, listed }) {
  const mark = (kind, shape) => svg("svg", { viewBox: "0 0 24 24", class: kind, "aria-hidden": "true" }, shape);
  byId("marks").replaceChildren(
    el("span", {}, mark("mark-star", svg("path", { d: STAR })), `rated by ${name} (${rated.size})`),
    el(
      "span",
      {},
      mark("mark-ring", svg("circle", { cx: 12, cy: 12, r: 8 })),
      `recommended for ${name} (${listed.size})`,
    ),
  );
}

/** Shows the families of genres that the films have. onChoose: called with the one to show alone, null for all. */
export function showFamilies(films, onChoose) {
  const countOf = (family) => films.filter((film) => film.family === family).length;
  const found = [...FAMILIES.keys()].filter(countOf);
  const chips = found.map((family) => {
    const label = [el("span", { class: "genre" }, family), el("span", { class: "hint" }, String(countOf(family)))];
    return paintedAs(
      button(label, () => choose(family), { class: "chip", "aria-pressed": "false" }),
      family,
    );
  });
  let chosen = null;
  const choose = (family) => {
    chosen = chosen === family ? null : family;
    for (const [n, chip] of chips.entries()) chip.setAttribute("aria-pressed", found[n] === chosen);
    onChoose(chosen);
  };
  byId("legend").replaceChildren(...chips.map((chip) => el("li", {}, chip)));
}
