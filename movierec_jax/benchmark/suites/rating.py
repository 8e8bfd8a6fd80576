"""Which model predicts ratings best, and at what cost: our model and baselines on the same rows.

folds -> every fit in a process of its own, in turn -> means over folds -> difference to the best baseline -> table

RMSE and MAE are over all test ratings of a fold, also of users and movies absent from train, with predictions clipped
to the rating scale.
"""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.bootstrap import Difference, bootstrap_rmse, differences_to
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_MODEL, Entrant, measure_in_turn, require_no_failures
from movierec_jax.benchmark.folds import Fold, count_ratings, fold_names, read_folds
from movierec_jax.benchmark.provenance import bootstrap_note, fits_provenance, machine_note, provenance, seeds_note
from movierec_jax.benchmark.rating_job import RatingJob, predict_apart, save_parts
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.evaluation import metrics

# The baseline whose fit time the others are compared with: the first of these that is measured.
TIME_REFERENCES = ("myfm_svdpp", "myfm_mf")

# Figures of each fit.
FIGURES = ("rmse", "mae", "fit_seconds", "predict_seconds", "peak_memory_mb")

COLUMNS = ("model", "RMSE", "MAE", "fit s", "fit / myFM", "predict s", "peak MB", "RMSE - best baseline's")

# Rows of our model; one more is a label and the settings in which it differs.
OUR_ENTRANTS = (
    Entrant("movierec_jax, ids + history", settings={"content": ()}),
    Entrant("movierec_jax, ids + history, 4 members", settings={"content": (), "ensemble_size": 4}),
    Entrant("movierec_jax, + content"),
    Entrant("movierec_jax, + content + time of rating", settings={"rating_time": True}),
)

# What each part of our model adds, one row after the other.
ABLATION = (
    Entrant("ids", settings={"history": (), "content": (), "hidden_dims": ()}),
    Entrant("+ history of users", settings={"history": ("user",), "content": (), "hidden_dims": ()}),
    Entrant("+ history of movies", settings={"content": (), "hidden_dims": ()}),
    Entrant("+ content", settings={"hidden_dims": ()}),
    Entrant("+ dense layers"),
    Entrant("+ 4 members", settings={"ensemble_size": 4}),
    Entrant("+ time of rating", settings={"ensemble_size": 4, "rating_time": True}),
)


# The first number of ratings in train of each group of users or of movies, and the groups' names.
FIRST_COUNTS = (0, 1, 2, 6, 21)

COUNT_GROUPS = ("0", "1", "2 to 5", "6 to 20", "more")


@dataclasses.dataclass(frozen=True)
class CountGroup:
    """The test ratings of users, or of movies, with so many ratings in train: summed squared errors, and number."""

    side: str
    ratings_in_train: str
    squared_error: float
    num_ratings: int


@dataclasses.dataclass(frozen=True)
class RatingResult:
    """One fit, measured on its fold's test part.

    fold: its index among the folds. figures: those of FIGURES by name. squared_error: summed over each user's ratings.
    """

    fold: int
    seed: int
    figures: dict[str, float]
    squared_error: Float64[np.ndarray, " users"]
    by_count: list[CountGroup]
    details: dict[str, Any]

    def in_words(self) -> str:
        return f"RMSE {self.figures['rmse']:.4f} in {self.figures['fit_seconds']:.1f} s"


@dataclasses.dataclass(frozen=True)
class RatingRow:
    """An entrant's figures. by_seed: each of FIGURES as a mean over folds, for each seed.

    fit_ratio: mean fit seconds over those of the time reference. difference: of the RMSE, to the best baseline. None if
    there is nothing to compare with.
    """

    entrant: Entrant
    fits: list[RatingResult]
    by_seed: dict[str, list[float]]
    fit_ratio: float | None = None
    difference: Difference | None = None

    def mean(self, figure: str) -> float:
        return float(np.mean(self.by_seed[figure]))


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, our_entrants: Sequence[Entrant] = OUR_ENTRANTS
) -> dict[str, Any]:
    """Fits our model and the baselines, and publishes the table.

    If a fit fails, its entrant is left out of the table. Raises InputError for unusable input, and at the end, with all
    written, if a fit failed.
    """
    seeds = benchmark.seeds or (config.train.seed,)
    folds = read_folds(config)
    entrants = [*without_missing_times(our_entrants, folds), *baseline_entrants(benchmark)]
    output = output_folder(benchmark.output)
    rows, failures = fit_rows(entrants, folds, seeds)
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance(seeds, config),
        **fold_figures(folds, config),
        **row_figures(rows),
        "failures": failures,
    }
    table = build_table(benchmark.suite, rows, failures, folds, seeds, config)
    publish(output, benchmark.suite, table, figures)
    require_no_failures(failures)
    return figures


def baseline_entrants(benchmark: BenchmarkConfig) -> list[Entrant]:
    """Returns the baselines of the flags."""
    return [Entrant(find_baseline("rating", name).label, name) for name in benchmark.baseline_names()]


def fit_rows(
    entrants: Sequence[Entrant], folds: list[Fold], seeds: Sequence[int]
) -> tuple[list[RatingRow], dict[str, str]]:
    """Fits all entrants; returns a row for each that did not fail, and the reasons of failures by label."""
    users = pd.Index(np.concatenate([fold.test[USER_ID].unique() for fold in folds])).unique()
    results, failures = measure_in_turn(turns(entrants, folds, users, seeds))
    fitted = [entrant for entrant in entrants if entrant.label not in failures]
    return summarise(fitted, results, folds, users), failures


def without_missing_times(our_entrants: Sequence[Entrant], folds: list[Fold]) -> list[Entrant]:
    """Leaves out rows of our model that need times of ratings, if the ratings have none."""
    has_times = all((fold.train[TIMESTAMP] != NO_TIMESTAMP).any() for fold in folds)
    left_out = [entrant for entrant in our_entrants if entrant.settings.get("rating_time") and not has_times]
    for entrant in left_out:
        print(f"left out, because the ratings have no times: {entrant.label}")
    return [entrant for entrant in our_entrants if entrant not in left_out]


def turns(
    entrants: Sequence[Entrant], folds: list[Fold], users: pd.Index, seeds: Sequence[int]
) -> Iterator[tuple[Entrant, str, Callable[[], RatingResult]]]:
    """Yields every fit to measure. Entrants take turns, so that a machine that slows down slows all of them."""
    for index, fold in enumerate(folds):
        with tempfile.TemporaryDirectory() as scratch:
            data = pathlib.Path(scratch)
            save_parts(data, fold.train, fold.test)
            for seed in seeds:
                for entrant in entrants:
                    job = RatingJob(entrant.model, fold.rating_scale, seed, fold.config.replace(**entrant.settings))
                    yield (
                        entrant,
                        f"fold {index + 1}, seed {seed}",
                        functools.partial(measure, index, job, fold, users, data),
                    )


def measure(index: int, job: RatingJob, fold: Fold, users: pd.Index, data: pathlib.Path) -> RatingResult:
    """Fits an entrant and measures it on the fold of this index. Raises FitError."""
    fit = predict_apart(job, data)
    rating = fold.test[RATING].to_numpy(np.float64)
    figures = {
        "rmse": metrics.rmse(fit.rating, rating),
        "mae": metrics.mae(fit.rating, rating),
        "fit_seconds": fit.fit_seconds,
        "predict_seconds": fit.predict_seconds,
        "peak_memory_mb": fit.peak_memory_mb,
    }
    user = users.get_indexer(pd.Index(fold.test[USER_ID]))
    squared_error = (fit.rating - rating) ** 2
    of_users = np.bincount(user, squared_error, minlength=len(users))
    return RatingResult(index, job.seed, figures, of_users, count_groups(fold, squared_error), fit.details)


def count_groups(fold: Fold, squared_error: Float64[np.ndarray, " ratings"]) -> list[CountGroup]:
    """Groups the test ratings by how many ratings train has of their users, and of their movies."""
    groups = []
    for side, column in (("users", USER_ID), ("movies", MOVIE_ID)):
        count = fold.test[column].map(fold.train[column].value_counts()).fillna(0).to_numpy(np.int64)
        group = np.digitize(count, FIRST_COUNTS) - 1
        total, number = (np.bincount(group, weight, len(COUNT_GROUPS)) for weight in (squared_error, None))
        groups += [CountGroup(side, *one) for one in zip(COUNT_GROUPS, total.tolist(), number.tolist(), strict=True)]
    return groups


def summarise(
    entrants: Sequence[Entrant], results: dict[str, list[RatingResult]], folds: list[Fold], users: pd.Index
) -> list[RatingRow]:
    """Returns a row for each entrant; all its fits must be there."""
    rows = [
        RatingRow(entrant, results[entrant.label], means_over_folds(results[entrant.label])) for entrant in entrants
    ]
    if reference := time_reference(rows):
        seconds = reference.mean("fit_seconds")
        rows = [dataclasses.replace(row, fit_ratio=row.mean("fit_seconds") / seconds) for row in rows]
    if best := best_baseline(rows):
        # Every entrant has its fits in the same order, so position n is the same fold and seed for all.
        squared_error = np.array([[one.squared_error for one in row.fits] for row in rows])
        num_ratings = ratings_by_user(folds, users)[[one.fold for one in rows[0].fits]]
        rmse = {row.entrant.label: row.mean("rmse") for row in rows}
        differences = differences_to(best.entrant.label, rmse, bootstrap_rmse(squared_error, num_ratings))
        rows = [dataclasses.replace(row, difference=differences.get(row.entrant.label)) for row in rows]
    return rows


def means_over_folds(fits: list[RatingResult]) -> dict[str, list[float]]:
    """Returns each figure as a mean over folds, and memory as the highest, for each seed."""
    by_seed: dict[int, list[RatingResult]] = {}
    for one in fits:
        by_seed.setdefault(one.seed, []).append(one)
    return {
        name: [
            float((np.max if name == "peak_memory_mb" else np.mean)([one.figures[name] for one in own]))
            for own in by_seed.values()
        ]
        for name in FIGURES
    }


def time_reference(rows: list[RatingRow]) -> RatingRow | None:
    """Returns the row that fit times are compared with."""
    by_name = {row.entrant.model: row for row in rows}
    return next((by_name[name] for name in TIME_REFERENCES if name in by_name), None)


def best_baseline(rows: list[RatingRow]) -> RatingRow | None:
    """Returns the baseline with the lowest RMSE."""
    baselines = [row for row in rows if row.entrant.model != OUR_MODEL]
    return min(baselines, key=lambda row: row.mean("rmse"), default=None)


def ratings_by_user(folds: list[Fold], users: pd.Index) -> Int64[np.ndarray, "folds users"]:
    """Counts each user's test ratings in each fold."""
    return np.stack(
        [np.bincount(users.get_indexer(pd.Index(fold.test[USER_ID])), minlength=len(users)) for fold in folds]
    )


def fold_figures(folds: list[Fold], config: Config) -> dict[str, Any]:
    """Returns the sizes of the folds and how they were split, as plain values."""
    sizes = [{"ratings": fold.name, **count_ratings(fold), "rating_scale": list(fold.rating_scale)} for fold in folds]
    return {"folds": sizes, "split": "files" if config.data.test_ratings else config.data.split}


def row_figures(rows: list[RatingRow]) -> dict[str, Any]:
    """Returns all rows, with each fit, as plain values."""
    best, reference = best_baseline(rows), time_reference(rows)
    return {
        "best_baseline": best.entrant.label if best else None,
        "time_reference": reference.entrant.label if reference else None,
        "rows": [
            {
                "label": row.entrant.label,
                "model": row.entrant.model,
                "settings": row.entrant.settings,
                **{name: row.mean(name) for name in FIGURES},
                "by_seed": row.by_seed,
                "fit_ratio": row.fit_ratio,
                "differences": {"rmse": row.difference.as_json()} if row.difference else {},
                "fits": [
                    {
                        "fold": one.fold,
                        "seed": one.seed,
                        **one.figures,
                        "by_count": as_json(one),
                        "details": one.details,
                    }
                    for one in row.fits
                ],
            }
            for row in rows
        ],
    }


def as_json(fit: RatingResult) -> list[dict[str, Any]]:
    """Returns the groups of a fit as plain values."""
    return [dataclasses.asdict(group) for group in fit.by_count]


def build_table(
    suite: str,
    rows: list[RatingRow],
    failures: dict[str, str],
    folds: list[Fold],
    seeds: Sequence[int],
    config: Config,
) -> Table:
    """Returns a row for each entrant, and notes."""
    best, reference = best_baseline(rows), time_reference(rows)
    cells = [row_cells(row, best) for row in rows]
    cells += [(label, "failed", *["-"] * (len(COLUMNS) - 2)) for label in failures]
    num_train = round(np.mean([len(fold.train) for fold in folds]))
    num_test = round(np.mean([len(fold.test) for fold in folds]))
    split = "--test_ratings" if config.data.test_ratings else f"--split={config.data.split}"
    notes = [
        f"{num_train:,} train and {num_test:,} test ratings ({split}), cold ones included; {seeds_note(seeds)}",
        "fit s: from ratings to fitted model, with compilation; peak MB: the most memory of the whole process",
        machine_note(),
    ]
    if reference:
        notes.append(f"fit / myFM: fit seconds over those of {reference.entrant.label}")
    if best:
        notes.append(f"best baseline: {best.entrant.label}; {bootstrap_note()}")
    notes += [f"{label} failed ({why})" for label, why in failures.items()]
    return Table(f"{suite}: {fold_names(folds)}", COLUMNS, tuple(cells), tuple(notes))


def row_cells(row: RatingRow, best: RatingRow | None) -> tuple[str, ...]:
    """Returns the cells of a row; a dash where there is nothing to compare with."""
    is_best = best is not None and row.entrant == best.entrant
    return (
        row.entrant.label,
        with_spread(row.by_seed["rmse"], 4),
        with_spread(row.by_seed["mae"], 4),
        with_spread(row.by_seed["fit_seconds"], 1),
        ratio_cell(row),
        f"{row.mean('predict_seconds'):.1f}",
        f"{max(row.by_seed['peak_memory_mb']):,.0f}",
        row.difference.in_words() if row.difference else "best baseline" if is_best else "-",
    )


def ratio_cell(row: RatingRow) -> str:
    """Returns a row's fit seconds over those of the time reference; a dash without one."""
    return "-" if row.fit_ratio is None else f"{row.fit_ratio:.2f}"
