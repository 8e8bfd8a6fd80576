"""How good the lists of new users are after their first ratings, and what training on these would add.

cases of new users -> the first of their ratings -> lists: popularity, ours told afterwards, ours trained on them
                                                      └─> figures by user -> means, bootstrap -> table

Whatever the number of ratings given, the users are the same, and so is what is to be found.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from movierec_jax.benchmark import ours
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.fit import OURS
from movierec_jax.benchmark.folds import Fold, fold_configs, read_fold
from movierec_jax.benchmark.lists import ListJob, lists_of_ranker
from movierec_jax.benchmark.suites.ranking import (
    COMPARED,
    Case,
    Differences,
    Entrant,
    K,
    Measured,
    differences_to_best,
    figures_of,
    in_words,
    means,
    new_users,
    notes_on,
    origin,
    row_figures,
    title,
)
from movierec_jax.benchmark.table import Table, as_text, with_interval, with_spread, write_table
from movierec_jax.config import Config
from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.schema import USER_ID, CleanData
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender

# Ratings that each user has given. Users with fewer than the last, beside those to be found, are left out.
NUM_GIVEN = (3, 10, 30)

POPULARITY = Entrant("popularity", "popularity")

NEW = Entrant("movierec_jax, users new", OURS)

TRAINED_IN = Entrant("movierec_jax, users trained in", OURS)

ENTRANTS = (POPULARITY, NEW, TRAINED_IN)

COLUMNS = ("", "recommender", *COMPARED, "coverage@10", *(f"{name} - new users'" for name in COMPARED))


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Makes all lists, prints the table, writes it as Markdown and JSON, and returns what the latter holds."""
    seeds = benchmark.seeds or (config.train.seed,)
    folds = [read_fold(fold_config) for fold_config in fold_configs(config)]
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    measured: dict[int, dict[str, list[Measured]]] = {
        num_given: {entrant.label: [] for entrant in ENTRANTS} for num_given in NUM_GIVEN
    }
    asked = []
    for fold in folds:
        for seed in seeds:
            case = with_enough_ratings(new_users(fold, seed), fold.name)
            asked.append(case)
            for num_given, found in measure(case, seed):
                measured[num_given][found.label].append(found)
                told = f"{fold.name}, seed {seed}  {num_given} ratings  {found.label}"
                print(f"{told}: {in_words(found)}", flush=True)
    differences = {
        num_given: differences_to_best(by_label, [NEW.label], asked) for num_given, by_label in measured.items()
    }
    table = build_table(benchmark.suite, measured, differences, asked, folds, seeds)
    print(f"\n{as_text(table)}\n")
    found_figures = {
        **origin(benchmark.suite, command, config, folds, seeds),
        "rows": [
            {"num_given": num_given, **row_figures(entrant, by_label[entrant.label], differences[num_given])}
            for num_given, by_label in measured.items()
            for entrant in ENTRANTS
        ],
    }
    write_table(output, benchmark.suite, table, found_figures)
    print(f"table and all figures in {output / benchmark.suite}.md and .json")
    return found_figures


def with_enough_ratings(case: Case, name: str) -> Case:
    """The users who give as many ratings as any list is made from. Raises InputError where there are none."""
    count = case.task.given[USER_ID].value_counts()
    users = case.task.users[case.task.users.isin(count.index[count >= max(NUM_GIVEN)])]
    if users.empty:
        raise InputError(
            f"{name}: none of {len(case.task.users):,} held-out users gives {max(NUM_GIVEN)} ratings beside those to "
            "be found; take data of users with more ratings"
        )
    given, hidden = (part[part[USER_ID].isin(users)].reset_index(drop=True) for part in (case.task.given, case.hidden))
    return dataclasses.replace(case, task=dataclasses.replace(case.task, given=given, users=users), hidden=hidden)


def first_given(case: Case, num_given: int) -> Case:
    """The same case after this many ratings of each user."""
    given = case.task.given
    given = given[given.groupby(USER_ID).cumcount() < num_given].reset_index(drop=True)
    return dataclasses.replace(case, task=dataclasses.replace(case.task, given=given))


def measure(whole: Case, seed: int) -> Iterator[tuple[int, Measured]]:
    """Every entrant's lists for every number of ratings, measured. One fit serves all numbers where users are new."""
    config = whole.config.replace(seed=seed)
    data = clean(read_ratings(config.data.ratings), config.data)
    model = ours.fitted(config, data, whole.task.train)
    for num_given in NUM_GIVEN:
        case = first_given(whole, num_given)
        for label, movie_row in lists_of_entrants(case, config, data, model):
            yield num_given, Measured(label, *figures_of(case, movie_row), {})


def lists_of_entrants(
    case: Case, config: Config, data: CleanData, model: Recommender
) -> Iterator[tuple[str, Int[np.ndarray, "users k"]]]:
    """The lists that each entrant makes from the given ratings. model: ours, which the users are new to."""
    task = case.task
    job = ListJob(POPULARITY.recommender, case.relevant_rating, K, config.train.seed, config)
    yield POPULARITY.label, lists_of_ranker(job, task)[0]
    yield NEW.label, ours.lists_of(model.with_new_users(task.given), task.users, task.movies, K)
    trained_in = ours.fitted(config, data, pd.concat([task.train, task.given]))
    yield TRAINED_IN.label, ours.lists_of(trained_in, task.users, task.movies, K)


def build_table(
    suite: str,
    measured: dict[int, dict[str, list[Measured]]],
    differences: dict[int, Differences],
    asked: Sequence[Case],
    folds: Sequence[Fold],
    seeds: Sequence[int],
) -> Table:
    """A row for each number of ratings and entrant."""
    cells = []
    for num_given, by_label in measured.items():
        for label, fits in by_label.items():
            row = [f"{num_given} ratings", label]
            row += [with_spread(means(fits, name), 4) for name in (*COMPARED, "coverage@10")]
            for name in COMPARED:
                found = differences[num_given][label].get(name)
                row.append(with_interval(found[1], found[2], 4) if found else "-")
            cells.append(tuple(row))
    notes = (
        *notes_on(f"new users with {max(NUM_GIVEN)} ratings or more to give", asked, seeds),
        "users new: trained without them, told their ratings afterwards; trained in: with these ratings in train",
        "ratings that are neither given nor to be found count as misses, more of them the fewer are given",
    )
    return Table(title(suite, folds), COLUMNS, tuple(cells), notes)
