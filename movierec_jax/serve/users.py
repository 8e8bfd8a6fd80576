"""Users of a run and their ratings, from the data and since, as requests need them."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int, Int32, Int64

from movierec_jax.data.arrays import csr_offsets
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.vocab import index_of_ids
from movierec_jax.recommend.recommender import Recommender


class Rating(NamedTuple):
    """A rating of a movie, NaN where it was watched but not rated.

    timestamp: seconds since 1970, NO_TIMESTAMP if unknown.
    """

    rating: float
    timestamp: int


class UserHistory(NamedTuple):
    """What the model knows of a user: their row and their ratings of movies in training.

    user_row: the unknown row for a new user. is_text: whether a review of the user's stands for the rating.
    """

    user_row: int
    movie_row: Int32[np.ndarray, " rated"]
    rating: Float32[np.ndarray, " rated"]
    timestamp: Int64[np.ndarray, " rated"]
    is_text: Bool[np.ndarray, " rated"]


@dataclasses.dataclass(frozen=True)
class RequestUser:
    """The user of a request, by id or, when None, by ratings only.

    new_ratings: ratings by movie id that the run does not have; they replace its ratings of the same movies.
    """

    user_id: int | str | None
    new_ratings: Mapping[int | str, Rating]


class Users:
    """Users of a run and their ratings, indexed when it is loaded.

    user_rows, movie_rows: row of each id. user_index: position of each user among those with ratings in any part.
    ratings_by_part: for each part, train first, its rows ordered by user, and where each user's begin.
    rated_rows: rows of the movies that each user has rated in any part.
    """

    def __init__(self, recommender: Recommender):
        self.run, self.rated_rows = recommender.run, recommender.seen
        self.user_rows, self.movie_rows = (
            {found: row for row, found in enumerate(vocab.ids.tolist())} for vocab in (self.run.users, self.run.movies)
        )
        self.user_index = {user_id: index for index, user_id in enumerate(recommender.all_user_ids.tolist())}
        self.ratings_by_part = [
            by_user(index_of_ids(recommender.all_user_ids, pd.Index(part[USER_ID])), len(self.user_index))
            for part in self.run.parts.seen()
        ]

    @property
    def num_movies(self) -> int:
        """Number of movies in training: only ratings of these inform the model."""
        return len(self.run.movies)

    def is_in_data(self, user_id: int | str) -> bool:
        """Whether a user has ratings in any part of the run."""
        return user_id in self.user_index

    def num_train_ratings(self, user_id: int | str | None) -> int:
        """Returns the number of a user's ratings in training."""
        return len(self.positions_of(user_id)[0])

    def user_row(self, user_id: int | str | None) -> int:
        """Returns the row of a user, the unknown row for a new one."""
        return self.run.users.unknown if user_id is None else self.user_rows.get(user_id, self.run.users.unknown)

    def positions_of(self, user_id: int | str | None) -> list[Int64[np.ndarray, " _rated"]]:
        """Returns the positions of a user's ratings in each part."""
        user = None if user_id is None else self.user_index.get(user_id)
        return [
            order[:0] if user is None else order[start[user] : start[user + 1]] for order, start in self.ratings_by_part
        ]

    def ratings(self, request_user: RequestUser) -> dict[int | str, Rating]:
        """Returns all ratings of a user, from the data and since, by movie id."""
        found: dict[int | str, Rating] = {}
        for part, positions in zip(self.run.parts.all(), self.positions_of(request_user.user_id), strict=False):
            columns = (part[column].iloc[positions].tolist() for column in (MOVIE_ID, RATING, TIMESTAMP))
            found |= {movie_id: Rating(rating, time) for movie_id, rating, time in zip(*columns, strict=True)}
        return found | dict(request_user.new_ratings)

    def seen_rows(self, request_user: RequestUser) -> Int32[np.ndarray, " seen"]:
        """Returns the rows of the movies that a user has rated, in the data or since."""
        new_rows = np.array(list(self.by_movie_row(request_user.new_ratings)), np.int32)
        index = None if request_user.user_id is None else self.user_index.get(request_user.user_id)
        if index is None:
            return new_rows
        rated = self.rated_rows.of_user(index)
        return np.union1d(rated, new_rows) if len(new_rows) else rated

    def by_movie_row(self, new_ratings: Mapping[int | str, Rating]) -> dict[int, Rating]:
        """Returns new ratings by movie row, without those of movies that training lacks."""
        found = {self.movie_rows.get(movie_id, self.num_movies): rating for movie_id, rating in new_ratings.items()}
        return {row: rating for row, rating in found.items() if row < self.num_movies}

    def ignored_movies(self, new_ratings: Mapping[int | str, Rating]) -> list[int | str]:
        """Returns the rated movies that training lacks, whose ratings cannot inform the model."""
        return [
            movie_id for movie_id in new_ratings if self.movie_rows.get(movie_id, self.num_movies) >= self.num_movies
        ]

    def history(self, request_user: RequestUser) -> UserHistory:
        """Returns a user's ratings in training and from reviews, and their new ratings, which replace both."""
        new_ratings = self.by_movie_row(request_user.new_ratings)
        new_rows = np.array(list(new_ratings), np.int32)
        in_train, *_, in_reviews = self.positions_of(request_user.user_id)
        parts = [(self.run.train, in_train), (self.run.from_reviews, in_reviews)]
        parts = [(part, positions[~np.isin(part.movie_row[positions], new_rows)]) for part, positions in parts]
        timestamps = field_array(new_ratings, "timestamp", np.int64)
        return UserHistory(
            self.user_row(request_user.user_id),
            np.concatenate([*(part.movie_row[positions] for part, positions in parts), new_rows]),
            np.concatenate(
                [*(part.rating[positions] for part, positions in parts), field_array(new_ratings, "rating", np.float32)]
            ),
            np.concatenate([*(part.timestamp[positions] for part, positions in parts), timestamps]),
            np.repeat([False, True, False], [*(len(positions) for _, positions in parts), len(new_rows)]),
        )


def field_array(ratings: Mapping[int, Rating], name: str, dtype: type) -> np.ndarray:
    """Returns one field of ratings as an array."""
    return np.array([getattr(rating, name) for rating in ratings.values()], dtype)


def by_user(
    user: Int[np.ndarray, " ratings"], num_users: int
) -> tuple[Int64[np.ndarray, " ratings"], Int64[np.ndarray, " users_and_one"]]:
    """Returns the order of ratings by user, and the offset of each user's ratings in it."""
    return np.argsort(user, kind="stable"), csr_offsets(np.bincount(user, minlength=num_users))
