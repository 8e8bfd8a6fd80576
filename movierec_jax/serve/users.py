"""The users of a run and what they have rated, in the data and since, as questions about them need it."""

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
    """A rating given while the service runs. timestamp: seconds since 1970, NO_TIMESTAMP where it has none."""

    rating: float
    timestamp: int


class History(NamedTuple):
    """What is known of a user: a row, which is the unknown one of somebody new, and ratings of movies of train.

    is_text: whether a text of the user's stands for the rating.
    """

    user_row: int
    movie_row: Int32[np.ndarray, " rated"]
    rating: Float32[np.ndarray, " rated"]
    timestamp: Int64[np.ndarray, " rated"]
    is_text: Bool[np.ndarray, " rated"]


@dataclasses.dataclass(frozen=True)
class RequestUser:
    """Whom a list is for: a user by id, or None for somebody who is known by the ratings alone.

    recorded: ratings by movie id beside those of the run, in whose place they stand.
    """

    user_id: int | str | None
    recorded: Mapping[int | str, Rating]


class Users:
    """The users of a run by their ids, and their ratings by theirs.

    user_rows, movie_rows: the row of each id; user_places: of each user among those who have rated in any part.
    of_parts: where the ratings of each of these stand in each part, train first; rated_rows: the movies of all of them.
    """

    def __init__(self, recommender: Recommender):
        # What all have rated is laid out here, not when the first of them asks.
        self.run, self.rated_rows = recommender.run, recommender.seen
        self.user_rows, self.movie_rows = (
            {found: row for row, found in enumerate(vocab.ids.tolist())} for vocab in (self.run.users, self.run.movies)
        )
        self.user_places = {user_id: place for place, user_id in enumerate(recommender.all_user_ids.tolist())}
        self.of_parts = [
            by_user(index_of_ids(recommender.all_user_ids, pd.Index(part[USER_ID])), len(self.user_places))
            for part in self.run.parts.seen()
        ]

    @property
    def num_movies(self) -> int:
        """Movies that train has, and that ratings can tell something by."""
        return len(self.run.movies)

    def is_in_data(self, user_id: int | str) -> bool:
        """Whether any part of the run has ratings of a user."""
        return user_id in self.user_places

    def num_known_users(self, user_id: int | str | None) -> int:
        """How many ratings train has of a user."""
        return len(self.places_of(user_id)[0])

    def user_row(self, user_id: int | str | None) -> int:
        """The row of a user, the unknown one of somebody new."""
        return self.run.users.unknown if user_id is None else self.user_rows.get(user_id, self.run.users.unknown)

    def places_of(self, user_id: int | str | None) -> list[Int64[np.ndarray, " _rated"]]:
        """Where the ratings of a user stand in each part."""
        user = None if user_id is None else self.user_places.get(user_id)
        return [order[:0] if user is None else order[start[user] : start[user + 1]] for order, start in self.of_parts]

    def rated(self, request_user: RequestUser) -> dict[int | str, Rating]:
        """All that somebody has rated, in the data and since, by movie id."""
        found: dict[int | str, Rating] = {}
        for part, place in zip(self.run.parts.all(), self.places_of(request_user.user_id), strict=False):
            columns = (part[column].iloc[place].tolist() for column in (MOVIE_ID, RATING, TIMESTAMP))
            found |= {movie_id: Rating(rating, time) for movie_id, rating, time in zip(*columns, strict=True)}
        return found | dict(request_user.recorded)

    def seen(self, request_user: RequestUser) -> Int32[np.ndarray, " seen"]:
        """The rows of the movies that somebody has rated, in the data or since."""
        own = np.array(list(self.rows_of_train(request_user.recorded)), np.int32)
        place = None if request_user.user_id is None else self.user_places.get(request_user.user_id)
        if place is None:
            return own
        rated = self.rated_rows.of_user(place)
        return np.union1d(rated, own) if len(own) else rated

    def rows_of_train(self, recorded: Mapping[int | str, Rating]) -> dict[int, Rating]:
        """Ratings by the rows of their movies, of those that train has."""
        found = {self.movie_rows.get(movie_id, self.num_movies): rating for movie_id, rating in recorded.items()}
        return {row: rating for row, rating in found.items() if row < self.num_movies}

    def ignored(self, recorded: Mapping[int | str, Rating]) -> list[int | str]:
        """The movies of ratings that tell nothing, since train has none of them."""
        return [movie_id for movie_id in recorded if self.movie_rows.get(movie_id, self.num_movies) >= self.num_movies]

    def history(self, request_user: RequestUser) -> History:
        """What train and the ratings since tell of somebody."""
        user_row, recorded = self.user_row(request_user.user_id), self.rows_of_train(request_user.recorded)
        of_train, *_, of_reviews = self.places_of(request_user.user_id)
        row = np.array(list(recorded), np.int32)
        known = [(self.run.train, of_train), (self.run.from_reviews, of_reviews)]
        known = [(part, place[~np.isin(part.movie_row[place], row)]) for part, place in known]
        return History(
            user_row,
            np.concatenate([*(part.movie_row[place] for part, place in known), row]),
            np.concatenate([*(part.rating[place] for part, place in known), column_of(recorded, "rating", np.float32)]),
            np.concatenate(
                [*(part.timestamp[place] for part, place in known), column_of(recorded, "timestamp", np.int64)]
            ),
            np.repeat([False, True, False], [*(len(place) for _, place in known), len(row)]),
        )


def column_of(recorded: Mapping[int, Rating], name: str, dtype: type) -> np.ndarray:
    """A field of all these ratings."""
    return np.array([getattr(rating, name) for rating in recorded.values()], dtype)


def by_user(
    place: Int[np.ndarray, " ratings"], num_users: int
) -> tuple[Int64[np.ndarray, " ratings"], Int64[np.ndarray, " users_and_one"]]:
    """The ratings in the order of their users' places, and where each user's begin."""
    return np.argsort(place, kind="stable"), csr_offsets(np.bincount(place, minlength=num_users))
