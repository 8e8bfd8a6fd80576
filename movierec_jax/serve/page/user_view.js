/** The view of one user: films to rate on one side, their recommendations on the other. */

import { request } from "./api.js";
import { button, byId, debounced, el, isStill, openFilm, say, showList } from "./dom.js";
import {
  averageText,
  counted,
  facts,
  keyOf,
  poster,
  reasonLines,
  starsWithText,
  titleAndYear,
  titleButton,
  titleOf,
} from "./films.js";
import { Filters } from "./filters.js";
import { attempt, notice } from "./notices.js";
import { starsField } from "./stars.js";

const NUM_FOUND = 8;
const NUM_RATED = 10;
const NUM_LISTED = 12;

export class UserView {
  /** model: from the server; scale: its rating scale. */
  constructor(model, scale) {
    this.model = model;
    this.scale = scale;
    this.user = null;
    this.list = [];
    this.fields = new Set();
    this.filters = new Filters(model, () => this.refresh((this.numListed = NUM_LISTED)));
    const search = debounced(() => this.search(), 200);
    byId("search").addEventListener("input", () => {
      this.numFound = NUM_FOUND;
      search();
    });
    byId("search-form").addEventListener("submit", (event) => event.preventDefault());
    byId("found-more").addEventListener("click", () => this.search((this.numFound += NUM_FOUND)));
    byId("rated-more").addEventListener("click", () => this.showRated((this.numRated += 3 * NUM_RATED)));
    byId("list-more").addEventListener("click", () => this.refresh((this.numListed += NUM_LISTED)));
    byId("clear").addEventListener("click", () => this.clearRatings());
    this.refreshSoon = debounced(() => this.refresh(), 150);
  }

  /** Shows a user; null: nobody is chosen yet. */
  async show(user) {
    if (user === this.user) return;
    this.user = user;
    [this.numFound, this.numRated, this.numListed] = [NUM_FOUND, NUM_RATED, NUM_LISTED];
    this.list = [];
    byId("search").value = "";
    for (const id of ["found", "rated", "list"]) byId(id).replaceChildren();
    byId("columns").hidden = user === null;
    byId("jump").hidden = user === null;
    for (const name of ["list", "user", "rating", "search"]) notice(name);
    if (user === null) return;
    const isLoaded = await attempt(
      "user",
      () => user.load(),
      () => {
        this.user = null;
        this.show(user);
      },
    );
    if (user !== this.user) return;
    byId("columns").hidden = byId("jump").hidden = !isLoaded;
    if (!isLoaded) return;
    this.showRated();
    await Promise.all([this.search(), this.refresh()]);
  }

  rating(movie) {
    return this.user?.ratings.get(keyOf(movie))?.rating ?? null;
  }

  /** A field of stars for the current user, which follows ratings given anywhere on the page. */
  field(movie) {
    const field = starsField(this.scale, titleOf(movie), this.rating(movie), (rating) => this.rate(movie, rating));
    field.movie = movie;
    this.fields.add(field);
    return field;
  }

  async rate(movie, rating) {
    const user = this.user;
    const change = rating === null ? user.removeRating(movie) : user.rate(movie, rating);
    this.showRatings();
    if (user.isLocal) this.refreshSoon();
    const isSaved = await attempt("rating", () => change);
    if (user !== this.user) return;
    if (!isSaved && rating !== null) await attempt("user", () => user.load());
    this.showRatings();
    if (!user.isLocal) this.refreshSoon();
  }

  /** Updates every field of stars and the list of ratings. */
  showRatings() {
    for (const field of this.fields) {
      if (!field.isConnected) this.fields.delete(field);
      else field.show(this.rating(field.movie));
    }
    this.showRated();
  }

  clearRatings() {
    this.user.clearRatings();
    this.showRatings();
    say("Your ratings were cleared.");
    byId("rate-name").focus();
    this.refresh();
  }

  async search() {
    const query = byId("search").value.trim();
    const hasSearch = query !== "" || this.user?.isLocal;
    this.searching?.abort();
    byId("found-part").hidden = !hasSearch;
    if (!hasSearch) return;
    const { signal } = (this.searching = new AbortController());
    await attempt(
      "search",
      async () => {
        const { movies } = await request("v1/movies", {
          query: { query: query || null, limit: this.numFound },
          signal,
        });
        byId("found-name").textContent = query ? `Results for “${query}”` : "Popular films";
        showList(byId("found"), movies, keyOf, (movie) => this.row(movie));
        byId("found-more").hidden = movies.length < this.numFound || this.numFound >= this.model.limits.k;
        if (query) say(movies.length ? `${counted(movies.length, "film")} found.` : "No films found.");
        if (!movies.length) byId("found-name").textContent = `No results for “${query}”`;
      },
      () => this.search(),
    );
  }

  row(movie) {
    const { mean_rating: mean, num_ratings: numRatings } = movie;
    const hasMean = mean !== undefined && mean !== null;
    const average = hasMean ? el("span", { class: "average" }, averageText(mean, numRatings)) : null;
    const text = el("div", { class: "film-text" }, titleButton(movie), facts(movie), average);
    return el("li", { class: "film row" }, poster(movie), text, this.field(movie));
  }

  showRated() {
    const { user } = this;
    const ratings = user.shownRatings();
    const hasFocus = byId("rated").contains(document.activeElement);
    byId("rated-part").hidden = !ratings.length && !user.watched?.size;
    byId("rate-name").textContent = user.isLocal ? "Rate films" : `Rate films as ${user.name}`;
    byId("clear").hidden = byId("import-part").hidden = !user.isLocal;
    byId("rated-name").textContent = user.isLocal ? `Your ratings (${ratings.length})` : `Ratings of ${user.name}`;
    byId("rated-hint").textContent = user.isLocal
      ? `Stored in this browser only.${user.watched.size ? ` ${counted(user.watched.size, "film")} watched without a rating.` : ""}`
      : `${counted(user.numRatings, "rating")}, best first. Changes take effect instantly.`;
    byId("jump-rated").textContent = user.isLocal && ratings.length ? `(${ratings.length})` : "";
    showList(
      byId("rated"),
      ratings.slice(0, this.numRated),
      ({ movie }) => keyOf(movie),
      ({ movie }) => this.row(movie),
    );
    byId("rated-more").hidden = ratings.length <= this.numRated;
    // The row with the focus may have been removed.
    if (hasFocus && document.activeElement === document.body) byId(ratings.length ? "rated-name" : "rate-name").focus();
    this.onChange?.();
  }

  /** Requests the list again, and cancels an earlier request. */
  async refresh() {
    const { user } = this;
    if (!user) return;
    this.requesting?.abort();
    const { signal } = (this.requesting = new AbortController());
    byId("list").setAttribute("aria-busy", "true");
    await attempt(
      "list",
      async () => {
        this.list = await this.recommendations(signal);
        showList(
          byId("list"),
          this.list,
          keyOf,
          (movie) => this.card(movie),
          (card, movie) => this.updateCard(card, movie),
        );
        this.showListState();
        this.onChange?.();
      },
      () => this.refresh(),
    );
    if (!signal.aborted) byId("list").removeAttribute("aria-busy");
  }

  async recommendations(signal) {
    const { limits, num_movies: numMovies } = this.model;
    const options = { k: Math.min(this.numListed, limits.k, numMovies), ...this.filters.values() };
    return options.year_from > options.year_to ? [] : this.user.recommendations(options, signal);
  }

  showListState() {
    const { user, list } = this;
    const isFiltered = this.filters.descriptions().length > 0;
    byId("list-empty").hidden = list.length > 0;
    byId("list-empty").textContent = isFiltered
      ? "No films match these filters. Widen or clear them."
      : "No films to recommend.";
    byId("list-more").hidden = list.length < this.numListed || this.numListed >= this.model.limits.k;
    byId("list-name").textContent = user.isLocal && !user.ratings.size && !user.watched.size ? "Most liked" : "Recommended";
    if (list.length) say(`List updated: ${counted(list.length, "film")}, first ${titleAndYear(list[0])}.`);
    else say("List updated: no films.");
  }

  card(movie) {
    const seen = button("Seen it?", ({ target }) => openFilm(target, movie, true), {
      class: "button quiet seen",
      "aria-label": `Seen it? Rate ${titleOf(movie)}`,
      "aria-haspopup": "dialog",
    });
    return el(
      "li",
      { class: "film card" },
      el("span", { class: "rank" }),
      poster(movie),
      el(
        "div",
        { class: "film-text" },
        titleButton(movie),
        facts(movie),
        el("div", { class: "predicted" }),
        el("ul", { class: "reasons" }),
      ),
      seen,
    );
  }

  updateCard(card, movie) {
    const rank = this.list.indexOf(movie) + 1;
    card.querySelector(".rank").textContent = rank;
    // A model that has learnt from no ratings predicts none.
    const { predicted_rating: stars } = movie;
    const predicted = stars === null ? [] : [starsWithText(this.scale, stars, "predicted")];
    card.querySelector(".predicted").replaceChildren(...predicted);
    const lines = reasonLines(movie.reasons, this.user.pronoun);
    card.querySelector(".reasons").replaceChildren(...lines);
    card.querySelector(".reasons").hidden = !lines.length;
  }

  /** Goes to a heading, on screens too narrow for two columns. */
  jump(id) {
    byId(id).focus({ preventScroll: true });
    byId(id).scrollIntoView({ behavior: isStill() ? "auto" : "smooth", block: "start" });
  }
}
