"""Checks orders against sorting and shuffling as NumPy does them."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.arrays import (
    count_groups,
    csr_offsets,
    damped_group_mean,
    damped_means,
    find_rows,
    history_positions,
    mean_and_spread,
    positions_in_groups,
    round_up_to_size,
    row_positions,
    shuffled_positions,
    sizes_up_to,
    stable_argsort,
    total_by_group,
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


@pytest.mark.parametrize(("damping", "mean"), [(0.0, (2 + 4) / 2), (1.0, (2 + 4) / (2 + 1)), (4.0, (2 + 4) / (2 + 4))])
def test_damping_counts_as_so_many_ratings_of_0(damping, mean):
    rows, values = np.array([1, 1], np.int32), np.array([2.0, 4.0])
    assert damped_group_mean(rows, values, num_rows=2, damping=damping).tolist() == [0, mean, 0]


@pytest.fixture
def short_blocks(monkeypatch):
    """Blocks of 4 rows, so that a few rows are several blocks."""
    monkeypatch.setattr("movierec_jax.data.arrays.BLOCK_ROWS", 4)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10), st.integers(1, 3)), max_size=30))
def test_what_is_computed_block_by_block_is_what_all_rows_give(short_blocks, rows):
    group, halves, times = np.array(rows, np.int32).reshape(-1, 3).T
    value, weight = halves.astype(np.float32) / 2, times.astype(np.float32)
    assert count_groups(group, 3).tolist() == np.bincount(group, minlength=3).tolist()
    assert total_by_group(group, 5, value.__getitem__).tolist() == np.bincount(group, value, minlength=5).tolist()
    assert find_rows(lambda rows: halves[rows] > 5, len(halves)).tolist() == np.flatnonzero(halves > 5).tolist()
    repeated = np.repeat(value, times)
    if len(np.unique(value)) > 1:
        assert mean_and_spread(value, weight) == pytest.approx((repeated.mean(dtype=np.float64), repeated.std()))
        assert mean_and_spread(value) == pytest.approx((value.mean(dtype=np.float64), value.std()))
    np.testing.assert_allclose(
        damped_means(group, value, 5, weight), damped_means(np.repeat(group, times), repeated, 5), rtol=1e-12
    )


def test_csr_offsets_are_where_each_group_begins_and_the_end():
    assert csr_offsets(np.array([2, 0, 1])).tolist() == [0, 2, 2, 3]


@pytest.mark.parametrize(("growth", "smallest"), [(2, 1), (4, 4), (1.25, 64)])
def test_every_length_is_rounded_up_to_one_of_few_sizes_and_wastes_little(growth, smallest):
    for length in range(1, 1_000):
        assert length <= round_up_to_size(length, growth, smallest) < max(growth * length + 1, smallest + 1)
        assert round_up_to_size(length, growth, smallest) in sizes_up_to(1_000, growth, smallest)


def test_the_spread_of_ratings_is_their_standard_deviation_and_1_where_all_are_equal():
    assert mean_and_spread(np.array([1.0, 5.0, 5.0, 1.0])) == (3.0, 2.0)
    assert mean_and_spread(np.full(3, 0.1)) == (pytest.approx(0.1), 1.0)
