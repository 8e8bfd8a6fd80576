"""What an older run has learnt from is never held out, and what it has held out stays so where ratings are drawn."""

import re

import numpy as np
import pandas as pd
import pytest

from movierec_jax.data.later_split import learnt_pairs, split_later
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import Split, has_pair, split
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError


def ratings(num_users: int, num_movies: int) -> pd.DataFrame:
    """Every user's rating of every movie, in an order of time of its own."""
    user, movie = (axis.ravel() for axis in np.indices((num_users, num_movies)))
    time = np.random.default_rng(0).permutation(len(user))
    return pd.DataFrame({USER_ID: user, MOVIE_ID: movie, RATING: np.float32(3), TIMESTAMP: time})


OLD, ALL = ratings(20, 20), ratings(30, 30)
RULES = ("random", "user_time", "leave_last_out", "time")


def parts_of(table: pd.DataFrame, earlier: Split | None = None, **settings) -> Split:
    config = DataConfig(**{"valid_fraction": 0.1, **settings})
    return split(table, config) if earlier is None else split_later(table, config, earlier, log=lambda line: None)


def require_same_parts(one: Split, other: Split) -> None:
    for ours, theirs in zip(one.all(), other.all(), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize("rule", RULES)
def test_no_pair_that_an_older_run_has_learnt_is_held_out_and_none_is_lost(rule):
    earlier = parts_of(OLD, split=rule)
    parts = parts_of(ALL, earlier, split=rule)
    assert not any(has_pair(part, learnt_pairs(earlier)).any() for part in (parts.valid, parts.test))
    whole = pd.concat(parts.all()).sort_values([USER_ID, MOVIE_ID], ignore_index=True)
    pd.testing.assert_frame_equal(whole, ALL)


@pytest.mark.parametrize("rule", RULES)
def test_ratings_that_were_split_so_before_are_split_so_again(rule):
    parts = parts_of(ALL, parts_of(OLD, split=rule), split=rule)
    require_same_parts(parts_of(ALL, parts, split=rule), parts)


@pytest.mark.parametrize("rule", RULES)
def test_without_other_ratings_the_parts_are_those_of_the_older_run(rule):
    parts = parts_of(OLD, split=rule)
    require_same_parts(parts_of(OLD, parts, split=rule), parts)


def test_at_random_old_pairs_keep_their_part_and_the_fractions_are_those_of_the_new_ones():
    earlier = parts_of(OLD)
    parts = parts_of(ALL, earlier)
    for ours, theirs in zip(parts.all(), earlier.all(), strict=True):
        assert has_pair(theirs, ours).all()
    num_new = len(ALL) - len(OLD)
    num_test, num_valid = num_new // 10, (num_new - num_new // 10) // 10
    assert (len(parts.test), len(parts.valid)) == (len(earlier.test) + num_test, len(earlier.valid) + num_valid)


def test_a_single_new_rating_is_learnt_from():
    earlier = parts_of(ALL[1:])
    assert len(parts_of(ALL, earlier).train) == len(earlier.train) + 1


def test_without_a_validation_part_its_ratings_are_learnt_from():
    earlier = parts_of(OLD)
    parts = parts_of(OLD, earlier, valid_fraction=0.0)
    assert (len(parts.train), len(parts.valid)) == (len(earlier.train) + len(earlier.valid), 0)


def test_a_given_test_part_takes_no_other_rating():
    earlier, given = parts_of(OLD), ratings(31, 1)[-1:]
    parts = split_later(ALL, DataConfig(valid_fraction=0.1), earlier, test=given)
    pd.testing.assert_frame_equal(parts.test, given)
    assert has_pair(parts.train, earlier.test).sum() == len(earlier.test)


def test_learnt_ratings_that_stay_in_train_are_counted():
    lines: list[str] = []
    # An older run on the ratings of every second movie, drawn at random.
    earlier = split(ALL[ALL[MOVIE_ID] % 2 == 0], DataConfig())
    parts = split_later(ALL, DataConfig(split="time"), earlier, log=lines.append)
    [count] = re.findall(r"^  (\d+) ratings stay in train that would be held out, as the older run", lines[0])
    by_rule = split(ALL, DataConfig(split="time"))
    assert int(count) == len(parts.train) - len(by_rule.train) > 0


def test_an_empty_validation_part_is_refused():
    earlier = split(ALL[5:], DataConfig(valid_fraction=0.0))
    with pytest.raises(InputError, match=r"--valid_fraction=0\.1 of \d+ ratings leaves none for the validation part"):
        split_later(ALL, DataConfig(valid_fraction=0.1), earlier, test=earlier.test)
    learnt = Split.of(train=OLD, valid=OLD[:0], test=OLD[:0])
    newest = OLD[:5].assign(**{USER_ID: 99, TIMESTAMP: 10**6})
    with pytest.raises(InputError, match=r"would be in the validation part; .* or --valid_fraction=0"):
        parts_of(pd.concat([OLD, newest], ignore_index=True), learnt, split="time", test_fraction=0.0125)


def test_a_test_part_that_is_learnt_as_a_whole_is_refused():
    everything = Split.of(train=OLD, valid=OLD[:0], test=OLD[:0])
    with pytest.raises(InputError, match=r"--warm_start: the older run has learnt from each rating .* newer ratings"):
        parts_of(OLD, everything, split="time")
    with pytest.raises(InputError, match=r"--test_fraction=0\.1 of 400 ratings leaves none for the test part"):
        parts_of(OLD, everything)
