"""The k best scores against a sort of all of them."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.recommend.partial_sort import SAMPLE_STEP, nth_highest, top_k_of_user


def by_sorting(score, seen, k, listed=None):
    rows = [row for row in (range(len(score)) if listed is None else listed) if row not in set(seen)]
    return sorted(rows, key=lambda row: (-score[row], row))[:k]


@hypothesis.given(
    st.integers(1, 40 * SAMPLE_STEP),
    st.integers(1, 12),
    st.integers(0, 30),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_the_best_are_those_of_a_sort_with_ties_by_row(num_movies, k, num_seen, num_values, seed):
    rng = np.random.default_rng(seed)
    # Few different values, so that ties abound, or as many as there are movies.
    score = rng.integers(0, num_values * 10, num_movies).astype(np.float32)
    seen = rng.choice(num_movies, min(num_seen, num_movies), replace=False).astype(np.int32)
    is_seen = np.zeros(num_movies, bool)
    assert top_k_of_user(score, seen, k, None, is_seen).tolist() == by_sorting(score, seen, k)
    assert not is_seen.any()
    listed = np.flatnonzero(rng.random(num_movies) < 0.5)
    assert top_k_of_user(score, seen, k, listed, is_seen).tolist() == by_sorting(score, seen, k, listed)


def test_a_sample_that_misses_the_best_finds_them_all_the_same():
    score = np.zeros(1000, np.float32)
    # None of these is in the sample.
    best = [1, 2, 3, 9, 10, 999]
    score[best] = [6, 5, 4, 3, 2, 1]
    assert top_k_of_user(score, np.zeros(0, np.int32), 6, None, np.zeros(1000, bool)).tolist() == best


def test_nothing_is_left_of_movies_that_are_all_seen():
    everything = np.arange(20, dtype=np.int32)
    assert top_k_of_user(np.ones(20, np.float32), everything, 3, None, np.zeros(20, bool)).tolist() == []


@pytest.mark.parametrize(("n", "value"), [(1, 5), (2, 5), (3, 2), (4, 1)])
def test_the_nth_highest_counts_equal_ones_each(n, value):
    assert nth_highest(np.float32([5, 1, 5, 2]), n) == value
