/** Users who rate films and get recommendations: the local user of this browser, or a user of the server's data. */

import { part, request, saveJson, savedJson } from "./api.js";
import { keyOf, plainFilm } from "./films.js";

const RATINGS_KEY = "movierec ratings";
const WATCHED_KEY = "movierec watched";
const NOT_INTERESTED_KEY = "movierec not interested";
const SAVE_DELAY_MS = 350;
const MAX_RATINGS = 10_000;
const MAX_IDS = 20_000;

const byKey = (entries) => new Map(entries.map((entry) => [keyOf(entry.movie ?? entry), entry]));

/** Returns a map in which a key has the value and position that it had in an earlier map. */
function withEarlier(map, earlier, key) {
  const entries = [...map].filter(([one]) => one !== key);
  if (earlier.has(key)) entries.splice([...earlier.keys()].indexOf(key), 0, [key, earlier.get(key)]);
  return new Map(entries);
}

/** The user of this browser: ratings are stored in it, and sent with each request for recommendations. */
export class LocalUser {
  name = "you";
  pronoun = "you";
  isLocal = true;
  isNew = false;
  ratings = new Map();
  /** Ids of films watched without a rating, by key; lists leave them out. */
  watched = new Map();
  /** Films that lists leave out on request, by key. */
  notInterested = new Map();

  /** maxRatings: that a request may have. */
  constructor(maxRatings) {
    this.maxRatings = maxRatings;
    this.read();
  }

  read() {
    this.ratings = byKey(savedJson(RATINGS_KEY).filter((one) => one?.movie && typeof one.rating === "number"));
    this.watched = new Map(savedJson(WATCHED_KEY).map((id) => [keyOf({ movie_id: id }), id]));
    this.notInterested = byKey(savedJson(NOT_INTERESTED_KEY).filter((movie) => movie?.movie_id !== undefined));
  }

  /** Ratings in the order of the page, newest first. */
  shownRatings() {
    return [...this.ratings.values()].reverse();
  }

  async load() {}

  /** Returns a function that takes back changes from now on: those of a film, or all. */
  undo(movie = null) {
    const before = ["ratings", "watched", "notInterested"].map((name) => [name, new Map(this[name])]);
    return async () => {
      for (const [name, films] of before) this[name] = movie ? withEarlier(this[name], films, keyOf(movie)) : films;
      this.save();
    };
  }

  canRemove(movie) {
    return this.ratings.has(keyOf(movie));
  }

  async rate(movie, rating) {
    const timestamp = Math.floor(Date.now() / 1000);
    this.ratings.set(keyOf(movie), { movie: plainFilm(movie), rating, timestamp });
    this.notInterested.delete(keyOf(movie));
    this.save();
  }

  async removeRating(movie) {
    this.ratings.delete(keyOf(movie));
    this.save();
  }

  async setInterest(movie, isInterested) {
    if (isInterested) this.notInterested.delete(keyOf(movie));
    else this.notInterested.set(keyOf(movie), plainFilm(movie));
    this.save();
  }

  clearRatings() {
    this.ratings.clear();
    this.watched.clear();
    this.save();
  }

  /** Adds the ratings and watched films of a file, which replace ratings of the same films. */
  importRatings({ ratings, watched }) {
    // The newest last, as if they had been given one after another.
    for (const { rating, timestamp, ...movie } of [...ratings].reverse()) {
      this.ratings.delete(keyOf(movie));
      this.ratings.set(keyOf(movie), { movie: plainFilm(movie), rating, timestamp });
    }
    for (const { movie_id: id } of watched) this.watched.set(keyOf({ movie_id: id }), id);
    this.save();
  }

  save() {
    saveJson(RATINGS_KEY, this.ratings);
    saveJson(WATCHED_KEY, this.watched);
    saveJson(NOT_INTERESTED_KEY, this.notInterested);
  }

  async recommendations(filters, signal) {
    try {
      return await this.requestList(filters, signal);
    } catch (error) {
      if (error.status !== 422 || !(await this.removeUnknownFilms(signal))) throw error;
      return this.requestList(filters, signal);
    }
  }

  /** Removes films that the server does not have, for example after a change of its data; returns whether any. */
  async removeUnknownFilms(signal) {
    const before = this.ratings.size;
    for (const [key, { movie }] of [...this.ratings]) {
      try {
        await request(`v1/movies/${part(movie.movie_id)}`, { signal });
      } catch (error) {
        if (error.status !== 404) throw error;
        this.ratings.delete(key);
      }
    }
    this.save();
    return this.ratings.size < before;
  }

  async requestList(filters, signal) {
    const all = [...this.ratings.values()].map(({ movie, rating }) => ({ movie_id: movie.movie_id, rating }));
    const older = all.slice(0, -this.maxRatings).map(({ movie_id: id }) => id);
    const watched = [...older, ...this.watched.values()].slice(0, MAX_IDS);
    const notInterested = [...this.notInterested.values()].map(({ movie_id: id }) => id).slice(0, MAX_IDS);
    const own = { ratings: all.slice(-this.maxRatings), watched, not_interested: notInterested };
    const body = { ...own, ...filters, explain: true };
    return (await request("v1/recommendations", { method: "POST", body, signal })).movies;
  }
}

/** A user of the server: ratings are recorded there, one change after another. */
export class ServerUser {
  isLocal = false;
  pronoun = "they";
  ratings = new Map();
  watched = new Map();
  notInterested = new Map();
  latestChange = new Map();
  saving = Promise.resolve();
  /** Whether nothing is known of the user; `message` then says so. */
  isNew = false;
  message = "";

  constructor(id) {
    this.id = id;
    this.name = `user ${id}`;
    this.path = `v1/users/${part(id)}`;
  }

  shownRatings() {
    return [...this.ratings.values()];
  }

  async load() {
    let found = { num_ratings: 0 };
    try {
      found = await request(this.path);
      this.isNew = false;
    } catch (error) {
      if (error.status !== 404) throw error;
      this.isNew = true;
      this.message = error.message;
    }
    const k = Math.min(MAX_RATINGS, Math.max(1, found.num_ratings));
    const nothing = { ratings: [], movies: [] };
    const [{ ratings }, { movies }] = this.isNew
      ? [nothing, nothing]
      : await Promise.all([
          request(`${this.path}/ratings`, { query: { k } }),
          request(`${this.path}/not_interested`),
        ]);
    const entries = ratings.map(({ rating, is_recorded: isRecorded, ...movie }) => ({ movie, rating, isRecorded }));
    this.ratings = byKey(entries.filter(({ rating }) => rating !== null));
    this.watched = byKey(entries.filter(({ rating }) => rating === null));
    this.notInterested = byKey(movies);
    this.numRatings = Math.max(0, found.num_ratings - this.watched.size);
  }

  /** Returns a function that takes back the next change of a film. */
  undo(movie) {
    const before = this.ratings.get(keyOf(movie));
    const { rating, isRecorded } = before ?? {};
    const isInterested = !this.notInterested.has(keyOf(movie));
    return async () => {
      if (isInterested !== !this.notInterested.has(keyOf(movie))) await this.setInterest(movie, isInterested);
      if (rating === this.ratings.get(keyOf(movie))?.rating) return;
      await (isRecorded ? this.rate(movie, rating) : this.removeRating(movie));
    };
  }

  /** Whether a rating was recorded since training: those of the server's data cannot be removed. */
  canRemove(movie) {
    return Boolean(this.ratings.get(keyOf(movie))?.isRecorded);
  }

  /** Records a rating once the stars have stopped moving. */
  rate(movie, rating) {
    const old = this.ratings.get(keyOf(movie));
    // A new rating goes first; a changed one keeps its position.
    if (old) Object.assign(old, { rating, isRecorded: true });
    else {
      this.ratings = new Map([[keyOf(movie), { movie, rating, isRecorded: true }], ...this.ratings]);
      this.numRatings += 1;
    }
    return this.saveLater(movie, { method: "PUT", body: { rating } }).then(() => (this.isNew = false));
  }

  /** Deletes a recorded rating; that of the server's data, if any, counts again. */
  async removeRating(movie) {
    try {
      await this.saveLater(movie, { method: "DELETE" });
    } catch (error) {
      // Nothing was recorded: the rating was taken back before it was sent.
      if (error.status !== 404) throw error;
    } finally {
      await this.load();
    }
  }

  async setInterest(movie, isInterested) {
    if (isInterested) this.notInterested.delete(keyOf(movie));
    else this.notInterested = byKey([movie, ...this.notInterested.values()]);
    const method = isInterested ? "DELETE" : "PUT";
    await request(`${this.path}/not_interested/${part(movie.movie_id)}`, { method });
  }

  /** Sends a change after those before it, unless a later change of the same film replaces it. */
  saveLater(movie, options) {
    const change = {};
    this.latestChange.set(keyOf(movie), change);
    const delay = new Promise((resolve) => setTimeout(resolve, SAVE_DELAY_MS));
    this.saving = Promise.allSettled([this.saving, delay]).then(() => {
      if (this.latestChange.get(keyOf(movie)) !== change) return null;
      return request(`${this.path}/ratings/${part(movie.movie_id)}`, options);
    });
    return this.saving;
  }

  async recommendations(filters, signal) {
    if (this.isNew) return [];
    const query = { ...filters, explain: true };
    return (await request(`${this.path}/recommendations`, { query, signal })).movies;
  }
}
