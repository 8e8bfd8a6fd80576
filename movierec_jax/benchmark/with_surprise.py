"""Any algorithm of the Surprise library (scikit-surprise) as a peer."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.benchmark.peer import Peer, Prediction
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.packages import import_extra

LIBRARY = "surprise"

COLUMNS = [USER_ID, MOVIE_ID, RATING]


def surprise_peer(label: str, new_algorithm: Callable[[Any, int], Any]) -> Peer:
    """A peer from a function of the library and the seed that gives an algorithm with its settings."""

    def fit_predict(
        train: pd.DataFrame, test: pd.DataFrame, rating_scale: tuple[float, float], seed: int
    ) -> Prediction:
        surprise = import_extra(LIBRARY, "bench")
        start = time.perf_counter()
        reader = surprise.Reader(rating_scale=rating_scale)
        algorithm = new_algorithm(surprise, seed)
        algorithm.fit(surprise.Dataset.load_from_df(train[COLUMNS], reader).build_full_trainset())
        fitted = time.perf_counter()
        pairs = zip(test[USER_ID].tolist(), test[MOVIE_ID].tolist(), strict=True)
        stars = np.array([algorithm.predict(user, movie).est for user, movie in pairs])
        return Prediction(stars, fitted - start, time.perf_counter() - fitted)

    return Peer(label, fit_predict, LIBRARY)
