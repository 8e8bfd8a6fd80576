"""Ratings given after training, and movies that users are not interested in: on disk before they are acknowledged, and
in memory for the next list.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar

from movierec_jax.data.readers.ratings_log import Entry, NotInterested, RatingsLog, require_keepable
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.ids import parse_id
from movierec_jax.serve.users import Rating

T = TypeVar("T")

# Ratings per write to the log, and ratings that may wait for it.
MAX_BATCH = 256

MAX_WAITING = 4096

NO_RATINGS: Mapping[int | str, Rating] = {}

# The time of each mark, by movie.
NO_MARKS: Mapping[int | str, int] = {}


class NewRatings:
    """Ratings since training by user and movie, backed by the log; ratings that arrive together share a write.

    not_interested: for each user the movies that they do not want to be shown, with the time of each mark.
    """

    def __init__(self, log: RatingsLog):
        self.log = log
        self.by_user: dict[int | str, Mapping[int | str, Rating]] = {}
        table = log.latest()
        columns = (table[column].tolist() for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP))
        for entry in zip(*columns, strict=True):
            self.apply(Entry(*entry))
        self.not_interested: dict[int | str, Mapping[int | str, int]] = {}
        marks = log.not_interested()
        for user_id, movie_id, timestamp in zip(*(marks[column].tolist() for column in marks), strict=True):
            self.apply(NotInterested(user_id, movie_id, True, timestamp))
        self.writer: Batcher[Entry | NotInterested, None] = Batcher(
            self.write, max_batch=MAX_BATCH, max_waiting=MAX_WAITING
        )

    def of_user(self, user_id: int | str) -> Mapping[int | str, Rating]:
        """Returns a user's new ratings by movie. The mapping never changes; a new rating replaces it by another."""
        return self.by_user.get(user_id, NO_RATINGS)

    def not_interested_of(self, user_id: int | str) -> Mapping[int | str, int]:
        """Returns the movies that a user is not interested in, oldest first, with times; it changes as `of_user`."""
        return self.not_interested.get(user_id, NO_MARKS)

    def has_user(self, user_id: int | str) -> bool:
        """Whether anything has been recorded of a user."""
        return user_id in self.by_user or user_id in self.not_interested

    async def record(self, user_id: int | str, movie_id: int | str, rating: float | None) -> int:
        """Writes a rating, or deletes a recorded one when None, and returns its time in seconds since 1970.

        It is on disk on return. Raises InputError for ids that the log cannot hold, Busy when too many ratings wait,
        and OSError when the disk is full.
        """
        entry = Entry(user_id, movie_id, rating, int(time.time()))
        await self.keep(entry)
        return entry.timestamp

    async def mark(self, user_id: int | str, movie_id: int | str, is_on: bool) -> None:
        """Writes that a user is not interested in a movie, or is again. It is on disk on return; raises as `record`."""
        await self.keep(NotInterested(user_id, movie_id, is_on, int(time.time())))

    async def keep(self, entry: Entry | NotInterested) -> None:
        """Writes an entry, and returns once it is on disk. Raises as `record`."""
        require_keepable(entry)
        # A client that disconnects does not cancel its rating.
        await asyncio.shield(self.writer.ask(entry))

    def write(self, entries: Sequence[Entry | NotInterested]) -> list[None]:
        """Writes entries to the log, then applies them, in order."""
        self.log.append(entries)
        for entry in entries:
            self.apply(entry)
        return [None] * len(entries)

    def apply(self, entry: Entry | NotInterested) -> None:
        """Applies a log entry in memory."""
        if isinstance(entry, NotInterested):
            replace_movie(self.not_interested, entry, entry.timestamp if entry.is_on else None)
        else:
            rating = None if entry.rating is None else Rating(entry.rating, entry.timestamp)
            replace_movie(self.by_user, entry, rating)

    def close(self) -> None:
        """Writes what is queued, then closes the log."""
        self.writer.close()
        self.log.close()


def replace_movie(
    by_user: dict[int | str, Mapping[int | str, T]], entry: Entry | NotInterested, value: T | None
) -> None:
    """Replaces the mapping of an entry's user by one with this value of its movie, the last; None: without it."""
    values = {movie: old for movie, old in by_user.get(entry.user_id, {}).items() if movie != entry.movie_id}
    if value is not None:
        values[entry.movie_id] = value
    if values:
        by_user[entry.user_id] = values
    else:
        by_user.pop(entry.user_id, None)


def known_user(engine: Engine, new_ratings: NewRatings, given: int | str, status: int = 404) -> int | str:
    """Returns the id of a user by the one in a request. Raises Problem for a user of whom nothing is known."""
    user_id = parse_id(engine.run.users, given)
    if not (engine.users.is_in_data(user_id) or new_ratings.has_user(user_id)):
        # Only where the user is what the request is for does a first rating help at once.
        remedy = " Rate a film to create it." if status == HTTPStatus.NOT_FOUND else ""
        raise Problem("unknown-user", f"User {user_id!r} not found.{remedy}", status)
    return user_id
