/** The dialog with the details of a film and similar films. The address names the film, so that it can be shared. */

import { addressedFilm, hashWithFilm, viewHash } from "./address.js";
import { part, request } from "./api.js";
import { button, byId, el } from "./dom.js";
import {
  averageText,
  counted,
  facts,
  poster,
  reasonLines,
  reviewsSummary,
  starsWithText,
  titleAndYear,
  titleButton,
} from "./films.js";
import { attempt } from "./notices.js";
import { leaveDialog } from "./undo.js";

const NUM_SIMILAR = 6;
const NUM_TAGS = 12;

export class Details {
  /** userView: its user rates films here. onMap: called with a film to show on the map. */
  constructor(userView, onMap) {
    this.userView = userView;
    this.onMap = onMap;
    this.path = [];
    this.isLeft = false;
    this.dialog = byId("details");
    this.dialog.addEventListener("close", () => this.closed());
    // The history entry of the dialog must not move the page on its way back.
    history.scrollRestoration = "manual";
    addEventListener("popstate", () => addressedFilm() === undefined && this.dialog.open && this.leave());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    document.addEventListener("open-film", ({ detail, target }) => this.open(detail.movie, target));
  }

  /** Opens a film. from: the element that opened it. Films opened inside the dialog form a path back. */
  open(movie, from) {
    if (!this.dialog.open) {
      this.from = from;
      this.path = [];
    }
    this.path.push(movie);
    this.show();
  }

  /** Opens the film that the address names, if any. */
  async follow() {
    const id = addressedFilm();
    if (id === undefined || (this.dialog.open && id === String(this.path.at(-1).movie_id))) return;
    const isFound = await attempt("film", async () => {
      const movie = await request(`v1/movies/${part(id)}`);
      if (addressedFilm() === id) this.open(movie, null);
    });
    if (!isFound) history.replaceState(null, "", viewHash());
  }

  show() {
    const movie = this.path.at(-1);
    const before = this.path.at(-2);
    const back = before && button(`← ${titleAndYear(before)}`, () => this.back(), { class: "button quiet" });
    const close = button("×", () => this.dialog.close(), { class: "button round", "aria-label": "Close" });
    const field = this.userView.user && this.userView.field(movie);
    const heading = this.userView.user?.isLocal ? "Your rating" : `As ${this.userView.user?.name}`;
    const [predicted, reasons] = [el("div", {}), el("div", { hidden: true })];
    const more = el("div", { class: "details-more" }, el("p", { class: "hint" }, "Loading …"));
    const name = el("h2", { id: "details-name", tabindex: "-1" }, titleAndYear(movie));
    byId("details-in").replaceChildren(
      ...[
        el("div", { class: "details-bar" }, back ?? el("span"), close),
        el("div", { class: "details-head" }, poster(movie), el("div", {}, name, facts(movie), predicted)),
        field && el("div", { class: "details-rate" }, el("h3", {}, heading), field),
        reasons,
        more,
      ].filter(Boolean),
    );
    const hash = hashWithFilm(movie);
    if (this.dialog.open) history.replaceState(history.state, "", hash);
    else {
      // An address that names the film already, as after a reload, is not a new entry of the history.
      if (location.hash !== hash) history.pushState({ isDetails: true }, "", hash);
      this.dialog.showModal();
    }
    this.dialog.scrollTop = 0;
    name.focus();
    this.fill(movie, more);
    this.predict(movie, predicted, reasons);
  }

  /** Shows the predicted rating of a film that the user has not rated, and the reasons for it. */
  async predict(movie, predicted, reasons) {
    const { userView } = this;
    const found = await userView.predicted(movie);
    if (!found) return;
    const { predicted_rating: rating } = found;
    if (rating !== null) predicted.append(starsWithText(userView.scale, rating, "predicted"));
    const lines = reasonLines(found.reasons, userView.user?.pronoun);
    reasons.hidden = !lines.length;
    reasons.append(el("h3", {}, "Why this film"), el("ul", { class: "reasons" }, lines));
  }

  async fill(movie, more) {
    const path = `v1/movies/${part(movie.movie_id)}`;
    const requests = [request(path), request(`${path}/similar`, { query: { k: NUM_SIMILAR } })];
    const [details, similar] = await Promise.allSettled(requests);
    if (details.status === "rejected") return more.replaceChildren(el("p", {}, details.reason.message));
    // A film without ratings in training has no similar films.
    const movies = similar.value?.movies ?? [];
    const reviews = details.value.reviews ? [reviewsSummary(details.value.reviews)] : [];
    const buttons = el(
      "div",
      { class: "details-buttons" },
      this.userView.watchlist.button(movie, "Watchlist"),
      this.toMap(movie),
      links(details.value),
    );
    more.replaceChildren(...this.ratingsAndTags(details.value), ...reviews, buttons, ...this.similar(movies));
  }

  ratingsAndTags({ num_ratings: count, mean_rating: mean, tags = [] }) {
    const average =
      mean === null
        ? el("p", {}, count ? `Watched by ${counted(count, "user")}.` : "No ratings yet.")
        : el("p", {}, averageText(mean, count));
    if (!tags.length) return [average];
    const items = tags.map((tag, n) =>
      el("li", { class: "tag", tabindex: n === NUM_TAGS ? "-1" : null, hidden: n >= NUM_TAGS }, tag),
    );
    const list = el("ul", { class: "chips tags", "aria-label": "Tags" }, items);
    const showAll = ({ target }) => {
      for (const item of items) item.hidden = false;
      items[NUM_TAGS].focus();
      target.remove();
    };
    const all = tags.length > NUM_TAGS && button(`Show all ${tags.length} tags`, showAll, { class: "button quiet" });
    return [average, list, all].filter(Boolean);
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
    return [el("h3", {}, "Similar films"), el("ul", { class: "films similar" }, cards)];
  }

  toMap(movie) {
    return button("Show on map", () => {
      this.from = null;
      this.dialog.close();
      this.onMap(movie);
    });
  }

  back() {
    this.path.pop();
    this.show();
  }

  /** Closes the dialog since the address no longer names a film, and so leaves the address as it is. */
  leave() {
    this.isLeft = true;
    this.dialog.close();
  }

  /** Returns the focus to what opened the dialog or, if it is gone, to the heading of the list. */
  closed() {
    const { isLeft } = this;
    this.isLeft = false;
    // The event comes late: by then the dialog may be open again.
    if (this.dialog.open) return;
    leaveDialog();
    if (!isLeft && history.state?.isDetails) history.back();
    else if (!isLeft && addressedFilm() !== undefined) history.replaceState(null, "", viewHash());
    byId("details-in").replaceChildren();
    if (!this.from) return;
    if (this.from.isConnected) this.from.focus();
    else byId("list-name").focus();
  }
}

/** Links to the film's pages at other sites, where the data has them. */
function links({ imdb_url: imdb, tmdb_url: tmdb }) {
  const known = [
    ["IMDb", imdb],
    ["TMDb", tmdb],
  ].filter(([, href]) => href);
  return known.map(([site, href]) =>
    el("a", { class: "button", href, target: "_blank", rel: "noopener noreferrer" }, `${site} ↗`),
  );
}
