"""Every rating once in the block of its user, wherever the rows of its movie are."""

import collections
import functools

import hypothesis
import numpy as np
from hypothesis import strategies as st

from movierec_jax.data.schema import Ratings
from movierec_jax.training.batches import add_links, group_by_movie_range, make_user_batches, user_batch_of_steps

many = hypothesis.settings(deadline=None, max_examples=40)
keys = {"seed": st.integers(0, 2**32 - 1)}


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    keys["seed"],
)
def test_every_rating_is_once_in_the_block_of_its_user(pairs, users_per_batch, seed):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    made = make_user_batches(ratings, users_per_batch, seed)
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
def test_links_of_blocks_lead_from_each_user_to_each_movie_and_back(pairs, users_per_batch, num_ranges):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    made = make_user_batches(ratings, users_per_batch, 0)
    made = add_links(group_by_movie_range(made, users_per_batch, 6, num_ranges), users_per_batch, num_ranges)
    by_user, by_movie = made.links
    for block, part in np.ndindex(len(made.user), num_ranges):
        of_part = functools.partial(part_of, block=block, part=part, num_ranges=num_ranges)
        entry_user, entry_movie = of_part(made.user), of_part(made.movie_row)
        for side, owner, other in ((by_user, entry_user, entry_movie), (by_movie, entry_movie, entry_user)):
            link = of_part(side.link)
            length, piece = np.nonzero(link >= 0)
            entry = link[length, piece]
            assert sorted(entry) == np.flatnonzero(entry_user < users_per_batch).tolist()
            assert of_part(side.owner)[piece].tolist() == owner[entry].tolist()
            assert of_part(side.other)[length, piece].tolist() == other[entry].tolist()
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
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    whole = make_user_batches(ratings, users_per_batch, 0, has_positions=True)
    parts = group_by_movie_range(whole, users_per_batch, 6, num_ranges)
    width = parts.user.shape[1] // num_ranges
    first_row = np.arange(parts.user.shape[1]) // width * (6 // num_ranges)
    for block in range(len(whole.user)):
        (is_entry, entries), (is_part, of_parts) = (
            (
                made.user[block] < users_per_batch,
                np.stack([column[block] for column in made[:4]], axis=1),
            )
            for made in (whole, parts._replace(movie_row=parts.movie_row + first_row))
        )
        found, expected = of_parts[is_part], entries[is_entry]
        assert sorted(found.tolist()) == sorted(expected.tolist())
        assert (parts.movie_row[block] < 6 // num_ranges).all()


@many
@hypothesis.given(st.integers(1, 12), keys["seed"], st.integers(0, 50), st.integers(1, 30))
def test_each_round_of_steps_takes_every_block_once_wherever_an_epoch_begins(num_user_batches, seed, first_step, steps):
    whole = user_batch_of_steps(num_user_batches, seed, 0, 20 * num_user_batches)
    np.testing.assert_array_equal(
        np.sort(whole.reshape(20, num_user_batches)), np.tile(np.arange(num_user_batches), (20, 1))
    )
    hypothesis.assume(first_step + steps <= len(whole))
    np.testing.assert_array_equal(
        user_batch_of_steps(num_user_batches, seed, first_step, steps), whole[first_step : first_step + steps]
    )
