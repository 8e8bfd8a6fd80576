"""Ratings given after training: on disk before they are acknowledged, and in memory for the next list."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from movierec_jax.data.readers.ratings_log import Entry, RatingsLog, require_keepable
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.users import Rating

# Ratings per write to the log, and ratings that may wait for it.
MAX_BATCH = 256

MAX_WAITING = 4096

NO_RATINGS: Mapping[int | str, Rating] = {}


class NewRatings:
    """Ratings since training by user and movie, backed by the log; ratings that arrive together share a write."""

    def __init__(self, log: RatingsLog):
        self.log = log
        self.by_user: dict[int | str, Mapping[int | str, Rating]] = {}
        table = log.latest()
        columns = (table[column].tolist() for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP))
        for entry in zip(*columns, strict=True):
            self.apply(Entry(*entry))
        self.writer: Batcher[Entry, None] = Batcher(self.write, max_batch=MAX_BATCH, max_waiting=MAX_WAITING)

    def of_user(self, user_id: int | str) -> Mapping[int | str, Rating]:
        """Returns a user's new ratings by movie. The mapping never changes; a new rating replaces it by another."""
        return self.by_user.get(user_id, NO_RATINGS)

    async def record(self, user_id: int | str, movie_id: int | str, rating: float | None) -> int:
        """Writes a rating, or deletes a recorded one when None, and returns its time in seconds since 1970.

        It is on disk on return. Raises InputError for ids that the log cannot hold, Busy when too many ratings wait,
        and OSError when the disk is full.
        """
        entry = Entry(user_id, movie_id, rating, int(time.time()))
        require_keepable(entry)
        # A client that disconnects does not cancel its rating.
        await asyncio.shield(self.writer.ask(entry))
        return entry.timestamp

    def write(self, entries: Sequence[Entry]) -> list[None]:
        """Writes ratings to the log, then applies them, in order."""
        self.log.append(entries)
        for entry in entries:
            self.apply(entry)
        return [None] * len(entries)

    def apply(self, entry: Entry) -> None:
        """Applies a log entry in memory."""
        ratings = {movie: rating for movie, rating in self.of_user(entry.user_id).items() if movie != entry.movie_id}
        if entry.rating is not None:
            ratings[entry.movie_id] = Rating(entry.rating, entry.timestamp)
        if ratings:
            self.by_user[entry.user_id] = ratings
        else:
            self.by_user.pop(entry.user_id, None)

    def close(self) -> None:
        """Writes what is queued, then closes the log."""
        self.writer.close()
        self.log.close()
