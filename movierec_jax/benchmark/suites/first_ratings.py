"""How good the lists of new users are after their first ratings, and what training on these ratings would add.

case of new users -> their first ratings -> lists: popularity, our model with new users, our model trained on them
                                              └─> figures by user -> means, bootstrap -> table

Users and the movies to be found are the same for every number of ratings given.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from movierec_jax.benchmark import our_model
from movierec_jax.benchmark.baseline_lists import baseline_lists
from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import Entrant
from movierec_jax.benchmark.folds import fold_names, read_folds
from movierec_jax.benchmark.provenance import fits_provenance, provenance
from movierec_jax.benchmark.suites.ranking import (
    COMPARED,
    Differences,
    K,
    RankingCase,
    RankingResult,
    case_notes,
    differences_to_best,
    means,
    measure_lists,
    new_users,
    row_figures,
)
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.schema import USER_ID, CleanData
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender

# Numbers of ratings that each user has given. Users who give fewer than the largest number are left out.
NUM_GIVEN = (3, 10, 30)

POPULARITY = Entrant("popularity", "popularity")

NEW = Entrant("movierec_jax, users new")

TRAINED_IN = Entrant("movierec_jax, users trained in")

ENTRANTS = (POPULARITY, NEW, TRAINED_IN)

COLUMNS = ("", "model", *COMPARED, "coverage@10", *(f"{name} - new users'" for name in COMPARED))

# For each number of ratings and entrant, a result for each case.
Results = dict[int, dict[str, list[RankingResult]]]


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Makes all lists, and publishes the table."""
    seeds = benchmark.seeds or (config.train.seed,)
    folds = read_folds(config)
    output = output_folder(benchmark.output)
    results: Results = {num_given: {entrant.label: [] for entrant in ENTRANTS} for num_given in NUM_GIVEN}
    cases = []
    for fold in folds:
        for seed in seeds:
            case = with_enough_ratings(new_users(fold, seed), fold.name)
            cases.append(case)
            for num_given, label, result in measure(case, seed):
                results[num_given][label].append(result)
                print(f"{fold.name}, seed {seed}  {num_given} ratings  {label}: {result.in_words()}", flush=True)
    differences = {
        num_given: differences_to_best(by_label, [NEW.label], cases) for num_given, by_label in results.items()
    }
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance(seeds, config),
        "folds": [fold.name for fold in folds],
        "rows": [
            {"num_given": num_given, **row_figures(entrant, by_label[entrant.label], differences[num_given])}
            for num_given, by_label in results.items()
            for entrant in ENTRANTS
        ],
    }
    notes = (
        *case_notes(f"new users with {max(NUM_GIVEN)} ratings or more to give", cases, seeds),
        "users new: given their ratings after training; users trained in: with these ratings in train",
        "ratings that are neither given nor to be found count as misses, more of them the fewer are given",
    )
    title = f"{benchmark.suite}: {fold_names(folds)}"
    publish(output, benchmark.suite, build_table(title, results, differences, notes), figures)
    return figures


def with_enough_ratings(case: RankingCase, name: str) -> RankingCase:
    """Keeps users who give as many ratings as the longest history. Raises InputError if there are none."""
    count = case.task.given[USER_ID].value_counts()
    users = case.task.users[case.task.users.isin(count.index[count >= max(NUM_GIVEN)])]
    if users.empty:
        raise InputError(
            f"{name}: none of {len(case.task.users):,} held-out users gives {max(NUM_GIVEN)} ratings beside those to "
            "be found; take data of users with more ratings"
        )
    given, held_out = (
        part[part[USER_ID].isin(users)].reset_index(drop=True) for part in (case.task.given, case.held_out)
    )
    task = dataclasses.replace(case.task, given=given, users=users)
    return dataclasses.replace(case, task=task, held_out=held_out)


def first_given(case: RankingCase, num_given: int) -> RankingCase:
    """Keeps only the first `num_given` given ratings of each user."""
    given = case.task.given
    given = given[given.groupby(USER_ID).cumcount() < num_given].reset_index(drop=True)
    return dataclasses.replace(case, task=dataclasses.replace(case.task, given=given))


def measure(whole: RankingCase, seed: int) -> Iterator[tuple[int, str, RankingResult]]:
    """Measures every entrant for every number of ratings: yields the number, the label and the result.

    One fit serves all numbers where users are new.
    """
    config = whole.config.replace(seed=seed)
    data = clean(read_ratings(config.data.ratings), config.data)
    model = our_model.fit_model(config, data, whole.task.train)
    for num_given in NUM_GIVEN:
        case = first_given(whole, num_given)
        for label, movie_row in lists_of_entrants(case, config, data, model):
            yield num_given, label, measure_lists(case, movie_row)


def lists_of_entrants(
    case: RankingCase, config: Config, data: CleanData, model: Recommender
) -> Iterator[tuple[str, Int[np.ndarray, "users k"]]]:
    """Yields each entrant's label and lists. model: our model, trained without these users."""
    task = case.task
    popularity = find_baseline("ranking", POPULARITY.model)
    yield POPULARITY.label, baseline_lists(popularity, task, K, config.train.seed).movie_row
    yield NEW.label, our_model.rank_movies(model.with_new_users(task.given), task.users, task.movies, K)
    trained_in = our_model.fit_model(config, data, pd.concat([task.train, task.given]))
    yield TRAINED_IN.label, our_model.rank_movies(trained_in, task.users, task.movies, K)


def build_table(title: str, results: Results, differences: dict[int, Differences], notes: Sequence[str]) -> Table:
    """Returns a row for each number of ratings and entrant."""
    cells = []
    for num_given, by_label in results.items():
        for label, fits in by_label.items():
            row = [f"{num_given} ratings", label]
            row += [with_spread(means(fits, name), 4) for name in (*COMPARED, "coverage@10")]
            found = [differences[num_given][label].get(name) for name in COMPARED]
            row += [one.in_words() if one else "-" for one in found]
            cells.append(tuple(row))
    return Table(title, COLUMNS, tuple(cells), tuple(notes))
