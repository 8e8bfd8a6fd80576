/** The dialog with all that is known of a film, and films like it. */

import { part, request } from "./api.js";
import { button, byId, el } from "./dom.js";
import { counted, facts, poster, tellsReviews, tellsStars, titleAndYear, titleButton } from "./films.js";

const NUM_SIMILAR = 6;
const FIRST_TAGS = 12;

export class Details {
  /** desk: whose person rates here. onMap: called with a film that is to be shown on the map. */
  constructor(desk, onMap) {
    this.desk = desk;
    this.onMap = onMap;
    this.path = [];
    this.dialog = byId("details");
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    document.addEventListener("open-film", ({ detail, target }) => this.open(detail.movie, target, detail.isToRate));
  }

  /** Opens a film, from the element that asked for it; inside the dialog, one after another. */
  open(movie, from, isToRate = false) {
    if (!this.dialog.open) {
      this.from = from;
      this.path = [];
    }
    this.path.push(movie);
    this.show(isToRate);
  }

  show(isToRate = false) {
    const movie = this.path.at(-1);
    const before = this.path.at(-2);
    const back = before && button(`← ${titleAndYear(before)}`, () => this.back(), { class: "button quiet" });
    const close = button("×", () => this.dialog.close(), { class: "button round", "aria-label": "Close" });
    const field = this.desk.person && this.desk.field(movie);
    const who = this.desk.person?.isYou ? "Your rating" : `As ${this.desk.person?.name}`;
    const more = el("div", { class: "details-more" }, el("p", { class: "hint" }, "Looking it up …"));
    const name = el("h2", { id: "details-name", tabindex: "-1" }, titleAndYear(movie));
    byId("details-in").replaceChildren(
      ...[
        el("div", { class: "details-bar" }, back ?? el("span"), close),
        el("div", { class: "details-head" }, poster(movie), el("div", {}, name, facts({ ...movie, year: null }))),
        field && el("div", { class: "details-rate" }, el("h3", {}, who), field),
        more,
      ].filter(Boolean),
    );
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    const radio = field?.querySelector("input:checked") ?? field?.querySelector("input");
    (isToRate && radio ? radio : name).focus();
    this.fill(movie, more);
  }

  async fill(movie, more) {
    const path = `v1/movies/${part(movie.movie_id)}`;
    const asked = [request(path), request(`${path}/similar`, { query: { k: NUM_SIMILAR } })];
    const [whole, similar] = await Promise.allSettled(asked);
    if (whole.status === "rejected") return more.replaceChildren(el("p", {}, whole.reason.message));
    // None is known to be like a film that nobody has rated.
    const movies = similar.value?.movies ?? [];
    const reviews = whole.value.reviews ? [tellsReviews(whole.value.reviews)] : [];
    more.replaceChildren(...this.crowd(whole.value), ...reviews, ...this.similar(movies), this.toMap(movie));
  }

  crowd({ num_ratings: count, mean_rating: mean, tags = [] }) {
    const told =
      mean === null
        ? el("p", {}, "Nobody has rated it yet.")
        : tellsStars(this.desk.scale, mean, `on average of ${counted(count, "rating")}`);
    if (!tags.length) return [told];
    const items = tags.map((tag, n) =>
      el("li", { class: "tag", tabindex: n === FIRST_TAGS ? "-1" : null, hidden: n >= FIRST_TAGS }, tag),
    );
    const list = el("ul", { class: "chips tags", "aria-label": "Tags" }, items);
    const showAll = ({ target }) => {
      for (const item of items) item.hidden = false;
      items[FIRST_TAGS].focus();
      target.remove();
    };
    const all = tags.length > FIRST_TAGS && button(`Show all ${tags.length} tags`, showAll, { class: "button quiet" });
    return [told, list, all].filter(Boolean);
  }

  similar(movies) {
    if (!movies.length) return [];
    const cards = movies.map((movie) =>
      el(
        "li",
        { class: "film row small" },
        poster(movie),
        el("div", { class: "film-text" }, titleButton(movie), facts(movie)),
      ),
    );
    return [el("h3", {}, "Films like it"), el("ul", { class: "films similar" }, cards)];
  }

  toMap(movie) {
    return button("Show it on the map", () => {
      this.from = null;
      this.dialog.close();
      this.onMap(movie);
    });
  }

  back() {
    this.path.pop();
    this.show();
  }

  /** The focus goes back to what opened the dialog or, where the list has changed since, to the same film or list. */
  closed() {
    byId("details-in").replaceChildren();
    if (!this.from) return;
    if (this.from.isConnected) this.from.focus();
    else byId("list-name").focus();
  }
}
