"""The suite of first ratings end to end on two crowds, and which ratings of which users it gives."""

import json

import pandas as pd
import pytest
from helpers.checkerboard import crowds, table
from helpers.suites import suite_config

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.ranking_task import RankingTask
from movierec_jax.benchmark.suites import first_ratings
from movierec_jax.benchmark.suites.first_ratings import (
    NEW,
    NUM_GIVEN,
    POPULARITY,
    TRAINED_IN,
    first_given,
    with_enough_ratings,
)
from movierec_jax.benchmark.suites.ranking import RankingCase
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Figures of the suite for two crowds, whose users rate some 50 of their 100 movies."""
    folder = tmp_path_factory.mktemp("crowds")
    whole = crowds(num_movies=200).train
    config = suite_config(folder, Split.of(whole, whole[:0], whole[:0]), embedding_dim=2, epochs=20)
    benchmark = BenchmarkConfig(suite="first_ratings", output=str(folder / "out"))
    figures = first_ratings.run_suite(config, benchmark, "the command")
    assert json.loads((folder / "out" / "first_ratings.json").read_text()) == json.loads(json.dumps(figures))
    assert f"| 3 ratings | {NEW.label} |" in (folder / "out" / "first_ratings.md").read_text()
    return figures


@pytest.mark.slow
def test_three_ratings_show_the_crowd_of_a_user_who_is_new_or_trained_in(figures):
    row = {(row["num_given"], row["label"]): row for row in figures["rows"]}
    assert list(row) == [(num, entrant.label) for num in NUM_GIVEN for entrant in (POPULARITY, NEW, TRAINED_IN)]
    # Half of all movies are of the user's own crowd: a model that learns this finds twice as much as one that does not.
    for num_given in NUM_GIVEN:
        popular = row[num_given, POPULARITY.label]["recall@50"]
        assert row[num_given, NEW.label]["recall@50"] > 1.5 * popular
        assert row[num_given, TRAINED_IN.label]["recall@50"] > 1.5 * popular


@pytest.mark.slow
def test_every_difference_is_to_our_model_with_new_users(figures):
    by_label = {row["label"]: row for row in figures["rows"] if row["num_given"] == 10}
    assert by_label[NEW.label]["differences"] == {}
    for entrant in (POPULARITY, TRAINED_IN):
        found = by_label[entrant.label]["differences"]["ndcg@10"]
        assert found["to"] == NEW.label
        expected = by_label[entrant.label]["ndcg@10"] - by_label[NEW.label]["ndcg@10"]
        assert found["difference"] == pytest.approx(expected)
        low, high = found["interval"]
        assert low <= found["difference"] <= high


def case_of(*num_given: int) -> RankingCase:
    """Returns a case of users 1, 2, ... with these numbers of given ratings, and one held-out rating each."""
    pairs = [(user, movie) for user, num in enumerate(num_given, start=1) for movie in range(num)]
    given = table(*zip(*pairs, strict=True), [4] * len(pairs)).sample(frac=1, random_state=0)
    users = range(1, len(num_given) + 1)
    held_out = table(users, [100] * len(users), [5] * len(users))
    train = table([0] * 101, range(101), [4] * 101)
    return RankingCase(Config(), RankingTask(train, given, pd.Index(users), 4.0), held_out)


def test_more_given_ratings_include_the_first_and_change_neither_users_nor_held_out_ratings():
    whole = with_enough_ratings(case_of(30, 50), "data")
    given_before = set()
    for num_given in NUM_GIVEN:
        case = first_given(whole, num_given)
        assert case.task.given[USER_ID].value_counts().to_dict() == {1: num_given, 2: num_given}
        given = set(zip(case.task.given[USER_ID], case.task.given[MOVIE_ID], strict=True))
        assert given > given_before
        given_before = given
        assert case.task.users.equals(whole.task.users)
        assert case.held_out.equals(whole.held_out)


def test_a_user_with_too_few_ratings_is_left_out():
    case = with_enough_ratings(case_of(29, 30), "data")
    assert case.task.users.tolist() == [2]
    assert set(case.task.given[USER_ID]) == set(case.held_out[USER_ID]) == {2}


def test_data_without_users_of_enough_ratings_is_refused():
    with pytest.raises(InputError, match="data: none of 2 held-out users gives 30 ratings"):
        with_enough_ratings(case_of(29, 3), "data")
