/** The choices of genre, decade and order by which films are browsed. */

import { byId, el } from "./dom.js";

const SORTS = [
  ["", "Popular"],
  ["rating", "Best rated"],
  ["newest", "Newest"],
  ["oldest", "Oldest"],
  ["title", "A to Z"],
];

export class Browse {
  /** model: from the server; its genres and years are offered. onChange: called after each choice. */
  constructor({ genres, years }, onChange) {
    const fill = (id, choices) =>
      byId(id).replaceChildren(...choices.map(([value, text]) => el("option", { value }, text)));
    fill("browse-genre", [["", "All genres"], ...genres.map((genre) => [genre, genre])]);
    fill("browse-decade", [["", "All years"], ...decades(years).map((decade) => [decade, `${decade}s`])]);
    fill("browse-sort", SORTS);
    byId("browse-genre").hidden = !genres.length;
    byId("browse-decade").hidden = !years;
    byId("browse").addEventListener("change", onChange);
  }

  reset() {
    for (const select of byId("browse").querySelectorAll("select")) select.value = "";
  }

  /** The choices, named as in the API; null where nothing is chosen. */
  values() {
    const [genres, decade, sort] = ["genre", "decade", "sort"].map((name) => byId(`browse-${name}`).value || null);
    return { genres, year_from: decade, year_to: decade && Number(decade) + 9, sort };
  }

  /** The choices in words, empty without any. */
  description() {
    const chosen = [...byId("browse").querySelectorAll("select")].filter(({ value }) => value);
    return chosen.map(({ selectedOptions: [option] }) => option.textContent).join(", ");
  }
}

/** The decades of the years, the latest first. */
function decades(years) {
  if (!years) return [];
  const [first, last] = years.map((year) => Math.floor(year / 10));
  return Array.from({ length: last - first + 1 }, (_, n) => 10 * (last - n));
}
