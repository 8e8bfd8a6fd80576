"""Ratings and content -> Known: what the towers see of each user and movie, laid out from both sides."""

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from movierec_jax.baselines import group_mean
from movierec_jax.recency import recency_of, stable_order
from movierec_jax.schema import Bags, Known, Links, Ratings

# Longer pieces leave more places empty, shorter ones more sums to bring to their owners.
PIECE_LENGTH = 32

# Ratings at the overall mean that each user and movie is given beside its own before it is used as an offset.
OFFSET_DAMPING = 5.0

# Ratings of each feature of their times, where times do not count.
NO_MOMENTS = np.zeros(0, np.float32)


def known_of(
    train: Ratings,
    num_users: int,
    num_movies: int,
    user_content: Bags,
    movie_content: Bags,
    moment_count: Float32[np.ndarray, " moments"] = NO_MOMENTS,
    *,
    is_recent_most: bool = False,
) -> Known:
    """What is known of the rows of users and movies, `num_users` and `num_movies` of them and the unknown ones.

    A rating tells its user's tower by how much it lies above the movie's mean, and its movie's tower by how much above
    the user's mean. Neither value depends on the owner's other ratings, so that leaving a rating out of a history
    leaves nothing of it in the rest.

    is_recent_most: whether ratings count in their user's exposure by how recent they are; all count 1 without it.
    """
    user_level = levels(train.user_row, train.rating, num_users)
    values = (
        told_of_user(train, num_movies, train.movie_row, train.rating),
        train.rating - user_level[train.user_row],
    )
    user_count = np.bincount(train.user_row, minlength=num_users + 1).astype(np.float32)
    movie_count = np.bincount(train.movie_row, minlength=num_movies + 1).astype(np.float32)
    counts = recency_of(train.user_row, train.timestamp) if is_recent_most else np.ones(len(train), np.float32)
    return Known(
        by_user=lay_out(train.user_row, train.movie_row, *values, counts),
        by_movie=lay_out(train.movie_row, train.user_row, *values),
        user_features=lay_out(user_content.row, user_content.feature, user_content.value),
        by_user_feature=lay_out(user_content.feature, user_content.row, user_content.value),
        movie_features=lay_out(movie_content.row, movie_content.feature, movie_content.value),
        by_movie_feature=lay_out(movie_content.feature, movie_content.row, movie_content.value),
        user_count=user_count,
        movie_count=movie_count,
        user_feature_count=feature_count(user_content, user_count),
        movie_feature_count=feature_count(movie_content, movie_count),
        moment_count=moment_count,
    )


def new_users(
    train: Ratings,
    num_movies: int,
    place: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
    counts: Float32[np.ndarray, " ratings"],
) -> Links:
    """What is seen of users who are not in train: what their ratings tell, and how much each counts in their exposure.

    `place` numbers the users.
    """
    return lay_out(place, movie_row, told_of_user(train, num_movies, movie_row, rating), counts)


def told_of_user(
    train: Ratings,
    num_movies: int,
    movie_row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> Float32[np.ndarray, " ratings"]:
    """What each rating tells its user's tower: by how many stars it lies above the movie's level in train."""
    return (rating - levels(train.movie_row, train.rating, num_movies)[movie_row]).astype(np.float32)


def levels(
    row: Int32[np.ndarray, " ratings"], rating: Float32[np.ndarray, " ratings"], num_rows: int
) -> Float64[np.ndarray, " rows"]:
    """The mean rating of each row, pulled to the mean of all by OFFSET_DAMPING ratings; the unknown row is last."""
    mean = rating.mean(dtype=np.float64)
    return mean + group_mean(row, rating - mean, num_rows, OFFSET_DAMPING)


def feature_count(content: Bags, count: Float32[np.ndarray, " rows"]) -> Float32[np.ndarray, " features"]:
    """Ratings of the rows that have each feature."""
    return np.bincount(content.feature, count[content.row], minlength=len(content.names)).astype(np.float32)


def lay_out(owner: Int32[np.ndarray, " links"], other: Int32[np.ndarray, " links"], *values: np.ndarray) -> Links:
    """Links in pieces of PIECE_LENGTH, by owner and within an owner in the given order."""
    order = stable_order(owner)
    place, owner_of_piece = places(owner[order])

    def scatter(values, filling, dtype):
        laid_out = np.full(PIECE_LENGTH * len(owner_of_piece), filling, dtype)
        laid_out[place] = values[order]
        return laid_out.reshape(PIECE_LENGTH, len(owner_of_piece))

    return Links(
        owner=owner_of_piece,
        other=scatter(other, 0, np.int32),
        link=scatter(np.arange(len(owner)), -1, np.int32),
        values=tuple(scatter(value, 0, np.float32) for value in values),
    )


def places(owner: Int32[np.ndarray, " links"]) -> tuple[Int64[np.ndarray, " links"], Int32[np.ndarray, " pieces"]]:
    """For links whose owners rise: each link's place in the flattened `[length, pieces]`, and each piece's owner."""
    owners, start, links = np.unique(owner, return_index=True, return_counts=True)
    pieces = -(-links // PIECE_LENGTH)
    first_piece = np.cumsum(pieces) - pieces
    within = np.arange(len(owner)) - np.repeat(start, links)
    piece = np.repeat(first_piece, links) + within // PIECE_LENGTH
    return (within % PIECE_LENGTH) * pieces.sum() + piece, np.repeat(owners, pieces).astype(np.int32)
