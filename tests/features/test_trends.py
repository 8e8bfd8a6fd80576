"""The half-life of ratings is that of the data: short where films come and go, none where nothing changes."""

import numpy as np
import pytest

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.features.rating_time import SECONDS_PER_DAY
from movierec_jax.features.trends import half_life_days, recent_shares

NUM_MOVIES = 40


def ratings_with_fashions(days_in_fashion: float | None, num_ratings: int = 8_000):
    """Ratings of 200 days. Each movie comes into fashion around a day of its own, for so many days; None: never."""
    rng = np.random.default_rng(0)
    day = np.sort(rng.uniform(0, 200, num_ratings))
    chance = np.ones((num_ratings, NUM_MOVIES))
    if days_in_fashion is not None:
        best_day = np.linspace(0, 200, NUM_MOVIES)
        chance = 0.05 + np.exp(-0.5 * ((day[:, None] - best_day) / days_in_fashion) ** 2)
    cumulated = np.cumsum(chance, axis=1)
    movie = (cumulated < rng.uniform(0, cumulated[:, -1:])).sum(axis=1)
    return movie.astype(np.int32), (day * SECONDS_PER_DAY).astype(np.int64)


def test_without_fashions_all_ratings_count_alike_for_long():
    half_life = half_life_days(*ratings_with_fashions(None), NUM_MOVIES)
    assert half_life == 0 or half_life > 100


def test_a_faster_fashion_has_a_shorter_half_life():
    slow, fast = (half_life_days(*ratings_with_fashions(days), NUM_MOVIES) for days in (60, 6))
    assert 0 < 2 * fast < slow


def test_the_order_of_rows_and_ratings_without_a_time_change_nothing():
    movie, timestamp = ratings_with_fashions(3)
    order = np.random.default_rng(1).permutation(len(movie))
    shuffled = np.append(movie[order], [7, 7]).astype(np.int32), np.append(timestamp[order], [NO_TIMESTAMP] * 2)
    assert half_life_days(*shuffled, NUM_MOVIES) == half_life_days(movie, timestamp, NUM_MOVIES)


@pytest.mark.parametrize("times", [[], [5], [5, 5, 5], [NO_TIMESTAMP] * 3], ids=["none", "one", "same", "unknown"])
def test_times_that_tell_nothing_have_no_half_life(times):
    assert half_life_days(np.zeros(len(times), np.int32), np.array(times, np.int64), 1) == 0


def test_shares_weigh_half_after_each_half_life():
    days = np.array([0, 10, 20, 30])
    timestamp = np.append(days * SECONDS_PER_DAY, NO_TIMESTAMP)
    share = recent_shares(np.array([0, 1, 2, 3, 4], np.int32), timestamp, 6, half_life=10.0)
    np.testing.assert_allclose(share / share[3], [1 / 8, 1 / 4, 1 / 2, 1, 1 / 8, 0], rtol=1e-6)
    assert share.sum() == pytest.approx(1)


def test_shares_without_times_are_those_of_all_ratings():
    share = recent_shares(np.array([0, 0, 1], np.int32), np.full(3, NO_TIMESTAMP), 2, half_life=10.0)
    np.testing.assert_allclose(share, [2 / 3, 1 / 3], rtol=1e-6)
