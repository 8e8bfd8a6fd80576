"""Predictions that anything learnt has to beat: a constant, means, and biases alone. Fitted on train only."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int32

from movierec_jax.schema import Ratings

# Ratings at the overall mean that every movie and user is given beside its own; Koren (2010), "Factor in the
# neighbors", section 2.1, uses 25 and 10 on Netflix data.
MOVIE_DAMPING = 25.0
USER_DAMPING = 10.0

Predict = Callable[[Ratings], Float64[np.ndarray, " ratings"]]


def rating_baselines(train: Ratings, num_users: int, num_movies: int) -> dict[str, Predict]:
    """Predictors by name. For a user or movie that train lacks each says what it says of the average one."""
    mean = float(train.rating.mean(dtype=np.float64))
    residual = train.rating - mean
    user_mean = group_mean(train.user_row, residual, num_users, damping=0.0)
    movie_mean = group_mean(train.movie_row, residual, num_movies, damping=0.0)
    movie_bias = group_mean(train.movie_row, residual, num_movies, MOVIE_DAMPING)
    user_bias = group_mean(train.user_row, residual - movie_bias[train.movie_row], num_users, USER_DAMPING)
    return {
        "constant": lambda ratings: np.full(len(ratings), mean),
        "user mean": lambda ratings: mean + user_mean[ratings.user_row],
        "movie mean": lambda ratings: mean + movie_mean[ratings.movie_row],
        "biases": lambda ratings: mean + user_bias[ratings.user_row] + movie_bias[ratings.movie_row],
    }


def group_mean(
    row: Int32[np.ndarray, " ratings"], value: np.ndarray, num_rows: int, damping: float
) -> Float64[np.ndarray, " rows"]:
    """The mean value of each row's ratings, pulled to 0 by `damping` ratings of 0; 0 for a row that has none.

    Has one entry more than `num_rows`, for the row of unknown ids.
    """
    total = np.bincount(row, weights=value, minlength=num_rows + 1)
    count = np.bincount(row, minlength=num_rows + 1)
    return np.divide(total, count + damping, out=np.zeros(num_rows + 1), where=count + damping > 0)
