/** Writes ratings to a file in the form of MovieLens, which the import reads. */

import { el } from "./dom.js";

const COLUMNS = ["userId", "movieId", "rating", "timestamp"];

/** Saves a user's ratings as a file, the oldest first. */
export function exportRatings(user) {
  const rows = user
    .shownRatings()
    .reverse()
    .map(({ movie, rating, timestamp = movie.timestamp }) => {
      return [user.id ?? 1, movie.movie_id, rating, timestamp ?? ""];
    });
  const text = [COLUMNS, ...rows].map((row) => `${row.map(quoted).join(",")}\n`).join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href, download: "ratings.csv" }).click();
  URL.revokeObjectURL(href);
}

/** A value of a CSV file, in quotation marks where it needs them. */
const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
