/** For whom films are rated and listed: the visitor, known by this browser alone, or a user whom the server knows. */

import { part, Problem, request, stored } from "./api.js";
import { keyOf } from "./films.js";

const RATINGS = "movierec ratings";
const PAUSE = 350;
const MOST_RATINGS = 10_000;

/** The visitor: the ratings stay in this browser and go to the server with each question. */
export class Visitor {
  name = "you";
  they = "you";
  isYou = true;
  ratings = new Map();

  constructor() {
    this.read();
  }

  read() {
    const kept = stored(() => JSON.parse(localStorage.getItem(RATINGS)));
    const whole = Array.isArray(kept) ? kept.filter((one) => one?.movie && typeof one.rating === "number") : [];
    this.ratings = new Map(whole.map((one) => [keyOf(one.movie), one]));
  }

  /** Ratings as the list shows them, the latest first. */
  shown() {
    return [...this.ratings.values()].reverse();
  }

  async load() {}

  async rate(movie, rating) {
    const { movie_id, title, year, genres } = movie;
    this.ratings.set(keyOf(movie), { movie: { movie_id, title, year, genres }, rating });
    this.keep();
  }

  async remove(movie) {
    this.ratings.delete(keyOf(movie));
    this.keep();
  }

  forget() {
    this.ratings.clear();
    this.keep();
  }

  keep() {
    stored(() => localStorage.setItem(RATINGS, JSON.stringify([...this.ratings.values()])));
  }

  async recommendations(filters, signal) {
    try {
      return await this.listed(filters, signal);
    } catch (error) {
      if (error.status !== 422 || !(await this.forgetUnknown(signal))) throw error;
      return this.listed(filters, signal);
    }
  }

  /** Forgets films that the server does not have, as after it was given other data; tells whether there were any. */
  async forgetUnknown(signal) {
    const before = this.ratings.size;
    for (const [key, { movie }] of [...this.ratings]) {
      try {
        await request(`v1/movies/${part(movie.movie_id)}`, { signal });
      } catch (error) {
        if (error.status !== 404) throw error;
        this.ratings.delete(key);
      }
    }
    this.keep();
    return this.ratings.size < before;
  }

  async listed(filters, signal) {
    const ratings = [...this.ratings.values()].map(({ movie, rating }) => ({ movie_id: movie.movie_id, rating }));
    const body = { ratings, ...filters, explain: true };
    return (await request("v1/recommendations", { method: "POST", body, signal })).movies;
  }
}

/** A user of the server's data; ratings are kept there, one change after another. */
export class KnownUser {
  isYou = false;
  they = "they";
  ratings = new Map();
  waiting = new Map();
  saving = Promise.resolve();

  constructor(id) {
    this.id = id;
    this.name = `user ${id}`;
    this.path = `v1/users/${part(id)}`;
  }

  shown() {
    return [...this.ratings.values()];
  }

  async load() {
    const { num_ratings: number } = await request(this.path);
    const limit = Math.min(MOST_RATINGS, Math.max(1, number));
    const { ratings } = await request(`${this.path}/ratings`, { query: { limit } });
    this.numRatings = number;
    this.ratings = new Map(ratings.map(({ rating, ...movie }) => [keyOf(movie), { movie, rating }]));
  }

  /** Records a rating, once the stars have stopped moving. */
  rate(movie, rating) {
    const old = this.ratings.get(keyOf(movie));
    // A new rating stands first; one that is changed stays where it is.
    if (old) old.rating = rating;
    else {
      this.ratings = new Map([[keyOf(movie), { movie, rating }], ...this.ratings]);
      this.numRatings += 1;
    }
    return this.later(movie, { method: "PUT", body: { rating } });
  }

  /** Takes back what was recorded here; what the data says from before cannot be. */
  async remove(movie) {
    try {
      await this.later(movie, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) throw error;
      const why = "It is part of the data that the server was given; only ratings recorded here can be taken back.";
      throw new Problem(`This rating stays. ${why}`, 404);
    } finally {
      await this.load();
    }
  }

  later(movie, how) {
    const turn = {};
    this.waiting.set(keyOf(movie), turn);
    const pause = new Promise((resolve) => setTimeout(resolve, PAUSE));
    this.saving = Promise.allSettled([this.saving, pause]).then(() => {
      // A later change of the same film says it all.
      if (this.waiting.get(keyOf(movie)) !== turn) return null;
      return request(`${this.path}/ratings/${part(movie.movie_id)}`, how);
    });
    return this.saving;
  }

  async recommendations(filters, signal) {
    const query = { ...filters, explain: true };
    return (await request(`${this.path}/recommendations`, { query, signal })).movies;
  }
}
