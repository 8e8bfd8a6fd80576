"""Bayesian factorization machines of the myFM library as peers, by Gibbs sampling."""

import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int32

from movierec_jax.benchmark.peer import Peer, Prediction
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.packages import import_extra

LIBRARY = "myfm"

# Above so many train ratings more factors pay, and fewer samples do.
MANY_RATINGS = 500_000

# Rows of ratings; "_" since train and test differ in length.
Rows = Int32[np.ndarray, " _ratings"]

# From the user row and movie row of ratings to what the library calls X and X_rel: a sparse table of their features, or
# features of users and of movies that ratings refer to.
Features = Callable[[Rows, Rows], tuple[Any, list]]

# From the library, the rows of train and the numbers of users and movies to the number of columns in each group that
# shares its priors, and the features. Unknown users and movies have the row after the last, and no feature.
NewFeatures = Callable[[types.ModuleType, Rows, Rows, int, int], tuple[list[int], Features]]


def myfm_peer(label: str, new_features: NewFeatures) -> Peer:
    """A peer from a function that says what is known of users and movies."""

    def fit_predict(
        train: pd.DataFrame, test: pd.DataFrame, rating_scale: tuple[float, float], seed: int
    ) -> Prediction:
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
        stars = model.predict(*features(users.rows(test[USER_ID]), movies.rows(test[MOVIE_ID])))
        details = {"rank": rank, "iterations": iterations}
        return Prediction(np.asarray(stars), fitted - start, time.perf_counter() - fitted, details)

    return Peer(label, fit_predict, LIBRARY)


def one_hot(num_rows: int) -> scipy.sparse.csr_matrix:
    """A column for each row, and a last row of zeros."""
    return scipy.sparse.vstack([scipy.sparse.identity(num_rows), scipy.sparse.csr_matrix((1, num_rows))], format="csr")


def history(row: Rows, other_row: Rows, num_rows: int, num_others: int) -> scipy.sparse.csr_matrix:
    """What each row has ratings with, each as 1 / sqrt(their number); a last row of zeros."""
    count = np.bincount(row, minlength=num_rows)
    return scipy.sparse.csr_matrix((1 / np.sqrt(count[row]), (row, other_row)), shape=(num_rows + 1, num_others))
