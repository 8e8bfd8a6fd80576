"""The parts are disjoint, together the whole, and cut where the rule says."""

import itertools
import re

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import has_pair, split, without_pairs
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

RULES = ("random", "user_time", "time")

many = hypothesis.settings(deadline=None, max_examples=60)


def ratings(users, times):
    """Returns a clean table in which the movie id is the position of the row, and so names it."""
    positions = np.arange(len(users))
    return pd.DataFrame(
        {
            USER_ID: np.array(users, np.int64),
            MOVIE_ID: positions,
            RATING: (positions % 5 + 1).astype(np.float32),
            TIMESTAMP: np.array(times, np.int64),
        }
    )


def one_user(times):
    return ratings([1] * len(times), times)


def positions_of(part):
    return part[MOVIE_ID].tolist()


tables = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9)), min_size=4, max_size=40).map(
    lambda rows: ratings([user for user, _ in rows], [time for _, time in rows])
)
all_settings = {
    "split": st.sampled_from((*RULES, "leave_last_out")),
    "test_fraction": st.sampled_from([0.1, 0.3, 0.5]),
    "valid_fraction": st.sampled_from([0.0, 0.1, 0.5]),
    "split_seed": st.integers(0, 3),
}


def split_or_reject(table, **settings):
    """The parts; where one stays empty, which other tests are about, hypothesis draws again."""
    try:
        return split(table, DataConfig(**settings))
    except InputError:
        hypothesis.reject()


# All rules.


@many
@hypothesis.given(table=tables, **all_settings)
def test_every_rating_is_in_exactly_one_part_as_it_was(table, **settings):
    whole = pd.concat(split_or_reject(table, **settings).all())
    pd.testing.assert_frame_equal(whole.sort_values(MOVIE_ID, ignore_index=True), table)


@many
@hypothesis.given(table=tables, **all_settings)
def test_each_part_is_in_the_order_of_the_file_under_a_dense_index(table, **settings):
    for part in split_or_reject(table, **settings).all():
        assert positions_of(part) == sorted(positions_of(part))
        assert part.index.tolist() == list(range(len(part)))


@many
@hypothesis.given(table=tables, **all_settings)
def test_validation_is_never_taken_from_test(table, **settings):
    parts = split_or_reject(table, **settings)
    only_test = split(table, DataConfig(**settings | {"valid_fraction": 0.0}))
    assert positions_of(parts.test) == positions_of(only_test.test)
    assert sorted(positions_of(parts.train) + positions_of(parts.valid)) == positions_of(only_test.train)


@pytest.mark.parametrize("rule", RULES)
def test_without_a_validation_fraction_the_validation_part_is_empty(rule):
    parts = split(one_user(range(20)), DataConfig(split=rule, valid_fraction=0.0))
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (18, 0, 2)


@pytest.mark.parametrize("rule", RULES)
def test_the_validation_fraction_is_one_of_train(rule):
    parts = split(one_user(range(20)), DataConfig(split=rule, test_fraction=0.5, valid_fraction=0.5))
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (5, 5, 10)


@pytest.mark.parametrize("rule", ["user_time", "leave_last_out", "time"])
def test_time_splits_refuse_ratings_without_a_time(rule):
    message = f"--split={rule} needs a timestamp for every rating, and 1 of 3 have none: use --split=random"
    with pytest.raises(InputError, match="^" + re.escape(message)):
        split(one_user([1, NO_TIMESTAMP, 2]), DataConfig(split=rule))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DataConfig(split="user_time"), "--test_fraction=0.1 of 4 ratings leaves none for the test part"),
        (DataConfig(split="time"), "--test_fraction=0.1 of 4 ratings leaves none for the train part"),
        (
            DataConfig(split="random", test_fraction=0.8),
            "--valid_fraction=0.02 of 1 ratings leaves none for the train part",
        ),
    ],
    ids=lambda value: value.split if isinstance(value, DataConfig) else "",
)
def test_a_part_that_stays_empty_is_named_with_its_flag(config, message):
    # Under "time" the one moment takes all four ratings to the test part.
    with pytest.raises(InputError, match="^" + re.escape(message)):
        split(one_user([7, 7, 7, 7]), config)


# Each rule.


@pytest.mark.parametrize("n", [10, 29, 100])
def test_the_random_test_rows_are_the_first_tenth_of_the_permutation_of_that_seed(n):
    expected = np.random.default_rng(0).permutation(n)[: n // 10]
    parts = split(one_user(range(n)), DataConfig(test_fraction=0.1, valid_fraction=0.0, split_seed=0))
    assert positions_of(parts.test) == sorted(expected)


def test_the_random_rule_needs_no_timestamps():
    assert len(split(one_user([NO_TIMESTAMP] * 20), DataConfig(valid_fraction=0.0)).test) == 2


def test_another_split_seed_gives_another_random_split():
    table = one_user(range(100))
    one, other = (split(table, DataConfig(split_seed=seed)) for seed in (0, 1))
    assert positions_of(one.test) != positions_of(other.test)


def test_another_split_seed_gives_another_validation_part_beside_a_given_test_part():
    table = one_user(range(100))
    one, other = (split(table, DataConfig(split_seed=seed), test=table) for seed in (0, 1))
    assert positions_of(one.valid) != positions_of(other.valid)


def test_user_time_holds_out_the_last_ratings_of_each_user():
    # User 1 rated at positions 0 to 4, latest at 3 and then 0; user 2 at 5 to 9, latest at 9 and then 8.
    table = ratings([1] * 5 + [2] * 5, [8, 1, 2, 9, 3, 1, 2, 3, 4, 5])
    parts = split(table, DataConfig(split="user_time", test_fraction=0.2, valid_fraction=0.25))
    assert positions_of(parts.test) == [3, 9]
    assert positions_of(parts.valid) == [0, 8]


def test_user_time_rounds_down_so_that_users_with_few_ratings_stay_in_train():
    table = ratings([1] * 3 + [2] * 7, range(10))
    parts = split(table, DataConfig(split="user_time", test_fraction=0.3, valid_fraction=0.0))
    assert positions_of(parts.test) == [8, 9]


def test_user_time_takes_the_later_in_the_file_of_equal_times():
    parts = split(one_user([5, 9, 9, 9]), DataConfig(split="user_time", test_fraction=0.5, valid_fraction=0.0))
    assert positions_of(parts.test) == [2, 3]


def test_leave_last_out_tests_on_each_users_last_rating_and_validates_on_the_one_before():
    # User 1 rated at positions 0 to 3, user 2 at 4 and 5, at one time, and user 3 once.
    table = ratings([1] * 4 + [2] * 2 + [3], [8, 1, 2, 9, 3, 3, 7])
    parts = split(table, DataConfig(split="leave_last_out", valid_fraction=0.5))
    assert (positions_of(parts.train), positions_of(parts.valid), positions_of(parts.test)) == (
        [1, 2, 4, 6],
        [0],
        [3, 5],
    )
    parts = split(table, DataConfig(split="leave_last_out"))
    assert (positions_of(parts.valid), positions_of(parts.test)) == ([], [3, 5])


def test_leave_last_out_refuses_users_of_one_rating_each():
    with pytest.raises(
        InputError, match=r"^--split=leave_last_out: none of the 3 ratings has another of the same user"
    ):
        split(ratings([1, 2, 3], [4, 5, 6]), DataConfig(split="leave_last_out"))


def test_time_holds_out_the_latest_ratings_of_all_users():
    table = ratings([1, 2, 1, 2], [40, 10, 20, 30])
    parts = split(table, DataConfig(split="time", test_fraction=0.25, valid_fraction=0.4))
    assert (positions_of(parts.train), positions_of(parts.valid), positions_of(parts.test)) == ([1, 2], [3], [0])


def test_time_takes_all_ratings_at_the_time_of_the_cut():
    parts = split(one_user([1, 7, 7, 7]), DataConfig(split="time", test_fraction=0.25, valid_fraction=0.0))
    assert positions_of(parts.test) == [1, 2, 3]


def test_time_holds_out_a_rating_however_small_the_fraction():
    parts = split(one_user([1, 2, 3]), DataConfig(split="time", test_fraction=0.01, valid_fraction=0.01))
    assert (positions_of(parts.train), positions_of(parts.valid), positions_of(parts.test)) == ([0], [1], [2])


@many
@hypothesis.given(table=tables, **all_settings)
def test_under_time_each_part_ends_before_the_next_begins(table, **settings):
    parts = split_or_reject(table, **settings | {"split": "time"})
    in_order = [part[TIMESTAMP] for part in parts.all() if len(part)]
    assert all(one.max() < other.min() for one, other in itertools.pairwise(in_order))


# Given parts.


def test_a_given_test_part_is_taken_as_it_is_and_validation_comes_from_the_table():
    table, test = one_user(range(20)), one_user(range(3))
    parts = split(table, DataConfig(valid_fraction=0.5), test=test)
    assert parts.test is test
    assert (len(parts.train), len(parts.valid)) == (10, 10)


def test_a_given_validation_part_is_taken_as_it_is_and_test_comes_from_the_table():
    table, valid = one_user(range(20)), one_user(range(3))
    parts = split(table, DataConfig(valid_fraction=0.5), valid=valid)
    assert parts.valid is valid
    assert (len(parts.train), len(parts.test)) == (18, 2)


def test_with_both_parts_given_all_of_the_table_is_train():
    table = one_user([NO_TIMESTAMP])
    pd.testing.assert_frame_equal(split(table, DataConfig(split="time"), valid=table, test=table).train, table)


def test_a_validation_fraction_that_takes_everything_is_named_beside_a_given_test_part():
    with pytest.raises(InputError, match=r"^--valid_fraction=0\.02 of 3 ratings leaves none for the train part"):
        split(one_user([7, 7, 7]), DataConfig(split="time"), test=one_user([1]))


# Pairs.


def pairs(*rows):
    return pd.DataFrame(rows, columns=[USER_ID, MOVIE_ID, RATING])


def test_pairs_of_the_other_table_are_left_out_whatever_their_rating():
    part = pairs((1, 10, 3.0), (1, 20, 3.0), (2, 10, 3.0))
    left = without_pairs(part, pairs((1, 10, 5.0), (2, 20, 3.0)))
    pd.testing.assert_frame_equal(left, pairs((1, 20, 3.0), (2, 10, 3.0)))


def test_a_part_without_its_own_pairs_is_empty():
    part = pairs(("a", "x", 3.0), ("b", "y", 3.0))
    assert without_pairs(part, part).empty


some_pairs = st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 3)), max_size=20)


@many
@hypothesis.given(some_pairs, some_pairs, st.sampled_from(["int64", "str"]))
def test_a_pair_is_known_if_the_other_table_has_both_in_one_row(part, other, dtype):
    tables = (pd.DataFrame(rows, columns=[USER_ID, MOVIE_ID]).astype(dtype) for rows in (part, other))
    assert has_pair(*tables).tolist() == [pair in other for pair in part]
