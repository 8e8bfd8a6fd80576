"""Algorithms of the Surprise library (scikit-surprise) with its default settings."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.benchmark.baselines.records import RatingBaseline, RatingPrediction
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.packages import import_extra

LIBRARY = "surprise"

COLUMNS = [USER_ID, MOVIE_ID, RATING]


def surprise_baseline(label: str, new_algorithm: Callable[[Any, int], Any]) -> RatingBaseline:
    """Returns a baseline from a function (library, seed) -> algorithm."""

    def fit_predict(
        train: pd.DataFrame, test: pd.DataFrame, rating_scale: tuple[float, float], seed: int
    ) -> RatingPrediction:
        surprise = import_extra(LIBRARY, "bench")
        start = time.perf_counter()
        reader = surprise.Reader(rating_scale=rating_scale)
        algorithm = new_algorithm(surprise, seed)
        algorithm.fit(surprise.Dataset.load_from_df(train[COLUMNS], reader).build_full_trainset())
        fitted = time.perf_counter()
        pairs = zip(test[USER_ID].tolist(), test[MOVIE_ID].tolist(), strict=True)
        rating = np.array([algorithm.predict(user, movie).est for user, movie in pairs])
        return RatingPrediction(rating, fitted - start, time.perf_counter() - fitted)

    return RatingBaseline(label, fit_predict, LIBRARY)


BASELINES = {
    # Regularised biases by alternating least squares.
    "surprise_baseline": surprise_baseline(
        "Surprise BaselineOnly", lambda surprise, seed: surprise.BaselineOnly(verbose=False)
    ),
    # Nearest neighbours around biases.
    "surprise_knn": surprise_baseline(
        "Surprise KNNBaseline", lambda surprise, seed: surprise.KNNBaseline(verbose=False)
    ),
    # Biased matrix factorisation by stochastic gradient descent.
    "surprise_svd": surprise_baseline("Surprise SVD", lambda surprise, seed: surprise.SVD(random_state=seed)),
    # SVD with each user's rated movies (Koren 2008); the cache only makes it faster.
    "surprise_svdpp": surprise_baseline(
        "Surprise SVD++", lambda surprise, seed: surprise.SVDpp(random_state=seed, cache_ratings=True)
    ),
}
