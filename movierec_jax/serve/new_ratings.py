"""Ratings that came after training: on the disk before they are acknowledged, and at hand for the next list."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from movierec_jax.data.readers.ratings_log import Entry, RatingsLog, require_keepable
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.users import Rating

# Ratings written to the disk at once, and those that may wait for it, at most.
MAX_BATCH = 256

MAX_WAITING = 4096

NOTHING: Mapping[int | str, Rating] = {}


class NewRatings:
    """What users have rated since training, by user and movie. Many that come at a time are written at once."""

    def __init__(self, log: RatingsLog):
        self.log = log
        self.by_user: dict[int | str, Mapping[int | str, Rating]] = {}
        table = log.latest()
        columns = (table[column].tolist() for column in (USER_ID, MOVIE_ID, RATING, TIMESTAMP))
        for entry in zip(*columns, strict=True):
            self.apply(Entry(*entry))
        self.writer: Batcher[Entry, None] = Batcher(
            self.write, max_batch=MAX_BATCH, max_waiting=MAX_WAITING, wait_seconds=0.0
        )

    def of(self, user_id: int | str) -> Mapping[int | str, Rating]:
        """A user's ratings by movie; it never changes, and another takes its place when they rate."""
        return self.by_user.get(user_id, NOTHING)

    async def record(self, user_id: int | str, movie_id: int | str, rating: float | None) -> int:
        """Writes a rating, or takes back what was recorded, and returns its time in seconds since 1970.

        It is on the disk when this returns. Raises InputError for ids that the log cannot keep, Busy where too many
        wait for the disk, and OSError where it is full.
        """
        entry = Entry(user_id, movie_id, rating, int(time.time()))
        require_keepable(entry)
        # One who does not wait for the answer any more does not take the rating back.
        await asyncio.shield(self.writer.ask(entry))
        return entry.timestamp

    def write(self, entries: Sequence[Entry]) -> list[None]:
        """Writes and then knows ratings, in their order."""
        self.log.append(entries)
        for entry in entries:
            self.apply(entry)
        return [None] * len(entries)

    def apply(self, entry: Entry) -> None:
        """Knows a rating."""
        others = {movie: rating for movie, rating in self.of(entry.user_id).items() if movie != entry.movie_id}
        if entry.rating is not None:
            others[entry.movie_id] = Rating(entry.rating, entry.timestamp)
        if others:
            self.by_user[entry.user_id] = others
        else:
            self.by_user.pop(entry.user_id, None)

    def close(self) -> None:
        """Writes what waits."""
        self.writer.close()
        self.log.close()
