/** The form that filters recommendations. */

import { byId, debounced, el } from "./dom.js";
import { painted } from "./films.js";

const CHANGE_DELAY_MS = 200;

export class Filters {
  /** model: from the server; its genres, aspects and years are offered. onChange: called after each change. */
  constructor(model, onChange) {
    this.model = model;
    this.addFields();
    const changed = debounced(onChange, CHANGE_DELAY_MS);
    const form = byId("filter-form");
    form.addEventListener("input", () => (this.showSummary(), changed()));
    form.addEventListener("submit", (event) => event.preventDefault());
    // Fields are cleared after the event.
    form.addEventListener("reset", () => setTimeout(() => (this.showSummary(), changed())));
    this.showSummary();
  }

  addFields() {
    const { genres, praised, years } = this.model;
    const chip = (name, value, ...label) =>
      el("label", { class: "chip" }, el("input", { type: "checkbox", name, value }), ...label);
    byId("genres").append(
      ...genres.map((genre) => painted(chip("genre", genre, el("span", { class: "genre" }, genre)), genre)),
    );
    byId("praised").append(...praised.map((aspect) => chip("praised", aspect, aspect)));
    for (const id of ["genres", "praised"]) byId(id).closest("fieldset").hidden = !this.model[id].length;
    document.querySelector(".years").hidden = !years;
    if (!years) return;
    const [min, max] = years;
    Object.assign(byId("year-from"), { placeholder: min, min, max });
    Object.assign(byId("year-to"), { placeholder: max, min, max });
  }

  /** The filters that are set, named as in the API. */
  values() {
    const year = (id) => byId(id).valueAsNumber || null;
    const checked = (id) => {
      const values = [...byId(id).querySelectorAll(":checked")].map(({ value }) => value);
      return values.length ? values : null;
    };
    const filters = {
      genres: checked("genres"),
      praised: checked("praised"),
      year_from: year("year-from"),
      year_to: year("year-to"),
      diversity: byId("variety").valueAsNumber,
    };
    return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== null));
  }

  /** The filters that exclude films, in words. */
  descriptions() {
    const { genres = [], praised = [], year_from: from, year_to: to } = this.values();
    const years = from || to ? [from && to ? `${from} to ${to}` : from ? `from ${from}` : `to ${to}`] : [];
    return [...genres, ...praised.map((aspect) => `praised for ${aspect}`), ...years];
  }

  showSummary() {
    const variety = byId("variety").valueAsNumber;
    const parts = [...this.descriptions(), ...(variety ? [`variety ${variety}`] : [])];
    byId("filters-now").textContent = parts.length ? parts.join(", ") : "none";
    byId("variety").setAttribute("aria-valuetext", variety ? `${variety} of 0.8` : "none, best matches");
  }
}
