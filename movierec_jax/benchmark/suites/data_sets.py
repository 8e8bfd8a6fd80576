"""How well our model predicts by default: every data set of a folder, with one row for each in one table.

The folder of --ratings holds a pair of files for each data set, NAME.train.EXT and NAME.test.EXT. Our model has the
settings of the flags, the same for all.
"""

import pathlib
from typing import Any

import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL, Entrant, require_no_failures
from movierec_jax.benchmark.folds import Fold, count_ratings, read_fold
from movierec_jax.benchmark.provenance import bootstrap_note, fits_provenance, machine_note, provenance, seeds_note
from movierec_jax.benchmark.suites.rating import (
    RatingRow,
    baseline_entrants,
    best_baseline,
    fit_rows,
    ratio_cell,
    row_figures,
)
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.errors import InputError

TRAIN, TEST = ".train.", ".test."


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Fits our model and the baselines on each data set, and publishes the table.

    Raises InputError for a folder without pairs of files, and at the end, with all written, if a fit failed.
    """
    seeds = benchmark.seeds or (config.train.seed,)
    entrants = [Entrant(OUR_LABEL), *baseline_entrants(benchmark)]
    pairs, output = pairs_of_folder(config.data.ratings), output_folder(benchmark.output)
    cells, count_cells, figures = [], [], {}
    failures: dict[str, str] = {}
    for name, (train, test) in pairs.items():
        print(name)
        fold = read_fold(config.replace(ratings=str(train), test_ratings=str(test)))
        rows, failed = fit_rows(entrants, [fold], seeds)
        cells.append(data_set_cells(name, fold, entrants, rows))
        count_cells += by_count_cells(name, entrants, rows)
        figures[name] = row_figures(rows) | {"failures": failed}
        failures |= {f"{label} on {name}": why for label, why in failed.items()}
    notes = [
        f"test RMSE of each model, cold rows included; {seeds_note(seeds)}",
        "fit s: of our model, from ratings to fitted model, with compilation; fit / myFM: the same over myFM's",
        f"difference: our RMSE less the best baseline's; {bootstrap_note()}",
        machine_note(),
    ]
    labels = tuple(entrant.label for entrant in entrants)
    columns = ("data", "ratings", "users", "movies", *labels)
    table = Table(
        f"{benchmark.suite}: {config.data.ratings}",
        (*columns, "fit s", "fit / myFM", "difference"),
        tuple(cells),
        (*notes, *(f"{label} failed ({why})" for label, why in failures.items())),
    )
    about = {**provenance(benchmark.suite, command), **fits_provenance(seeds, config)}
    publish(output, benchmark.suite, table, about | {"data_sets": figures})
    by_count = Table(
        f"{benchmark.suite}: {config.data.ratings}, by number of ratings in train",
        ("data", "of", "ratings in train", "test ratings", *labels),
        tuple(count_cells),
        (f"test RMSE of each model; {seeds_note(seeds)}",),
    )
    publish(output, f"{benchmark.suite}_by_count", by_count, about)
    require_no_failures(failures)
    return figures


def pairs_of_folder(folder: str) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Returns train and test file of each data set of a folder, by name. Raises InputError where there is no pair."""
    train = sorted(pathlib.Path(folder).glob(f"*{TRAIN}*"))
    if not train:
        raise InputError(f"--ratings={folder}: holds no NAME.train.EXT; give a folder of train and test files")
    pairs = {}
    for path in train:
        test = path.with_name(path.name.replace(TRAIN, TEST))
        if not test.is_file():
            raise InputError(f"--ratings={folder}: {path.name} has no {test.name} beside it")
        pairs[path.name.split(TRAIN)[0]] = path, test
    return pairs


def data_set_cells(name: str, fold: Fold, entrants: list[Entrant], rows: list[RatingRow]) -> tuple[str, ...]:
    """Returns the cells of a data set; a dash for a model that failed, and where there is nothing to compare with."""
    by_label = {row.entrant.label: row for row in rows}
    ours, best = by_label.get(OUR_LABEL), best_baseline(rows)
    count = count_ratings(fold)
    sizes = (f"{count[what]:,}" for what in ("train", "users", "movies"))
    rmse = (with_spread(by_label[one.label].by_seed["rmse"], 4) if one.label in by_label else "-" for one in entrants)
    seconds = "-" if ours is None else with_spread(ours.by_seed["fit_seconds"], 1)
    ratio = "-" if ours is None else ratio_cell(ours)
    difference = "-"
    if ours is not None and ours.difference is not None and best is not None:
        difference = f"{ours.difference.in_words()} to {best.entrant.label}"
    return (name, *sizes, *rmse, seconds, ratio, difference)


def by_count_cells(name: str, entrants: list[Entrant], rows: list[RatingRow]) -> list[tuple[str, ...]]:
    """Returns a row of cells for each group of test ratings by the number of ratings in train, if any."""
    by_label = {row.entrant.label: [fit.by_count for fit in row.fits] for row in rows}
    cells = []
    for number, group in enumerate(rows[0].fits[0].by_count if rows else ()):
        if not group.num_ratings:
            continue
        rmse = []
        for entrant in entrants:
            fits = [groups[number] for groups in by_label.get(entrant.label, ())]
            mean = [np.sqrt(fit.squared_error / fit.num_ratings) for fit in fits]
            rmse.append(f"{np.mean(mean):.4f}" if mean else "-")
        cells.append((name, group.side, group.ratings_in_train, f"{group.num_ratings:,}", *rmse))
    return cells
