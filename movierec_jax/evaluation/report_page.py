"""report.html: one page about a finished run that needs nothing beside it, for people.

report.json, records of epochs, predictions, recommender ──> sections ──> report_page.html filled in
"""

import html
import json
import pathlib
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32

from movierec_jax.config import Config, flag_values
from movierec_jax.data.files import atomic_file
from movierec_jax.data.schema import GENRES, MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.evaluation.metrics import RATING_METRICS
from movierec_jax.evaluation.plots import draw_plots, save_png, to_svg
from movierec_jax.evaluation.report import interval_lines, time_note
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.titles import titles_with_years
from movierec_jax.runs.run import Run
from movierec_jax.training.progress import EpochRecord

TEMPLATE = pathlib.Path(__file__).with_name("report_page.html")

# Users whose lists are shown, by their place among all users in order of their number of ratings; lengths of lists.
SHOWN_USERS, SHOWN_MOVIES, SHOWN_RATED = (0.25, 0.5, 0.9), 10, 5

NOTES = {
    "learning_curve": "The kept epoch has the lowest validation RMSE. The error in training is measured with dropout.",
    "calibration": "Each point is a twentieth of the held-out ratings; on the line, predictions are right on average.",
    "residuals_by_movie": "Movies with few ratings are harder to judge.",
    "residuals_by_user": "Users with few ratings are harder to know.",
}


def read_records(workdir: pathlib.Path) -> list[EpochRecord]:
    """Reads the records of all epochs from metrics.jsonl."""
    lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [EpochRecord(**json.loads(line)) for line in lines]


def save_report_page(
    workdir: pathlib.Path,
    recommender: Recommender,
    records: Sequence[EpochRecord],
    report: Mapping[str, Any],
    predicted: Float32[np.ndarray, " ratings"],
) -> None:
    """Writes report.html and its plots to the workdir.

    predicted: for each rating of the test part. report: as `report.build_report` returns it.
    """
    run = recommender.run
    test = run.by_row(run.parts.test)
    is_known = np.isfinite(test.rating) & np.isfinite(predicted)
    num_ratings_of = {
        "movie": run.movie_count[test.movie_row[is_known]],
        "user": run.user_count[test.user_row[is_known]],
    }
    figures = draw_plots(records, predicted[is_known], test.rating[is_known], num_ratings_of)
    save_png(figures, workdir / "plots")
    svgs = {name: to_svg(figure, name) for name, figure in figures.items()}
    with atomic_file(workdir / "report.html") as partial:
        partial.write_text(page(recommender, report, svgs), encoding="utf-8")


def page(recommender: Recommender, report: Mapping[str, Any], svgs: Mapping[str, str]) -> str:
    """Returns the whole page."""
    run, held_out = recommender.run, report["held_out"]
    counts, device = report["counts"], report["device"]
    advice = "".join(f"<li>{html.escape(text)}</li>" for text in report.get("advice", []))
    sections = [
        section("Predicted ratings", rating_table(held_out), rating_note(run, held_out)),
        section("Lists", list_table(held_out["ranking"]), list_note(held_out)),
        section("Training, calibration and errors", plots(svgs)),
        section(
            "Lists of three users",
            users(recommender),
            "Movies that they have not rated, ordered by how likely they are to watch and to like them.",
        ),
        section("Data", data_table(run)),
        section("Settings", settings(run.config)),
        section("Run", run_table(report)),
    ]
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title="Report of a training run",
        subtitle=html.escape(
            f"{run.config.data.ratings}: {counts['train']:,} train, {counts['valid']:,} validation and "
            f"{counts['test']:,} test ratings; {counts['users']:,} users and {counts['movies']:,} movies in train; "
            f"{report['seconds']['total']:.0f} s on {device['count']} {device['kind']}"
        ),
        advice=f'<ul class="advice">{advice}</ul>' if advice else "",
        tiles=tiles(report),
        sections="\n".join(sections),
    )


def section(title: str, body: str, note: str = "") -> str:
    """Returns a section of the page; title and note are text, the body is HTML."""
    note = f'<p class="note">{html.escape(note)}</p>' if note else ""
    return f'<section><h2>{html.escape(title)}</h2>{note}<div class="scroll">{body}</div></section>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", marked: str | None = None) -> str:
    """Returns a table of texts. kind: its class. marked: the first cell of the row that is set off."""
    lines = []
    for first, *others in rows:
        mark = ' class="model"' if first == marked else ""
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in others)
        lines.append(f'<tr{mark}><th scope="row">{html.escape(first)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    head = f"<thead><tr>{head}</tr></thead>" if header else ""
    return f'<table class="{kind}">{head}<tbody>{"".join(lines)}</tbody></table>'


def figure_text(value: float | None) -> str:
    """Returns a figure with four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def tiles(report: Mapping[str, Any]) -> str:
    """Returns the main figures, each beside its baseline."""
    rating, ranking = report["held_out"]["rating"], report["held_out"]["ranking"]
    biases = figure_text(rating["biases"]["all"]["rmse"])
    name = next(iter(ranking["model"]))
    shown = [
        ("test RMSE in stars", figure_text(rating["model"]["all"]["rmse"]), f"biases {biases}"),
        (
            f"test {name.upper()}",
            figure_text(ranking["model"][name]),
            f"popularity {figure_text(ranking['popularity'][name])}",
        ),
        ("validation RMSE", figure_text(report["valid"]["rmse"]), "of the kept epoch"),
        ("kept epoch", f"{report['best_epoch']}", f"of {report['epochs']}"),
    ]
    return "".join(
        f'<div class="card"><dt>{label}</dt><dd class="value">{value}</dd><dd class="note">{note}</dd></div>'
        for label, value, note in shown
    )


def rating_table(held_out: Mapping[str, Any]) -> str:
    """Returns the figures of predicted ratings, of the model, of baselines, and of warm and cold rows."""
    rows = [(name, by_rows["all"]) for name, by_rows in held_out["rating"].items()]
    rows += [(f"model, {part} rows", held_out["rating"]["model"][part]) for part in ("warm", "cold")]
    texts = [[name, *(figure_text(figures[metric]) for metric in RATING_METRICS)] for name, figures in rows]
    return table(["", *(metric.label for metric in RATING_METRICS.values())], texts, marked="model")


def rating_note(run: Run, held_out: Mapping[str, Any]) -> str:
    """Returns what the figures of predicted ratings are about."""
    counts = held_out["counts"]
    intervals = "".join(f" {line}." for line in interval_lines(held_out["intervals"]) if line)
    return (
        f"{counts['rated_rows']:,} held-out ratings{time_note(run.config)}. Cold rows ({counts['cold_rows']:,}) are of "
        f"users or movies without a rating in train. RMSE and MAE: lower is better.{intervals}"
    )


def list_table(ranking: Mapping[str, Mapping[str, float | None]]) -> str:
    """Returns the figures of lists: a row per metric, and columns of each recommender for each list length."""
    lengths = dict.fromkeys(name.split("@")[1] for name in ranking["model"])
    names = dict.fromkeys(name.split("@")[0] for name in ranking["model"])
    header = ["", *(f"{recommender}, first {k}" for k in lengths for recommender in ranking)]
    rows = [
        [
            name.replace("_", " "),
            *(figure_text(figures[f"{name}@{k}"]) for k in lengths for figures in ranking.values()),
        ]
        for name in names
    ]
    return table(header, rows)


def list_note(held_out: Mapping[str, Any]) -> str:
    """Returns what the figures of lists are about."""
    return (
        f"Lists over the whole catalogue for {held_out['counts']['ranked_users']:,} users; higher is better, but for "
        "gini (how unevenly movies are listed). Popularity gives everybody the movies with most ratings."
    )


def plots(svgs: Mapping[str, str]) -> str:
    """Returns the plots, each with a note."""
    cards = (
        f'<figure class="card">{svg}<figcaption class="note">{NOTES[name]}</figcaption></figure>'
        for name, svg in svgs.items()
    )
    return f'<div class="plots">{"".join(cards)}</div>'


def users(recommender: Recommender) -> str:
    """Returns what a few users rated best, and what they are recommended."""
    run = recommender.run
    order = np.argsort(run.user_count[: len(run.users)], kind="stable")
    chosen = run.users.ids[order[[int(place * (len(order) - 1)) for place in SHOWN_USERS]]].unique()
    lists = recommender.recommend(chosen, min(SHOWN_MOVIES, len(run.movies)))
    cards = []
    for user in chosen:
        rated = recommender.rated_by(user)
        best = movie_table(recommender, rated.head(SHOWN_RATED), RATING, "rated best")
        listed = movie_table(recommender, lists[lists[USER_ID] == user], "predicted_rating", "recommended")
        title = html.escape(f"User {user}, {len(rated):,} ratings")
        cards.append(f'<div class="card"><h3>{title}</h3>{best}{listed}</div>')
    return f'<div class="users">{"".join(cards)}</div>'


def movie_table(recommender: Recommender, movies: pd.DataFrame, stars: str, heading: str) -> str:
    """Returns a table of movies with their genres and stars."""
    titled = recommender.with_titles(movies)
    rows = []
    for title, genres, value in zip(titles_with_years(titled), titled[GENRES], titled[stars], strict=True):
        text = html.escape(genres.replace("|", ", "))
        rows.append(
            f'<tr><td>{html.escape(title)}<div class="note">{text}</div></td><td>{stars_text(float(value))}</td></tr>'
        )
    head = f'<tr><th scope="col">{heading}</th><th scope="col">stars</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def stars_text(value: float) -> str:
    """Returns stars with two decimals; a dash where there are none."""
    return "–" if np.isnan(value) else f"{value:.2f}"


def data_table(run: Run) -> str:
    """Returns what the parts of the ratings hold."""
    rows = []
    for name in ("train", "valid", "test"):
        part = getattr(run.parts, name)
        times = pd.to_datetime(part[TIMESTAMP][part[TIMESTAMP] != NO_TIMESTAMP], unit="s").dt.strftime("%Y-%m-%d")
        rows.append(
            [
                "validation" if name == "valid" else name,
                f"{len(part):,}",
                f"{part[USER_ID].nunique():,}",
                f"{part[MOVIE_ID].nunique():,}",
                stars_text(float(part[RATING].mean())),
                f"{times.min()} to {times.max()}" if len(times) else "–",
            ]
        )
    lowest, highest = run.rating_scale
    scale = f"Rating scale: {lowest:g} to {highest:g} stars. Split: {html.escape(run.config.data.split)}."
    return f'<p class="note">{scale}</p>' + table(["part", "ratings", "users", "movies", "mean stars", "given"], rows)


def settings(config: Config) -> str:
    """Returns all settings, first those that are not at their default."""
    usual = flag_values(Config())
    changed = [
        [f"--{name}", value, f"default {usual[name]}"]
        for name, value in flag_values(config).items()
        if value != usual[name]
    ]
    rest = [[f"--{name}", value] for name, value in flag_values(config).items() if value == usual[name]]
    shown = table([], changed, kind="words") if changed else '<p class="note">All settings are at their defaults.</p>'
    others = (
        f"<details><summary>{len(rest)} settings at their defaults</summary>{table([], rest, kind='words')}</details>"
    )
    return shown + others


def run_table(report: Mapping[str, Any]) -> str:
    """Returns seconds, device, parameters and versions."""
    device = report["device"]
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items())
    decays = ", ".join(f"{flag} {value:.1f}" for flag, value in report["decays"].items())
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    rows = [
        ["seconds", seconds],
        ["device", f"{device['count']} x {device['kind']} ({device['backend']}, {device['machine']})"],
        ["parameters", f"{report['counts']['parameters']:,}"],
        ["decays in use", decays],
        ["versions", versions],
    ]
    return table([], rows, kind="words")
