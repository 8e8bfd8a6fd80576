/** Users who rate films and get recommendations: the local user of this browser, or a user of the server's data. */

import { part, Problem, request, stored } from "./api.js";
import { keyOf } from "./films.js";

const STORAGE_KEY = "movierec ratings";
const WATCHED_KEY = "movierec watched";
const SAVE_DELAY_MS = 350;
const MAX_RATINGS = 10_000;
const MAX_WATCHED = 20_000;

/** The user of this browser: ratings are stored in it, and sent with each request for recommendations. */
export class LocalUser {
  name = "you";
  pronoun = "you";
  isLocal = true;
  ratings = new Map();
  /** Films watched without a rating, by key; lists leave them out. */
  watched = new Map();

  /** maxRatings: that a request may have. */
  constructor(maxRatings) {
    this.maxRatings = maxRatings;
    this.read();
  }

  read() {
    const saved = stored(() => JSON.parse(localStorage.getItem(STORAGE_KEY)));
    const valid = Array.isArray(saved) ? saved.filter((one) => one?.movie && typeof one.rating === "number") : [];
    this.ratings = new Map(valid.map((one) => [keyOf(one.movie), one]));
    const watched = stored(() => JSON.parse(localStorage.getItem(WATCHED_KEY)));
    this.watched = new Map(Array.isArray(watched) ? watched.map((id) => [keyOf({ movie_id: id }), id]) : []);
  }

  /** Ratings in the order of the page, newest first. */
  shownRatings() {
    return [...this.ratings.values()].reverse();
  }

  async load() {}

  async rate(movie, rating) {
    const { movie_id, title, year, genres } = movie;
    this.ratings.set(keyOf(movie), { movie: { movie_id, title, year, genres }, rating });
    this.save();
  }

  async removeRating(movie) {
    this.ratings.delete(keyOf(movie));
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
    for (const { rating, movie_id, title, year, genres } of [...ratings].reverse()) {
      this.ratings.delete(keyOf({ movie_id }));
      this.ratings.set(keyOf({ movie_id }), { movie: { movie_id, title, year, genres }, rating });
    }
    for (const { movie_id: id } of watched) this.watched.set(keyOf({ movie_id: id }), id);
    this.save();
  }

  save() {
    stored(() => localStorage.setItem(STORAGE_KEY, JSON.stringify([...this.ratings.values()])));
    stored(() => localStorage.setItem(WATCHED_KEY, JSON.stringify([...this.watched.values()])));
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
    const watched = [...older, ...this.watched.values()].slice(0, MAX_WATCHED);
    const body = { ratings: all.slice(-this.maxRatings), watched, ...filters, explain: true };
    return (await request("v1/recommendations", { method: "POST", body, signal })).movies;
  }
}

/** A user of the server: ratings are recorded there, one change after another. */
export class ServerUser {
  isLocal = false;
  pronoun = "they";
  ratings = new Map();
  latestChange = new Map();
  saving = Promise.resolve();

  constructor(id) {
    this.id = id;
    this.name = `user ${id}`;
    this.path = `v1/users/${part(id)}`;
  }

  shownRatings() {
    return [...this.ratings.values()];
  }

  async load() {
    const { num_ratings: numRatings } = await request(this.path);
    const limit = Math.min(MAX_RATINGS, Math.max(1, numRatings));
    const { ratings } = await request(`${this.path}/ratings`, { query: { limit } });
    this.numRatings = numRatings;
    this.ratings = new Map(ratings.map(({ rating, ...movie }) => [keyOf(movie), { movie, rating }]));
  }

  /** Records a rating once the stars have stopped moving. */
  rate(movie, rating) {
    const old = this.ratings.get(keyOf(movie));
    // A new rating goes first; a changed one keeps its position.
    if (old) old.rating = rating;
    else {
      this.ratings = new Map([[keyOf(movie), { movie, rating }], ...this.ratings]);
      this.numRatings += 1;
    }
    return this.saveLater(movie, { method: "PUT", body: { rating } });
  }

  /** Deletes a recorded rating; ratings of the server's data cannot be deleted. */
  async removeRating(movie) {
    try {
      await this.saveLater(movie, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) throw error;
      const reason = "It is part of the server's data; only ratings recorded here can be removed.";
      throw new Problem(`This rating cannot be removed. ${reason}`, 404);
    } finally {
      await this.load();
    }
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
    const query = { ...filters, explain: true };
    return (await request(`${this.path}/recommendations`, { query, signal })).movies;
  }
}
