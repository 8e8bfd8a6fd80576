"""Raw table -> clean table, with a count of the rows dropped for each reason.

Reasons are judged in the order of `clean`; a row is counted under the first that holds.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from movierec_jax.config import DataConfig
from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    YEAR,
    CleanData,
    RawData,
)
from movierec_jax.errors import InputError

# Scales that services use, narrow before wide; the first that holds nearly all ratings is taken.
USUAL_SCALES = ((0.0, 1.0), (1.0, 5.0), (0.5, 5.0), (0.0, 5.0), (1.0, 10.0), (0.0, 10.0), (-10.0, 10.0), (0.0, 100.0))

# Share of ratings that may lie outside a scale for it to be taken.
OUTLIER_SHARE = 0.01

# Timestamps from here on are milliseconds: as seconds they would lie after the year 5100.
SMALLEST_MILLISECONDS = 100_000_000_000

# "Heat (1995)", "Babylon 5 (1994-1998)", "Nocturnal (2016) ": the year at the end of a title.
TITLE_WITH_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")

# Why a row goes of which another has the user and the movie.
REPEATED = "repeated pair of user and movie"


def clean(raw: RawData, config: DataConfig, extra: Sequence[RawData] = ()) -> CleanData:
    """The ratings that can be used, and the movies they are about.

    extra: whose ratings come after those of `raw`, held to the same scale; all other tables are those of `raw`.

    Raises InputError where less is left than one can learn from: two users, two movies, two different ratings; and
    where extra ratings have ids of another kind.
    """
    dropped: dict[str, int] = {}
    table, scale = clean_rows(raw, config.rating_scale or raw.rating_scale, dropped)
    table = with_extra(table, extra, scale, dropped)
    table = keep(table, is_frequent(table[USER_ID], config.min_user_ratings), "user with too few ratings", dropped)
    table = keep(table, is_frequent(table[MOVIE_ID], config.min_movie_ratings), "movie with too few ratings", dropped)
    table = table.reset_index(drop=True)
    require_variety(table, raw.source, dropped)
    return CleanData(
        table,
        movie_table(raw.movies, table[MOVIE_ID]),
        scale,
        raw.source,
        dropped,
        users=with_ids_of(raw.users, table, USER_ID),
        tags=with_ids_of(raw.tags.assign(**{TIMESTAMP: to_seconds(raw.tags)}), table, USER_ID, MOVIE_ID),
        links=with_ids_of(raw.links, table, MOVIE_ID),
    )


def clean_held_out(
    raw: RawData, train: pd.DataFrame, rating_scale: tuple[float, float]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Ratings to hold against a model of the train ratings, by the same rules, with the count of rows dropped.

    Raises InputError where no row is left, or ids are of another kind than those in train.
    """
    dropped: dict[str, int] = {}
    table, _ = clean_rows(raw, rating_scale, dropped)
    if table.empty:
        left_out = f", after dropping {describe_dropped(dropped)}" if dropped else ""
        raise InputError(f"{raw.source}: no rating can be used{left_out}")
    require_same_kind(table, train, raw.source, "train has")
    return table, dropped


def with_extra(
    table: pd.DataFrame, extra: Sequence[RawData], scale: tuple[float, float], dropped: dict[str, int]
) -> pd.DataFrame:
    """The clean rows of a table and, after them, those of others; of a pair that comes again the latest is kept."""
    for raw in extra:
        rows, _ = clean_rows(raw, scale, dropped)
        if len(rows) and len(table):
            require_same_kind(rows, table, raw.source, "the other ratings have")
            table = pd.concat([table, rows], ignore_index=True)
            table = keep(table, is_last_of_pair(table), REPEATED, dropped)
    return table


def require_same_kind(table: pd.DataFrame, other: pd.DataFrame, source: str, other_has: str) -> None:
    """Raises InputError, in the name of its source, where ids of a table are text and those of another are not."""
    for column in (USER_ID, MOVIE_ID):
        if is_integer(table[column]) != is_integer(other[column]):
            ours, theirs = (part[column].head(1).tolist()[0] for part in (table, other))
            raise InputError(
                f"{source}: {column} such as {ours!r} where {other_has} {theirs!r}: write ids the same way in both "
                "files"
            )


def clean_rows(
    raw: RawData, scale: tuple[float, ...] | None, dropped: dict[str, int]
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """The rows that stand by themselves, in the columns and dtypes of CleanData, and the scale they are held to."""
    table = raw.ratings
    table = keep(table, table[USER_ID].notna() & table[MOVIE_ID].notna(), "no user or movie id", dropped)
    table = keep(table, table[RATING].notna(), "no rating", dropped)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and goes next
        table = table.assign(**{RATING: pd.to_numeric(table[RATING], errors="coerce").astype(np.float32)})
    table = keep(table, np.isfinite(table[RATING]), "rating is not a number", dropped)
    lowest, highest = scale or infer_scale(table[RATING].to_numpy())
    table = keep(table, table[RATING].between(lowest, highest), f"rating outside {lowest:g} to {highest:g}", dropped)
    integer_ids = {column: np.int64 for column in (USER_ID, MOVIE_ID) if is_integer(table[column])}
    table = table.astype(integer_ids).assign(**{TIMESTAMP: to_seconds(table)})
    table = keep(table, is_last_of_pair(table), REPEATED, dropped)
    table = table[[USER_ID, MOVIE_ID, RATING, TIMESTAMP]].reset_index(drop=True)
    return table, (float(lowest), float(highest))


def keep(table: pd.DataFrame, mask, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    """The rows where the mask holds; the others are counted under the reason."""
    count = len(table) - int(np.count_nonzero(mask))
    if not count:
        return table
    dropped[reason] = dropped.get(reason, 0) + count
    return table[mask]


def infer_scale(rating: np.ndarray) -> tuple[float, float]:
    """The first usual scale that holds nearly all ratings; lowest and highest rating where none does.

    Where some ratings lie below it and a scale with the same top holds them, it is that one: a few half stars are
    ratings, a few 99 on a scale to 5 are not.
    """
    if not len(rating):
        return USUAL_SCALES[0]
    for lowest, highest in USUAL_SCALES:
        if np.mean((rating < lowest) | (rating > highest)) <= OUTLIER_SHARE:
            bottoms = [low for low, high in USUAL_SCALES if high == highest and low <= lowest]
            return max(bottoms, key=lambda low: np.count_nonzero((rating >= low) & (rating <= highest))), highest
    return float(rating.min()), float(rating.max())


def to_seconds(table: pd.DataFrame) -> np.ndarray:
    """Timestamps in seconds since 1970, int64, from numbers, numbers in text, dates or text dates.

    NO_TIMESTAMP where the table has none or it cannot be read.
    """
    if TIMESTAMP not in table:
        return np.full(len(table), NO_TIMESTAMP)
    column = table[TIMESTAMP]
    if pd.api.types.is_datetime64_any_dtype(column):
        return dates_to_seconds(column)
    if column.dtype == np.int64 and column.max() < SMALLEST_MILLISECONDS:
        return column.to_numpy()
    number = pd.to_numeric(column, errors="coerce").astype(np.float64).to_numpy()
    if not np.isfinite(number).any():
        return dates_to_seconds(pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601"))
    is_known = np.isfinite(number) & (np.abs(number) < 2.0**62)
    is_milliseconds = is_known.any() and np.median(number[is_known]) >= SMALLEST_MILLISECONDS
    seconds = np.where(is_known, number / 1000 if is_milliseconds else number, 0).astype(np.int64)
    return np.where(is_known, seconds, NO_TIMESTAMP)


def dates_to_seconds(dates: pd.Series) -> np.ndarray:
    """Seconds since 1970 of dates, NO_TIMESTAMP where there is none."""
    seconds = dates.to_numpy("datetime64[s]").astype(np.int64)
    return np.where(dates.isna(), NO_TIMESTAMP, seconds)


def is_last_of_pair(table: pd.DataFrame) -> np.ndarray:
    """A mask of one row per user and movie: the latest by timestamp, of equal times the last in the file."""
    # In place and by sorting: with 25 million rows each column of codes takes 200 MB, a hash table far more.
    pair, _ = codes(table[USER_ID])
    movie, num_movies = codes(table[MOVIE_ID])
    pair *= num_movies
    pair += movie
    del movie
    in_order = np.sort(pair)
    repeated_pairs = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    del in_order
    mask = np.ones(len(pair), bool)
    if not len(repeated_pairs):
        return mask
    repeated = np.flatnonzero(np.isin(pair, repeated_pairs))
    order = np.lexsort((table[TIMESTAMP].to_numpy()[repeated], pair[repeated]))
    sorted_pair = pair[repeated][order]
    mask[repeated[order]] = np.append(sorted_pair[1:] != sorted_pair[:-1], True)
    return mask


def is_frequent(ids: pd.Series, minimum: int) -> np.ndarray:
    """A mask of the rows whose id occurs at least `minimum` times."""
    if minimum <= 1:
        return np.ones(len(ids), bool)
    code, _ = codes(ids)
    return np.bincount(code)[code] >= minimum


def codes(ids: pd.Series) -> tuple[np.ndarray, int]:
    """A number from 0 for each id, in an int64 array of its own, the same for equal ids; and one above all of them.

    There are at most four times as many numbers as rows, so that a pair of them fits int64 up to 700 million rows.
    """
    if is_integer(ids) and len(ids):
        lowest, highest = int(ids.min()), int(ids.max())
        if highest - lowest < 4 * len(ids):
            return ids.to_numpy() - lowest, highest - lowest + 1
    code, different = pd.factorize(ids)
    return code.astype(np.int64, copy=False), len(different)


def is_integer(ids: pd.Series) -> bool:
    """Whether a column of ids holds integers rather than strings."""
    return pd.api.types.is_integer_dtype(ids.dtype)


def require_variety(table: pd.DataFrame, source: str, dropped: dict[str, int]) -> None:
    """Raises InputError where there is less than two of what a recommender compares."""
    for column, name in ((USER_ID, "users"), (MOVIE_ID, "movies"), (RATING, "different ratings")):
        found = len(table[column].head(1))
        # Not counted further: that takes a hash table of all.
        if not found or (table[column] == table[column].iloc[0]).all():
            left_out = f" after dropping {describe_dropped(dropped)}" if dropped else ""
            raise InputError(f"{source}: at least 2 {name} are needed, {found} found{left_out}")


def describe_dropped(dropped: dict[str, int]) -> str:
    """The counts as a phrase: "3 rows (no rating), 1 row (repeated pair of user and movie)"."""
    return ", ".join(f"{count:,} row{'s' * (count != 1)} ({reason})" for reason, count in dropped.items())


def movie_table(movies: pd.DataFrame, rated: pd.Series) -> pd.DataFrame:
    """One row per movie of the table or the ratings, in the order of ids; a movie without a row has its id as title."""
    movies = movies.assign(**{MOVIE_ID: same_kind(movies[MOVIE_ID], rated)})
    movies = movies.dropna(subset=MOVIE_ID).drop_duplicates(MOVIE_ID).astype({MOVIE_ID: rated.dtype})
    movies = movies.set_index(MOVIE_ID)
    ids = movies.index.union(pd.Index(rated.unique(), dtype=rated.dtype)).sort_values()
    movies = movies.reindex(ids)
    title = movies[TITLE].fillna("").astype("str").str.strip()
    title = title.mask(title.eq("")).fillna(pd.Series(ids.astype("str"), index=ids))
    parts = title.str.extract(TITLE_WITH_YEAR)
    return pd.DataFrame(
        {
            MOVIE_ID: ids,
            TITLE: parts["title"].fillna(title).to_numpy(),
            YEAR: parts["year"].fillna("0").astype(np.int32).to_numpy(),
            GENRES: movies[GENRES].fillna("").to_numpy(),
        }
    )


def with_ids_of(table: pd.DataFrame, ratings: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """A table whose columns of ids have the dtypes of the ratings', without rows whose id cannot be such a one."""
    table = table.assign(**{column: same_kind(table[column], ratings[column]) for column in columns})
    table = table.dropna(subset=list(columns)).astype({column: ratings[column].dtype for column in columns})
    return table.reset_index(drop=True)


def same_kind(ids: pd.Series, other: pd.Series | pd.Index) -> pd.Series:
    """Ids as integers where the others are (missing where they spell none), else as text."""
    if not pd.api.types.is_integer_dtype(other):
        return ids.astype("str")
    if is_integer(ids):
        return ids
    # pandas writes "1.0" for an integer in a column where another is missing; 18 digits always fit int64.
    return ids.astype("str").str.extract(r"^\s*(-?\d{1,18})(?:\.0*)?\s*$")[0].astype("Int64")
