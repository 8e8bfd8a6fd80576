/** The watchlist: films kept in this browser, whoever the current user is. */

import { saveJson, savedJson } from "./api.js";
import { button, byId, showList, svg } from "./dom.js";
import { counted, keyOf, plainFilm, titleAndYear } from "./films.js";
import { offerUndo } from "./undo.js";

const KEY = "movierec watchlist";

export class Watchlist {
  /** row: returns the row of a film. */
  constructor(row) {
    this.row = row;
    this.buttons = new Set();
    this.read();
  }

  read() {
    this.films = new Map(
      savedJson(KEY)
        .filter((movie) => movie?.movie_id !== undefined)
        .map((movie) => [keyOf(movie), movie]),
    );
  }

  /** A button that adds a film, or removes it. text: beside its icon. */
  button(movie, text = null) {
    const icon = svg(
      "svg",
      { viewBox: "0 0 24 24", "aria-hidden": "true" },
      svg("path", { d: "M7 4h10v16l-5-4-5 4z" }),
    );
    const label = `Watchlist: ${titleAndYear(movie)}`;
    const properties = { class: text ? "button bookmark" : "icon bookmark", "aria-label": label, title: "Watchlist" };
    const toggle = button([icon, text].filter(Boolean), () => this.toggle(movie), properties);
    toggle.movie = movie;
    this.buttons.add(toggle);
    this.showButton(toggle);
    return toggle;
  }

  showButton(toggle) {
    toggle.setAttribute("aria-pressed", this.films.has(keyOf(toggle.movie)));
  }

  toggle(movie) {
    const before = new Map(this.films);
    const isAdded = !this.films.delete(keyOf(movie));
    if (isAdded) this.films = new Map([[keyOf(movie), plainFilm(movie)], ...this.films]);
    this.save();
    offerUndo(`${titleAndYear(movie)} ${isAdded ? "is on" : "is no longer on"} your watchlist.`, () => {
      this.films = before;
      this.save();
    });
  }

  save() {
    saveJson(KEY, this.films);
    this.show();
  }

  /** Updates the buttons and the list. */
  show() {
    for (const toggle of this.buttons) {
      if (toggle.isConnected) this.showButton(toggle);
      else this.buttons.delete(toggle);
    }
    const list = byId("watchlist-films");
    const hadFocus = list.contains(document.activeElement);
    showList(list, [...this.films.values()], keyOf, this.row);
    byId("watchlist-lead").textContent = this.films.size
      ? `${counted(this.films.size, "film")}, stored in this browser only.`
      : "No films yet. Add films with the bookmark on their cards.";
    if (hadFocus && document.activeElement === document.body) byId("watchlist-name").focus();
  }
}
