"""What each of many processes lays out: together, the cells that one process would lay out."""

import concurrent.futures
import threading

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.model.grid import Grid, OwnParts, Share, join_parts
from movierec_jax.model.interactions import build_interactions
from movierec_jax.training.batches import make_user_batches

NUM_USERS, NUM_MOVIES = 11, 7


class Agreement:
    """Gathers what the processes give, as threads stand for them here."""

    def __init__(self, num_processes: int):
        self.given = [None] * num_processes
        self.barrier = threading.Barrier(num_processes, timeout=60)

    def gather(self, process: int, values) -> np.ndarray:
        self.given[process] = np.asarray(values)
        self.barrier.wait()
        gathered = np.stack(self.given)
        self.barrier.wait()
        return gathered


def shares_of(grid: Grid, num_processes: int) -> list[Share]:
    """The shares of processes that have cells in turn."""
    agreement = Agreement(num_processes)

    def share_of(process: int) -> Share:
        def gather(values):
            return agreement.gather(process, values)

        return Share.of_cells(
            grid,
            range(process, grid.num_cells, num_processes),
            largest=lambda values: gather(values).max(axis=0),
            total=lambda values: gather(values).sum(axis=0),
        )

    return [share_of(process) for process in range(num_processes)]


def ratings_of(pairs, has_weights: bool) -> Ratings:
    user, movie = np.array(pairs, np.int32).T
    number = np.arange(len(pairs))
    rating = np.where(has_weights & (number % 3 == 1), np.nan, number % 5).astype(np.float32)
    weight = np.where(np.isnan(rating), 0, 2).astype(np.float32) if has_weights else None
    return Ratings(user, movie, rating, number[::-1] % 4 + 1, np.zeros((len(pairs), 0), np.int32), weight=weight)


def laid_out(ratings: Ratings, share: Share):
    """All that is laid out of ratings, and of content of some rows."""
    users, movies = (
        FeatureBags(
            np.arange(0, rows, 2, dtype=np.int32),
            np.arange(0, rows, 2, dtype=np.int32) % 3,
            np.ones(len(range(0, rows, 2)), np.float32),
            ("a", "b", "c"),
        )
        for rows in (NUM_USERS, NUM_MOVIES)
    )
    interactions = build_interactions(ratings, NUM_USERS, NUM_MOVIES, users, movies, is_recent_most=True, share=share)
    user_batches = make_user_batches(
        ratings,
        np.arange(NUM_MOVIES + 1.0),
        4,
        0,
        has_positions=True,
        has_links=True,
        num_rows=share.grid.padded(NUM_MOVIES + 1),
        share=share,
    )
    return interactions, user_batches


@pytest.mark.parametrize(
    ("grid", "num_processes"), [(Grid(4, 1), 2), (Grid(2, 2), 2), (Grid(2, 3), 3), (Grid(3, 2), 2)]
)
@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(
    pairs=st.lists(
        st.tuples(st.integers(0, NUM_USERS - 1), st.integers(0, NUM_MOVIES - 1)), min_size=1, max_size=60, unique=True
    ),
    has_weights=st.booleans(),
)
def test_the_parts_of_all_processes_are_those_of_one(grid, num_processes, pairs, has_weights):
    ratings = ratings_of(pairs, has_weights)
    whole = jax.tree.leaves(laid_out(ratings, Share.whole(grid)))
    with concurrent.futures.ThreadPoolExecutor(num_processes) as threads:
        made = list(threads.map(lambda share: laid_out(ratings, share), shares_of(grid, num_processes)))
    of_processes = zip(*map(jax.tree.leaves, made), strict=True)
    num_cut = 0
    for expected, arrays in zip(whole, of_processes, strict=True):
        if not isinstance(arrays[0], OwnParts):
            # Numbers of rows, which all processes have.
            assert all(np.array_equal(array, expected) for array in arrays)
            continue
        num_cut += 1
        parts = {number: part for array in arrays for number, part in array.parts.items()}
        assert sorted(parts) == list(range(grid.num_cells))
        assert {(array.shape, array.dtype) for array in arrays} == {(expected.shape, expected.dtype)}
        found = join_parts([parts[number] for number in range(grid.num_cells)], range(grid.num_cells), grid.num_cells)
        np.testing.assert_array_equal(found, expected)
    assert num_cut > 20


def test_an_array_of_own_parts_gives_each_device_its_part_and_no_other():
    array = OwnParts({2: np.int32([[5, 6], [7, 8]])}, num_parts=4, axis=-1)
    assert array.shape == (2, 8)
    assert array[:, 4:6].tolist() == [[5, 6], [7, 8]]
    assert array[1:, 4:6].tolist() == [[7, 8]]
    with pytest.raises(KeyError):
        array[:, 2:4]


def test_the_axis_that_is_cut_need_not_be_the_last():
    array = OwnParts({1: np.arange(12).reshape(2, 2, 3)}, num_parts=2, axis=1)
    assert array.shape == (2, 4, 3)
    assert array[:, 2:4, :].tolist() == np.arange(12).reshape(2, 2, 3).tolist()


def test_parts_without_any_width_are_all_alike():
    nothing = OwnParts({2: np.zeros((3, 0), np.int32)}, num_parts=4, axis=-1)
    assert nothing[:, 0:0].shape == nothing.shape == (3, 0)
