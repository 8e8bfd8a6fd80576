/** The cards and rows that show films with their stars. */

import { button, el, svg } from "./dom.js";
import { averageText, facts, poster, reasonLines, titleAndYear, titleButton } from "./films.js";
import { STAR } from "./stars.js";

/** A film of a list of ratings or search results: its stars and what else is given stand at its end. */
export function filmRow(movie, ...ends) {
  const { mean_rating: mean, num_ratings: numRatings } = movie;
  const hasMean = mean !== undefined && mean !== null;
  const average = hasMean ? el("span", { class: "average" }, averageText(mean, numRatings)) : null;
  const text = el("div", { class: "film-text" }, titleButton(movie), facts(movie, average));
  return el("li", { class: "film row" }, poster(movie), text, el("div", { class: "film-ends" }, ends));
}

/** A recommended film. `show(movie, rank, pronoun)` fills in what a list says of it. onHide: called on "Not interested". */
export function filmCard(movie, field, bookmark, onHide) {
  const [rank, predicted] = [el("span", { class: "rank" }), el("span", { class: "predicted" })];
  const reasons = el("ul", { class: "reasons" });
  const hide = button("Not interested", onHide, {
    class: "button quiet hide",
    "aria-label": `Not interested in ${titleAndYear(movie)}`,
  });
  const card = el(
    "li",
    { class: "film card" },
    rank,
    poster(movie),
    el("div", { class: "film-text" }, titleButton(movie), facts(movie)),
    predicted,
    reasons,
    el("div", { class: "film-ends" }, field, hide, bookmark),
  );
  card.show = ({ predicted_rating: stars, reasons: given }, position, pronoun) => {
    rank.textContent = position;
    // A model that has learnt from no ratings predicts none.
    predicted.replaceChildren(...(stars === null ? [] : predictedText(stars)));
    const lines = reasonLines(given, pronoun);
    reasons.replaceChildren(...lines);
    reasons.hidden = !lines.length;
  };
  return card;
}

function predictedText(stars) {
  const star = svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: STAR }));
  return [star, el("b", {}, stars.toFixed(1)), " predicted"];
}
