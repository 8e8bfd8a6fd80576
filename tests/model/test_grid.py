"""Cells of a grid: every rating is in one of them, and finds its rows there."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import Ratings
from movierec_jax.errors import InputError
from movierec_jax.model.grid import ONE_CELL, Grid, Share
from movierec_jax.model.interactions import Links, pad_links_of_cells, ratings_of_cell
from movierec_jax.training.batches import (
    epoch_order,
    max_ratings_in_cell,
    order_cell,
    stack_batches,
    stack_cell,
    weight_of_steps,
)

grids = st.builds(Grid, st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 8]))
NUM_USERS, NUM_MOVIES = 10, 7


def some_ratings(num_ratings: int, seed: int) -> Ratings:
    """Each with a number of its own as its stars."""
    rng = np.random.default_rng(seed)
    return Ratings(
        user_row=rng.integers(NUM_USERS, size=num_ratings, dtype=np.int32),
        movie_row=rng.integers(NUM_MOVIES, size=num_ratings, dtype=np.int32),
        rating=np.arange(num_ratings, dtype=np.float32),
        timestamp=np.zeros(num_ratings, np.int64),
        time_features=np.arange(2 * num_ratings, dtype=np.int32).reshape(-1, 2),
    )


def ranges_of(grid: Grid) -> tuple[int, int]:
    return grid.ranges(grid.padded(NUM_USERS), grid.padded(NUM_MOVIES))


@hypothesis.given(grids, st.integers(1, 100))
def test_rows_are_filled_up_to_ranges_alike(grid, num_rows):
    padded = grid.padded(num_rows)
    rows_of_device, rest = divmod(padded, grid.num_cells)
    assert rest == 0
    is_in_tiles = rows_of_device % grid.tile == 0
    assert num_rows <= padded < num_rows + grid.num_cells * (grid.tile if is_in_tiles else 1)
    assert padded <= 1.25 * num_rows or padded < num_rows + grid.num_cells


def test_rows_fill_whole_tiles_unless_most_would_be_filling():
    grid = Grid(data=8, tile=128)
    assert grid.padded(3685) == 4096
    assert grid.padded(611) == 616


def test_one_cell_has_all_rows_as_they_are():
    user, movie = np.int32([0, 3, 4]), np.int32([2, 0, 1])
    ranges = ONE_CELL.ranges(5, 3)
    assert ONE_CELL.cell(user, movie, ranges).tolist() == [0, 0, 0]
    assert [rows.tolist() for rows in ONE_CELL.within(user, movie, ranges)] == [user.tolist(), movie.tolist()]


def test_users_lie_along_the_first_axis_and_movies_along_the_second():
    grid = Grid(data=2, model=2)
    user, movie = np.int32([0, 0, 2, 3]), np.int32([1, 4, 0, 5])
    assert grid.cell(user, movie, (2, 3)).tolist() == [0, 1, 2, 3]
    assert [rows.tolist() for rows in grid.within(user, movie, (2, 3))] == [[0, 0, 0, 1], [1, 1, 0, 2]]


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(grids, st.integers(1, 60), st.integers(1, 20), st.integers(0, 9), st.integers(1, 3))
def test_batches_in_cells_hold_the_ratings_they_hold_without_cells(grid, num_ratings, batch_size, seed, steps_at_once):
    ratings, ranges, order = some_ratings(num_ratings, seed), ranges_of(grid), epoch_order(num_ratings, seed, 0)
    held_out = np.arange(0, num_ratings, 3)
    stacked = stack_batches(ratings, order.ratings(0, num_ratings), batch_size, held_out)
    steps = range(1, 1 + steps_at_once)
    found, weight_of_step = set(), np.zeros(len(steps))
    for cell in range(grid.num_cells):
        in_order = order_cell(ratings_of_cell(ratings, cell, ranges, grid), order)
        made = stack_cell(
            ratings, in_order, batch_size, steps, num_ratings, held_out=held_out, grid=grid, ranges=ranges
        )
        weight_of_step += made.weight.sum(axis=1)
        data, model = divmod(cell, grid.model)
        for step, slot in zip(*np.nonzero(made.weight), strict=True):
            rating = int(made.rating[step, slot])
            found.add((steps[step], made.number[step, slot].item(), rating))
            assert data * ranges[0] + made.user_row[step, slot] == ratings.user_row[rating]
            assert model * ranges[1] + made.movie_row[step, slot] == ratings.movie_row[rating]
            assert made.time_features[step, slot].tolist() == ratings.time_features[rating].tolist()
    # A rating keeps its number in its step.
    expected = {
        (step, number, int(stacked.rating[step, number]))
        for step, number in zip(*np.nonzero(stacked.weight), strict=True)
    }
    assert found == {one for one in expected if one[0] in steps}
    weight = [float(stacked.weight[step].sum()) if step < len(stacked.weight) else 0.0 for step in steps]
    assert weight_of_step.tolist() == weight
    weighted = dataclasses.replace(ratings, weight=np.ones(num_ratings, np.float32))
    assert [weight_of_steps(some, order, batch_size, steps, held_out).tolist() for some in (ratings, weighted)] == 2 * [
        weight
    ]


def test_a_batch_may_be_larger_than_the_numbers_of_few_ratings():
    ratings, order = some_ratings(6, 0), epoch_order(6, 0, 0)
    made = stack_cell(ratings, order_cell(np.arange(6), order), 1000, range(1), 6)
    assert sorted(made.rating[0]) == list(range(6))
    assert weight_of_steps(ratings, order, 1000, range(1), np.array([3])).tolist() == [5]


def test_more_ratings_of_a_cell_in_a_step_than_there_is_room_for_are_refused():
    ratings, order = some_ratings(6, 0), epoch_order(6, 0, 0)
    with pytest.raises(InputError, match="--seed: by chance a step has 3 ratings of a cell with room for 2"):
        stack_cell(ratings, order_cell(np.arange(6), order), 3, range(2), 2)


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.5], [0.7, 0.2, 0.1]])
def test_a_batch_practically_never_has_more_ratings_in_a_cell_than_there_is_room_for(shares):
    count = (np.array(shares) * 100_000).astype(np.int64)
    cell, rng = np.repeat(np.arange(len(count)), count), np.random.default_rng(0)
    most = max_ratings_in_cell(count, 1000)
    found = max(np.bincount(rng.choice(cell, 1000, replace=False)).max() for _ in range(200))
    assert found <= most <= min(1000, found + 150)


@hypothesis.given(grids, st.integers(0, 60), st.integers(0, 9))
def test_links_in_cells_are_those_of_all_each_in_its_own(grid, num_links, seed):
    ratings, ranges = some_ratings(num_links, seed), ranges_of(grid)
    cell = grid.cell(ratings.user_row, ratings.movie_row, ranges)
    user, movie = grid.within(ratings.user_row, ratings.movie_row, ranges)
    of_cells = {
        number: Links(user[index], movie[index], index, (ratings.rating[index],))
        for number in range(grid.num_cells)
        for index in [np.flatnonzero(cell == number)]
    }
    links = pad_links_of_cells(of_cells, Share.whole(grid))
    found = []
    for number, (owner, other, link, value) in enumerate(
        zip(
            *(np.split(column, grid.num_cells, axis=-1) for column in (*links[:3], links.values[0])),
            strict=True,
        )
    ):
        assert (np.diff(owner) >= 0).all()
        slot, segment = np.nonzero(link >= 0)
        index = link[slot, segment]
        found += index.tolist()
        assert (cell[index] == number).all()
        assert (user[index] == owner[segment]).all()
        assert (movie[index] == other[slot, segment]).all()
        assert (value[slot, segment] == ratings.rating[index]).all()
        assert not value[link < 0].any()
        assert not other[link < 0].any()
    assert sorted(found) == list(range(num_links))
