/** Shows films: titles, posters, genres and their colours, ratings, reviews and reasons. */

import { button, el, openFilm } from "./dom.js";
import { drawnStars } from "./stars.js";

/**
 * Genres, the most distinctive first: the first of these that a film has is its main one. Each has the hue, chroma and
 * shade (lightness, -1 to 1) of its colour. Other genres come after these, with a hue made from their name.
 */
const GENRES = new Map([
  ["Animation", [345, 0.16, 0.4]],
  ["Documentary", [160, 0.11, 0]],
  ["Western", [70, 0.08, -0.6]],
  ["Musical", [325, 0.13, 0.6]],
  ["Horror", [22, 0.17, -0.8]],
  ["Film-Noir", [260, 0.015, -0.4]],
  ["Sci-Fi", [215, 0.12, 0.3]],
  ["War", [120, 0.07, -0.7]],
  ["Fantasy", [305, 0.14, 0.2]],
  ["Children", [130, 0.15, 0.7]],
  ["Romance", [8, 0.14, 0.5]],
  ["Mystery", [285, 0.12, -0.7]],
  ["Crime", [275, 0.14, 0.2]],
  ["Adventure", [150, 0.14, 0.2]],
  ["Comedy", [85, 0.14, 0.7]],
  ["Action", [45, 0.16, 0]],
  ["Thriller", [190, 0.09, -0.5]],
  ["Drama", [250, 0.12, -0.1]],
]);
const NO_GENRE_COLOUR = [80, 0.01, 0];
const ARTICLE_LAST = /^(.+), (The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Un|Une|Det|Den|O|Os)$/;

/** Starts of reasons by kind of feature; "its genre" and so on for other kinds. */
const REASON_STARTS = {
  year: "the years around",
  praised: "reviews praising its",
};

const SMALL_WORDS = new Set("a an and at for from in of on or the to le la les de del der die das el il".split(" "));

/** Identifies a film by its id, where 1 and "1" differ. */
export const keyOf = ({ movie_id: id }) => JSON.stringify(id);

/** The title without alternative titles in brackets. */
export const titleOf = ({ title, movie_id: id }) => allTitles(title || String(id))[0];

/** The title and its alternatives in brackets, their articles first: "Le Boucher" for "Boucher, Le". */
function allTitles(title) {
  const [, first = title, others] = title.match(/^(.+?) \((.+)\)$/) ?? [];
  const alternatives = (others?.split(") (") ?? []).map((name) => name.replace(ARTICLE_LAST, "$2 $1").replace("' ", "'"));
  return [first, ...alternatives];
}

export const titleAndYear = (movie) => (movie.year ? `${titleOf(movie)} (${movie.year})` : titleOf(movie));

/** The genres, the most distinctive first. */
export function sortedGenres({ genres = [] }) {
  const order = [...GENRES.keys()];
  const position = (genre) => (GENRES.has(genre) ? order.indexOf(genre) : order.length);
  return [...genres].sort((one, other) => position(one) - position(other));
}

/** Hue, chroma and shade of a genre's colour. */
export function colourOf(genre) {
  if (GENRES.has(genre)) return GENRES.get(genre);
  if (!genre) return NO_GENRE_COLOUR;
  const hue = [...genre].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  return [hue, 0.12, 0];
}

/** Sets a genre's colour on an element for the style sheet, and returns it. */
export function painted(element, genre, suffix = "") {
  const [hue, chroma, shade] = colourOf(genre);
  element.style.setProperty(`--hue${suffix}`, hue);
  element.style.setProperty(`--chroma${suffix}`, chroma);
  element.style.setProperty(`--shade${suffix}`, shade);
  return element;
}

/** A poster with the initials of the title on the colours of its genres. */
export function poster(movie) {
  const [main, second = main] = sortedGenres(movie);
  const all = titleOf(movie).match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  const mainWords = all.filter((word) => !SMALL_WORDS.has(word.toLowerCase()));
  const words = mainWords.length ? mainWords : all;
  const isNumber = /^\d{2,4}$/.test(words[0]);
  const initials = isNumber
    ? words[0]
    : words
        .slice(0, 2)
        .map((word) => [...word][0].toUpperCase())
        .join("");
  const cover = el("span", { class: "poster", "aria-hidden": "true" }, el("span", { class: "initials" }, initials));
  cover.classList.toggle("is-long", initials.length > 2);
  return painted(painted(cover, main), second, "-2");
}

/** A button with the title that opens the film's details. */
export function titleButton(movie) {
  const others = allTitles(movie.title || "")
    .slice(1)
    .flatMap((name) => [" ", el("span", { class: "other-name" }, name)]);
  const open = ({ target }) => openFilm(target, movie);
  return button([titleOf(movie), ...others], open, { class: "title", "aria-haspopup": "dialog" });
}

export function genreChip(genre) {
  return painted(el("span", { class: "genre" }, genre), genre);
}

/** A line with year and genres. */
export function facts(movie, ...more) {
  const year = movie.year ? el("span", { class: "year" }, String(movie.year)) : null;
  return el("p", { class: "facts" }, year, sortedGenres(movie).map(genreChip), more);
}

export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

export const averageText = (mean, numRatings) => `${mean.toFixed(1)} (${counted(numRatings, "rating")})`;

/** A drawing of stars with their number and a text. */
export function starsWithText(scale, rating, text) {
  return el(
    "p",
    { class: "stars-text" },
    drawnStars(scale, rating),
    el("span", {}, el("b", {}, rating.toFixed(1)), el("span", { class: "hidden" }, " stars"), ` ${text}`),
  );
}

/** The share of positive reviews, as a bar and text, and the aspects they praise and blame. */
export function reviewsSummary({ num_texts: count, praise, praised, blamed }) {
  const percent = `${Math.round(100 * praise)}%`;
  const bar = el("span", { class: "praise-bar", "aria-hidden": "true" });
  bar.style.setProperty("--praise", percent);
  const named = [
    ["Praised", praised],
    ["Criticised", blamed],
  ].filter(([, aspects]) => aspects.length);
  return el(
    "div",
    { class: "reviews" },
    el("h3", {}, "Reviews"),
    el("p", { class: "praise" }, bar, el("span", {}, el("b", {}, percent), ` positive (${counted(count, "review")})`)),
    named.map(([name, aspects]) => {
      const chips = aspects.map((aspect) => el("li", { class: "tag" }, aspect));
      const list = el("ul", { class: "chips tags", "aria-label": `${name} in reviews` }, chips);
      return el("div", { class: "aspects" }, el("span", { class: "hint", "aria-hidden": "true" }, name), list);
    }),
  );
}

/** The reasons for a film as sentences. pronoun: "you" or "they". */
export function reasonLines(reasons = [], pronoun = "you") {
  const [rated, reviewed] = ["rated", "text"].map((kind) => {
    return reasons.filter(({ source }) => source === kind).map((reason) => el("b", {}, titleOf(reason)));
  });
  const kinds = new Map();
  for (const { source, feature } of reasons) {
    const [kind, value] = (source === "content" && featureOf(feature)) || [];
    if (kind) kinds.set(kind, [...(kinds.get(kind) ?? []), el(kind === "tag" ? "q" : "b", {}, value)]);
  }
  const phrases = [...kinds].map(([kind, values]) => {
    return [`${REASON_STARTS[kind] ?? `its ${kind}${values.length > 1 ? "s" : ""}`} `, ...joined(values)];
  });
  const lines = [];
  if (rated.length) lines.push(["Because ", pronoun, " rated ", ...joined(rated)]);
  if (reviewed.length) lines.push(["Because ", pronoun, " wrote about ", ...joined(reviewed)]);
  if (phrases.length) lines.push(["For ", ...joined(phrases).flat()]);
  return lines.map((words) => el("li", {}, words));
}

/** The kind and value of a feature in words; null for numbers, and for blame, which is no reason to watch a film. */
function featureOf(feature) {
  const [, label, sign, value] = feature.match(/^(.*?)([=~])(.*)$/s) ?? [];
  if (label === "year") return [label, value];
  return sign === "=" && label !== "blamed" ? [label.split(":").at(-1).replaceAll("_", " "), value] : null;
}

function joined(words) {
  return words.flatMap((word, n) => (n === 0 ? [word] : [n === words.length - 1 ? " and " : ", ", word]));
}
