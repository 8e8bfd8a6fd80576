"""Ratings -> History: what each user has rated and how, and who has rated each movie, laid out for the towers."""

import numpy as np
from jaxtyping import Float32, Int32, Int64

from movierec_jax.baselines import group_mean
from movierec_jax.schema import History, Links, Ratings

# Longer pieces leave more places empty, shorter ones more sums to bring to their owners.
PIECE_LENGTH = 32

# Ratings at the overall mean that each user and movie is given beside its own before it is used as an offset.
OFFSET_DAMPING = 5.0


def history_of(train: Ratings, num_users: int, num_movies: int) -> History:
    """The history of every user and movie of train.

    A rating tells its user's tower by how much it lies above the movie's mean, and its movie's tower by how much above
    the user's mean. Neither value depends on the owner's other ratings, so that leaving a rating out of a history
    leaves nothing of it in the rest.
    """
    residual = train.rating - train.rating.mean(dtype=np.float64)
    movie_offset = group_mean(train.movie_row, residual, num_movies, OFFSET_DAMPING)
    user_offset = group_mean(train.user_row, residual, num_users, OFFSET_DAMPING)
    values = (residual - movie_offset[train.movie_row], residual - user_offset[train.user_row])
    return History(
        by_user=lay_out(train.user_row, train.movie_row, *values),
        by_movie=lay_out(train.movie_row, train.user_row, *values),
        user_count=count(train.user_row, num_users),
        movie_count=count(train.movie_row, num_movies),
    )


def count(row: Int32[np.ndarray, " ratings"], num_rows: int) -> Float32[np.ndarray, " rows_and_unknown"]:
    """Ratings of each row."""
    return np.bincount(row, minlength=num_rows + 1).astype(np.float32)


def lay_out(
    owner: Int32[np.ndarray, " ratings"],
    other: Int32[np.ndarray, " ratings"],
    user_value: np.ndarray,
    movie_value: np.ndarray,
) -> Links:
    """Ratings in pieces of PIECE_LENGTH, by owner and within an owner in the given order."""
    order = np.argsort(owner, kind="stable")
    place, owner_of_piece = places(owner[order])
    shape = (PIECE_LENGTH, len(owner_of_piece))

    def scatter(values, filling, dtype):
        laid_out = np.full(shape, filling, dtype)
        laid_out.ravel()[place] = values[order]
        return laid_out

    return Links(
        owner=owner_of_piece,
        other=scatter(other, 0, np.int32),
        rating=scatter(np.arange(len(owner)), -1, np.int32),
        user_value=scatter(user_value, 0, np.float32),
        movie_value=scatter(movie_value, 0, np.float32),
    )


def places(owner: Int32[np.ndarray, " links"]) -> tuple[Int64[np.ndarray, " links"], Int32[np.ndarray, " pieces"]]:
    """For links whose owners rise: each link's place in the flattened `[length, pieces]`, and each piece's owner."""
    owners, start, links = np.unique(owner, return_index=True, return_counts=True)
    pieces = -(-links // PIECE_LENGTH)
    first_piece = np.cumsum(pieces) - pieces
    within = np.arange(len(owner)) - np.repeat(start, links)
    piece = np.repeat(first_piece, links) + within // PIECE_LENGTH
    return (within % PIECE_LENGTH) * pieces.sum() + piece, np.repeat(owners, pieces).astype(np.int32)
