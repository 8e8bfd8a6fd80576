"""Every rating once in the block of its user, wherever the rows of its movie are."""

import functools

import hypothesis
import numpy as np
from hypothesis import strategies as st

from movierec_jax.data.schema import Ratings
from movierec_jax.training.batches import block_of_steps, in_ranges, user_blocks, with_links

many = hypothesis.settings(deadline=None, max_examples=40)
keys = {"seed": st.integers(0, 2**32 - 1)}


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    keys["seed"],
)
def test_every_rating_is_once_in_the_block_of_its_user(pairs, users_per_block, seed):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    hit = (10 * user + movie).astype(np.float32)
    blocks = user_blocks(ratings, hit, users_per_block, seed)
    assert len(blocks.user) == -(-len(set(user)) // users_per_block)
    block, entry = np.nonzero(blocks.user < users_per_block)
    np.testing.assert_array_equal(np.sort(blocks.hit[block, entry]), np.sort(hit))
    np.testing.assert_array_equal(blocks.movie_row[block, entry], blocks.hit[block, entry] % 10)
    place_of_user = {
        (b, p, hit // 10) for b, p, hit in zip(block, blocks.user[block, entry], blocks.hit[block, entry], strict=True)
    }
    # As many places as users, and one user in each.
    assert len(place_of_user) == len({place[:2] for place in place_of_user}) == len(set(user))
    assert (blocks.user[blocks.user >= users_per_block] == users_per_block).all()


@many
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.sampled_from([1, 2, 3, 6]),
)
def test_links_of_blocks_lead_from_each_user_to_each_movie_and_back(pairs, users_per_block, num_ranges):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    blocks = user_blocks(ratings, np.float32(nothing), users_per_block, 0)
    blocks = with_links(in_ranges(blocks, users_per_block, 6, num_ranges), users_per_block, num_ranges)
    by_user, by_movie = blocks.links
    for block, part in np.ndindex(len(blocks.user), num_ranges):
        of_part = functools.partial(part_of, block=block, part=part, num_ranges=num_ranges)
        entry_user, entry_movie = of_part(blocks.user), of_part(blocks.movie_row)
        for side, owner, other in ((by_user, entry_user, entry_movie), (by_movie, entry_movie, entry_user)):
            link = of_part(side.link)
            length, piece = np.nonzero(link >= 0)
            entry = link[length, piece]
            assert sorted(entry) == np.flatnonzero(entry_user < users_per_block).tolist()
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
def test_entries_of_each_range_of_movies_stand_together(pairs, users_per_block, num_ranges):
    user, movie = np.array(pairs, np.int32).T
    nothing = np.zeros(len(pairs))
    ratings = Ratings(user, movie, np.float32(nothing), np.int64(nothing), np.zeros((len(pairs), 0), np.int32))
    whole = user_blocks(ratings, (10 * user + movie).astype(np.float32), users_per_block, 0, has_turns=True)
    parts = in_ranges(whole, users_per_block, 6, num_ranges)
    width = parts.user.shape[1] // num_ranges
    first_row = np.arange(parts.user.shape[1]) // width * (6 // num_ranges)
    for block in range(len(whole.user)):
        (is_entry, entries), (is_part, of_parts) = (
            (blocks.user[block] < users_per_block, np.stack([column[block] for column in blocks[:5]], axis=1))
            for blocks in (whole, parts._replace(movie_row=parts.movie_row + first_row))
        )
        found, expected = of_parts[is_part], entries[is_entry]
        assert sorted(found.tolist()) == sorted(expected.tolist())
        assert (found[:, 1] == found[:, 2] % 10).all()
        assert (parts.movie_row[block] < 6 // num_ranges).all()


@many
@hypothesis.given(st.integers(1, 12), keys["seed"], st.integers(0, 50), st.integers(1, 30))
def test_each_round_of_steps_takes_every_block_once_wherever_an_epoch_begins(num_blocks, seed, first_step, steps):
    whole = block_of_steps(num_blocks, seed, 0, 20 * num_blocks)
    np.testing.assert_array_equal(np.sort(whole.reshape(20, num_blocks)), np.tile(np.arange(num_blocks), (20, 1)))
    hypothesis.assume(first_step + steps <= len(whole))
    np.testing.assert_array_equal(
        block_of_steps(num_blocks, seed, first_step, steps), whole[first_step : first_step + steps]
    )
