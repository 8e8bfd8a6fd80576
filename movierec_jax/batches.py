"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import numpy as np
from jaxtyping import Int32, Int64

from movierec_jax.schema import Batch, Ratings


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
