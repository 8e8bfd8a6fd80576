"""Ratings -> blocks of users, for the error over the whole catalogue: one block for each step, all alike in shape.

A block has all ratings of its users. On a mesh the rows of movies are spread over all devices, and each device has the
ratings of its own movies: those of a range of rows stand together.
"""

import functools

import numpy as np
from jaxtyping import Float32, Int32

from movierec_jax.known import filled_up_alike, joined, lay_out, piece_length
from movierec_jax.orders import stable_order, within_groups
from movierec_jax.recency import turns
from movierec_jax.schema import Links, Ratings, UserBlocks


def user_blocks(
    ratings: Ratings, hit: Float32[np.ndarray, " ratings"], users_per_block: int, seed: int, *, has_turns: bool = False
) -> UserBlocks:
    """The ratings by blocks of users, who are put together by chance; all blocks are as long as the longest.

    has_turns: whether the order of each user's ratings is to be known.
    """
    users, user, count = np.unique(ratings.user_row, return_inverse=True, return_counts=True)
    place = np.random.default_rng([seed, len(users)]).permutation(len(users))[user]
    order = stable_order(place)
    block = place[order] // users_per_block
    length = np.bincount(block)
    within = within_groups(length)

    def stack(column: np.ndarray, filling) -> np.ndarray:
        stacked = np.full((len(length), length.max()), filling, column.dtype)
        stacked[block, within] = column[order]
        return stacked

    blocks = UserBlocks(
        user=stack((place % users_per_block).astype(np.int32), users_per_block),
        movie_row=stack(ratings.movie_row, 0),
        hit=stack(hit, 0),
    )
    if not has_turns:
        return blocks
    return blocks._replace(
        turn=stack(turns(ratings.user_row, ratings.timestamp), 0),
        num_ratings=stack(count[user].astype(np.int32), 0),
    )


def in_ranges(blocks: UserBlocks, users_per_block: int, num_rows: int, num_ranges: int) -> UserBlocks:
    """The same with the entries of each of so many equal ranges of movies together, in as many places as of any other.

    Rows of movies are counted from the first of the range's. num_rows: those of all movies.
    """
    if num_ranges == 1:
        return blocks
    rows_of_range = num_rows // num_ranges
    block, entry = np.nonzero(blocks.user < users_per_block)
    part = block * num_ranges + blocks.movie_row[block, entry] // rows_of_range
    order = stable_order(part)
    count = np.bincount(part, minlength=len(blocks.user) * num_ranges)
    width = int(count.max())
    place = part[order] * width + within_groups(count)

    def placed(column: np.ndarray, filling: int) -> np.ndarray:
        filled = np.full(len(count) * width, filling, column.dtype)
        filled[place] = column[block, entry][order]
        return filled.reshape(len(column), num_ranges * width)

    return UserBlocks(
        user=placed(blocks.user, users_per_block),
        movie_row=placed(blocks.movie_row % np.int32(rows_of_range), 0),
        hit=placed(blocks.hit, 0),
        turn=None if blocks.turn is None else placed(blocks.turn, 0),
        num_ratings=None if blocks.num_ratings is None else placed(blocks.num_ratings, 0),
    )


def with_links(blocks: UserBlocks, users_per_block: int, num_ranges: int = 1) -> UserBlocks:
    """The same blocks with the links of each range of movies, in the order of its entries."""
    user, movie = (column.reshape(len(column) * num_ranges, -1) for column in blocks[:2])
    num_entries = np.sum(user < users_per_block, axis=1)
    parts = [(user[part, :count], movie[part, :count]) for part, count in enumerate(num_entries)]

    def laid_out(parts: list[tuple[np.ndarray, np.ndarray]]) -> Links:
        # The first block's length of pieces suits the others, whose users are drawn by chance as its are.
        first = [owner for owner, _ in parts[:num_ranges]]
        most = 1 + max(owner.max(initial=0) for owner in first)
        length = piece_length(np.concatenate([owner + part * most for part, owner in enumerate(first)]))
        links = filled_up_alike([lay_out(*part, length=length) for part in parts])
        of_blocks = [links[start : start + num_ranges] for start in range(0, len(links), num_ranges)]
        return joined(
            [joined(of_block, functools.partial(np.concatenate, axis=-1)) for of_block in of_blocks], np.stack
        )

    return blocks._replace(links=(laid_out(parts), laid_out([(movie, user) for user, movie in parts])))


def block_of_steps(num_blocks: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """The block of users of each step: all of them once, in an order by chance, then all in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_blocks, (first_step + steps - 1) // num_blocks + 1)
    orders = [np.random.default_rng([seed, num_blocks, number]).permutation(num_blocks) for number in rounds]
    return np.concatenate(orders)[step - rounds.start * num_blocks].astype(np.int32)
