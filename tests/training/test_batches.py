"""Every rating once an epoch, in an order that only (seed, epoch) decides, in arrays of one shape."""

import collections
import dataclasses
import functools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.schema import Ratings
from movierec_jax.model.grid import Grid, Share
from movierec_jax.training.batches import (
    epoch_order,
    index_by_own_rows,
    make_user_batches,
    max_rows_in_batch,
    num_steps,
    stack_batches,
    step_of_ratings,
    user_batch_of_steps,
)

many = hypothesis.settings(deadline=None, max_examples=40)
sizes = {"num_ratings": st.integers(1, 30), "batch_size": st.integers(1, 12)}
keys = {"seed": st.integers(0, 2**32 - 1), "epoch": st.integers(0, 100)}


def numbered(num_ratings):
    """Ratings whose every column holds the number of the row."""
    index = np.arange(num_ratings)
    return Ratings(
        user_row=index.astype(np.int32),
        movie_row=(100 + index).astype(np.int32),
        rating=(index / 2).astype(np.float32),
        timestamp=index.astype(np.int64),
        time_features=(index[:, None] + np.array([200, 300])).astype(np.int32),
    )


def epoch_batches(ratings, batch_size, seed, epoch):
    """The batches of an epoch, as `fit` makes them."""
    return stack_batches(ratings, epoch_order(len(ratings), seed, epoch).ratings(0, len(ratings)), batch_size)


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
    order = epoch_order(num_ratings, seed, epoch).ratings(0, num_ratings)
    step = step_of_ratings(order, batch_size)
    batch = stack_batches(numbered(num_ratings), order, batch_size)
    for index, (rows, weights) in enumerate(zip(batch.user_row, batch.weight, strict=True)):
        assert sorted(rows[weights == 1]) == np.flatnonzero(step == index).tolist()
    assert step.dtype == np.int8
    assert len(step) == num_ratings


# Batches by rows of their own.


@many
@hypothesis.given(**sizes, seed=st.integers(0, 100))
def test_indices_into_the_rows_of_a_batch_name_the_same_pairs(num_ratings, batch_size, seed):
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


# User batches.


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_every_rating_is_once_in_the_batch_of_its_user(pairs, users_per_batch, seed):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    made = make_user_batches(ratings, np.zeros(6), users_per_batch, seed)
    assert len(made.user) == -(-len(set(user)) // users_per_batch)
    batch, entry = np.nonzero(made.user < users_per_batch)
    # Each slot of a batch holds the movies of one user, and each user has a slot.
    found = movies_of_each(zip(batch, made.user[batch, entry], strict=True), made.movie_row[batch, entry])
    assert found == movies_of_each(user, movie)
    assert (made.user[made.user >= users_per_batch] == users_per_batch).all()


def movies_of_each(users, movie_row) -> list[list[int]]:
    """The movies of each user, without the names of the users."""
    movies = collections.defaultdict(list)
    for user, movie in zip(users, movie_row.tolist(), strict=True):
        movies[user].append(movie)
    return sorted(map(sorted, movies.values()))


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.sampled_from([1, 2, 3, 6]),
)
def test_links_of_user_batches_lead_from_users_to_movies_and_back(pairs, users_per_batch, num_ranges):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    share = Share.whole(Grid(num_ranges))
    made = make_user_batches(ratings, np.zeros(6), users_per_batch, 0, has_links=True, num_rows=6, share=share)
    by_user, by_movie = made.links
    for block, part in np.ndindex(len(made.user), num_ranges):
        of_part = functools.partial(part_of, block=block, part=part, num_ranges=num_ranges)
        entry_user, entry_movie = of_part(made.user), of_part(made.movie_row)
        for side, owner, other in ((by_user, entry_user, entry_movie), (by_movie, entry_movie, entry_user)):
            link = of_part(side.link)
            length, segment = np.nonzero(link >= 0)
            entry = link[length, segment]
            assert sorted(entry) == np.flatnonzero(entry_user < users_per_batch).tolist()
            assert of_part(side.owner)[segment].tolist() == owner[entry].tolist()
            assert of_part(side.other)[length, segment].tolist() == other[entry].tolist()
            assert (np.diff(of_part(side.owner)) >= 0).all()


def part_of(column, block, part, num_ranges):
    """Of a column of blocks what one of them has of a range of movies."""
    return np.split(column[block], num_ranges, axis=-1)[part]


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.sampled_from([2, 3, 6]),
)
def test_entries_of_each_range_of_movies_stand_together(pairs, users_per_batch, num_ranges):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    deviation = np.arange(len(pairs), dtype=np.float32)
    ratings = Ratings(user, movie, deviation, np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    whole, parts = (
        make_user_batches(
            ratings, np.zeros(6), users_per_batch, 0, has_positions=True, num_rows=6, share=Share.whole(Grid(ranges))
        )
        for ranges in (1, num_ranges)
    )
    width = parts.user.shape[1] // num_ranges
    first_row = np.arange(parts.user.shape[1]) // width * (6 // num_ranges)
    for block in range(len(whole.user)):
        (is_entry, entries), (is_part, of_parts) = (
            (
                made.user[block] < users_per_batch,
                np.stack([column[block] for column in made[:5]], axis=1),
            )
            for made in (whole, parts._replace(movie_row=parts.movie_row + first_row))
        )
        found, expected = of_parts[is_part], entries[is_entry]
        assert sorted(found.tolist()) == sorted(expected.tolist())
        assert (parts.movie_row[block] < 6 // num_ranges).all()


@many
@hypothesis.given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.integers(0, 50), st.integers(1, 30))
def test_each_round_of_steps_takes_every_user_batch_once(num_user_batches, seed, first_step, steps):
    whole = user_batch_of_steps(num_user_batches, seed, 0, 20 * num_user_batches)
    np.testing.assert_array_equal(
        np.sort(whole.reshape(20, num_user_batches)), np.tile(np.arange(num_user_batches), (20, 1))
    )
    hypothesis.assume(first_step + steps <= len(whole))
    np.testing.assert_array_equal(
        user_batch_of_steps(num_user_batches, seed, first_step, steps), whole[first_step : first_step + steps]
    )
