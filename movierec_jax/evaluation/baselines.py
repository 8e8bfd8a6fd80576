"""Simple predictions and lists that a model has to beat, fitted on train alone.

To add one for ratings: one entry in the table that `rating_baselines` returns.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32

from movierec_jax.data.arrays import damped_group_mean, weighted_mean
from movierec_jax.data.schema import Ratings
from movierec_jax.recommend.lists import SeenMovies
from movierec_jax.recommend.partial_sort import top_k_of_scores

# Ratings at the overall mean that every movie and user is given beside its own; Koren (2010), "Factor in the
# neighbors", section 2.1, uses 25 and 10 on Netflix data.
MOVIE_DAMPING = 25.0

USER_DAMPING = 10.0

Predict = Callable[[Ratings], Float64[np.ndarray, " ratings"]]


def rating_baselines(train: Ratings, num_users: int, num_movies: int) -> dict[str, Predict]:
    """Returns predictors by name. A user or movie that train lacks counts as an average one.

    Movies watched but not rated do not count.
    """
    train = train.rated()
    weight = train.weight
    mean = float(weighted_mean(train.rating, weight))
    residual = train.rating - mean
    user_mean = damped_group_mean(train.user_row, residual, num_users, 0.0, weight)
    movie_mean = damped_group_mean(train.movie_row, residual, num_movies, 0.0, weight)
    movie_bias = damped_group_mean(train.movie_row, residual, num_movies, MOVIE_DAMPING, weight)
    residual = residual - movie_bias[train.movie_row]
    user_bias = damped_group_mean(train.user_row, residual, num_users, USER_DAMPING, weight)
    return {
        "constant": lambda ratings: np.full(len(ratings), mean),
        "user mean": lambda ratings: mean + user_mean[ratings.user_row],
        "movie mean": lambda ratings: mean + movie_mean[ratings.movie_row],
        "biases": lambda ratings: mean + user_bias[ratings.user_row] + movie_bias[ratings.movie_row],
    }


def popular_lists(
    num_ratings: Int[np.ndarray, " movies"] | Float32[np.ndarray, " movies"], seen: SeenMovies, num_users: int, k: int
) -> Int32[np.ndarray, "users k"]:
    """Returns the unseen movies with most ratings, as `top_k.top_k_lists` returns those of a model."""
    score = np.broadcast_to(num_ratings.astype(np.float64), (num_users, len(num_ratings)))
    return top_k_of_scores(score, [seen.of_user(user) for user in range(num_users)], k)
