"""Checks orders against sorting and shuffling as NumPy does them."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.arrays import (
    bucket_size,
    bucket_sizes,
    history_positions,
    positions_in_groups,
    row_positions,
    shuffled_positions,
    stable_argsort,
)


@hypothesis.given(st.lists(st.sampled_from([-(2**63), -(2**40), -1, 0, 1, 2, 2**40, 2**63 - 1]), max_size=30))
def test_positions_follow_their_values_and_equal_values_keep_their_order(values):
    order = stable_argsort(np.array(values, np.int64))
    assert order.tolist() == sorted(range(len(values)), key=lambda position: values[position])


@pytest.mark.parametrize(
    ("length", "dtype"), [(0, "int8"), (1, "int8"), (128, "int8"), (129, "int16"), (40_000, "int32")]
)
@pytest.mark.parametrize("seed", [3, [3, 1]])
def test_shuffled_positions_are_the_permutation_of_their_seed_in_the_smallest_type(length, dtype, seed):
    order = shuffled_positions(length, seed)
    np.testing.assert_array_equal(order, np.random.default_rng(seed).permutation(length))
    np.testing.assert_array_equal(np.sort(order), row_positions(length))
    assert order.dtype == row_positions(length).dtype == dtype


@hypothesis.given(st.lists(st.integers(0, 4), max_size=6))
def test_positions_in_groups_start_from_0_in_each_group(counts):
    expected = [position for count in counts for position in range(count)]
    assert positions_in_groups(np.array(counts, np.int64)).tolist() == expected


@hypothesis.given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=30))
def test_history_positions_sort_ratings_by_time_and_equal_times_by_row(rows):
    owner, timestamp = np.array(rows, np.int64).reshape(-1, 2).T
    position = history_positions(owner, timestamp)
    for one in set(owner.tolist()):
        mine = np.flatnonzero(owner == one)
        in_order = mine[np.argsort(position[mine])]
        assert in_order.tolist() == sorted(mine, key=lambda row: (timestamp[row], row))
        assert sorted(position[mine]) == list(range(len(mine)))


@pytest.mark.parametrize(("growth", "first"), [(2, 1), (4, 4)])
def test_a_bucket_is_at_least_as_large_as_its_size_and_among_those_of_larger_sizes(growth, first):
    for size in range(1, 100):
        bucket = bucket_size(size, growth, first)
        assert size <= bucket < max(growth * size, first + 1)
        assert bucket in bucket_sizes(100, growth, first)
