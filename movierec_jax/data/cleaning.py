"""Turns a raw table into a clean one, and counts the rows dropped for each reason.

Reasons are checked in the order of `clean_rows`, then `clean`; a row counts under the first that applies.

The rating scale is the one that `--rating_scale` or the format states (`EDITIONS` of `readers.movielens`), else the one
that `infer_scale` finds in the ratings.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    WEIGHT,
    YEAR,
    CleanData,
    RawData,
)
from movierec_jax.data.times import parse_times
from movierec_jax.data.weights import (
    all_watched,
    is_watched,
    rated_rows,
    weights_or_ones,
    with_unrated,
    with_weights,
    without_equal_weights,
)
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

# Scales in use, narrow before wide; the first that holds nearly all ratings is taken.
USUAL_SCALES = ((0.0, 1.0), (1.0, 5.0), (0.5, 5.0), (0.0, 5.0), (1.0, 10.0), (0.0, 10.0), (-10.0, 10.0), (0.0, 100.0))

# Fraction of ratings that may lie outside the scale that is taken.
OUTLIER_SHARE = 0.01

# "Heat (1995)", "Babylon 5 (1994-1998)", "Nocturnal (2016) ": the year at the end of a title.
TITLE_WITH_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")

# The scale of data without ratings.
NO_RATINGS_SCALE = (0.0, 1.0)

# The reason for dropping all but the latest rating of a pair.
REPEATED = "repeated pair of user and movie"


def clean(raw: RawData, config: DataConfig, extra: Sequence[RawData] = ()) -> CleanData:
    """Returns the ratings that can be used, and the movies they are about.

    extra: data with more ratings, which follow those of `raw` on the same scale; their other tables are not used.

    Where no two ratings differ, they tell that movies were watched and no more: none counts as a rating.
    Raises InputError where fewer than two users or two movies are left, and where extra ratings have ids of another
    kind.
    """
    dropped: dict[str, int] = {}
    table, scale = clean_rows(raw, config.rating_scale or raw.rating_scale, dropped, config.unrated_value)
    table, scale = with_extra(table, extra, scale, dropped, config.unrated_value)
    table = keep(table, is_frequent(table[USER_ID], config.min_user_ratings), "user with too few ratings", dropped)
    table = keep(table, is_frequent(table[MOVIE_ID], config.min_movie_ratings), "movie with too few ratings", dropped)
    table = table.reset_index(drop=True)
    require_variety(table, raw.source, dropped)
    if is_constant(rated_rows(table)[RATING]):
        table, scale = all_watched(table), None
    return CleanData(
        table,
        clean_movies(raw.movies, table[MOVIE_ID]),
        scale or NO_RATINGS_SCALE,
        raw.source,
        dropped,
        users=with_ids_of(raw.users, table, USER_ID),
        tags=with_ids_of(raw.tags.assign(**{TIMESTAMP: to_seconds(raw.tags)}), table, USER_ID, MOVIE_ID),
        links=with_ids_of(raw.links, table, MOVIE_ID),
    )


def clean_held_out(
    raw: RawData, train: pd.DataFrame, rating_scale: tuple[float, float], unrated_value: float | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Returns held-out ratings, cleaned by the same rules, and the number of dropped rows by reason.

    Where train has no ratings, they count as watched, not as stars.
    Raises InputError where no row is left, or ids are of another kind than in train.
    """
    dropped: dict[str, int] = {}
    if len(train) and rated_rows(train).empty:
        raw = dataclasses.replace(raw, ratings=raw.ratings.drop(columns=[RATING, WEIGHT], errors="ignore"))
    table, _ = clean_rows(raw, rating_scale, dropped, unrated_value)
    if table.empty:
        left_out = f", after dropping {describe_dropped(dropped)}" if dropped else ""
        raise InputError(f"{raw.source}: no rating can be used{left_out}")
    require_same_kind(table, train, raw.source, "train has")
    return table, dropped


def with_extra(
    table: pd.DataFrame,
    extra: Sequence[RawData],
    scale: tuple[float, float] | None,
    dropped: dict[str, int],
    unrated_value: float | None,
) -> tuple[pd.DataFrame, tuple[float, float] | None]:
    """Returns a clean table followed by the clean rows of extra data, and the scale; see `is_last_of_pair`."""
    for raw in extra:
        rows, scale = clean_rows(raw, scale, dropped, unrated_value)
        if len(rows) and len(table):
            require_same_kind(rows, table, raw.source, "the other ratings have")
            table = pd.concat([table, rows], ignore_index=True)
            if WEIGHT in table:
                table = table.assign(**{WEIGHT: weights_or_ones(table)})
            table = keep(table, is_last_of_pair(table), REPEATED, dropped)
    return table, scale


def require_same_kind(table: pd.DataFrame, other: pd.DataFrame, source: str, other_has: str) -> None:
    """Raises InputError where one table has ids of text and the other has integers; `source` names the first."""
    for column in (USER_ID, MOVIE_ID):
        if is_integer(table[column]) != is_integer(other[column]):
            ours, theirs = (part[column].head(1).tolist()[0] for part in (table, other))
            raise InputError(
                f"{source}: {column} such as {ours!r} where {other_has} {theirs!r}: write ids the same way in both "
                "files"
            )


def clean_rows(
    raw: RawData, scale: tuple[float, ...] | None, dropped: dict[str, int], unrated_value: float | None = None
) -> tuple[pd.DataFrame, tuple[float, float] | None]:
    """Returns the valid rows, in the columns and dtypes of CleanData, and the rating scale, inferred if not given.

    No scale is inferred where there are no ratings.
    """
    table = with_weights(raw.ratings)
    table = keep(table, table[USER_ID].notna() & table[MOVIE_ID].notna(), "no user or movie id", dropped)
    if WEIGHT in table:
        table = keep(table, table[WEIGHT].notna(), "weight is not a number of 0 or more", dropped)
    table = keep(table, table[RATING].notna() | is_watched(table), "no rating", dropped)
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is dropped next
        table = table.assign(**{RATING: pd.to_numeric(table[RATING], errors="coerce").astype(np.float32)})
    table = with_unrated(table, unrated_value)
    table = keep(table, np.isfinite(table[RATING]) | is_watched(table), "rating is not a number", dropped)
    rated = rated_rows(table)[RATING].to_numpy()
    lowest, highest = scale or infer_scale(rated)
    is_in_scale = table[RATING].between(lowest, highest) | is_watched(table)
    table = keep(table, is_in_scale, f"rating outside {lowest:g} to {highest:g}", dropped)
    integer_ids = {column: np.int64 for column in (USER_ID, MOVIE_ID) if is_integer(table[column])}
    table = table.astype(integer_ids).assign(**{TIMESTAMP: to_seconds(table)})
    table = keep(table, is_last_of_pair(table), REPEATED, dropped)
    table = without_equal_weights(table)
    columns = [name for name in (USER_ID, MOVIE_ID, RATING, TIMESTAMP, WEIGHT) if name in table]
    table = table[columns].reset_index(drop=True)
    return table, (float(lowest), float(highest)) if scale or len(rated) else None


def keep(table: pd.DataFrame, mask, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    """Returns the rows where the mask holds, and counts the others under the reason."""
    count = len(table) - int(np.count_nonzero(mask))
    if not count:
        return table
    dropped[reason] = dropped.get(reason, 0) + count
    return table[mask]


def infer_scale(rating: np.ndarray) -> tuple[float, float]:
    """Returns the first usual scale that holds nearly all ratings, or else the lowest and the highest rating.

    Ratings below that scale widen it to a usual scale with the same top, if one holds them: a few half stars are
    ratings, while a few 99 on a scale to 5 are errors.
    """
    if not len(rating):
        return USUAL_SCALES[0]
    for lowest, highest in USUAL_SCALES:
        if np.mean((rating < lowest) | (rating > highest)) <= OUTLIER_SHARE:
            bottoms = [low for low, high in USUAL_SCALES if high == highest and low <= lowest]
            return max(bottoms, key=lambda low: np.count_nonzero((rating >= low) & (rating <= highest))), highest
    return float(rating.min()), float(rating.max())


def to_seconds(table: pd.DataFrame) -> np.ndarray:
    """Returns timestamps in seconds since 1970, int64, NO_TIMESTAMP for one that is missing or cannot be read."""
    if TIMESTAMP not in table:
        return np.full(len(table), NO_TIMESTAMP)
    return parse_times(table[TIMESTAMP]).seconds


def is_last_of_pair(table: pd.DataFrame) -> np.ndarray:
    """Returns a mask of one row per user and movie: the latest by timestamp; of equal times the last in the file.

    A rating goes before a row that only says that the movie was watched, whichever is later.
    """
    # In place and by sorting: each column of codes takes 200 MB for 25 million rows, and a hash table far more.
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
    is_rated = ~np.isnan(table[RATING].to_numpy()[repeated])
    order = np.lexsort((table[TIMESTAMP].to_numpy()[repeated], is_rated, pair[repeated]))
    sorted_pair = pair[repeated][order]
    mask[repeated[order]] = np.append(sorted_pair[1:] != sorted_pair[:-1], True)
    return mask


def is_frequent(ids: pd.Series, minimum: int) -> np.ndarray:
    """Returns a mask of the rows whose id occurs at least `minimum` times."""
    if minimum <= 1:
        return np.ones(len(ids), bool)
    code, _ = codes(ids)
    return np.bincount(code)[code] >= minimum


def codes(ids: pd.Series) -> tuple[np.ndarray, int]:
    """Returns a code from 0 for each id, equal for equal ids, in a new int64 array; and the number of codes.

    There are at most four times as many codes as rows, so that a pair of codes fits int64 up to 700 million rows.
    """
    if is_integer(ids) and len(ids):
        lowest, highest = int(ids.min()), int(ids.max())
        if highest - lowest < 4 * len(ids):
            return ids.to_numpy() - lowest, highest - lowest + 1
    code, different = pd.factorize(ids)
    return code.astype(np.int64, copy=False), len(different)


def is_integer(ids: pd.Series) -> bool:
    """Returns whether a column of ids holds integers rather than strings."""
    return pd.api.types.is_integer_dtype(ids.dtype)


def require_variety(table: pd.DataFrame, source: str, dropped: dict[str, int]) -> None:
    """Raises InputError where there are fewer than two users or movies."""
    for column, name in ((USER_ID, "users"), (MOVIE_ID, "movies")):
        if is_constant(table[column]):
            found, left_out = len(table[column].head(1)), f" after dropping {describe_dropped(dropped)}"
            raise InputError(f"{source}: at least 2 {name} are needed, {found} found{left_out if dropped else ''}")


def is_constant(values: pd.Series) -> bool:
    """Returns whether no two values differ, as of none at all."""
    # Only compared with the first: counting different values would take a hash table of all.
    return values.empty or bool((values == values.iloc[0]).all())


def describe_dropped(dropped: dict[str, int]) -> str:
    """Returns the counts as a phrase: "3 rows (no rating), 1 row (repeated pair of user and movie)"."""
    return ", ".join(f"{count:,} row{'s' * (count != 1)} ({reason})" for reason, count in dropped.items())


def clean_movies(movies: pd.DataFrame, rated: pd.Series) -> pd.DataFrame:
    """Returns one row per movie of the table or the ratings, by id; a movie without a title gets its id as title."""
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
    """Returns a table with ids of the ratings' dtypes, without rows whose id cannot have this dtype."""
    table = table.assign(**{column: same_kind(table[column], ratings[column]) for column in columns})
    table = table.dropna(subset=list(columns)).astype({column: ratings[column].dtype for column in columns})
    return table.reset_index(drop=True)


def same_kind(ids: pd.Series, other: pd.Series | pd.Index) -> pd.Series:
    """Returns ids as integers where the others are integers, missing where they spell none; else as text."""
    if not pd.api.types.is_integer_dtype(other):
        return ids.astype("str")
    if is_integer(ids):
        return ids
    # pandas writes "1.0" for an integer in a column where another is missing; 18 digits always fit int64.
    return ids.astype("str").str.extract(r"^\s*(-?\d{1,18})(?:\.0*)?\s*$")[0].astype("Int64")
