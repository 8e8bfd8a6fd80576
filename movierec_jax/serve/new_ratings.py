"""Ratings given after training, and movies that users are not interested in: on disk before they are acknowledged, and
in memory for the next list.

The log on disk has all users. Memory has those who were there last, and reads others from the log when they come back.
"""

import asyncio
import collections
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from movierec_jax.data.readers.ratings_log.entries import Entry, NotInterested, is_keepable_id, require_keepable
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.ids import parse_id
from movierec_jax.serve.users import Rating

T = TypeVar("T")

# Ratings per write to the log, and ratings that may wait for it.
MAX_BATCH = 256

MAX_WAITING = 4096


class Recorded(NamedTuple):
    """What is recorded of a user by movie, oldest first, in mappings that never change.

    not_interested: movies that the user does not want to be shown, with the time of each mark.
    """

    ratings: Mapping[int | str, Rating]
    not_interested: Mapping[int | str, int]


# Until a rating in SQLite's write-ahead log is in the log's file as well. Each time takes as long as several writes.
SETTLE_SECONDS = 1.0

NOTHING = Recorded({}, {})


class NewRatings:
    """Ratings since training by user and movie, backed by the log; ratings that arrive together share a write.

    log: None where nothing can be recorded. max_users: in memory; those idle longest leave it first.
    users: in memory, the one that was asked for last at the end. has_all: whether these are all that the log has.
    num_dropped: how often a user has left memory.
    """

    def __init__(self, log: RatingsLog | None, max_users: int):
        self.log, self.max_users = log, max_users
        self.lock = threading.RLock()
        self.users: collections.OrderedDict[int | str, Recorded] = collections.OrderedDict()
        self.has_all, self.num_dropped = True, 0
        if log is not None:
            self.read_newest(log)
        self.writer: Batcher[Entry | NotInterested, None] = Batcher(
            self.write, max_batch=MAX_BATCH, max_waiting=MAX_WAITING
        )

        self.closed = threading.Event()
        self.settler = threading.Thread(target=self.settle, name="settler", daemon=True)
        self.settler.start()

    def settle(self) -> None:
        """Brings what is written into the log's file at intervals, until closed."""
        while self.log is not None and not self.log.is_read_only and not self.closed.wait(SETTLE_SECONDS):
            self.log.settle()

    def read_newest(self, log: RatingsLog) -> None:
        """Reads the users with the newest entries, as many as memory may have."""
        newest = log.newest_users(self.max_users + 1)
        self.has_all = len(newest) <= self.max_users
        found = recorded_by_user(log.entries_of_newest(self.max_users))
        # Those idle longest first.
        self.users.update((user_id, found[user_id]) for user_id in reversed(newest[: self.max_users]))

    def of_user(self, user_id: int | str) -> Mapping[int | str, Rating]:
        """Returns a user's new ratings by movie. The mapping never changes; a new rating replaces it by another."""
        return self.recorded(user_id).ratings

    def not_interested_of(self, user_id: int | str) -> Mapping[int | str, int]:
        """Returns the movies that a user is not interested in, oldest first, with times; it changes as `of_user`."""
        return self.recorded(user_id).not_interested

    def has_user(self, user_id: int | str) -> bool:
        """Whether anything has been recorded of a user."""
        return self.recorded(user_id) != NOTHING

    def recorded(self, user_id: int | str) -> Recorded:
        """Returns what is recorded of a user, from memory, or from the log where memory does not have all users."""
        with self.lock:
            found = self.users.get(user_id)
            if found is not None:
                self.users.move_to_end(user_id)
                return found
            if self.has_all or self.log is None or not is_keepable_id(user_id):
                return NOTHING
            found = recorded_by_user(self.log.entries_of(user_id)).get(user_id, NOTHING)
            self.put(user_id, found)
            return found

    def put(self, user_id: int | str, recorded: Recorded) -> None:
        """Puts a user into memory, or removes one of whom nothing is recorded; those beyond the maximum leave it."""
        with self.lock:
            self.users.pop(user_id, None)
            if recorded != NOTHING:
                self.users[user_id] = recorded
            while len(self.users) > self.max_users:
                self.users.popitem(last=False)
                self.has_all, self.num_dropped = False, self.num_dropped + 1

    async def record(self, user_id: int | str, movie_id: int | str, rating: float | None) -> int:
        """Writes a rating, or deletes a recorded one when None, and returns its time in seconds since 1970.

        It is on disk on return. Raises InputError for ids that the log cannot hold, Problem where nothing can be
        recorded, Busy when too many ratings wait, and OSError when the disk is full.
        """
        entry = Entry(user_id, movie_id, rating, int(time.time()))
        await self.keep(entry)
        return entry.timestamp

    async def mark(self, user_id: int | str, movie_id: int | str, is_on: bool) -> None:
        """Writes that a user is not interested in a movie, or is again. It is on disk on return; raises as `record`."""
        await self.keep(NotInterested(user_id, movie_id, is_on, int(time.time())))

    async def keep(self, entry: Entry | NotInterested) -> None:
        """Writes an entry, and returns once it is on disk. Raises as `record`."""
        if self.log is None or self.log.is_read_only:
            raise Problem("read-only", "This server cannot write to its workdir, so that it records nothing")
        require_keepable(entry)
        # A client that disconnects does not cancel its rating.
        await asyncio.shield(self.writer.ask(entry))

    def write(self, entries: Sequence[Entry | NotInterested]) -> list[None]:
        """Writes entries to the log, then applies them, in order."""
        assert self.log is not None
        self.log.append(entries)
        for entry in entries:
            with self.lock:
                self.put(entry.user_id, with_entry(self.recorded(entry.user_id), entry))
        return [None] * len(entries)

    def id_examples(self) -> tuple[list[int | str], list[int | str]]:
        """Returns a user id and a movie id of each type that is recorded."""
        return ([], []) if self.log is None else self.log.id_examples()

    def close(self) -> None:
        """Writes what is queued, then closes the log."""
        self.writer.close()
        self.closed.set()
        self.settler.join()
        if self.log is not None:
            self.log.close()


def recorded_by_user(entries: Iterable[Entry | NotInterested]) -> dict[int | str, Recorded]:
    """Returns what entries say of each user, the last of a user and a movie alone."""
    found: dict[int | str, tuple[dict, dict]] = {}
    for entry in entries:
        ratings, marks = found.setdefault(entry.user_id, ({}, {}))
        value: Rating | int | None
        if isinstance(entry, NotInterested):
            values, value = marks, entry.timestamp if entry.is_on else None
        else:
            values, value = ratings, None if entry.rating is None else Rating(entry.rating, entry.timestamp)
        values.pop(entry.movie_id, None)
        if value is not None:
            values[entry.movie_id] = value
    return {user_id: Recorded(*both) for user_id, both in found.items()}


def with_entry(recorded: Recorded, entry: Entry | NotInterested) -> Recorded:
    """Returns what is recorded of a user after a further entry."""
    ratings, marks = recorded
    if isinstance(entry, NotInterested):
        return Recorded(ratings, with_movie(marks, entry.movie_id, entry.timestamp if entry.is_on else None))
    rating = None if entry.rating is None else Rating(entry.rating, entry.timestamp)
    return Recorded(with_movie(ratings, entry.movie_id, rating), marks)


def with_movie(by_movie: Mapping[int | str, T], movie_id: int | str, value: T | None) -> Mapping[int | str, T]:
    """Returns a copy with this value of a movie, the last; None: without the movie."""
    values = {movie: old for movie, old in by_movie.items() if movie != movie_id}
    return values if value is None else {**values, movie_id: value}


def require_user(engine: Engine, new_ratings: NewRatings, given: int | str) -> int | str:
    """Returns the id of a user by the one in a request. Raises Problem for a user of whom nothing is known."""
    user_id = parse_id(engine.run.users, given)
    if not (engine.users.is_in_data(user_id) or new_ratings.has_user(user_id)):
        raise Problem("unknown-user", f"User {user_id!r} not found. Rate a film to create it.")
    return user_id
