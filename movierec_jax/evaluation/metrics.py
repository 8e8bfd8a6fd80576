"""How good predictions and lists are: pure NumPy in float64, over whole arrays.

To add a metric, write one function and add one row to a table; evaluation, report and closing table follow the tables.

RATING_METRICS   (predicted, rating, weight=) -> one number, and the label of its column; without weights all count 1
RANKING_METRICS  (is_hit, num_relevant, k) -> one number per user, so that two models can be compared user by user;
                 `mean_over_users` makes one number of them. Sums run rank by rank, so a user's value is the same to the
                 last bit whoever else is in the array.
LIST_METRICS     (lists, catalogue) -> one number, from the lists alone: how much of the catalogue they reach, how
                 evenly, how little known and how varied it is

A figure without anything to measure (no rating, no relevant movie, nothing listed) is NaN, without a warning.
"""

import functools
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

# How much each rating counts; None: all count 1.
Weights = Float[np.ndarray, " ratings"] | None

# In stars: 4.3 - 3.8 in float32 is half a star and 2.4e-7, and has to count as half a star.
FLOAT32_ROUNDING = 1e-6


def rmse(
    predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"], weight: Weights = None
) -> float:
    """Returns the root mean squared error in stars: sqrt(mean((predicted - rating)^2)). NaN without ratings."""
    return float(np.sqrt(mean_or_nan(rating_errors(predicted, rating) ** 2, weight)))


def mae(
    predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"], weight: Weights = None
) -> float:
    """Returns the mean absolute error in stars: mean(|predicted - rating|). NaN without ratings."""
    return mean_or_nan(np.abs(rating_errors(predicted, rating)), weight)


def r2(
    predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"], weight: Weights = None
) -> float:
    """Returns the explained fraction of the variance: 1 - sum((predicted - rating)^2) / sum((rating - mean)^2).

    At most 1; 0 for predicting the mean, below 0 for worse. NaN without variance to explain: for no ratings, a single
    one, or equal ones.
    """
    errors = rating_errors(predicted, rating)
    # A sum of squares would not tell: the mean of equal numbers can differ from them in the last bit.
    if rating.size == 0 or rating.min() == rating.max():
        return np.nan
    deviations = rating - np.float64(mean_or_nan(rating, weight))
    counts = 1.0 if weight is None else weight
    return float(1 - np.sum(counts * errors**2) / np.sum(counts * deviations**2))


def within(
    predicted: Float[np.ndarray, " ratings"],
    rating: Float[np.ndarray, " ratings"],
    tolerance: float,
    weight: Weights = None,
) -> float:
    """Returns the fraction of predictions with |predicted - rating| <= tolerance, give or take float32 rounding.

    tolerance: in stars. NaN without ratings. A NaN prediction is within no tolerance.
    """
    return mean_or_nan(np.abs(rating_errors(predicted, rating)) <= tolerance + FLOAT32_ROUNDING, weight)


class RatingMetric(NamedTuple):
    """A metric of predicted ratings: the label of its column, and (predicted, rating, weight=) -> number."""

    label: str
    compute: Callable[..., float]


RATING_METRICS = {
    "rmse": RatingMetric("RMSE", rmse),
    "mae": RatingMetric("MAE", mae),
    "r2": RatingMetric("R2", r2),
    "within_half_star": RatingMetric("within half a star", functools.partial(within, tolerance=0.5)),
    "within_one_star": RatingMetric("within one star", functools.partial(within, tolerance=1.0)),
}


def rating_metrics(
    predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"], weight: Weights = None
) -> dict[str, float]:
    """Returns all metrics of RATING_METRICS by name."""
    return {name: metric.compute(predicted, rating, weight=weight) for name, metric in RATING_METRICS.items()}


def ndcg_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns the normalised discounted cumulative gain: sum over hits of 1 / log2(rank + 1), over the best such sum.

    The best list has min(k, num_relevant) hits at ranks 1, 2, ... (Järvelin & Kekäläinen 2002, gains of 0 and 1).
    Exactly 1 when the hits are at these ranks. NaN for users without a relevant movie.
    """
    first_k = first_k_hits(is_hit, num_relevant, k)
    discount = 1 / np.log2(ranks(k) + 1)
    best_dcg_by_num_hits = np.concatenate([[np.nan], np.cumsum(discount)])
    return sum_over_ranks(first_k * discount) / best_dcg_by_num_hits[np.minimum(k, num_relevant)]


def recall_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns the fraction of the possible hits in k slots: hits / min(k, num_relevant).

    Dividing by num_relevant alone would keep a user with more than k relevant movies below 1. NaN for users without a
    relevant movie.
    """
    return first_k_hits(is_hit, num_relevant, k).sum(axis=1) / max_hits(num_relevant, k)


def precision_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns the fraction of the k slots that are hits: hits / k, also where the list is shorter than k.

    NaN for users without a relevant movie.
    """
    return nan_without_relevant(first_k_hits(is_hit, num_relevant, k).sum(axis=1) / k, num_relevant)


def average_precision_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns the sum over hits of (hits up to that rank / rank), over min(k, num_relevant); its mean is MAP.

    Exactly 1 when min(k, num_relevant) hits come first. NaN for users without a relevant movie.
    """
    first_k = first_k_hits(is_hit, num_relevant, k)
    precision_at_rank = first_k.cumsum(axis=1) / ranks(k)
    return sum_over_ranks(first_k * precision_at_rank) / max_hits(num_relevant, k)


def reciprocal_rank_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns 1 / rank of the first hit, 0 without a hit in k slots; its mean over users is MRR.

    NaN for users without a relevant movie.
    """
    return nan_without_relevant(np.max(first_k_hits(is_hit, num_relevant, k) / ranks(k), axis=1), num_relevant)


def hit_rate_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Returns 1 where any of the k slots is a hit, else 0. NaN for users without a relevant movie."""
    return nan_without_relevant(np.max(first_k_hits(is_hit, num_relevant, k), axis=1), num_relevant)


RANKING_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "precision": precision_at_k,
    "map": average_precision_at_k,
    "mrr": reciprocal_rank_at_k,
    "hit_rate": hit_rate_at_k,
}


def interval_coverage(
    predicted: Float[np.ndarray, " ratings"],
    deviation: Float[np.ndarray, " ratings"],
    rating: Float[np.ndarray, " ratings"],
    level: float,
) -> float:
    """Returns the fraction of ratings inside the central normal interval that should cover `level` of them.

    deviation: standard deviation of each prediction's normal distribution, in stars. NaN without ratings.
    """
    half_width = statistics.NormalDist().inv_cdf((1 + level) / 2) * deviation
    return mean_or_nan(np.abs(rating - predicted) <= half_width)


def ranking_metrics(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], ks: Sequence[int]
) -> dict[str, float]:
    """Returns means over users with a relevant movie of all ranking metrics at each list length: "ndcg@10", ...

    is_hit[u, r] is whether the movie at rank r + 1 of user u's list is relevant; slots beyond the end of a short list
    are False. num_relevant counts all movies relevant to the user, also those that no list can hold. NaN where no user
    has a relevant movie.
    """
    return {
        f"{name}@{k}": mean_over_users(metric(is_hit, num_relevant, k))
        for k in ks
        for name, metric in RANKING_METRICS.items()
    }


def hits(
    lists: Int[np.ndarray, "users k"],
    user: Int[np.ndarray, " pairs"],
    movie_row: Int[np.ndarray, " pairs"],
    num_movies: int,
) -> tuple[Bool[np.ndarray, "users k"], Int[np.ndarray, " users"]]:
    """Returns whether each slot of each list is a hit, and how many movies are relevant to each user.

    user, movie_row: pairs of a list's index and a movie relevant to its user, each once. A row of num_movies or above
    marks an empty slot in lists; among the pairs it is a relevant movie that no list can hold.
    """
    num_rows = np.int64(num_movies + 1)
    relevant = user * num_rows + np.minimum(movie_row, num_movies)
    listed = np.arange(len(lists))[:, None] * num_rows + np.minimum(lists, num_movies)
    return np.isin(listed, relevant) & (lists < num_movies), np.bincount(user, minlength=len(lists))


def mean_over_users(values: Float64[np.ndarray, " users"]) -> float:
    """Returns the mean of the values that are not NaN; NaN where all are."""
    return mean_or_nan(values[~np.isnan(values)])


def catalogue_coverage(lists: Int[np.ndarray, "users k"], num_movies: int) -> float:
    """Returns the fraction of the catalogue that is in at least one list.

    A row of num_movies or above marks an empty slot. NaN for a catalogue without movies.
    """
    return mean_or_nan(times_listed(lists, num_movies) > 0)


def novelty(lists: Int[np.ndarray, "users k"], num_ratings: Int[np.ndarray, " movies"], num_users: int) -> float:
    """Returns the mean over listed movies of -log2(num_ratings / num_users) bits: 0 for movies that everybody rated.

    num_ratings: how many of the num_users users rated each movie; 0 is taken as 1, so that a movie that nobody rated
    is as novel as one with a single rating. The self-information of Zhou et al. 2010 (PNAS 107); Vargas
    & Castells 2011 (RecSys) build on it, dividing by the number of ratings instead of users, which adds a constant.
    A row of len(num_ratings) or above marks an empty slot. NaN where nothing is listed.
    """
    num_raters = np.maximum(num_ratings, 1)
    if np.any(num_raters > num_users):
        raise ValueError(f"a movie was rated by {num_raters.max()} users, but num_users is {num_users}")
    bits = np.log2(num_users / num_raters)
    return mean_or_nan(bits[listed_rows(lists, len(num_ratings))])


def intra_list_diversity(
    lists: Int[np.ndarray, "users k"], features: Float[np.ndarray, "movies features"]
) -> Float64[np.ndarray, " users"]:
    """Returns the mean over pairs of movies in each list of 1 - the cosine of their features (Ziegler et al. 2005).

    Movies without features count in no pair. A row of len(features) or above marks an empty slot. NaN for lists
    without a pair.
    """
    listed_rows(lists, len(features))
    size = np.sqrt(np.sum(np.square(features, dtype=np.float64), axis=1, keepdims=True))
    direction = np.divide(features, size, out=np.zeros(features.shape), where=size > 0)
    # The last row stands for empty slots.
    direction = np.concatenate([direction, np.zeros((1, features.shape[1]))])[np.minimum(lists, len(features))]
    count = np.sum(np.any(direction != 0, axis=2), axis=1)
    # |sum of n unit vectors|^2 = n + twice the cosines of all pairs.
    cosines = np.sum(np.square(direction.sum(axis=1)), axis=1) - count
    num_pairs = np.where(count > 1, count * (count - 1.0), np.nan)
    return 1 - cosines / num_pairs


def gini(lists: Int[np.ndarray, "users k"], num_movies: int) -> float:
    """Returns the Gini coefficient of how often each movie of the catalogue is listed, from 0 times on.

    sum_i (2 i - n - 1) x_i / (n sum_i x_i), with x_i the i-th smallest of n counts. 0 where all movies are listed
    equally often, 1 - k / n where all lists hold the same k movies. A row of num_movies or above marks an empty slot.
    NaN where nothing is listed.
    """
    count = np.sort(times_listed(lists, num_movies))
    weight = 2 * np.arange(1, num_movies + 1) - num_movies - 1
    total = count.sum()
    return float(np.sum(weight * count) / (num_movies * total)) if total else np.nan


class ListedCatalogue(NamedTuple):
    """What LIST_METRICS need to know of the catalogue.

    num_ratings: in train, of each movie; num_users: users that gave them; features: of movies, such as their genres.
    """

    num_ratings: Int[np.ndarray, " movies"]
    num_users: int
    features: Float[np.ndarray, "movies features"]


LIST_METRICS: dict[str, Callable[[np.ndarray, ListedCatalogue], float]] = {
    "coverage": lambda lists, catalogue: catalogue_coverage(lists, len(catalogue.num_ratings)),
    "novelty": lambda lists, catalogue: novelty(lists, catalogue.num_ratings, catalogue.num_users),
    "gini": lambda lists, catalogue: gini(lists, len(catalogue.num_ratings)),
    "diversity": lambda lists, catalogue: mean_over_users(intra_list_diversity(lists, catalogue.features)),
}


def list_metrics(lists: Int[np.ndarray, "users k"], catalogue: ListedCatalogue, ks: Sequence[int]) -> dict[str, float]:
    """Returns all list metrics at each list length: "coverage@10", ..."""
    return {f"{name}@{k}": metric(lists[:, :k], catalogue) for k in ks for name, metric in LIST_METRICS.items()}


def mean_or_nan(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Returns the mean in float64; NaN for no values, where np.mean would warn. weight: how much each value counts."""
    if not values.size:
        return np.nan
    if weight is None:
        return float(np.mean(values, dtype=np.float64))
    return float(np.average(values.astype(np.float64), weights=weight))


def rating_errors(predicted: np.ndarray, rating: np.ndarray) -> np.ndarray:
    """Returns predicted - rating in float64; refuses shapes that would broadcast."""
    if predicted.shape != rating.shape:
        raise ValueError(f"predicted has shape {predicted.shape}, rating {rating.shape}; must be equal")
    return predicted.astype(np.float64) - rating.astype(np.float64)


def first_k_hits(is_hit: np.ndarray, num_relevant: np.ndarray, k: int) -> np.ndarray:
    """Returns the first k columns of is_hit; refuses arrays that do not fit, which would give figures above 1."""
    if is_hit.ndim != 2 or num_relevant.shape != is_hit.shape[:1]:
        raise ValueError(
            f"is_hit has shape {is_hit.shape}, num_relevant {num_relevant.shape}; must be [users, k] and [users]"
        )
    if not 1 <= k <= is_hit.shape[1]:
        raise ValueError(f"k={k}, but the lists have {is_hit.shape[1]} slots; must be 1 to that number")
    num_hits = is_hit.sum(axis=1)
    if np.any(num_hits > num_relevant):
        user = int(np.argmax(num_hits > num_relevant))
        raise ValueError(
            f"user {user} has {num_hits[user]} hits, but num_relevant is {num_relevant[user]}; "
            "must count every relevant movie of the user"
        )
    return is_hit[:, :k]


def ranks(k: int) -> np.ndarray:
    """Returns the ranks 1 to k."""
    return np.arange(1, k + 1)


def sum_over_ranks(values: np.ndarray) -> np.ndarray:
    """Returns the sum along each row, strictly from left to right.

    So zeros in between do not change the rounding, which makes a perfect list exactly 1; nor do other rows, as they may
    in a matrix product.
    """
    return values.cumsum(axis=1)[:, -1]


def max_hits(num_relevant: np.ndarray, k: int) -> np.ndarray:
    """Returns how many hits k slots can hold; NaN for users without a relevant movie."""
    return nan_without_relevant(np.minimum(k, num_relevant), num_relevant)


def nan_without_relevant(values: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    """Replaces the values of users without a relevant movie by NaN."""
    return np.where(num_relevant > 0, values, np.nan)


def times_listed(lists: np.ndarray, num_movies: int) -> np.ndarray:
    """Returns how often each movie of the catalogue is in the lists [movies]."""
    return np.bincount(listed_rows(lists, num_movies), minlength=num_movies)


def listed_rows(lists: np.ndarray, num_movies: int) -> np.ndarray:
    """Returns the movie rows in the lists, end to end, without empty slots."""
    if np.any(lists < 0):
        raise ValueError(f"lists hold row {lists.min()}; rows start at 0, and empty slots are {num_movies} or above")
    return lists[lists < num_movies]
