"""Why a movie is recommended: what each liked movie and each telling feature of its own adds to its score, exactly.

The implicit-feedback score is linear in the user's history, and so is the predicted rating up to the dense layers,
which are left out. So the parts are terms of the model's own sums and no approximation. All arrays are NumPy's: they
are small and of ever new shapes, for which JAX would compile longer than it computes.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from movierec_jax.data.arrays import positions_in_groups
from movierec_jax.data.schema import FeatureBags
from movierec_jax.model.history import explicit_rows, history_scale
from movierec_jax.model.implicit_feedback import LEAST_SQUARES
from movierec_jax.model.interactions import rating_deviation
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, MOVIE_TOWER, USER_TOWER
from movierec_jax.model.two_tower import Encoded, Members
from movierec_jax.recommend.fold_in import implicit_feedback_weights
from movierec_jax.runs.run import Run

# Keeps shares zero where nothing adds anything.
SMALLEST_SUM = 1e-12

# How far up the rating scale a rating must be for its movie to count as liked.
LIKED_FROM = 0.6

# A feature of more movies than this part of the catalogue tells nobody why a movie is recommended, and neither does one
# that adds less than this part of a standard deviation of ratings.
MAX_FEATURE_SHARE, MIN_FEATURE_PART = 0.05, 0.03


class RatedMovies(NamedTuple):
    """What a user has rated, in one order; the rating is NaN for a movie watched but not rated."""

    movie_row: Int32[np.ndarray, " rated"]
    rating: Float32[np.ndarray, " rated"]
    timestamp: Int64[np.ndarray, " rated"]


class RatedReason(NamedTuple):
    """A liked or watched movie that speaks for another.

    position: which of the rated movies it is.
    implicit_score, predicted_rating: what it adds to each of the two.
    share: its part of what all liked and watched movies add together, 0 to 1.
    """

    position: int
    implicit_score: float
    predicted_rating: float
    share: float


class FeatureReason(NamedTuple):
    """A feature of a movie that speaks for it, with what it adds to the predicted rating."""

    name: str
    predicted_rating: float


class Reasons(NamedTuple):
    """What speaks for one movie, the strongest first."""

    rated: list[RatedReason]
    features: list[FeatureReason]


def find_reasons(
    run: Run,
    params: Members,
    user: Encoded,
    rated: RatedMovies,
    movies: Encoded,
    movie_row: Int32[np.ndarray, " movies"],
    k: int,
) -> list[Reasons]:
    """Returns for each movie up to k rated movies and up to k features that add most to its score.

    params, user, movies: in NumPy arrays; movies: all of them, of which `movie_row` names those in question.
    Rated movies are compared by what they add to the implicit-feedback score, or to the predicted rating where the
    model has no such score. What adds nothing, or takes away, is no reason, and neither is a movie that the user does
    not like (`is_liked`) or a feature that says little (`is_telling`) or that the user's liked movies lack.
    """
    spread = np.float32(run.model.rating_spread)
    deviation = rating_deviation(run.movie_level, rated.movie_row, rated.rating)  # NaN where not rated
    weights = implicit_feedback_weights(run, np.zeros(len(rated.rating), np.int32), rated.timestamp)
    weights = weights * run.model.liking_weight(np.nan_to_num(deviation))
    implicit_score, predicted_rating = history_parts(
        params, rated.movie_row, deviation / spread, weights, movies[:, movie_row]
    )
    predicted_rating = predicted_rating * spread
    compared = implicit_score if implicit_score.any() else predicted_rating
    liked = is_liked(rated.rating, run.relevant_rating, run.rating_scale)
    compared = np.where(liked, compared, 0)
    is_own = features_liked(run.movie_content, rated.movie_row, liked)
    found = []
    for position, row in enumerate(movie_row.tolist()):
        parts = compared[position]
        share = parts / max(np.maximum(parts, 0).sum(), SMALLEST_SUM)
        columns = implicit_score[position], predicted_rating[position], share
        best = [RatedReason(n, *(float(column[n]) for column in columns)) for n in largest(parts, k)]
        found.append(Reasons(best, feature_reasons(run, params, user, row, is_own, k)))
    return found


def feature_reasons(
    run: Run, params: Members, user: Encoded, movie_row: int, is_own: Bool[np.ndarray, " features"], k: int
) -> list[FeatureReason]:
    """Returns up to k telling features of a movie that add most to its predicted rating.

    is_own: whether each feature may be a reason for this user.
    """
    content = run.movie_content
    own = content.entries_of(movie_row)
    if own.start == own.stop or not run.has_ratings:
        return []
    feature = content.feature[own]
    parts = content_parts(params, feature, content.value[own], user)
    is_reason = is_own[feature] & is_telling(content, feature, len(run.movies)) & (parts >= MIN_FEATURE_PART)
    parts = np.where(is_reason, parts, 0) * np.float32(run.model.rating_spread)
    return [FeatureReason(content.names[feature[n]], float(parts[n])) for n in largest(parts, k)]


def features_liked(
    content: FeatureBags, movie_row: Int32[np.ndarray, " rated"], liked: Bool[np.ndarray, " rated"]
) -> Bool[np.ndarray, " features"]:
    """Whether more of a user's liked movies than of the others have each feature."""
    first, end = (np.searchsorted(content.row, movie_row, side=side) for side in ("left", "right"))
    entry = first.repeat(end - first) + positions_in_groups(end - first)
    surplus = np.where(liked, 1, -1).repeat(end - first)
    return np.bincount(content.feature[entry], surplus, minlength=len(content.names)) > 0


def is_liked(
    rating: Float32[np.ndarray, " rated"], relevant_rating: float, rating_scale: tuple[float, float]
) -> Bool[np.ndarray, " rated"]:
    """Whether a user likes each movie rated: a relevant rating, or one high on the scale and not below the user's mean.

    A movie watched but not rated counts as liked.
    """
    is_rated, (lowest, highest) = ~np.isnan(rating), rating_scale
    mean = rating[is_rated].mean() if is_rated.any() else 0.0
    return ~is_rated | (rating >= min(relevant_rating, max(mean, lowest + LIKED_FROM * (highest - lowest))))


def is_telling(
    content: FeatureBags, feature: Int32[np.ndarray, " features"], num_movies: int
) -> Bool[np.ndarray, " features"]:
    """Whether each feature is a name that few movies have: a tag, a director, a rare genre; no number, no year."""
    is_name = np.array(["=" in content.names[n] for n in feature], bool)
    return is_name & (content.num_rows[feature] <= max(1, MAX_FEATURE_SHARE * num_movies))


def history_parts(
    params: Members,
    rated_row: Int32[np.ndarray, " rated"],
    value: Float32[np.ndarray, " rated"],
    weights: Float32[np.ndarray, " rated"],
    movies: Encoded,
) -> tuple[Float32[np.ndarray, "movies rated"], Float32[np.ndarray, "movies rated"]]:
    """Returns what each rated movie adds to the implicit-feedback score and to the standardised predicted rating.

    One row for each movie, one column for each rated movie.
    value: what each rating says to the user tower, standardised, NaN for a movie watched but not rated; weights: how
        much it counts in the implicit-feedback score.
    Means over the members; 0 where the model has no such part.
    """
    implicit_score = predicted_rating = np.zeros((movies.bias.shape[1], len(rated_row)), np.float32)
    # What is read in order is no sum over the movies read.
    if "rated" in params.get(IMPLICIT_FEEDBACK, {}):
        rows = weights[:, None] * params[IMPLICIT_FEEDBACK]["rated"][:, rated_row]
        length = max(np.linalg.norm(weights), LEAST_SQUARES**0.5)
        implicit_score = mean_product(np.asarray(movies.implicit_feedback)[..., :-1], rows / np.float32(length))
    tower = params[USER_TOWER]
    is_rated = ~np.isnan(value)
    if "explicit" in tower and is_rated.any():
        explicit = np.asarray(explicit_rows(jnp.asarray(tower["explicit"][:, rated_row])))
        rows = np.nan_to_num(value)[:, None] * explicit + tower["implicit"][:, rated_row]
        scale = history_scale(jnp.array([is_rated.sum()], jnp.float32), rows.shape[-1])
        rows = rows * is_rated[:, None] * np.asarray(scale)
        predicted_rating = mean_product(np.asarray(movies.factors), rows[..., :-1]) + rows[..., -1].mean(axis=0)
    return implicit_score, predicted_rating


def mean_product(
    movies: Float32[np.ndarray, "members movies features"], rows: Float32[np.ndarray, "members rated features"]
) -> Float32[np.ndarray, "movies rated"]:
    """Returns the dot product of each movie with each row, as the mean over members."""
    return (movies @ rows.swapaxes(1, 2)).mean(axis=0)


def content_parts(
    params: Members, feature: Int32[np.ndarray, " features"], value: Float32[np.ndarray, " features"], user: Encoded
) -> Float32[np.ndarray, " features"]:
    """Returns what each feature of a movie, with its value, adds to a user's standardised predicted rating."""
    rows = value[:, None] * params[MOVIE_TOWER]["features"][:, feature]
    return (rows[..., :-1] @ user.factors[..., None] + rows[..., -1:])[..., 0].mean(axis=0)


def largest(values: Float32[np.ndarray, " n"], k: int) -> list[int]:
    """Returns the indices of up to k largest values, largest first, without those of 0 or below."""
    return [int(n) for n in np.argsort(-values, kind="stable")[:k] if values[n] > 0]
