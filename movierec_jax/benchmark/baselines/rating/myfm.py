"""Bayesian factorization machines of the myFM library, fitted by Gibbs sampling."""

import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int32

from movierec_jax.benchmark.baselines.records import RatingBaseline, RatingPrediction
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.packages import import_extra

LIBRARY = "myfm"

# With more train ratings than this, more factors pay and fewer samples do.
MANY_RATINGS = 500_000

# One row for each rating; "_" because train and test differ in length.
Rows = Int32[np.ndarray, " _ratings"]

# (user rows, movie rows) of ratings -> the library's X and X_rel: a sparse table of the ratings' features, or features
# of users and of movies that ratings refer to.
Features = Callable[[Rows, Rows], tuple[Any, list]]

# (library, user rows and movie rows of train, numbers of users and movies) -> the number of columns in each group that
# shares priors, and the features. Users and movies absent from train have the row after the last, and no feature.
NewFeatures = Callable[[types.ModuleType, Rows, Rows, int, int], tuple[list[int], Features]]


def myfm_baseline(label: str, new_features: NewFeatures) -> RatingBaseline:
    """Returns a baseline from a function that makes the features of users and movies."""

    def fit_predict(
        train: pd.DataFrame, test: pd.DataFrame, rating_scale: tuple[float, float], seed: int
    ) -> RatingPrediction:
        myfm = import_extra(LIBRARY, "bench")
        start = time.perf_counter()
        users, movies = Vocab.of(train[USER_ID], "user"), Vocab.of(train[MOVIE_ID], "movie")
        rows = users.rows(train[USER_ID]), movies.rows(train[MOVIE_ID])
        group_shapes, features = new_features(myfm, *rows, len(users), len(movies))
        rank, iterations = (20, 200) if len(train) > MANY_RATINGS else (10, 300)
        model = myfm.MyFMRegressor(rank=rank, random_seed=seed)
        table, blocks = features(*rows)
        rating = train[RATING].to_numpy(np.float64)
        model.fit(table, rating, blocks, group_shapes=group_shapes, n_iter=iterations, n_kept_samples=iterations)
        fitted = time.perf_counter()
        predicted = model.predict(*features(users.rows(test[USER_ID]), movies.rows(test[MOVIE_ID])))
        details = {"rank": rank, "iterations": iterations}
        return RatingPrediction(predicted, fitted - start, time.perf_counter() - fitted, details)

    return RatingBaseline(label, fit_predict, LIBRARY)


def ids(myfm, user_row, movie_row, num_users: int, num_movies: int) -> tuple[list[int], Features]:
    """Returns one-hot ids as a plain table, which is faster than blocks for so few features."""
    users, movies = one_hot(num_users), one_hot(num_movies)
    return [num_users, num_movies], lambda user, movie: (
        scipy.sparse.hstack([users[user], movies[movie]], format="csr"),
        [],
    )


def ids_and_history(myfm, user_row, movie_row, num_users: int, num_movies: int) -> tuple[list[int], Features]:
    """Returns one-hot ids beside each user's rated movies and the users who rated each movie."""
    movies_of_user = history(user_row, movie_row, num_users, num_movies)
    users_of_movie = history(movie_row, user_row, num_movies, num_users)
    of_user = scipy.sparse.hstack([one_hot(num_users), movies_of_user], format="csr")
    of_movie = scipy.sparse.hstack([one_hot(num_movies), users_of_movie], format="csr")
    return [num_users, num_movies, num_movies, num_users], lambda user, movie: (
        None,
        [myfm.RelationBlock(user, of_user), myfm.RelationBlock(movie, of_movie)],
    )


def one_hot(num_rows: int) -> scipy.sparse.csr_matrix:
    """Returns the identity of num_rows rows and columns, and a last row of zeros."""
    return scipy.sparse.vstack([scipy.sparse.identity(num_rows), scipy.sparse.csr_matrix((1, num_rows))], format="csr")


def history(row: Rows, other_row: Rows, num_rows: int, num_others: int) -> scipy.sparse.csr_matrix:
    """Returns a table with 1 / sqrt(ratings of the row) where row and other_row share a rating; a last row of zeros."""
    count = np.bincount(row, minlength=num_rows)
    return scipy.sparse.csr_matrix((1 / np.sqrt(count[row]), (row, other_row)), shape=(num_rows + 1, num_others))


BASELINES = {
    "myfm_mf": myfm_baseline("myFM Bayesian MF", ids),
    # Rendle, Zhang, Koren 2019, "On the difficulty of evaluating baselines".
    "myfm_svdpp": myfm_baseline("myFM Bayesian SVD++ flipped", ids_and_history),
}
