"""The records that pass from stage to stage, and the one place for column names.

Axis words used in every shape of the project: `users`, `movies`, `ratings`, `batch`, `steps`, `features`, `hidden`,
`k`. An *id* is the data's own number or string; a *row* is our dense int32 index. They never mix.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int32, Int64

USER_ID = "user_id"
MOVIE_ID = "movie_id"
RATING = "rating"
TIMESTAMP = "timestamp"

TITLE = "title"
YEAR = "year"
GENRES = "genres"

# Stands in a timestamp column where the data has no time for a row.
NO_TIMESTAMP = np.iinfo(np.int64).min


class InputError(ValueError):
    """What the caller gave cannot be used. The message says what and where, what was found, and what to do."""


class Interrupted(Exception):  # noqa: N818
    """A signal stopped the run once everything was saved; the message says how to go on."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


@dataclasses.dataclass(frozen=True)
class RawData:
    """What a loader read, before any row is judged.

    ratings: columns `user_id`, `movie_id` (int64, nullable Int64 or str), `rating` (a float, or str where some value
        is no number) and, where the data has times, `timestamp` (integer, float, datetime or str).
    movies: columns `movie_id` (int64 or str), `title` (str, as the file has it) and `genres` (str, joined by "|").
        Empty where the data has no movie table.
    source: what was read, for messages: "MovieLens 1M in ml-1m.zip".
    rating_scale: lowest and highest rating in stars where the format states it, else None.
    """

    ratings: pd.DataFrame
    movies: pd.DataFrame
    source: str
    rating_scale: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class CleanData:
    """Ratings that can be trusted, in the order of the file, and the movies they are about.

    ratings: `user_id`, `movie_id` (int64 or str), `rating` (float32, within the scale), `timestamp` (int64 seconds,
        NO_TIMESTAMP where unknown); no pair of user and movie twice; index 0..n-1.
    movies: one row per movie, rated ones and those of the movie table alike: `movie_id`, `title` (without the year),
        `year` (int32, 0 where unknown), `genres` (str, joined by "|", may be empty).
    dropped: rows left out, by reason; only reasons that occurred.
    """

    ratings: pd.DataFrame
    movies: pd.DataFrame
    rating_scale: tuple[float, float]
    source: str
    dropped: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Ratings by row, one entry each; what the vocabulary makes of a clean table.

    A user or movie that the vocabulary does not know has the row of unknown ids (`Vocab.unknown`).
    """

    user_row: Int32[np.ndarray, " ratings"]
    movie_row: Int32[np.ndarray, " ratings"]
    rating: Float32[np.ndarray, " ratings"]
    timestamp: Int64[np.ndarray, " ratings"]

    def __len__(self) -> int:
        return len(self.rating)


class Batch(NamedTuple):
    """Ratings for one training step `[batch]`, or stacked for many `[steps, batch]`; weight 0 marks filling.

    NumPy arrays where batches are built, JAX arrays within a step.
    """

    user_row: Int32[Any, "*steps batch"]
    movie_row: Int32[Any, "*steps batch"]
    rating: Float32[Any, "*steps batch"]
    weight: Float32[Any, "*steps batch"]


class Links(NamedTuple):
    """Ratings as links from owners to others, laid out in pieces of one length for `pooling.pool`.

    An owner with more links than a piece holds has several pieces, side by side; one without any has none. Owners rise.
    Places left over at the end of an owner's last piece are filling.

    rating: which rating a place is, in the order of train; -1 marks filling.
    user_value, movie_value: what the rating tells its user's tower and its movie's tower, in stars; 0 in filling.
    """

    owner: Int32[Any, " pieces"]
    other: Int32[Any, "length pieces"]
    rating: Int32[Any, "length pieces"]
    user_value: Float32[Any, "length pieces"]
    movie_value: Float32[Any, "length pieces"]


class History(NamedTuple):
    """Who has rated what: the train ratings from the users' side and from the movies' side, and their counts.

    The last count is that of the unknown row, 0.
    """

    by_user: Links
    by_movie: Links
    user_count: Float32[Any, " users_and_unknown"]
    movie_count: Float32[Any, " movies_and_unknown"]
