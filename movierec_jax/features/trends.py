"""How fast what people watch changes: after how long a rating tells half as much about which movies come next.

Where lists are made for the time after train, recent ratings are the better targets. How much better is a fact of the
data: films of this month may be most of what is watched, or hardly matter.
"""

import itertools
import math

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from movierec_jax.data.schema import NO_TIMESTAMP

SECONDS_PER_DAY = 86_400

# The last ratings by time, as a fraction, whose movies are to be foretold, and into how many parts, one after another.
# Each part is foretold from all ratings before it.
FORETOLD, NUM_PARTS = 0.1, 4

# Half-lives that are tried besides none, each the root of 2 shorter than the one before; the longest is twice the span
# of the ratings, the shortest a two-thousandth of it.
NUM_HALF_LIVES = 24

# Ratings that are looked at; of more, every second, third and so on.
MOST_RATINGS = 2**22

# Ratings that every movie has beforehand, so that one without ratings has a chance.
PRIOR = 0.5


def half_life_days(
    movie_row: Int32[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"], num_movies: int
) -> float:
    """Returns the half-life of ratings, in days, with which the latest of them are likeliest; 0 for none.

    A movie's chance is the sum of the weights of its ratings so far, each halved by every half-life that has passed.
    """
    has_time = timestamp != NO_TIMESTAMP
    order = np.flatnonzero(has_time)[np.argsort(timestamp[has_time], kind="stable")]
    order = order[:: max(1, -(-len(order) // MOST_RATINGS))]
    movie_row, days = movie_row[order], timestamp[order] / SECONDS_PER_DAY
    if not len(days) or days[0] == days[-1]:
        return 0.0
    half_lives = 2 * (days[-1] - days[0]) / 2 ** (np.arange(NUM_HALF_LIVES) / 2)
    tried = [math.inf, *half_lives]
    likelihood = [log_likelihood(movie_row, days, num_movies, half_life) for half_life in tried]
    best = tried[int(np.argmax(likelihood))]
    return 0.0 if math.isinf(best) else float(best)


def log_likelihood(
    movie_row: Int32[np.ndarray, " ratings"], days: Float64[np.ndarray, " ratings"], num_movies: int, half_life: float
) -> float:
    """Returns the logarithm of the chance of the last movies, given those before; days: rising."""
    starts = len(days) - np.linspace(FORETOLD * len(days), 0, NUM_PARTS + 1).astype(np.int64)
    total = 0.0
    for start, end in itertools.pairwise(starts):
        if 0 < start < end:
            weight = 0.5 ** ((days[start - 1] - days[:start]) / half_life)
            chance = PRIOR + np.bincount(movie_row[:start], weight, minlength=num_movies)
            total += float(np.sum(np.log(chance[movie_row[start:end]] / chance.sum())))
    return total


def target_weights(timestamp: Int64[np.ndarray, " ratings"], half_life: float) -> Float32[np.ndarray, " ratings"]:
    """Returns the weights of ratings as targets, 1 on average; a rating without a time counts as the oldest.

    half_life: in days, above 0.
    """
    has_time: Bool[np.ndarray, " ratings"] = timestamp != NO_TIMESTAMP
    if not has_time.any():
        return np.ones(len(timestamp), np.float32)
    seconds = np.where(has_time, timestamp, timestamp[has_time].min())
    weight = 0.5 ** ((seconds.max() - seconds) / SECONDS_PER_DAY / half_life)
    return (weight / weight.mean()).astype(np.float32)
