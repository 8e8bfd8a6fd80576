/** The view of one user: films to rate on one side, their recommendations on the other. */

import { request } from "./api.js";
import { Browse } from "./browse.js";
import { filmCard, filmRow } from "./cards.js";
import { button, byId, debounced, isStill, keepInPlace, say, showList } from "./dom.js";
import { exportRatings } from "./export.js";
import { counted, keyOf, titleAndYear } from "./films.js";
import { Filters } from "./filters.js";
import { attempt, notice } from "./notices.js";
import { starsField, starsText } from "./stars.js";
import { dismissUndo, offerUndo } from "./undo.js";
import { Watchlist } from "./watchlist.js";

const NUM_FOUND = 8;
// As many as the server returns for a search.
const MAX_FOUND = 100;
const NUM_RATED = 10;
const NUM_LISTED = 12;
// A second tap on a star of a card gives half of it, so the card stays that long.
const SECOND_TAP_MS = 1500;

export class UserView {
  /** model: from the server; scale: its rating scale. */
  constructor(model, scale) {
    this.model = model;
    this.scale = scale;
    this.user = null;
    this.list = [];
    this.fields = new Set();
    this.watchlist = new Watchlist((movie) => filmRow(movie, this.field(movie), this.watchlist.button(movie)));
    this.filters = new Filters(model, () => this.refresh((this.numListed = NUM_LISTED)));
    this.browse = new Browse(model, () => this.search((this.numFound = NUM_FOUND)));
    const search = debounced(() => this.search((this.numFound = NUM_FOUND)), 200);
    byId("search").addEventListener("input", search);
    byId("search-form").addEventListener("submit", (event) => event.preventDefault());
    byId("found-more").addEventListener("click", () => this.search((this.numFound += NUM_FOUND)));
    byId("rated-more").addEventListener("click", () => this.showRated((this.numRated += 3 * NUM_RATED)));
    byId("list-more").addEventListener("click", () => this.refresh((this.numListed += NUM_LISTED)));
    byId("clear").addEventListener("click", () => this.clearRatings());
    byId("export").addEventListener("click", () => exportRatings(this.user));
    this.refreshSoon = debounced(() => this.refresh(), 150);
    this.refreshLater = debounced(() => this.refresh(), SECOND_TAP_MS);
  }

  /** Shows a user; null: nobody is chosen yet. */
  async show(user) {
    if (user === this.user) return;
    this.user = user;
    dismissUndo();
    [this.numFound, this.numRated, this.numListed] = [NUM_FOUND, NUM_RATED, NUM_LISTED];
    this.list = [];
    byId("search").value = "";
    this.browse.reset();
    for (const id of ["found", "rated", "list", "hidden"]) byId(id).replaceChildren();
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
    this.showRatings();
    await Promise.all([this.search(), this.refresh()]);
  }

  /** A field of stars for the current user, which follows ratings given anywhere on the page. */
  field(movie) {
    const field = starsField(this.scale, titleAndYear(movie), (rating, pointer) =>
      this.rate(movie, rating, field, pointer),
    );
    field.movie = movie;
    this.fields.add(field);
    this.showField(field);
    return field;
  }

  showField(field) {
    const rating = this.user?.ratings.get(keyOf(field.movie))?.rating ?? null;
    field.show(rating, Boolean(this.user?.canRemove(field.movie)));
  }

  async rate(movie, rating, field, pointer) {
    const { user } = this;
    const takeBack = user.undo(movie);
    const change = rating === null ? user.removeRating(movie) : user.rate(movie, rating);
    keepInPlace(field, () => this.showRatings());
    const done =
      rating === null ? `Rating of ${titleAndYear(movie)} removed.` : `${titleAndYear(movie)}: ${starsText(rating)}.`;
    this.offerUndo(done, user, takeBack, keyOf(movie));
    if (user.isLocal) this.refreshAfter(field, pointer);
    const isSaved = await attempt("rating", () => change);
    if (user !== this.user) return;
    if (!isSaved && rating !== null) await attempt("user", () => user.load());
    keepInPlace(field, () => this.showRatings());
    if (!user.isLocal) this.refreshAfter(field, pointer);
  }

  /** Sets whether a film may be recommended. */
  async setInterest(movie, isInterested) {
    const { user } = this;
    const takeBack = user.undo(movie);
    const change = user.setInterest(movie, isInterested);
    const text = isInterested ? "may be recommended again" : "will not be recommended again";
    this.offerUndo(`${titleAndYear(movie)} ${text}.`, user, takeBack);
    await this.apply(user, change);
  }

  offerUndo(text, user, takeBack, key = null) {
    offerUndo(text, () => this.apply(user, takeBack()), key);
  }

  /** Shows a change that a user has made, once it is saved. */
  async apply(user, change) {
    if (user === this.user) this.showRatings();
    const isSaved = await attempt("rating", () => change);
    if (!isSaved) await attempt("user", () => user.load());
    if (user !== this.user) return;
    this.showRatings();
    await this.refresh();
  }

  /** Requests the list after a rating. A card that is being rated leaves it only once its stars have settled. */
  refreshAfter(field, pointer) {
    if (field.closest("#list") && pointer === "touch") return this.refreshLater();
    if (pointer || !field.closest("#list") || !field.contains(document.activeElement)) return this.refreshSoon();
    const leave = ({ relatedTarget }) => {
      if (field.contains(relatedTarget)) return;
      field.removeEventListener("focusout", leave);
      this.refreshSoon();
    };
    field.addEventListener("focusout", leave);
  }

  /** Updates every field of stars and the list of ratings. */
  showRatings() {
    for (const field of this.fields) {
      if (!field.isConnected) this.fields.delete(field);
      else this.showField(field);
    }
    this.showRated();
    this.showHidden();
  }

  clearRatings() {
    const { user } = this;
    const takeBack = user.undo();
    user.clearRatings();
    this.offerUndo("Your ratings were cleared.", user, takeBack);
    this.showRatings();
    byId("import-result").hidden = true;
    byId("rate-name").focus();
    this.search();
    this.refresh();
  }

  async search() {
    const query = byId("search").value.trim();
    const browsed = this.browse.description();
    const hasSearch = query !== "" || browsed !== "" || this.user?.isLocal || this.user?.isNew;
    this.searching?.abort();
    byId("found-part").hidden = !hasSearch;
    if (!hasSearch) return;
    const { signal } = (this.searching = new AbortController());
    await attempt(
      "search",
      async () => {
        const skipped = query || browsed ? new Map() : this.user.ratings;
        const movies = await this.found(query, skipped, signal);
        byId("found-part").hidden = !(query || browsed || movies.length);
        const found = query
          ? `${movies.length ? "Results" : "No results"} for “${query}”`
          : movies.length
            ? "Films"
            : "No films";
        byId("found-name").textContent =
          query || browsed ? [found, browsed].filter(Boolean).join(": ") : "Popular films";
        showList(byId("found"), movies, keyOf, (movie) => filmRow(movie, this.field(movie)));
        byId("found-more").hidden = movies.length < this.numFound || this.numFound >= MAX_FOUND;
        if (query || browsed) say(movies.length ? `${counted(movies.length, "film")} found.` : "No films found.");
      },
      () => this.search(),
    );
  }

  /** Returns films by query and choices, without those whose keys are skipped. */
  async found(query, skipped, signal) {
    const k = Math.min(this.numFound + skipped.size, MAX_FOUND);
    const options = { query: query || null, k, ...this.browse.values() };
    const { movies } = await request("v1/movies", { query: options, signal });
    return movies.filter((movie) => !skipped.has(keyOf(movie))).slice(0, this.numFound);
  }

  showRated() {
    const { user } = this;
    const ratings = user.shownRatings();
    const hasFocus = byId("rated").contains(document.activeElement);
    const watched = user.watched.size ? ` ${counted(user.watched.size, "film")} watched without a rating.` : "";
    byId("rated-part").hidden = !ratings.length && !user.watched.size;
    byId("rate-name").textContent = user.isLocal ? "Rate films" : `Rate films as ${user.name}`;
    byId("clear").hidden = byId("import").hidden = !user.isLocal;
    byId("export").hidden = !ratings.length;
    byId("rated-name").textContent = user.isLocal ? `Your ratings (${ratings.length})` : `Ratings of ${user.name}`;
    byId("rated-hint").textContent = user.isLocal
      ? `Stored in this browser only.${watched}`
      : `${counted(user.numRatings, "rating")}, best first. Changes take effect instantly.${watched}`;
    byId("jump-rated").textContent = user.isLocal && ratings.length ? `(${ratings.length})` : "";
    showList(
      byId("rated"),
      ratings.slice(0, this.numRated),
      ({ movie }) => keyOf(movie),
      ({ movie }) => filmRow(movie, this.field(movie)),
    );
    byId("rated-more").hidden = ratings.length <= this.numRated;
    // The row with the focus may have been removed.
    if (hasFocus && document.activeElement === document.body) byId(ratings.length ? "rated-name" : "rate-name").focus();
    this.onChange?.();
  }

  /** Shows the films that the user is not interested in. */
  showHidden() {
    const films = [...this.user.notInterested.values()];
    const hasFocus = byId("hidden").contains(document.activeElement);
    byId("hidden-part").hidden = !films.length;
    byId("hidden-name").textContent = `Not interested (${films.length})`;
    showList(byId("hidden"), films, keyOf, (movie) => {
      const label = `Recommend ${titleAndYear(movie)} again`;
      return filmRow(
        movie,
        button("Recommend again", () => this.setInterest(movie, true), { class: "button quiet", "aria-label": label }),
      );
    });
    if (hasFocus && document.activeElement === document.body) byId(films.length ? "hidden-name" : "rate-name").focus();
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
        this.showList();
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

  showList() {
    const { user, list } = this;
    const cards = byId("list");
    const focused = [...cards.children].findIndex((card) => card.contains(document.activeElement));
    const make = (movie) =>
      filmCard(movie, this.field(movie), this.watchlist.button(movie), () => this.setInterest(movie, false));
    showList(cards, list, keyOf, make, (card, movie) => card.show(movie, list.indexOf(movie) + 1, user.pronoun));
    // The card with the focus may have left the list.
    if (focused >= 0 && document.activeElement === document.body) {
      (cards.children[Math.min(focused, list.length - 1)]?.querySelector(".title") ?? byId("list-name")).focus();
    }
    const isFiltered = this.filters.descriptions().length > 0;
    byId("list-empty").hidden = list.length > 0;
    byId("list-empty").textContent = user.isNew
      ? user.message
      : isFiltered
        ? "No films match these filters. Widen or clear them."
        : "No films to recommend.";
    byId("list-more").hidden = list.length < this.numListed || this.numListed >= this.model.limits.k;
    byId("list-name").textContent =
      user.isLocal && !user.ratings.size && !user.watched.size ? "Most liked" : "Recommended";
    if (list.length) say(`List updated: ${counted(list.length, "film")}, first ${titleAndYear(list[0])}.`);
    else say(user.isNew ? user.message : "List updated: no films.");
  }

  /** A film as a list has it, with its predicted rating and reasons; null if the user has rated it, or none are known. */
  async predicted(movie) {
    const { user } = this;
    if (!user || user.isNew || user.ratings.has(keyOf(movie))) return null;
    const listed = this.list.find((one) => keyOf(one) === keyOf(movie));
    if (listed) return listed;
    const options = { movies: [movie.movie_id], include_seen: true, k: 1 };
    const [found = null] = await user.recommendations(options).catch(() => []);
    return found;
  }

  /** Goes to a heading, on screens too narrow for two columns. */
  jump(id) {
    byId(id).focus({ preventScroll: true });
    byId(id).scrollIntoView({ behavior: isStill() ? "auto" : "smooth", block: "start" });
  }
}
