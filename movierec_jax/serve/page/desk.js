/** The desk: films to rate on one side, what is recommended for it on the other. */

import { request } from "./api.js";
import { button, byId, debounced, el, isStill, openFilm, say, showList } from "./dom.js";
import {
  counted,
  facts,
  keyOf,
  number,
  painted,
  poster,
  reasonLines,
  tellsStars,
  titleAndYear,
  titleButton,
  titleOf,
} from "./films.js";
import { attempt, notice } from "./notices.js";
import { starsField } from "./stars.js";

const FIRST_FOUND = 8;
const FIRST_RATED = 10;
const FIRST_LISTED = 12;

export class Desk {
  /** model: what the server says of its model; scale: its stars. */
  constructor(model, scale) {
    this.model = model;
    this.scale = scale;
    this.person = null;
    this.list = [];
    this.fields = new Set();
    this.layFilters();
    const search = debounced(() => this.search(), 200);
    byId("search").addEventListener("input", () => {
      this.numFound = FIRST_FOUND;
      search();
    });
    byId("search-form").addEventListener("submit", (event) => event.preventDefault());
    byId("found-more").addEventListener("click", () => this.search((this.numFound += FIRST_FOUND)));
    byId("rated-more").addEventListener("click", () => this.showRated((this.numRated += 3 * FIRST_RATED)));
    byId("list-more").addEventListener("click", () => this.refresh((this.numListed += FIRST_LISTED)));
    byId("forget").addEventListener("click", () => this.forget());
    this.refreshSoon = debounced(() => this.refresh(), 150);
  }

  /** Whose desk it is from now on; null where nobody is chosen yet. */
  async show(person) {
    if (person === this.person) return;
    this.person = person;
    [this.numFound, this.numRated, this.numListed] = [FIRST_FOUND, FIRST_RATED, FIRST_LISTED];
    this.list = [];
    byId("search").value = "";
    for (const id of ["found", "rated", "list"]) byId(id).replaceChildren();
    byId("columns").hidden = person === null;
    byId("jump").hidden = person === null;
    for (const name of ["list", "person", "rating", "search"]) notice(name);
    if (person === null) return;
    const isHere = await attempt(
      "person",
      () => person.load(),
      () => {
        this.person = null;
        this.show(person);
      },
    );
    if (person !== this.person) return;
    byId("columns").hidden = byId("jump").hidden = !isHere;
    if (!isHere) return;
    this.showRated();
    await Promise.all([this.search(), this.refresh()]);
  }

  rating(movie) {
    return this.person?.ratings.get(keyOf(movie))?.rating ?? null;
  }

  /** A field of stars for the person of the desk, which follows the ratings given anywhere on the page. */
  field(movie) {
    const field = starsField(this.scale, titleOf(movie), this.rating(movie), (rating) => this.rate(movie, rating));
    field.movie = movie;
    this.fields.add(field);
    return field;
  }

  async rate(movie, rating) {
    const person = this.person;
    const change = rating === null ? person.remove(movie) : person.rate(movie, rating);
    this.follow();
    if (person.isYou) this.refreshSoon();
    const isDone = await attempt("rating", () => change);
    if (person !== this.person) return;
    if (!isDone && rating !== null) await attempt("person", () => person.load());
    this.follow();
    if (!person.isYou) this.refreshSoon();
  }

  /** Brings every field of stars, and the list of ratings, up to date. */
  follow() {
    for (const field of this.fields) {
      if (!field.isConnected) this.fields.delete(field);
      else field.show(this.rating(field.movie));
    }
    this.showRated();
  }

  forget() {
    this.person.forget();
    this.follow();
    say("Your ratings are forgotten.");
    byId("rate-name").focus();
    this.refresh();
  }

  async search() {
    const query = byId("search").value.trim();
    const isAsked = query !== "" || this.person?.isYou;
    this.searching?.abort();
    byId("found-part").hidden = !isAsked;
    if (!isAsked) return;
    const { signal } = (this.searching = new AbortController());
    await attempt(
      "search",
      async () => {
        const { movies } = await request("v1/movies", {
          query: { query: query || null, limit: this.numFound },
          signal,
        });
        byId("found-name").textContent = query ? `Films like “${query}”` : "Known to many";
        showList(byId("found"), movies, keyOf, (movie) => this.row(movie));
        byId("found-more").hidden = movies.length < this.numFound || this.numFound >= this.model.limits.k;
        if (query) say(movies.length ? `${counted(movies.length, "film")} found.` : "No film found.");
        if (!movies.length) byId("found-name").textContent = `No film like “${query}”`;
      },
      () => this.search(),
    );
  }

  row(movie) {
    const mean = movie.mean_rating;
    const crowd =
      mean === undefined || mean === null
        ? null
        : el("span", { class: "crowd" }, `${mean.toFixed(1)} on average, ${number(movie.num_ratings)} rated`);
    const text = el("div", { class: "film-text" }, titleButton(movie), facts(movie), crowd);
    return el("li", { class: "film row" }, poster(movie), text, this.field(movie));
  }

  showRated() {
    const { person } = this;
    const shown = person.shown();
    const isFocused = byId("rated").contains(document.activeElement);
    byId("rated-part").hidden = !shown.length;
    byId("rate-name").textContent = person.isYou ? "Rate films" : `Rate films as ${person.name}`;
    byId("forget").hidden = !person.isYou;
    byId("rated-name").textContent = person.isYou ? `Your ratings (${shown.length})` : `Ratings of ${person.name}`;
    byId("rated-hint").textContent = person.isYou
      ? "Kept in this browser alone."
      : `${counted(person.numRatings, "rating")}, best first. Those that you change or add count at once.`;
    byId("jump-rated").textContent = person.isYou && shown.length ? `(${shown.length})` : "";
    showList(
      byId("rated"),
      shown.slice(0, this.numRated),
      ({ movie }) => keyOf(movie),
      ({ movie }) => this.row(movie),
    );
    byId("rated-more").hidden = shown.length <= this.numRated;
    // The row that had the focus may be gone.
    if (isFocused && document.activeElement === document.body) byId(shown.length ? "rated-name" : "rate-name").focus();
    this.onChange?.();
  }

  /** Asks for the list anew; an answer to an earlier question is not waited for. */
  async refresh() {
    const { person } = this;
    if (!person) return;
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
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
          (card, movie) => this.fillCard(card, movie),
        );
        this.showListState();
        this.onChange?.();
      },
      () => this.refresh(),
    );
    if (!signal.aborted) byId("list").removeAttribute("aria-busy");
  }

  async recommendations(signal) {
    const filters = this.filters();
    return filters.year_from > filters.year_to ? [] : this.person.recommendations(filters, signal);
  }

  showListState() {
    const { person, list } = this;
    const isNarrowed = this.narrowed().length > 0;
    byId("list-empty").hidden = list.length > 0;
    byId("list-empty").textContent = isNarrowed
      ? "No film passes these filters. Widen or clear them."
      : "There is nothing to recommend.";
    byId("list-more").hidden = list.length < this.numListed || this.numListed >= this.model.limits.k;
    byId("list-name").textContent = person.isYou && !person.ratings.size ? "Liked by most" : "Recommended";
    if (list.length) say(`List updated: ${counted(list.length, "film")}, first ${titleAndYear(list[0])}.`);
    else say("List updated: no film.");
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
        el("div", { class: "stars-place" }),
        el("ul", { class: "reasons" }),
      ),
      seen,
    );
  }

  fillCard(card, movie) {
    const rank = this.list.indexOf(movie) + 1;
    card.querySelector(".rank").textContent = rank;
    card.querySelector(".stars-place").replaceChildren(tellsStars(this.scale, movie.predicted_rating, "predicted"));
    const lines = reasonLines(movie.reasons, this.person.they);
    card.querySelector(".reasons").replaceChildren(...lines);
    card.querySelector(".reasons").hidden = !lines.length;
  }

  layFilters() {
    const { genres, praised, years } = this.model;
    const chip = (name, value, ...label) =>
      el("label", { class: "chip" }, el("input", { type: "checkbox", name, value }), ...label);
    byId("genres").append(
      ...genres.map((genre) => painted(chip("genre", genre, el("span", { class: "genre" }, genre)), genre)),
    );
    byId("praised").append(...praised.map((aspect) => chip("praised", aspect, aspect)));
    for (const id of ["genres", "praised"]) byId(id).closest("fieldset").hidden = !this.model[id].length;
    document.querySelector(".years").hidden = !years;
    for (const [id, place] of [
      ["year-from", 0],
      ["year-to", 1],
    ]) {
      const [min, max] = years ?? [];
      if (years) Object.assign(byId(id), { placeholder: years[place], min, max });
    }
    const changed = debounced(() => {
      this.numListed = FIRST_LISTED;
      this.refresh();
    }, 200);
    const form = byId("filter-form");
    form.addEventListener("input", () => (this.tellFilters(), changed()));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => (this.tellFilters(), changed())));
    this.tellFilters();
  }

  /** What of the list's filters is set, in the words of the server. */
  filters() {
    const year = (id) => byId(id).valueAsNumber || null;
    const chosen = (id) => {
      const values = [...byId(id).querySelectorAll(":checked")].map(({ value }) => value);
      return values.length ? values : null;
    };
    const filters = {
      k: Math.min(this.numListed, this.model.limits.k, this.model.num_movies),
      genres: chosen("genres"),
      praised: chosen("praised"),
      year_from: year("year-from"),
      year_to: year("year-to"),
      diversity: byId("variety").valueAsNumber,
    };
    return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== null));
  }

  narrowed() {
    const { genres = [], praised = [], year_from: from, year_to: to } = this.filters();
    const years = from || to ? [from && to ? `${from} to ${to}` : from ? `from ${from}` : `to ${to}`] : [];
    return [...genres, ...praised.map((aspect) => `praised for ${aspect}`), ...years];
  }

  tellFilters() {
    const variety = byId("variety").valueAsNumber;
    const told = [...this.narrowed(), ...(variety ? [`variety ${variety}`] : [])];
    byId("filters-now").textContent = told.length ? told.join(", ") : "none set";
    byId("variety").setAttribute("aria-valuetext", variety ? `${variety} of 0.8` : "none, the best matches");
  }

  /** Goes to a heading of the desk, on screens too narrow for both columns. */
  jump(id) {
    byId(id).focus({ preventScroll: true });
    byId(id).scrollIntoView({ behavior: isStill() ? "auto" : "smooth", block: "start" });
  }
}
