/** How a film looks: its name, its genres and their colours, and the reasons for it. */

import { button, el, openFilm } from "./dom.js";
import { drawnStars } from "./stars.js";

/**
 * Genres by how much they tell, most first: a film's main one is its first in here. Each with the hue, the chroma and
 * the shade (lightness, -1 to 1) of its colour. A genre that is not in here counts after them, with a hue of its own.
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
const WITHOUT_GENRE = [80, 0.01, 0];
const ARTICLE_LAST = /^(.+), (The|A|An|Le|La|Les|L'|Il|Lo|El|Los|Las|Der|Die|Das|Un|Une|Det|Den|O|Os)$/;

/** How the reasons of some kinds of features begin; "its genre" and the like for others. */
const START_OF_KIND = {
  year: "the years around",
  praised: "reviews that praise its",
};

const SMALL_WORDS = new Set("a an and at for from in of on or the to le la les de del der die das el il".split(" "));

/** Ids may be numbers or texts; 1 and "1" are not the same film. */
export const keyOf = ({ movie_id: id }) => JSON.stringify(id);

/** The title, without the other names that may stand after it in brackets. */
export const titleOf = ({ title, movie_id: id }) => namesOf(title || String(id))[0];

/** The first name of a title, and those in brackets after it, as people say them: "Le Boucher" of "Boucher, Le". */
function namesOf(title) {
  const [, first = title, others] = title.match(/^(.+?) \((.+)\)$/) ?? [];
  const spoken = (others?.split(") (") ?? []).map((name) => name.replace(ARTICLE_LAST, "$2 $1").replace("' ", "'"));
  return [first, ...spoken];
}

export const titleAndYear = (movie) => (movie.year ? `${titleOf(movie)} (${movie.year})` : titleOf(movie));

/** The genres, those first that tell most. */
export function tellingGenres({ genres = [] }) {
  const order = [...GENRES.keys()];
  const place = (genre) => (GENRES.has(genre) ? order.indexOf(genre) : order.length);
  return [...genres].sort((one, other) => place(one) - place(other));
}

/** Hue, chroma and shade of a genre's colour. */
export function colourOf(genre) {
  if (GENRES.has(genre)) return GENRES.get(genre);
  if (!genre) return WITHOUT_GENRE;
  const number = [...genre].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  return [number, 0.12, 0];
}

/** An element with a genre's colour at hand for the style sheet. */
export function painted(element, genre, suffix = "") {
  const [hue, chroma, shade] = colourOf(genre);
  element.style.setProperty(`--hue${suffix}`, hue);
  element.style.setProperty(`--chroma${suffix}`, chroma);
  element.style.setProperty(`--shade${suffix}`, shade);
  return element;
}

/** In place of a poster: the title's initials on the colours of its genres. */
export function poster(movie) {
  const [main, second = main] = tellingGenres(movie);
  const all = titleOf(movie).match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  const telling = all.filter((word) => !SMALL_WORDS.has(word.toLowerCase()));
  const words = telling.length ? telling : all;
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

/** The title, as a button that opens the film's details. */
export function titleButton(movie) {
  const others = namesOf(movie.title || "")
    .slice(1)
    .flatMap((name) => [" ", el("span", { class: "other-name" }, name)]);
  const open = ({ target }) => openFilm(target, movie);
  return button([titleOf(movie), ...others], open, { class: "title", "aria-haspopup": "dialog" });
}

export function genreChip(genre) {
  return painted(el("span", { class: "genre" }, genre), genre);
}

/** Year and genres, in a line. */
export function facts(movie, ...more) {
  const year = movie.year ? el("span", { class: "year" }, String(movie.year)) : null;
  return el("p", { class: "facts" }, year, tellingGenres(movie).map(genreChip), more);
}

export const number = (count) => count.toLocaleString("en");

export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Stars drawn, and the same as text. */
export function tellsStars(scale, rating, text) {
  return el(
    "p",
    { class: "tells-stars" },
    drawnStars(scale, rating),
    el("span", {}, el("b", {}, rating.toFixed(1)), el("span", { class: "hidden" }, " stars"), ` ${text}`),
  );
}

/** What reviews say: how many praise, drawn and as text, and which aspects they praise and blame. */
export function tellsReviews({ num_texts: count, praise, praised, blamed }) {
  const percent = `${Math.round(100 * praise)}%`;
  const bar = el("span", { class: "praise-bar", "aria-hidden": "true" });
  bar.style.setProperty("--praise", percent);
  const named = [
    ["Praised", praised],
    ["Blamed", blamed],
  ].filter(([, aspects]) => aspects.length);
  return el(
    "div",
    { class: "reviews" },
    el("h3", {}, "Reviews"),
    el("p", { class: "praise" }, bar, el("span", {}, el("b", {}, percent), ` praise in ${counted(count, "review")}`)),
    named.map(([name, aspects]) => {
      const chips = aspects.map((aspect) => el("li", { class: "tag" }, aspect));
      const list = el("ul", { class: "chips tags", "aria-label": `${name} in reviews` }, chips);
      return el("div", { class: "aspects" }, el("span", { class: "hint", "aria-hidden": "true" }, name), list);
    }),
  );
}

/** The reasons of a list for a film, as sentences; who: "you" or "they". */
export function reasonLines(reasons = [], who = "you") {
  const [rated, written] = ["rated", "text"].map((kind) => {
    return reasons.filter(({ source }) => source === kind).map((reason) => el("b", {}, titleOf(reason)));
  });
  const kinds = new Map();
  for (const { source, feature } of reasons) {
    const [kind, value] = (source === "content" && featureOf(feature)) || [];
    if (kind) kinds.set(kind, [...(kinds.get(kind) ?? []), el(kind === "tag" ? "q" : "b", {}, value)]);
  }
  const phrases = [...kinds].map(([kind, values]) => {
    return [`${START_OF_KIND[kind] ?? `its ${kind}${values.length > 1 ? "s" : ""}`} `, ...listed(values)];
  });
  const lines = [];
  if (rated.length) lines.push(["Because ", who, " rated ", ...listed(rated)]);
  if (written.length) lines.push(["Because ", who, " wrote about ", ...listed(written)]);
  if (phrases.length) lines.push(["For ", ...listed(phrases).flat()]);
  return lines.map((words) => el("li", {}, words));
}

/**
 * What kind a feature is that the model names, and its value, as words; nothing for one that is only a number, or blame,
 * which is no reason in people's eyes.
 */
function featureOf(feature) {
  const [, label, sign, value] = feature.match(/^(.*?)([=~])(.*)$/s) ?? [];
  if (label === "year") return [label, value];
  return sign === "=" && label !== "blamed" ? [label.split(":").at(-1).replaceAll("_", " "), value] : null;
}

function listed(words) {
  return words.flatMap((word, n) => (n === 0 ? [word] : [n === words.length - 1 ? " and " : ", ", word]));
}
