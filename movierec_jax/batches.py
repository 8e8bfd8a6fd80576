"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import numpy as np

from movierec_jax.schema import Batch, Ratings


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Steps of one epoch: every rating once, the last batch filled up."""
    return -(-num_ratings // batch_size)


def epoch_batches(ratings: Ratings, batch_size: int, seed: int, epoch: int) -> Batch:
    """The ratings in the order of this epoch, stacked `[steps, batch]`."""
    return stack_batches(ratings, np.random.default_rng([seed, epoch]).permutation(len(ratings)), batch_size)


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
        rating=ratings.rating[filled],
        weight=weight,
    )
