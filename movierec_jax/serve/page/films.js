/** Shows films: titles, posters, genres and their colours, ratings, reviews and reasons. */

import { part } from "./api.js";
import { button, el, openFilm } from "./dom.js";
import { drawnStars } from "./stars.js";

/** Families of genres. Each has the hue, chroma and shade (lightness, -1 to 1) of its colour. */
export const FAMILIES = new Map([
  ["Drama, romance & war", [250, 0.12, -0.1]],
  ["Comedy & family", [88, 0.14, 0.6]],
  ["Action & adventure", [42, 0.15, 0]],
  ["Crime, thriller & horror", [325, 0.13, -0.4]],
  ["Sci-Fi & fantasy", [185, 0.1, 0.1]],
  ["Documentary & other", [80, 0.015, 0]],
]);
const [DRAMA, COMEDY, ACTION, CRIME, FANTASY, OTHER] = FAMILIES.keys();

/**
 * The family of each genre. The genres stand in order, the most distinctive first: the first of these that a film has is
 * its main one. Genres that are not among them come last.
 */
const FAMILY_OF_GENRE = new Map([
  ["Animation", COMEDY],
  ["Documentary", OTHER],
  ["Western", ACTION],
  ["Musical", COMEDY],
  ["Horror", CRIME],
  ["Film-Noir", CRIME],
  ["Sci-Fi", FANTASY],
  ["War", DRAMA],
  ["Fantasy", FANTASY],
  ["Children", COMEDY],
  ["Romance", DRAMA],
  ["Mystery", CRIME],
  ["Crime", CRIME],
  ["Adventure", ACTION],
  ["Comedy", COMEDY],
  ["Action", ACTION],
  ["Thriller", CRIME],
  ["Drama", DRAMA],
]);
const ARTICLE_LAST = /^(.+), (The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Un|Une|Det|Den|O|Os)$/;

const MAX_REASON_LINES = 2;

/** Starts of reasons by kind of feature; "its genre" and so on for other kinds. */
const REASON_STARTS = {
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
  const alternatives = (others?.split(") (") ?? []).map((name) =>
    name.replace(ARTICLE_LAST, "$2 $1").replace("' ", "'"),
  );
  return [first, ...alternatives];
}

export const titleAndYear = (movie) => (movie.year ? `${titleOf(movie)} (${movie.year})` : titleOf(movie));

/** What is kept of a film in the browser. */
export const plainFilm = ({ movie_id, title, year, genres }) => ({ movie_id, title, year, genres });

/** The genres, the most distinctive first. */
export function sortedGenres({ genres = [] }) {
  const order = [...FAMILY_OF_GENRE.keys()];
  const position = (genre) => (FAMILY_OF_GENRE.has(genre) ? order.indexOf(genre) : order.length);
  return [...genres].sort((one, other) => position(one) - position(other));
}

export const familyOf = (genre) => FAMILY_OF_GENRE.get(genre) ?? OTHER;

/** Sets the colour of a genre's family on an element for the style sheet, and returns it. */
export function painted(element, genre, suffix = "") {
  return paintedAs(element, familyOf(genre), suffix);
}

/** Sets the colour of a family on an element for the style sheet, and returns it. */
export function paintedAs(element, family, suffix = "") {
  const [hue, chroma, shade] = FAMILIES.get(family);
  element.style.setProperty(`--hue${suffix}`, hue);
  element.style.setProperty(`--chroma${suffix}`, chroma);
  element.style.setProperty(`--shade${suffix}`, shade);
  return element;
}

let hasPosters = false;

/** Sets whether the server has posters; without one, a film has initials in its place. */
export function usePosters(isAvailable) {
  hasPosters = isAvailable;
}

/** A poster: the initials of the title on the colours of its genres, behind the server's image where it has one. */
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
  if (hasPosters) {
    const source = `v1/movies/${part(movie.movie_id)}/poster`;
    cover.append(el("img", { src: source, alt: "", loading: "lazy", on: { error: ({ target }) => target.remove() } }));
  }
  return painted(painted(cover, main), second, "-2");
}

/** A button with title and year that opens the film's details. */
export function titleButton(movie) {
  const others = allTitles(movie.title || "")
    .slice(1)
    .flatMap((name) => [" ", el("span", { class: "other-name" }, name)]);
  const year = movie.year ? [" ", el("span", { class: "year" }, `(${movie.year})`)] : [];
  const open = ({ currentTarget }) => openFilm(currentTarget, movie);
  const name = el("span", { class: "name" }, titleOf(movie));
  return button([name, ...others, ...year], open, { class: "title", "aria-haspopup": "dialog" });
}

export function genreChip(genre) {
  return painted(el("span", { class: "genre" }, genre), genre);
}

/** A line with the genres, and what else is given. */
export function facts(movie, ...more) {
  return el("p", { class: "facts" }, sortedGenres(movie).map(genreChip), more);
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

/** The reasons for a film as sentences, films first. pronoun: "you" or "they". A film without a rating was watched. */
export function reasonLines(reasons = [], pronoun = "you") {
  const named = (isWanted) => reasons.filter(isWanted).map((reason) => el("b", {}, titleAndYear(reason)));
  const liked = named(({ source, rating }) => source === "rated" && rating !== null);
  const watched = named(({ source, rating }) => source === "rated" && rating === null);
  const reviewed = named(({ source }) => source === "text");
  const kinds = new Map();
  for (const { source, feature } of reasons) {
    const [kind, value] = (source === "content" && featureOf(feature)) || [];
    if (kind) kinds.set(kind, [...(kinds.get(kind) ?? []), el(kind === "tag" ? "q" : "b", {}, value)]);
  }
  const phrases = [...kinds].map(([kind, values]) => {
    return [`${REASON_STARTS[kind] ?? `its ${kind}${values.length > 1 ? "s" : ""}`} `, ...joined(values)];
  });
  const lines = [
    [`Because ${pronoun} liked `, liked],
    [`Because ${pronoun} watched `, watched],
    [`Because ${pronoun} wrote about `, reviewed],
  ]
    .filter(([, films]) => films.length)
    .map(([start, films]) => [start, ...joined(films)]);
  if (phrases.length) lines.push(["For ", ...joined(phrases).flat()]);
  return lines.slice(0, MAX_REASON_LINES).map((words) => el("li", {}, words));
}

/** The kind and value of a feature in words; null for numbers, and for blame, which is no reason to watch a film. */
function featureOf(feature) {
  const [, label, sign, value] = feature.match(/^(.*?)([=~])(.*)$/s) ?? [];
  return sign === "=" && label !== "blamed" ? [label.split(":").at(-1).replaceAll("_", " "), value] : null;
}

function joined(words) {
  return words.flatMap((word, n) => (n === 0 ? [word] : [n === words.length - 1 ? " and " : ", ", word]));
}
