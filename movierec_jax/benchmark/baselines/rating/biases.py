"""Damped biases of users and movies: the strongest baseline of `evaluation.baselines`."""

import time

import pandas as pd

from movierec_jax.benchmark.baselines.records import RatingBaseline, RatingPrediction
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.vocab import Vocab, ratings_by_row
from movierec_jax.evaluation.baselines import rating_baselines


def fit_predict(
    train: pd.DataFrame, test: pd.DataFrame, rating_scale: tuple[float, float], seed: int
) -> RatingPrediction:
    """Fits biases, which need no seed, and predicts the test ratings."""
    start = time.perf_counter()
    users, movies = Vocab.of(train[USER_ID], "user"), Vocab.of(train[MOVIE_ID], "movie")
    predict = rating_baselines(ratings_by_row(train, users, movies), len(users), len(movies))["biases"]
    fitted = time.perf_counter()
    rating = predict(ratings_by_row(test, users, movies))
    return RatingPrediction(rating, fitted - start, time.perf_counter() - fitted)


BASELINES = {"biases": RatingBaseline("biases alone", fit_predict)}
