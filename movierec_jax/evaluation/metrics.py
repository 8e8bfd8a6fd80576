"""How good predictions and lists are: pure NumPy in float64, over whole arrays.

Rating metrics take `(predicted, rating)` and give one number. Ranking metrics take `(is_hit, num_relevant, k)` and give
one number per user, so that two models can be compared user by user; `mean_over_users` makes one number of them. Their
sums run rank by rank, so a user's value is the same to the last bit whoever else is in the array. The last four
metrics look at the lists alone: how much of the catalogue they reach, how evenly, and how varied each is.

A figure that has nothing to stand on (no rating, no relevant movie, nothing listed) is NaN, without a warning.
"""

import statistics
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

# Stars. 4.3 - 3.8 in float32 is half a star and 2.4e-7; it should still count as half a star.
FLOAT32_ROUNDING = 1e-6


def rmse(predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"]) -> float:
    """Root mean squared error in stars: sqrt(mean((predicted - rating)^2)). NaN without ratings."""
    return float(np.sqrt(_mean(_errors(predicted, rating) ** 2)))


def mae(predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"]) -> float:
    """Mean absolute error in stars: mean(|predicted - rating|). NaN without ratings."""
    return _mean(np.abs(_errors(predicted, rating)))


def r2(predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"]) -> float:
    """Share of the ratings' variance explained: 1 - sum((rating - predicted)^2) / sum((rating - mean(rating))^2).

    At most 1; 0 for predicting the mean, below 0 for worse than that. NaN without ratings and where all ratings are
    equal (one rating, too): there is no variance to explain.
    """
    errors = _errors(predicted, rating)
    # Not by the sum of squares: the mean of equal numbers can differ from them in the last bit.
    if rating.size == 0 or rating.min() == rating.max():
        return np.nan
    deviations = rating - rating.mean(dtype=np.float64)
    return float(1 - np.sum(errors**2) / np.sum(deviations**2))


def within(predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"], stars: float) -> float:
    """Share of the predictions with |predicted - rating| <= stars, give or take float32 rounding.

    NaN without ratings. A prediction of NaN is within no number of stars.
    """
    return _mean(np.abs(_errors(predicted, rating)) <= stars + FLOAT32_ROUNDING)


def rating_metrics(predicted: Float[np.ndarray, " ratings"], rating: Float[np.ndarray, " ratings"]) -> dict[str, float]:
    """All rating metrics by name: "rmse", "mae", "r2", "within_half_star", "within_one_star"."""
    return {
        "rmse": rmse(predicted, rating),
        "mae": mae(predicted, rating),
        "r2": r2(predicted, rating),
        "within_half_star": within(predicted, rating, 0.5),
        "within_one_star": within(predicted, rating, 1.0),
    }


def ndcg_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Normalised discounted cumulative gain, binary: sum over hits of 1 / log2(rank + 1), over the best such sum.

    The best list has min(k, num_relevant) hits at ranks 1, 2, ... (Järvelin & Kekäläinen 2002, gains of 0 and 1).
    Exactly 1 when the hits stand like that. NaN for users without a relevant movie.
    """
    first_k = _first_k(is_hit, num_relevant, k)
    discount = 1 / np.log2(_ranks(k) + 1)
    best_dcg_by_num_hits = np.concatenate([[np.nan], np.cumsum(discount)])
    return _sum_over_ranks(first_k * discount) / best_dcg_by_num_hits[np.minimum(k, num_relevant)]


def recall_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Share of the hits possible in k places: hits / min(k, num_relevant).

    With num_relevant alone below the line, a user with more than k relevant movies could never reach 1. NaN for users
    without a relevant movie.
    """
    return _first_k(is_hit, num_relevant, k).sum(axis=1) / _most_hits(num_relevant, k)


def precision_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Share of the k places that are hits: hits / k, also where the list is shorter than k.

    NaN for users without a relevant movie.
    """
    return _nan_if_none_relevant(_first_k(is_hit, num_relevant, k).sum(axis=1) / k, num_relevant)


def average_precision_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """Sum over hits of (hits up to that rank / rank), over min(k, num_relevant); its mean over users is MAP.

    Exactly 1 when min(k, num_relevant) hits come first. NaN for users without a relevant movie.
    """
    first_k = _first_k(is_hit, num_relevant, k)
    precision_at_rank = first_k.cumsum(axis=1) / _ranks(k)
    return _sum_over_ranks(first_k * precision_at_rank) / _most_hits(num_relevant, k)


def reciprocal_rank_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """1 / rank of the first hit, 0 without a hit in k places; its mean over users is MRR.

    NaN for users without a relevant movie.
    """
    return _nan_if_none_relevant(np.max(_first_k(is_hit, num_relevant, k) / _ranks(k), axis=1), num_relevant)


def hit_rate_at_k(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], k: int
) -> Float64[np.ndarray, " users"]:
    """1 where any of the k places is a hit, else 0. NaN for users without a relevant movie."""
    return _nan_if_none_relevant(np.max(_first_k(is_hit, num_relevant, k), axis=1), num_relevant)


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
    """The share of ratings within the central normal interval of the prediction that should hold `level` of them.

    deviation: standard deviation of each prediction's normal distribution, in stars. Nan for no ratings.
    """
    if len(rating) == 0:
        return float("nan")
    half_width = statistics.NormalDist().inv_cdf((1 + level) / 2) * deviation
    return float(np.mean(np.abs(rating - predicted) <= half_width))


def ranking_metrics(
    is_hit: Bool[np.ndarray, "users k"], num_relevant: Int[np.ndarray, " users"], ks: Sequence[int]
) -> dict[str, float]:
    """Means over users with a relevant movie of all ranking metrics at all list lengths: "ndcg@10", "recall@10", ...

    is_hit[u, r] says whether the movie at rank r + 1 of user u's list is relevant; places beyond the end of a short
    list are False. num_relevant counts all movies relevant to the user, also those that no list can hold. NaN where
    no user has a relevant movie.
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
    """Whether each place of each list is a hit, and how many movies are relevant to each user.

    user, movie_row: each pair of a user's place among the lists and a movie relevant to them, once. A row of num_movies
    or above marks an empty place in lists; among the pairs it is a movie that no list can hold, but relevant.
    """
    num_rows = np.int64(num_movies + 1)
    relevant = user * num_rows + np.minimum(movie_row, num_movies)
    listed = np.arange(len(lists))[:, None] * num_rows + np.minimum(lists, num_movies)
    return np.isin(listed, relevant) & (lists < num_movies), np.bincount(user, minlength=len(lists))


def mean_over_users(values: Float64[np.ndarray, " users"]) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    return _mean(values[~np.isnan(values)])


def catalogue_coverage(lists: Int[np.ndarray, "users k"], num_movies: int) -> float:
    """Share of the catalogue that stands in at least one list.

    A row of num_movies or above marks an empty place. NaN for a catalogue without movies.
    """
    return _mean(_times_listed(lists, num_movies) > 0)


def novelty(lists: Int[np.ndarray, "users k"], movie_counts: Int[np.ndarray, " movies"], num_users: int) -> float:
    """Mean over listed movies of -log2(movie_counts / num_users) bits: 0 for movies that everybody rated.

    movie_counts says how many of the num_users users rated each movie; a count of 0 is taken as 1, so that a movie
    nobody rated is as novel as one with a single rating. The self-information of Zhou et al. 2010 (PNAS 107); Vargas
    & Castells 2011 (RecSys) build on it, dividing by the number of ratings instead of users, which adds a constant.
    A row of len(movie_counts) or above marks an empty place. NaN where nothing is listed.
    """
    num_raters = np.maximum(movie_counts, 1)
    if np.any(num_raters > num_users):
        raise ValueError(f"a movie was rated by {num_raters.max()} users, but num_users is {num_users}")
    bits = np.log2(num_users / num_raters)
    return _mean(bits[_listed(lists, len(movie_counts))])


def intra_list_diversity(
    lists: Int[np.ndarray, "users k"], features: Float[np.ndarray, "movies features"]
) -> Float64[np.ndarray, " users"]:
    """Mean over the pairs of movies in each list of 1 - the cosine of their features (Ziegler et al. 2005).

    Movies without features count in no pair. A row of len(features) or above marks an empty place. NaN for lists
    without a pair.
    """
    _listed(lists, len(features))
    size = np.sqrt(np.sum(np.square(features, dtype=np.float64), axis=1, keepdims=True))
    direction = np.divide(features, size, out=np.zeros(features.shape), where=size > 0)
    # The last row stands for empty places.
    direction = np.concatenate([direction, np.zeros((1, features.shape[1]))])[np.minimum(lists, len(features))]
    count = np.sum(np.any(direction != 0, axis=2), axis=1)
    # The square of the sum of unit vectors is their number and twice the cosines of all pairs.
    cosines = np.sum(np.square(direction.sum(axis=1)), axis=1) - count
    num_pairs = np.where(count > 1, count * (count - 1.0), np.nan)
    return 1 - cosines / num_pairs


def gini(lists: Int[np.ndarray, "users k"], num_movies: int) -> float:
    """Gini coefficient of how often each movie of the catalogue is listed, never-listed movies included.

    sum_i (2 i - n - 1) x_i / (n sum_i x_i), with x_i the i-th smallest of n counts. 0 where all movies are listed
    equally often, 1 - k / n where all lists hold the same k movies. A row of num_movies or above marks an empty place.
    NaN where nothing is listed.
    """
    times_listed = np.sort(_times_listed(lists, num_movies))
    weight = 2 * np.arange(1, num_movies + 1) - num_movies - 1
    total = times_listed.sum()
    return float(np.sum(weight * times_listed) / (num_movies * total)) if total else np.nan


def _mean(values: np.ndarray) -> float:
    """Mean in float64; NaN for no values, where np.mean would warn."""
    return float(np.mean(values, dtype=np.float64)) if values.size else np.nan


def _errors(predicted: np.ndarray, rating: np.ndarray) -> np.ndarray:
    """predicted - rating in float64; refuses shapes that would broadcast."""
    if predicted.shape != rating.shape:
        raise ValueError(f"predicted has shape {predicted.shape}, rating {rating.shape}; must be equal")
    return predicted.astype(np.float64) - rating.astype(np.float64)


def _first_k(is_hit: np.ndarray, num_relevant: np.ndarray, k: int) -> np.ndarray:
    """The first k columns of is_hit; refuses what contradicts itself, for it would give figures above 1."""
    if is_hit.ndim != 2 or num_relevant.shape != is_hit.shape[:1]:
        raise ValueError(
            f"is_hit has shape {is_hit.shape}, num_relevant {num_relevant.shape}; must be [users, k] and [users]"
        )
    if not 1 <= k <= is_hit.shape[1]:
        raise ValueError(f"k={k}, but the lists have {is_hit.shape[1]} places; must be 1 to that number")
    num_hits = is_hit.sum(axis=1)
    if np.any(num_hits > num_relevant):
        user = int(np.argmax(num_hits > num_relevant))
        raise ValueError(
            f"user {user} has {num_hits[user]} hits, but num_relevant is {num_relevant[user]}; "
            "must count every relevant movie of the user"
        )
    return is_hit[:, :k]


def _ranks(k: int) -> np.ndarray:
    return np.arange(1, k + 1)


def _sum_over_ranks(values: np.ndarray) -> np.ndarray:
    """Sum along each row, strictly from left to right.

    So zeros between do not change the rounding, which makes a perfect list exactly 1, and neither do other rows, as
    they may in a matrix product.
    """
    return values.cumsum(axis=1)[:, -1]


def _most_hits(num_relevant: np.ndarray, k: int) -> np.ndarray:
    """How many hits k places can hold; NaN for users without a relevant movie."""
    return _nan_if_none_relevant(np.minimum(k, num_relevant), num_relevant)


def _nan_if_none_relevant(values: np.ndarray, num_relevant: np.ndarray) -> np.ndarray:
    return np.where(num_relevant > 0, values, np.nan)


def _times_listed(lists: np.ndarray, num_movies: int) -> np.ndarray:
    """How often each movie of the catalogue stands in the lists [movies]."""
    return np.bincount(_listed(lists, num_movies), minlength=num_movies)


def _listed(lists: np.ndarray, num_movies: int) -> np.ndarray:
    """The movie rows in the lists, end to end, without the empty places."""
    if np.any(lists < 0):
        raise ValueError(f"lists hold row {lists.min()}; rows start at 0, and empty places are {num_movies} or above")
    return lists[lists < num_movies]
