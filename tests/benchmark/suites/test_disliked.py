"""The suite of disliked movies end to end on four kinds of movies, and which movies users tell."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.checkerboard import table
from helpers.suites import suite_config

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.ranking_task import RankingTask
from movierec_jax.benchmark.suites import disliked
from movierec_jax.benchmark.suites.disliked import DISLIKED, LIKED, LIKED_TOO, SHARE, Told, case_of_told, tell
from movierec_jax.benchmark.suites.ranking import RankingCase
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError

# Movies 0 to 9 are of one kind, 10 to 19 of the next, and so on.
NEAR = {movie: frozenset(range(movie - movie % 10, movie - movie % 10 + 10)) - {movie} for movie in range(100)}


def test_users_tell_the_first_movies_that_are_far_from_each_other():
    assert tell([31, 5, 12, 17, 25, 40], 38, NEAR.get) == Told((5, 12), 38, NEAR[38])


def test_movies_like_a_liked_one_do_not_count_as_like_the_disliked_one():
    near = NEAR | {38: frozenset({30, 6, 31})}
    assert tell([5, 12], 38, near.get) == Told((5, 12), 38, frozenset({30, 31}))


def test_a_user_without_movies_far_from_each_other_is_left_out():
    assert tell([31, 5, 6], 38, NEAR.get) is None


def test_ratings_that_are_not_told_are_to_be_found():
    given = table([1, 1, 1, 1, 2], [5, 12, 38, 50, 5], [5, 4, 1, 4, 5])
    case = RankingCase(Config(), RankingTask(given, given, pd.Index([1, 2]), 4.0), table([1, 2], [60, 60], [5, 5]))
    found, told = case_of_told(case, {1: Told((5, 12), 38, NEAR[38])})
    assert told[MOVIE_ID].tolist() == [5, 12, 38]
    assert found.task.users.tolist() == [1]
    assert found.held_out[MOVIE_ID].tolist() == [50, 60]


def four_kinds(rating_of_disliked: float) -> Split:
    """Users who rate half of the movies of three of four kinds, by chance: two with 5, one with this rating."""
    user, movie = (axis.ravel() for axis in np.indices((80, 240)))
    rng = np.random.default_rng(0)
    place = rng.permuted(np.tile(np.arange(4), (80, 1)), axis=1)[user, movie // 60]
    is_rated = (place < 3) & (rng.random(len(user)) < 0.5)
    rating = np.where(place == 2, rating_of_disliked, 5.0)
    train = table(1000 + user[is_rated], 500 + movie[is_rated], rating[is_rated])
    return Split.of(train=train, valid=train[:0], test=train[:0])


def run(folder, split: Split) -> dict:
    config = suite_config(folder, split, embedding_dim=4, epochs=10)
    benchmark = BenchmarkConfig(suite="disliked", output=str(folder / "out"))
    return disliked.run_suite(config, benchmark, "the command")


@pytest.mark.slow
def test_a_disliked_movie_brings_fewer_like_it_than_a_liked_one(tmp_path):
    figures = run(tmp_path, four_kinds(1.0))
    assert json.loads((tmp_path / "out" / "disliked.json").read_text()) == json.loads(json.dumps(figures))
    assert f"| {DISLIKED.label} |" in (tmp_path / "out" / "disliked.md").read_text()
    row = {row["label"]: row for row in figures["rows"]}
    assert list(row) == [LIKED.label, DISLIKED.label, LIKED_TOO.label]
    assert row[LIKED_TOO.label][SHARE] > row[DISLIKED.label][SHARE] + 0.1
    difference = row[DISLIKED.label]["differences"][SHARE]
    assert difference["to"] == LIKED.label
    assert difference["difference"] == pytest.approx(row[DISLIKED.label][SHARE] - row[LIKED.label][SHARE])


@pytest.mark.slow
def test_data_without_disliked_movies_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of 16 held-out users has 2 movies liked and one disliked"):
        run(tmp_path, four_kinds(4.0))
