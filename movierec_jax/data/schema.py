"""The records that pass from stage to stage, and the names of columns.

Axis words used in every shape of the project: `users`, `movies`, `ratings`, `batch`, `steps`, `features`, `hidden`,
`k`. An *id* is the data's own number or string; a *row* is our dense int32 index. They never mix.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int32, Int64

USER_ID = "user_id"

MOVIE_ID = "movie_id"

RATING = "rating"

TIMESTAMP = "timestamp"

WEIGHT = "weight"

TITLE = "title"

YEAR = "year"

GENRES = "genres"

AGE = "age"

GENDER = "gender"

OCCUPATION = "occupation"

TAG = "tag"

IMDB_ID = "imdb_id"

TMDB_ID = "tmdb_id"

# Stands for the path of ratings that are given as a table in pandas.
DATA_FRAME = "DataFrame"

# The space of movie ids that the data has of its own; see `id_spaces` for the others.
OWN = "own"

# Stands for the space of a run in what that run has recorded.
OF_RUN = "of the run"

TEXT = "text"

STARS = "stars"

LABEL = "label"

SPLIT = "split"

WEIGHT = "weight"

RATING_COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP)

# The timestamp of a rating whose time the data does not have.
NO_TIMESTAMP = np.iinfo(np.int64).min


def in_one_line(record: Any) -> str:
    """Returns a record's class and fields as one line, with tables and arrays by their size alone."""
    fields = ((field.name, getattr(record, field.name)) for field in dataclasses.fields(record))
    return f"{type(record).__name__}({', '.join(f'{name}={brief(value)}' for name, value in fields)})"


def brief(value: Any) -> str:
    """Returns a value for a line of text: of a table its rows, of an array its type and shape."""
    if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        return f"<{len(value):,} rows>"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype}{list(value.shape)}>"
    if isinstance(value, str | int | float | None):
        return repr(value)
    if isinstance(value, tuple) and len(value) <= 4 and all(isinstance(item, str | int | float) for item in value):
        return repr(value)
    if isinstance(value, tuple | list | dict):
        return f"<{len(value):,} values>"
    return repr(value) if type(value).__repr__ is in_one_line else f"<{type(value).__name__}>"


def no_users() -> pd.DataFrame:
    """Returns an empty table with the columns of `RawData.users`."""
    types = {USER_ID: "int64", AGE: "int64", GENDER: "str", OCCUPATION: "str"}
    return pd.DataFrame({column: pd.Series(dtype=dtype) for column, dtype in types.items()})


def no_tags() -> pd.DataFrame:
    """Returns an empty table with the columns of `RawData.tags`."""
    types = {USER_ID: "int64", MOVIE_ID: "int64", TAG: "str", TIMESTAMP: "int64"}
    return pd.DataFrame({column: pd.Series(dtype=dtype) for column, dtype in types.items()})


def no_links() -> pd.DataFrame:
    """Returns an empty table with the columns of `RawData.links`."""
    types = {MOVIE_ID: "int64", IMDB_ID: "Int64", TMDB_ID: "Int64"}
    return pd.DataFrame({column: pd.Series(dtype=dtype) for column, dtype in types.items()})


@dataclasses.dataclass(frozen=True)
class RawData:
    """What a reader returns, before any row is judged.

    ratings: columns `user_id`, `movie_id` (int64, nullable Int64 or str) and, if the data has them, `rating` (a float,
        or str where a value is no number), `timestamp` (integer, float, datetime or str) and `weight` (as `rating`):
        how much the rating counts. Without `rating`, every row is a movie watched but not rated.
    movies: columns `movie_id` (int64 or str), `title` (str, as the file has it) and `genres` (str, joined by "|").
        Empty without a movie table.
    source: what was read, for messages: "MovieLens 1M in ml-1m.zip".
    rating_scale: lowest and highest rating if the format states them, else None.
    users: columns `user_id` (int64 or str), `age` (int64, years; the lower end if the data has ranges), `gender` and
        `occupation` (str). Empty without a table of users.
    tags: columns `user_id`, `movie_id` (int64 or str), `tag` (str) and `timestamp` (as in `ratings`), a row for each
        time a user wrote a tag. Empty without tags.
    links: columns `movie_id` (int64 or str, the data's own), `imdb_id` and `tmdb_id` (Int64, the numbers of these ids,
        missing where unknown). Empty without links.
    movie_id_space: the space that the file states for the movie ids of `ratings`: "own", "imdb", "tmdb", or
        `OF_RUN`.
    movie_id_name: the file's name for that column, for messages.
    notes: what was inferred while reading that a user may want to know, a sentence each.
    """

    __repr__ = in_one_line

    ratings: pd.DataFrame
    movies: pd.DataFrame
    source: str
    rating_scale: tuple[float, float] | None = None
    users: pd.DataFrame = dataclasses.field(default_factory=no_users)
    tags: pd.DataFrame = dataclasses.field(default_factory=no_tags)
    links: pd.DataFrame = dataclasses.field(default_factory=no_links)
    notes: tuple[str, ...] = ()
    movie_id_space: str = OWN
    movie_id_name: str = MOVIE_ID


@dataclasses.dataclass(frozen=True)
class CleanData:
    """Ratings that can be used, in the order of the file, and the movies they are about.

    ratings: `user_id`, `movie_id` (int64 or str), `rating` (float32, within the scale), `timestamp` (int64 seconds,
        NO_TIMESTAMP without one); no pair of user and movie twice; index 0..n-1. Where not every rating counts 1, also
        `weight` (float32, finite, 0 or more). A movie watched but not rated has weight 0 and the rating NaN.
    movies: one row per movie that is rated or in the movie table: `movie_id`, `title` (without the year),
        `year` (int32, 0 where unknown), `genres` (str, joined by "|", may be empty).
    dropped: the number of rows left out, by reason; only reasons that occurred.
    users, tags, links: as in RawData, with ids and `timestamp` of the same types as in `ratings`.
    notes: what was inferred, and what was left out in number, a sentence each.
    movie_id_space: the space of the movie ids: as stated for RawData, or as their values show.
    """

    __repr__ = in_one_line

    ratings: pd.DataFrame
    movies: pd.DataFrame
    rating_scale: tuple[float, float]
    source: str
    dropped: dict[str, int]
    users: pd.DataFrame = dataclasses.field(default_factory=no_users)
    tags: pd.DataFrame = dataclasses.field(default_factory=no_tags)
    links: pd.DataFrame = dataclasses.field(default_factory=no_links)
    notes: tuple[str, ...] = ()
    movie_id_space: str = OWN


@dataclasses.dataclass(frozen=True)
class FeatureTable:
    """A table about movies or users as its file has it, before any feature is made of it.

    id_column: `user_id` or `movie_id`.
    ids: the id of each row, int64 or str, as in the file.
    line: the line of each row in a text file, its row in a Parquet file, both from 1.
    unit: "line" or "row", for messages.
    columns: the other columns, as float64 (numbers, and dates as days since 1970), category, str, or object (lists of
        str), missing values as pandas has them.
    left_out: columns that cannot be features, with the reason.
    id_space: the space that the file states for movie ids, as in RawData.
    id_name: the file's name for the column of ids, for messages.
    note: what was inferred while reading; empty for nothing.
    """

    __repr__ = in_one_line

    path: str
    id_column: str
    ids: pd.Series
    line: Int64[np.ndarray, " rows"]
    unit: str
    columns: pd.DataFrame
    left_out: dict[str, str]
    id_space: str = OWN
    id_name: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class RawReviews:
    """What people wrote about movies, as its file has it, before any row is judged.

    table: columns `movie_id`, `imdb_id` or `tmdb_id` (int64, Int64 or str), `text` (str) and, where the file has
        them, `user_id` (int64, Int64 or str), `stars` (float32, or str where a value is no number) and `timestamp`
        (integer, float, datetime or str), missing values as pandas has them; index 0..n-1.
    line, unit: as in FeatureTable.
    movie_id_name: the file's name for the column of movies, for messages.
    note: as in FeatureTable.
    """

    __repr__ = in_one_line

    path: str
    table: pd.DataFrame
    line: Int64[np.ndarray, " rows"]
    unit: str
    movie_id_name: str = MOVIE_ID
    note: str = ""


@dataclasses.dataclass(frozen=True)
class LabelledTexts:
    """Texts labelled as praise or blame, in the order of their file; some of each.

    text: str, none of them empty.
    stars: on the scale of the file, NaN for a text without stars.
    scale: the inferred rating scale, lowest and highest; None where no text has stars.
    group: a number from 0 for each movie; without a movie id, for each different text.
    is_test: whether a text is in the test part that the file sets aside; None where it sets none aside.
    dropped: the number of rows left out, by reason; only reasons that occurred.
    """

    __repr__ = in_one_line

    path: str
    text: pd.Series
    is_praise: Bool[np.ndarray, " texts"]
    stars: Float32[np.ndarray, " texts"]
    scale: tuple[float, float] | None
    group: Int32[np.ndarray, " texts"]
    is_test: Bool[np.ndarray, " texts"] | None
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.text)


class Opinions(NamedTuple):
    """What a sentiment model reads in texts.

    praise: the probability that a text praises.
    stars: how many its writer would give, on the scale of the training texts; NaN where these had no stars.
    is_understood: False for texts without any n-gram of the training texts; they count as an average text.
    """

    praise: Float32[np.ndarray, " texts"]
    stars: Float32[np.ndarray, " texts"]
    is_understood: Bool[np.ndarray, " texts"]


@dataclasses.dataclass(frozen=True)
class FeatureBags:
    """Weighted bags of features: entry n says that row `row[n]` has feature `feature[n]`, with `value[n]`.

    Sorted by row, then feature, without repeated pairs; a row may have no entry.

    names: the name of each feature: "genre=Comedy", "year~1995", "tag=atmospheric", "age=25-34", "overview~1234".
    """

    __repr__ = in_one_line

    row: Int32[np.ndarray, " entries"]
    feature: Int32[np.ndarray, " entries"]
    value: Float32[np.ndarray, " entries"]
    names: tuple[str, ...]

    @functools.cached_property
    def num_rows(self) -> Int64[np.ndarray, " features"]:
        """How many rows have each feature."""
        return np.bincount(self.feature, minlength=len(self.names))

    def entries_of(self, row: int) -> slice:
        """Returns the slice of a row's entries."""
        return slice(*np.searchsorted(self.row, [row, row + 1]))


@dataclasses.dataclass(frozen=True)
class Ratings:
    """A clean table by row: one entry for each rating.

    A user or movie that the vocabulary lacks has the row of unknown ids (`Vocab.unknown`).

    rating: NaN for a movie watched but not rated.
    time_features: rating-time features of each rating; no columns unless the model uses times.
    weight: how much each rating counts in errors and means, 0 for a movie watched but not rated; None where all are
        ratings and count 1.
    """

    __repr__ = in_one_line

    user_row: Int32[np.ndarray, " ratings"]
    movie_row: Int32[np.ndarray, " ratings"]
    rating: Float32[np.ndarray, " ratings"]
    timestamp: Int64[np.ndarray, " ratings"]
    time_features: Int32[np.ndarray, "ratings time_features"]
    weight: Float32[np.ndarray, " ratings"] | None = None

    def __len__(self) -> int:
        return len(self.rating)

    def rated(self) -> "Ratings":
        """Returns the entries that have a rating: all but movies that were only watched."""
        if self.weight is None:
            return self
        is_rated = self.weight > 0
        return Ratings(*(column[is_rated] for column in vars(self).values()))

    def total_weight(self) -> float:
        """Returns the sum of the weights: the number of ratings where each counts 1."""
        return float(len(self) if self.weight is None else self.weight.sum(dtype=np.float64))
