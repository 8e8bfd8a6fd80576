"""Trends: which movies people have come to rate lately, and after how long that no longer tells what comes next.

How fast tastes move is a fact of the data: the films of this week may be most of what is watched, or hardly matter.
"""

import itertools
import math

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.features.rating_time import SECONDS_PER_DAY

# The last ratings by time, as a fraction, whose movies are to be foretold, and into how many parts, one after another.
# Each part is foretold from all ratings before it.
FORETOLD, NUM_PARTS = 0.1, 4

# Half-lives that are tried besides none, each the root of 2 shorter than the one before; the longest is twice the span
# of the ratings, the shortest a two-thousandth of it.
NUM_HALF_LIVES = 24

# Standard errors by which one half-life is to be better than a longer one.
CHANCE = 2.0

# Ratings that are looked at; of more, every second, third and so on.
MOST_RATINGS = 2**22


def half_life_days(
    movie_row: Int32[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"], num_movies: int
) -> float:
    """Returns the half-life of ratings, in days, by which the latest of them are foretold best; 0 for none.

    What is foretold is a list of all movies by the sums of their ratings' weights so far, each halved by every
    half-life that has passed. How good it is, is the mean of 1 / log2(1 + position) over the ratings that follow. Of
    half-lives that chance alone may tell apart, the longest counts: the fewer ratings make a list, the more of it is
    chance.
    """
    has_time = timestamp != NO_TIMESTAMP
    order = np.flatnonzero(has_time)[np.argsort(timestamp[has_time], kind="stable")]
    order = order[:: max(1, -(-len(order) // MOST_RATINGS))]
    movie_row, days = movie_row[order], timestamp[order] / SECONDS_PER_DAY
    if len(days) < 2 or days[0] == days[-1]:
        return 0.0
    tried = [math.inf, *(2 * (days[-1] - days[0]) / 2 ** (np.arange(NUM_HALF_LIVES) / 2))]
    gains = [gains_of_latest(movie_row, days, num_movies, half_life) for half_life in tried]
    best = max(gains, key=np.mean)
    for half_life, gain in zip(tried, gains, strict=True):
        behind = best - gain
        if behind.mean() <= CHANCE * behind.std() / math.sqrt(len(behind)):
            return 0.0 if math.isinf(half_life) else float(half_life)
    raise AssertionError("the best half-life is not behind itself")


def gains_of_latest(
    movie_row: Int32[np.ndarray, " ratings"], days: Float64[np.ndarray, " ratings"], num_movies: int, half_life: float
) -> Float32[np.ndarray, " _latest"]:
    """Returns how well each of the last ratings is foretold by those before it; days: rising."""
    starts = len(days) - np.linspace(max(1, FORETOLD * len(days)), 0, NUM_PARTS + 1).astype(np.int64)
    gains = []
    for start, end in itertools.pairwise(starts):
        weight = 0.5 ** ((days[start - 1] - days[:start]) / half_life)
        position = np.empty(num_movies)
        order = np.argsort(-np.bincount(movie_row[:start], weight, minlength=num_movies), kind="stable")
        position[order] = np.arange(1, num_movies + 1)
        gains.append(1 / np.log2(1 + position[movie_row[start:end]]))
    return np.concatenate(gains).astype(np.float32)


def recent_shares(
    movie_row: Int32[np.ndarray, " ratings"],
    timestamp: Int64[np.ndarray, " ratings"],
    num_movies: int,
    half_life: float,
) -> Float32[np.ndarray, " movies"]:
    """Returns each movie's share of the ratings, which weigh half after every half-life, in days.

    A rating without a time counts as the oldest. Raises ValueError without ratings.
    """
    if not len(movie_row):
        raise ValueError("no ratings: no movie has a share of them")
    has_time = timestamp != NO_TIMESTAMP
    latest, oldest = (timestamp[has_time].max(), timestamp[has_time].min()) if has_time.any() else (0, 0)
    age_days = (latest - np.where(has_time, timestamp, oldest)) / SECONDS_PER_DAY
    weight = np.bincount(movie_row, 0.5 ** (age_days / half_life), minlength=num_movies)
    return (weight / weight.sum()).astype(np.float32)
