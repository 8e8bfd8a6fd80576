"""Predictions that anything learnt has to beat: a constant, means, and biases alone. Fitted on train only."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from movierec_jax.data.arrays import damped_group_mean
from movierec_jax.data.schema import Ratings

# Ratings at the overall mean that every movie and user is given beside its own; Koren (2010), "Factor in the
# neighbors", section 2.1, uses 25 and 10 on Netflix data.
MOVIE_DAMPING = 25.0

USER_DAMPING = 10.0

Predict = Callable[[Ratings], Float64[np.ndarray, " ratings"]]


def rating_baselines(train: Ratings, num_users: int, num_movies: int) -> dict[str, Predict]:
    """Predictors by name. For a user or movie that train lacks each says what it says of the average one."""
    mean = float(train.rating.mean(dtype=np.float64))
    residual = train.rating - mean
    user_mean = damped_group_mean(train.user_row, residual, num_users, damping=0.0)
    movie_mean = damped_group_mean(train.movie_row, residual, num_movies, damping=0.0)
    movie_bias = damped_group_mean(train.movie_row, residual, num_movies, MOVIE_DAMPING)
    user_bias = damped_group_mean(train.user_row, residual - movie_bias[train.movie_row], num_users, USER_DAMPING)
    return {
        "constant": lambda ratings: np.full(len(ratings), mean),
        "user mean": lambda ratings: mean + user_mean[ratings.user_row],
        "movie mean": lambda ratings: mean + movie_mean[ratings.movie_row],
        "biases": lambda ratings: mean + user_bias[ratings.user_row] + movie_bias[ratings.movie_row],
    }
