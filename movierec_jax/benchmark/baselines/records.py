"""The records of baselines, with what their functions take and return."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class RatingPrediction:
    """Predicted ratings of the test part, and what they cost.

    fit_seconds: from ratings in memory to the fitted model, with compilation. predict_seconds: from the fitted model to
    predicted ratings. details: how the model was fitted, as plain values for the JSON file.
    """

    rating: Float[np.ndarray, " ratings"]
    fit_seconds: float
    predict_seconds: float
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


# (train, test, rating_scale, seed) -> predictions for test. Both are tables of `user_id`, `movie_id` and `rating`; the
# test ratings must not be read, and users and movies may be absent from train. The caller clips to the rating scale.
FitPredict = Callable[[pd.DataFrame, pd.DataFrame, tuple[float, float], int], RatingPrediction]


@dataclasses.dataclass(frozen=True)
class RatingBaseline:
    """Predicts ratings. library: what must be importable besides our own dependencies."""

    label: str
    fit_predict: FitPredict
    library: str | None = None


# A sparse table (CSR) of users by movies: 1 where a user's rating in train is relevant.
Likes = Any

FitSettings = Mapping[str, Any]

# The likes of some users and, if train has these users, their rows in train -> a score for every movie.
ScoreMovies = Callable[[Likes, Int[np.ndarray, " users"] | None], Float[np.ndarray, "users movies"]]


@dataclasses.dataclass(frozen=True)
class RankingBaseline:
    """Scores every movie for users.

    fit: (likes, settings, seed) -> scores. grid: settings to try on validation; a single one is taken as it is.
    library: what must be importable besides our own dependencies. can_score_new_users: whether scores follow from a
    user's likes, so that users may come after training.
    """

    label: str
    fit: Callable[[Likes, FitSettings, int], ScoreMovies]
    grid: tuple[FitSettings, ...] = ({},)
    library: str | None = None
    can_score_new_users: bool = True


@dataclasses.dataclass(frozen=True)
class SequenceBaseline:
    """Ranks movies by the order of what users rated, in a Python of its own (`benchmark/rectools_script.py`)."""

    label: str
    library: str | None = None
    can_score_new_users: bool = False


# Texts -> the probability that each praises; without probabilities any number from 0 to 1, above 0.5 for praise.
Classify = Callable[[Sequence[str]], Float[np.ndarray, " texts"]]


@dataclasses.dataclass(frozen=True)
class SentimentBaseline:
    """Classifies texts as praise or not.

    fit: (texts, is_praise) -> classifier. library: what must be importable besides our own dependencies.
    """

    label: str
    fit: Callable[[Sequence[str], Bool[np.ndarray, " texts"]], Classify]
    library: str | None = None
    has_probability: bool = True
