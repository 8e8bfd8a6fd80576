"""Who predicts stars best, and at what cost: our model and its peers on the same rows, top to bottom.

folds -> every fit in a process of its own, in turn -> means over folds -> the difference to the best peer -> table

RMSE and MAE are pooled: over all test ratings of a fold, those of users and movies that train lacks included, with
predictions held to the rating scale.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from movierec_jax.benchmark.bootstrap import CONFIDENCE, NUM_RESAMPLES, bootstrap_rmse, interval
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.fit import OURS, FitError, Job, fit_apart, save_parts
from movierec_jax.benchmark.folds import Fold, count_ratings, fold_configs, read_fold
from movierec_jax.benchmark.peer import find_peer
from movierec_jax.benchmark.table import Table, as_text, with_interval, with_spread, write_table
from movierec_jax.config import Config
from movierec_jax.data.schema import NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.packages import import_extra
from movierec_jax.settings import to_json

# The row that fit times are compared with: the first of these that is there.
TIME_REFERENCES = ("myfm_svdpp", "myfm_mf")

# What each fit is told by, beside its predictions.
FIGURES = ("rmse", "mae", "fit_seconds", "predict_seconds", "peak_memory_mb")

COLUMNS = ("model", "RMSE", "MAE", "fit s", "fit / myFM", "predict s", "peak MB", "RMSE - best peer's")


@dataclasses.dataclass(frozen=True)
class Entrant:
    """One row of the table. settings: of ours, by flag name, beside those that the flags give."""

    label: str
    recommender: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


# Rows of our own; one more is a label and the settings in which it differs.
OUR_ENTRANTS = (
    Entrant("movierec_jax, ids + history", OURS, {"content": ()}),
    Entrant("movierec_jax, ids + history, 4 members", OURS, {"content": (), "ensemble_size": 4}),
    Entrant("movierec_jax, + content", OURS),
    Entrant("movierec_jax, + content + time of rating", OURS, {"rating_time": True}),
)


# What each part of the model is worth, one row after the other.
ABLATION = (
    Entrant("ids", OURS, {"history": (), "content": (), "hidden_dims": ()}),
    Entrant("+ history of users", OURS, {"history": ("user",), "content": (), "hidden_dims": ()}),
    Entrant("+ history of movies", OURS, {"content": (), "hidden_dims": ()}),
    Entrant("+ content", OURS, {"hidden_dims": ()}),
    Entrant("+ dense layers", OURS),
    Entrant("+ 4 members", OURS, {"ensemble_size": 4}),
    Entrant("+ time of rating", OURS, {"ensemble_size": 4, "rating_time": True}),
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """One fit of an entrant, measured on its fold's test part.

    fold: its place among the folds; figures: by name, those of FIGURES; squared_error: summed over each user's ratings.
    """

    label: str
    fold: int
    seed: int
    figures: dict[str, float]
    squared_error: Float64[np.ndarray, " users"]
    details: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """An entrant's figures. by_seed: each of FIGURES as a mean over folds, for each seed.

    fit_ratio: mean fit seconds over those of the time reference; difference and bounds: of its RMSE to the best
    peer's, with the interval by bootstrap. None where there is nothing to compare with.
    """

    entrant: Entrant
    by_seed: dict[str, list[float]]
    fit_ratio: float | None = None
    difference: float | None = None
    bounds: tuple[float, float] | None = None

    def mean(self, figure: str) -> float:
        return float(np.mean(self.by_seed[figure]))


def run_suite(
    config: Config, benchmark: BenchmarkConfig, command: str, ours: Sequence[Entrant] = OUR_ENTRANTS
) -> dict[str, Any]:
    """Fits ours and the peers, prints the table, writes it as Markdown and JSON, and returns what the latter holds.

    A fit that fails takes its entrant out of the table and leaves the others. Raises InputError for input that cannot
    be used, and at the end, with all written, where a fit failed.
    """
    seeds = benchmark.seeds or (config.train.seed,)
    folds = [read_fold(fold_config) for fold_config in fold_configs(config)]
    entrants = (*possible(ours, folds), *map(peer_entrant, benchmark.peers))
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    users = pd.Index(np.concatenate([fold.test[USER_ID].unique() for fold in folds])).unique()
    measured, failures = measure_all(entrants, folds, users, seeds)
    rows = summarise([entrant for entrant in entrants if entrant.label not in failures], measured, folds, users)
    table = build_table(rows, failures, folds, seeds, config)
    print(f"\n{as_text(table)}\n")
    figures = all_figures(rows, measured, failures, folds, seeds, config, command)
    write_table(output, benchmark.suite, table, figures)
    print(f"table and all figures in {output / benchmark.suite}.md and .json")
    if failures:
        raise InputError(f"no figures for {', '.join(failures)}; the other rows stand")
    return figures


def possible(ours: Sequence[Entrant], folds: list[Fold]) -> list[Entrant]:
    """Those of our rows that the ratings allow: without times of ratings, none that looks at them."""
    has_times = all((fold.train[TIMESTAMP] != NO_TIMESTAMP).any() for fold in folds)
    left_out = [entrant for entrant in ours if entrant.settings.get("rating_time") and not has_times]
    for entrant in left_out:
        print(f"left out, for want of times of ratings: {entrant.label}")
    return [entrant for entrant in ours if entrant not in left_out]


def peer_entrant(name: str) -> Entrant:
    """The row of a peer. Raises InputError where its library is not installed."""
    peer = find_peer(name)
    if peer.library:
        import_extra(peer.library, "bench")
    return Entrant(peer.label, name)


# Fits.


def measure_all(
    entrants: Sequence[Entrant], folds: list[Fold], users: pd.Index, seeds: Sequence[int]
) -> tuple[list[Measured], dict[str, str]]:
    """Every fit that ended well, and the reason for each entrant of which one did not, by label.

    Entrants take turns, so that a machine that slows down slows all of them; after a failure an entrant sits out.
    """
    measured: list[Measured] = []
    failures: dict[str, str] = {}
    for entrant, fold, seed, data in history_positions(entrants, folds, seeds):
        if entrant.label in failures:
            continue
        job = Job(entrant.recommender, folds[fold].rating_scale, seed, folds[fold].config.replace(**entrant.settings))
        start = f"fold {fold + 1} of {len(folds)}, seed {seed}  {entrant.label}"
        try:
            found = measure(entrant, fold, job, folds[fold].test, users, data)
        except FitError as error:
            failures[entrant.label] = f"fold {fold + 1}, seed {seed}: {error}"
            print(f"{start}: failed: {error}", flush=True)
            continue
        measured.append(found)
        print(f"{start}: RMSE {found.figures['rmse']:.4f} in {found.figures['fit_seconds']:.1f} s", flush=True)
    return measured, failures


def history_positions(
    entrants: Sequence[Entrant], folds: list[Fold], seeds: Sequence[int]
) -> Iterator[tuple[Entrant, int, int, pathlib.Path]]:
    """Each fit to be made in its turn: entrant, place of the fold, seed, and the folder with the fold's ratings."""
    for place, fold in enumerate(folds):
        with tempfile.TemporaryDirectory() as scratch:
            data = pathlib.Path(scratch)
            save_parts(data, fold.train, fold.test)
            for seed in seeds:
                for entrant in entrants:
                    yield entrant, place, seed, data


def measure(entrant: Entrant, fold: int, job: Job, test: pd.DataFrame, users: pd.Index, data: pathlib.Path) -> Measured:
    """Fits an entrant and measures it. Raises FitError."""
    fit = fit_apart(job, data)
    rating = test[RATING].to_numpy(np.float64)
    figures = {
        "rmse": metrics.rmse(fit.stars, rating),
        "mae": metrics.mae(fit.stars, rating),
        "fit_seconds": fit.fit_seconds,
        "predict_seconds": fit.predict_seconds,
        "peak_memory_mb": fit.peak_memory_mb,
    }
    squared_error = np.bincount(
        users.get_indexer(pd.Index(test[USER_ID])), (fit.stars - rating) ** 2, minlength=len(users)
    )
    return Measured(entrant.label, fold, job.seed, figures, squared_error, fit.details)


# Figures.


def summarise(entrants: Sequence[Entrant], measured: list[Measured], folds: list[Fold], users: pd.Index) -> list[Row]:
    """A row for each entrant that has all its fits."""
    fits = [[one for one in measured if one.label == entrant.label] for entrant in entrants]
    rows = [Row(entrant, over_folds(own)) for entrant, own in zip(entrants, fits, strict=True)]
    reference = time_reference(rows)
    if reference:
        seconds = reference.mean("fit_seconds")
        rows = [dataclasses.replace(row, fit_ratio=row.mean("fit_seconds") / seconds) for row in rows]
    best = best_peer(rows)
    if best:
        # Every entrant has its fits in the same order, so their places stand for the same fold and seed.
        squared_error = np.array([[one.squared_error for one in own] for own in fits])
        num_ratings = ratings_by_user(folds, users)[[one.fold for one in fits[0]]]
        resampled = bootstrap_rmse(squared_error, num_ratings)
        differences = resampled - resampled[:, [rows.index(best)]]
        rows = [
            dataclasses.replace(
                row, difference=row.mean("rmse") - best.mean("rmse"), bounds=interval(differences[:, n])
            )
            if row is not best
            else row
            for n, row in enumerate(rows)
        ]
    return rows


def over_folds(fits: list[Measured]) -> dict[str, list[float]]:
    """Each figure as a mean over folds, for each seed; of memory the highest, for each seed."""
    by_seed: dict[int, list[Measured]] = {}
    for one in fits:
        by_seed.setdefault(one.seed, []).append(one)
    return {
        name: [
            float((np.max if name == "peak_memory_mb" else np.mean)([one.figures[name] for one in own]))
            for own in by_seed.values()
        ]
        for name in FIGURES
    }


def time_reference(rows: list[Row]) -> Row | None:
    """The row that fit times are compared with."""
    by_name = {row.entrant.recommender: row for row in rows}
    return next((by_name[name] for name in TIME_REFERENCES if name in by_name), None)


def best_peer(rows: list[Row]) -> Row | None:
    """The peer of the lowest RMSE."""
    peers = [row for row in rows if row.entrant.recommender != OURS]
    return min(peers, key=lambda row: row.mean("rmse"), default=None)


def ratings_by_user(folds: list[Fold], users: pd.Index) -> Int64[np.ndarray, "folds users"]:
    """How many test ratings each user has in each fold."""
    return np.stack(
        [np.bincount(users.get_indexer(pd.Index(fold.test[USER_ID])), minlength=len(users)) for fold in folds]
    )


# Table.


def build_table(
    rows: list[Row], failures: dict[str, str], folds: list[Fold], seeds: Sequence[int], config: Config
) -> Table:
    """The figures as people read them."""
    best, reference = best_peer(rows), time_reference(rows)
    cells = [row_cells(row, best) for row in rows]
    cells += [(label, "failed", *["-"] * (len(COLUMNS) - 2)) for label in failures]
    num_train = round(np.mean([len(fold.train) for fold in folds]))
    num_test = round(np.mean([len(fold.test) for fold in folds]))
    where = folds[0].name if len(folds) == 1 else f"means over {len(folds)} folds, {folds[0].name} to {folds[-1].name}"
    spread = ", mean (lowest to highest)" if len(seeds) > 1 else ""
    split = "--test_ratings" if config.data.test_ratings else f"--split={config.data.split}"
    found = machine()
    notes = [
        f"{num_train:,} train and {num_test:,} test ratings ({split}), cold ones included; "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}{spread}",
        "fit s: from ratings to fitted model, with compilation; peak MB: the most memory of the whole process",
        f"{found['processor']}, {found['cores']} core{'s' * (found['cores'] != 1)}, {found['memory_gb']:g} GB; Python "
        f"{versions()['python']}",
    ]
    if reference:
        notes.append(f"fit / myFM: fit seconds over those of {reference.entrant.label}")
    if best:
        notes.append(
            f"best peer: {best.entrant.label}; in brackets the {CONFIDENCE:.0%} interval of a paired bootstrap over "
            f"users, {NUM_RESAMPLES:,} draws"
        )
    notes += [f"{label} failed ({why})" for label, why in failures.items()]
    return Table(f"stars: {where}", COLUMNS, tuple(cells), tuple(notes))


def row_cells(row: Row, best: Row | None) -> tuple[str, ...]:
    """A row of the table; a dash where there is nothing to compare with."""
    difference = "best peer" if best is not None and row.entrant == best.entrant else "-"
    if row.difference is not None and row.bounds is not None:
        difference = with_interval(row.difference, row.bounds, 4)
    return (
        row.entrant.label,
        with_spread(row.by_seed["rmse"], 4),
        with_spread(row.by_seed["mae"], 4),
        with_spread(row.by_seed["fit_seconds"], 1),
        "-" if row.fit_ratio is None else f"{row.fit_ratio:.2f}",
        f"{row.mean('predict_seconds'):.1f}",
        f"{max(row.by_seed['peak_memory_mb']):,.0f}",
        difference,
    )


def all_figures(
    rows: list[Row],
    measured: list[Measured],
    failures: dict[str, str],
    folds: list[Fold],
    seeds: Sequence[int],
    config: Config,
    command: str,
) -> dict[str, Any]:
    """Everything found, as plain values: what the table shows, and each fit by itself."""
    best, reference = best_peer(rows), time_reference(rows)
    return {
        "suite": "stars",
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "seeds": list(seeds),
        "folds": [
            {"ratings": fold.name, **count_ratings(fold), "rating_scale": list(fold.rating_scale)} for fold in folds
        ],
        "split": "files" if config.data.test_ratings else config.data.split,
        "settings": to_json(config),
        "best_peer": best.entrant.label if best else None,
        "time_reference": reference.entrant.label if reference else None,
        "bootstrap": {"over": "users", "draws": NUM_RESAMPLES, "confidence": CONFIDENCE},
        "rows": [row_figures(row, [one for one in measured if one.label == row.entrant.label]) for row in rows],
        "failures": failures,
    }


def row_figures(row: Row, fits: list[Measured]) -> dict[str, Any]:
    """A row and its fits as plain values."""
    return {
        "label": row.entrant.label,
        "recommender": row.entrant.recommender,
        "settings": row.entrant.settings,
        **{name: row.mean(name) for name in FIGURES},
        "by_seed": row.by_seed,
        "fit_ratio": row.fit_ratio,
        "rmse_difference": row.difference,
        "rmse_difference_interval": row.bounds,
        "fits": [{"fold": one.fold, "seed": one.seed, **one.figures, "details": one.details} for one in fits],
    }
