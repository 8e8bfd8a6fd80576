"""What a movie that new users dislike does to their lists: how many movies like it these hold, with and without it.

case of new users -> two movies that each likes and one disliked, far from each other -> a list for each way to tell
them -> share of places for movies like the disliked one -> means, bootstrap -> table

Users, movies told and movies to be found are the same for every way.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.benchmark import our_model
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_MODEL, Entrant
from movierec_jax.benchmark.folds import fold_names, read_folds
from movierec_jax.benchmark.provenance import fits_provenance, provenance
from movierec_jax.benchmark.suites.ranking import (
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
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender

NUM_LIKED = 2

# A rating is of a disliked movie at least this share of the rating scale below a relevant one.
FAR_BELOW = 1 / 3

# Movies most similar to one that count as like it.
NUM_NEAR = 50

NUM_PLACES = 10

SHARE = "share@10"

SHOWN = (SHARE, "ndcg@10")

LIKED = Entrant(f"{NUM_LIKED} liked", OUR_MODEL)

DISLIKED = Entrant(f"{NUM_LIKED} liked, 1 disliked", OUR_MODEL)

# What the same movie would bring.
LIKED_TOO = Entrant(f"{NUM_LIKED} liked, the same one liked too", OUR_MODEL)

WAYS = (LIKED, DISLIKED, LIKED_TOO)

COLUMNS = ("told", *SHOWN, *(f"{name} - {LIKED.label}" for name in SHOWN))


@dataclasses.dataclass(frozen=True)
class Told:
    """Ids of movies that a user tells, and of those like the disliked one and like none of the liked ones."""

    liked: tuple
    disliked: Any
    near: frozenset


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Makes all lists, and publishes the table."""
    seeds = benchmark.seeds or (config.train.seed,)
    folds = read_folds(config)
    output = output_folder(benchmark.output)
    results: dict[str, list[RankingResult]] = {way.label: [] for way in WAYS}
    cases = []
    for fold in folds:
        for seed in seeds:
            case, found = measure(new_users(fold, seed), fold.rating_scale, fold.name, seed)
            cases.append(case)
            for label, result in found.items():
                results[label].append(result)
                print(f"{fold.name}, seed {seed}  {label}: {SHARE} {result.mean(SHARE):.4f}", flush=True)
    differences = differences_to_best(results, [LIKED.label], cases, SHOWN)
    figures = {
        **provenance(benchmark.suite, command),
        **fits_provenance(seeds, config),
        "folds": [fold.name for fold in folds],
        "rows": [row_figures(way, results[way.label], differences) for way in WAYS],
    }
    cells = []
    for label, fits in results.items():
        against = [differences[label].get(name) for name in SHOWN]
        row = [label, *(with_spread(means(fits, name), 4) for name in SHOWN)]
        cells.append((*row, *(one.in_words() if one else "-" for one in against)))
    notes = (
        *case_notes("new users who tell these movies alone", cases, seeds),
        f"{SHARE}: of the first {NUM_PLACES} places those for movies among the {NUM_NEAR} most similar to the disliked "
        "one, and not to a liked one",
        "ndcg@10: of the user's other ratings",
    )
    table = Table(f"{benchmark.suite}: {fold_names(folds)}", COLUMNS, tuple(cells), notes)
    publish(output, benchmark.suite, table, figures)
    return figures


def measure(
    case: RankingCase, rating_scale: tuple[float, float], name: str, seed: int
) -> tuple[RankingCase, dict[str, RankingResult]]:
    """Returns the case of the users who can tell enough, and the result of each way to tell.

    Raises InputError if nobody can.
    """
    config = case.config.replace(seed=seed)
    data = clean(read_ratings(config.data.ratings), config.data)
    model = our_model.fit_model(config, data, case.task.train)
    lowest, highest = rating_scale
    told = choose_told(case, model, case.task.relevant_rating - FAR_BELOW * (highest - lowest))
    if not told:
        raise InputError(
            f"{name}: none of {len(case.task.users):,} held-out users has {NUM_LIKED} movies liked and one disliked "
            "that are far from each other; take data with more ratings"
        )
    case, given = case_of_told(case, told)
    is_disliked = given[MOVIE_ID] == given[USER_ID].map({user: one.disliked for user, one in told.items()})
    ways = {
        LIKED.label: given[~is_disliked],
        DISLIKED.label: given,
        LIKED_TOO.label: given.assign(**{RATING: given[RATING].mask(is_disliked, highest)}),
    }
    return case, {label: measure_told(case, model, ratings, told) for label, ratings in ways.items()}


def choose_told(case: RankingCase, model: Recommender, disliked_to: float) -> dict[Any, Told]:
    """Returns what each user tells, of the given ratings; users without such movies are left out.

    disliked_to: the highest rating of a disliked movie.
    """

    @functools.cache
    def near(movie_id: Any) -> frozenset:
        return frozenset(model.similar(movie_id, min(NUM_NEAR, len(case.task.movies) - 1))[MOVIE_ID])

    told = {}
    for user, own in case.task.given.groupby(USER_ID):
        liked = own[MOVIE_ID][own[RATING] >= case.task.relevant_rating].tolist()
        disliked = own[MOVIE_ID][own[RATING] <= disliked_to].tolist()
        found = next((one for movie in disliked if (one := tell(liked, movie, near))), None)
        if found:
            told[user] = found
    return told


def tell(liked: list, disliked: Any, near: Callable[[Any], frozenset]) -> Told | None:
    """Returns the first liked movies that are far from the disliked one and each other; None if they are too few."""
    chosen: list = []
    for movie in liked:
        if not any(movie in near(one) or one in near(movie) for one in (disliked, *chosen)):
            chosen.append(movie)
        if len(chosen) == NUM_LIKED:
            return Told(tuple(chosen), disliked, near(disliked).difference(*map(near, chosen)))
    return None


def case_of_told(case: RankingCase, told: dict[Any, Told]) -> tuple[RankingCase, pd.DataFrame]:
    """Returns the case with these users alone, whose other ratings are to be found, and the ratings that they tell."""
    users = case.task.users[case.task.users.isin(list(told))]
    own = pd.concat([case.task.given, case.held_out], ignore_index=True)
    own = own[own[USER_ID].isin(users)]
    pairs = [(user, movie) for user, one in told.items() for movie in (*one.liked, one.disliked)]
    is_told = pd.MultiIndex.from_frame(own[[USER_ID, MOVIE_ID]]).isin(pairs)
    given = own[is_told].reset_index(drop=True)
    task = dataclasses.replace(case.task, given=given, users=users)
    return dataclasses.replace(case, task=task, held_out=own[~is_told].reset_index(drop=True)), given


def measure_told(case: RankingCase, model: Recommender, ratings: pd.DataFrame, told: dict[Any, Told]) -> RankingResult:
    """Returns the figures of the lists of users who tell these ratings, with the share of places by user."""
    movies = case.task.movies
    lists = our_model.rank_movies(model.with_new_users(ratings), case.task.users, movies, min(K, len(movies)))
    near = [movies.rows(list(told[user].near)) for user in case.task.users]
    share = np.array([np.isin(row[:NUM_PLACES], rows).mean() for row, rows in zip(lists, near, strict=True)])
    result = measure_lists(case, lists)
    figures = result.figures | {SHARE: float(share.mean())}
    return dataclasses.replace(result, by_user=result.by_user | {SHARE: share}, figures=figures)
