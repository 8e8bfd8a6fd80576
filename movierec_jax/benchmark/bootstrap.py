"""How sure a difference of RMSE is: the same test with its users drawn anew, many times, for all models at once.

Users are drawn and not ratings, for the ratings of one user err together: drawing ratings would give intervals that
are too narrow.
"""

import numpy as np
from jaxtyping import Float64, Int

NUM_RESAMPLES = 2000

CONFIDENCE = 0.95


def bootstrap_rmse(
    squared_error: Float64[np.ndarray, "models parts users"],
    num_ratings: Int[np.ndarray, "parts users"],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, "resamples models"]:
    """Each model's RMSE, a mean over parts, for users drawn with replacement; one row holds one draw for all models.

    squared_error: the sum over each user's ratings in each part; num_ratings: how many they are, 0 or more, and more
    than 0 in some part for every user. A part of which a draw has no rating is left out of that draw's mean.
    """
    generator = np.random.default_rng(seed)
    num_users = num_ratings.shape[1]
    resamples = []
    for _ in range(num_resamples):
        times_drawn = np.bincount(generator.integers(num_users, size=num_users), minlength=num_users)
        count = num_ratings @ times_drawn
        has_ratings = count > 0
        mean_squared_error = (squared_error @ times_drawn)[:, has_ratings] / count[None, has_ratings]
        resamples.append(np.sqrt(mean_squared_error).mean(axis=1))
    return np.stack(resamples)


def interval(values: Float64[np.ndarray, " resamples"], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The range that holds the share `confidence` of the values, as many left out below as above."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_mean(
    total: Float64[np.ndarray, "models users"],
    count: Int[np.ndarray, " users"],
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, "resamples models"]:
    """Each model's mean of a figure of users, for users drawn with replacement; one row holds one draw for all models.

    total: the sum of each user's figures; count: how many they are, more than 0 for every user.
    """
    generator = np.random.default_rng(seed)
    num_users = len(count)
    resamples = []
    for _ in range(num_resamples):
        times_drawn = np.bincount(generator.integers(num_users, size=num_users), minlength=num_users)
        resamples.append(total @ times_drawn / (count @ times_drawn))
    return np.stack(resamples)
