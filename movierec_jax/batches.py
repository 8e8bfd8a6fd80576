"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import numpy as np
from jaxtyping import Float32, Int32, Int64

from movierec_jax.recency import turns
from movierec_jax.schema import Batch, Ratings, UserBlocks


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Steps of one epoch: every rating once, the last batch filled up."""
    return -(-num_ratings // batch_size)


def epoch_order(num_ratings: int, seed: int, epoch: int) -> Int64[np.ndarray, " ratings"]:
    """The order of ratings in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(num_ratings)


def steps_of(order: Int64[np.ndarray, " ratings"], batch_size: int) -> Int32[np.ndarray, " ratings_and_filling"]:
    """The step of the epoch that predicts each rating, and -1 for the filling of histories after the last."""
    step = np.full(len(order) + 1, -1, np.int32)
    step[order] = np.arange(len(order)) // batch_size
    return step


def stack_batches(ratings: Ratings, order: np.ndarray, batch_size: int) -> Batch:
    """The ratings in the given order, stacked `[steps, batch]`; places after the last have weight 0.

    A filled place repeats the first rating of the order, so that its rows are valid ones.
    """
    shape = (num_steps(len(order), batch_size), batch_size)
    filled = np.concatenate([order, np.full(shape[0] * shape[1] - len(order), order[0])]).reshape(shape)
    weight = (np.arange(filled.size) < len(order)).astype(np.float32).reshape(shape)
    return Batch(
        user_row=ratings.user_row[filled],
        movie_row=ratings.movie_row[filled],
        moment=ratings.moment[filled],
        rating=ratings.rating[filled],
        weight=weight,
    )


def user_blocks(ratings: Ratings, hit: Float32[np.ndarray, " ratings"], users_per_block: int, seed: int) -> UserBlocks:
    """The ratings by blocks of users, who are put together by chance; all blocks are as long as the longest."""
    users, user, count = np.unique(ratings.user_row, return_inverse=True, return_counts=True)
    place = np.random.default_rng([seed, len(users)]).permutation(len(users))[user]
    order = np.argsort(place, kind="stable")
    block = place[order] // users_per_block
    length = np.bincount(block)
    within = np.arange(len(order)) - np.repeat(np.cumsum(length) - length, length)

    def stack(column: np.ndarray, filling) -> np.ndarray:
        stacked = np.full((len(length), length.max()), filling, column.dtype)
        stacked[block, within] = column[order]
        return stacked

    return UserBlocks(
        user=stack((place % users_per_block).astype(np.int32), users_per_block),
        movie_row=stack(ratings.movie_row, 0),
        hit=stack(hit, 0),
        turn=stack(turns(ratings.user_row, ratings.timestamp), 0),
        num_ratings=stack(count[user].astype(np.int32), 0),
    )


def block_of_steps(num_blocks: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """The block of users of each step: all of them once, in an order by chance, then all in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_blocks, (first_step + steps - 1) // num_blocks + 1)
    orders = [np.random.default_rng([seed, num_blocks, number]).permutation(num_blocks) for number in rounds]
    return np.concatenate(orders)[step - rounds.start * num_blocks].astype(np.int32)
