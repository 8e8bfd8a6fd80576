"""Every rating once an epoch, in an order that only (seed, epoch) decides, in arrays of one shape."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import Ratings
from movierec_jax.training.batches import (
    epoch_order,
    index_by_own_rows,
    max_rows_in_batch,
    num_steps,
    stack_batches,
    step_of_ratings,
)

many = hypothesis.settings(deadline=None, max_examples=40)
sizes = {"num_ratings": st.integers(1, 30), "batch_size": st.integers(1, 12)}
keys = {"seed": st.integers(0, 2**32 - 1), "epoch": st.integers(0, 100)}


def numbered(num_ratings):
    """Ratings whose every column names the place of the row."""
    place = np.arange(num_ratings)
    return Ratings(
        user_row=place.astype(np.int32),
        movie_row=(100 + place).astype(np.int32),
        rating=(place / 2).astype(np.float32),
        timestamp=place.astype(np.int64),
        time_features=(place[:, None] + np.array([200, 300])).astype(np.int32),
    )


def epoch_batches(ratings, batch_size, seed, epoch):
    """The batches of an epoch, as `fit` makes them."""
    return stack_batches(ratings, epoch_order(len(ratings), seed, epoch), batch_size)


@pytest.mark.parametrize(
    ("num_ratings", "batch_size", "steps"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2), (3, 1, 3)]
)
def test_an_epoch_has_as_many_steps_as_full_batches_and_one_for_the_rest(num_ratings, batch_size, steps):
    assert num_steps(num_ratings, batch_size) == steps
    assert epoch_batches(numbered(num_ratings), batch_size, 0, 1).rating.shape == (steps, batch_size)


@many
@hypothesis.given(**sizes, **keys)
def test_every_rating_has_weight_1_exactly_once_an_epoch(num_ratings, batch_size, seed, epoch):
    batch = epoch_batches(numbered(num_ratings), batch_size, seed, epoch)
    assert sorted(batch.user_row[batch.weight == 1]) == list(range(num_ratings))


@many
@hypothesis.given(**sizes, **keys)
def test_filling_has_weight_0_and_comes_last(num_ratings, batch_size, seed, epoch):
    weight = epoch_batches(numbered(num_ratings), batch_size, seed, epoch).weight
    assert weight.ravel().tolist() == [1] * num_ratings + [0] * (weight.size - num_ratings)


@many
@hypothesis.given(**sizes, **keys)
def test_the_columns_of_a_rating_stay_together(num_ratings, batch_size, seed, epoch):
    batch = epoch_batches(numbered(num_ratings), batch_size, seed, epoch)
    np.testing.assert_array_equal(batch.movie_row, 100 + batch.user_row)
    np.testing.assert_array_equal(batch.rating, batch.user_row / 2)
    np.testing.assert_array_equal(batch.time_features, batch.user_row[..., None] + np.array([200, 300]))


@many
@hypothesis.given(**sizes, **keys)
def test_the_same_seed_and_epoch_give_the_same_bits(num_ratings, batch_size, seed, epoch):
    one, other = (epoch_batches(numbered(num_ratings), batch_size, seed, epoch) for _ in range(2))
    for ours, theirs in zip(one, other, strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(("seed", "epoch"), [(0, 2), (1, 1)], ids=["epoch", "seed"])
def test_another_epoch_or_seed_gives_another_order(seed, epoch):
    one, other = (epoch_batches(numbered(50), 8, *key) for key in ((0, 1), (seed, epoch)))
    assert one.user_row.ravel().tolist() != other.user_row.ravel().tolist()


def test_a_last_batch_of_one_is_filled_with_the_first_rating_of_the_order():
    batch = stack_batches(numbered(3), np.array([2, 0, 1]), 2)
    assert batch.user_row.tolist() == [[2, 0], [1, 2]]
    assert batch.weight.tolist() == [[1, 1], [1, 0]]


def test_arrays_have_the_dtypes_that_a_compiled_step_expects():
    batch = epoch_batches(numbered(3), 2, 0, 1)
    assert [array.dtype for array in batch] == [np.int32] * 3 + [np.float32] * 2 + [np.int32]


@many
@hypothesis.given(**sizes, **keys)
def test_the_step_of_each_rating_is_the_batch_it_stands_in(num_ratings, batch_size, seed, epoch):
    order = epoch_order(num_ratings, seed, epoch)
    step = step_of_ratings(order, batch_size)
    batch = stack_batches(numbered(num_ratings), order, batch_size)
    for place, (rows, weights) in enumerate(zip(batch.user_row, batch.weight, strict=True)):
        assert sorted(rows[weights == 1]) == np.flatnonzero(step == place).tolist()
    assert step.dtype == np.int8
    assert len(step) == num_ratings


# Batches by rows of their own.


@many
@hypothesis.given(**sizes, seed=st.integers(0, 100))
def test_places_among_the_rows_of_a_batch_name_the_same_pairs(num_ratings, batch_size, seed):
    rng = np.random.default_rng(seed)
    ratings = dataclasses.replace(
        numbered(num_ratings),
        user_row=rng.integers(7, size=num_ratings, dtype=np.int32),
        movie_row=rng.integers(20, size=num_ratings, dtype=np.int32),
    )
    stacked = epoch_batches(ratings, batch_size, seed, 0)
    counts = np.bincount(ratings.user_row, minlength=7), np.bincount(ratings.movie_row, minlength=20)
    placed, rows = index_by_own_rows(stacked, *counts)
    assert placed.weight.shape == stacked.weight.shape
    for step in range(len(stacked.weight)):
        for side, num_rows in zip(rows, (7, 20), strict=True):
            assert (np.diff(side[step]) > 0).all()
            used = side[step][side[step] < num_rows]
            assert set(used) <= set(range(num_rows))
        found = placed._replace(user_row=rows.user[step][placed.user_row[step]])
        pairs = zip(
            found.user_row,
            rows.movie[step][placed.movie_row[step]],
            placed.rating[step],
            placed.weight[step],
            placed.time_features[step, :, 0],
            strict=True,
        )
        columns = (stacked.user_row, stacked.movie_row, stacked.rating, stacked.weight, stacked.time_features[:, :, 0])
        assert sorted(pairs) == sorted(zip(*(column[step] for column in columns), strict=True))
        assert (np.diff(placed.user_row[step]) >= 0).all()


def test_every_epoch_has_as_many_rows_for_each_batch():
    count = np.arange(1, 200)
    row = np.repeat(np.arange(199, dtype=np.int32), count)
    ratings = dataclasses.replace(numbered(len(row)), user_row=row, movie_row=row)
    widths = {
        index_by_own_rows(epoch_batches(ratings, 500, 0, epoch), count, count)[1].user.shape[1] for epoch in range(30)
    }
    assert widths == {max_rows_in_batch(count, 500)}
    assert max_rows_in_batch(count, 500) < 199


def test_a_batch_holds_no_more_rows_than_ratings_nor_than_there_are():
    assert max_rows_in_batch(np.ones(10**6, int), 5) == 5
    assert max_rows_in_batch(np.full(3, 10**6), 1000) == 3
    assert max_rows_in_batch(np.int64([4, 0, 0]), 4) == 1
