"""Turns raw data into clean data: ratings on one scale, one for each pair, and the tables about their movies and users.

`clean_rows` judges the rows of each file; here they are joined.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from movierec_jax.data.clean_rows import (
    REPEATED,
    CleanRows,
    clean_rows,
    codes,
    is_integer,
    is_last_of_pair,
    keep,
    read_seconds,
)
from movierec_jax.data.matching.titles import article_first
from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    WEIGHT,
    YEAR,
    CleanData,
    RawData,
)
from movierec_jax.data.values.weights import all_watched, rated_rows, weights_or_ones
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

# "Heat (1995)", "Babylon 5 (1994-1998)", "Nocturnal (2016) ": the year at the end of a title.
TITLE_WITH_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")

# Reasons for dropping all ratings of a user or a movie.
RARE_USER, RARE_MOVIE = "user with too few ratings", "movie with too few ratings"

# The scale of data without ratings.
NO_RATINGS_SCALE = (0.0, 1.0)


def clean(raw: RawData, config: DataConfig, extra: Sequence[RawData] = ()) -> CleanData:
    """Returns the ratings that can be used, and the movies they are about.

    extra: data with more ratings, which follow those of `raw` on the same scale; their other tables are not used.

    Where no two ratings differ, they tell that movies were watched and no more: none counts as a rating.
    Raises InputError as `clean_rows`, where fewer than two users or two movies are left, and where extra ratings have
    ids of another kind.
    """
    rows = clean_rows(raw, config.rating_scale or raw.rating_scale, config)
    rows = with_extra(rows, extra, config)
    table, dropped = rows.table, dict(rows.dropped)
    table = keep(table, is_frequent(table[USER_ID], config.min_user_ratings), RARE_USER, dropped)
    table = keep(table, is_frequent(table[MOVIE_ID], config.min_movie_ratings), RARE_MOVIE, dropped)
    table = table.reset_index(drop=True)
    for column in (USER_ID, MOVIE_ID):
        require_variety(column, is_constant(table[column]), len(table), raw.source, dropped)
    scale = rows.scale
    if is_constant(rated_rows(table)[RATING]):
        table, scale = all_watched(table), None
    return clean_data(raw, table, scale, dropped, rows.notes)


def clean_data(
    raw: RawData,
    table: pd.DataFrame,
    scale: tuple[float, float] | None,
    dropped: dict[str, int],
    notes: Sequence[str],
) -> CleanData:
    """Returns clean ratings with what the tables beside them say of their users and movies.

    Of the ratings it takes the different ids and their types, so that a table of these serves as well.
    """
    return CleanData(
        table,
        clean_movies(raw.movies, table[MOVIE_ID]),
        scale or NO_RATINGS_SCALE,
        raw.source,
        dropped,
        users=with_ids_of(raw.users, table, USER_ID),
        tags=with_ids_of(raw.tags.assign(**{TIMESTAMP: tag_seconds(raw.tags)}), table, USER_ID, MOVIE_ID),
        links=with_ids_of(raw.links, table, MOVIE_ID),
        notes=(*raw.notes, *notes),
    )


def tag_seconds(tags: pd.DataFrame) -> np.ndarray:
    """Returns the times of tags in seconds since 1970, NO_TIMESTAMP for those that cannot be read."""
    return read_seconds(tags, None, limit=1.0, source="tags")[0]


def clean_held_out(
    raw: RawData, train: pd.DataFrame, rating_scale: tuple[float, float], config: DataConfig
) -> CleanRows:
    """Returns held-out ratings, cleaned by the same rules.

    Where train has no ratings, they count as watched, not as stars.
    Raises InputError as `clean_rows`, where no row is left, or ids are of another kind than in train.
    """
    if len(train) and rated_rows(train).empty:
        raw = dataclasses.replace(raw, ratings=raw.ratings.drop(columns=[RATING, WEIGHT], errors="ignore"))
    rows = clean_rows(raw, rating_scale, config)
    if rows.table.empty:
        left_out = f", after dropping {describe_dropped(rows.dropped)}" if rows.dropped else ""
        raise InputError(f"{raw.source}: no rating can be used{left_out}")
    require_same_kind(rows.table, train, raw.source, "train has")
    return rows


def with_extra(rows: CleanRows, extra: Sequence[RawData], config: DataConfig) -> CleanRows:
    """Returns clean rows followed by those of extra data, whose times have forms of their own.

    Of a pair of user and movie the latest counts; see `is_last_of_pair`.
    """
    config = dataclasses.replace(config, time_format=None)
    for raw in extra:
        more = clean_rows(raw, rows.scale or raw.rating_scale, config)
        table, dropped = rows.table, dict(rows.dropped)
        for reason, count in more.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        if len(more.table) and len(table):
            require_same_kind(more.table, table, raw.source, "the other ratings have")
            table = pd.concat([table, more.table], ignore_index=True)
            if WEIGHT in table:
                table = table.assign(**{WEIGHT: weights_or_ones(table)})
            table = keep(table, is_last_of_pair(table), REPEATED, dropped)
        notes = (f"{raw.source}: {note}" for note in (*raw.notes, *more.notes))
        rows = CleanRows(table, more.scale, dropped, (*rows.notes, *notes))
    return rows


def require_same_kind(table: pd.DataFrame, other: pd.DataFrame, source: str, other_has: str) -> None:
    """Raises InputError where one table has ids of text and the other has integers; `source` names the first."""
    for column in (USER_ID, MOVIE_ID):
        if is_integer(table[column]) != is_integer(other[column]):
            ours, theirs = (part[column].head(1).tolist()[0] for part in (table, other))
            raise InputError(
                f"{source}: {column} such as {ours!r} where {other_has} {theirs!r}: write ids the same way in both "
                "files"
            )


def is_frequent(ids: pd.Series, minimum: int) -> np.ndarray:
    """Returns a mask of the rows whose id occurs at least `minimum` times."""
    if minimum <= 1:
        return np.ones(len(ids), bool)
    code, _ = codes(ids)
    return np.bincount(code)[code] >= minimum


def require_variety(column: str, is_constant: bool, num_rows: int, source: str, dropped: dict[str, int]) -> None:
    """Raises InputError where the ids of users or movies do not differ, in so many rows."""
    if is_constant:
        name, left_out = column.replace("_id", "s"), f" after dropping {describe_dropped(dropped)}"
        raise InputError(
            f"{source}: at least 2 {name} are needed, {min(1, num_rows)} found{left_out if dropped else ''}"
        )


def is_constant(values: pd.Series) -> bool:
    """Returns whether no two values differ, as of none at all."""
    # Only compared with the first: counting different values would take a hash table of all.
    return values.empty or bool((values == values.iloc[0]).all())


def describe_dropped(dropped: dict[str, int]) -> str:
    """Returns the counts as a phrase: "3 rows (no rating), 1 row (repeated pair of user and movie)"."""
    return ", ".join(f"{count:,} row{'s' * (count != 1)} ({reason})" for reason, count in dropped.items())


def clean_movies(movies: pd.DataFrame, rated: pd.Series) -> pd.DataFrame:
    """Returns one row per movie of the table or the ratings, by id; a movie without a title gets its id as title.

    Articles of titles come first: "The Matrix" for "Matrix, The".
    """
    movies = movies.assign(**{MOVIE_ID: same_kind(movies[MOVIE_ID], rated)})
    movies = movies.dropna(subset=MOVIE_ID).drop_duplicates(MOVIE_ID).astype({MOVIE_ID: rated.dtype})
    movies = movies.set_index(MOVIE_ID)
    ids = movies.index.union(pd.Index(rated.unique(), dtype=rated.dtype)).sort_values()
    movies = movies.reindex(ids)
    title = movies[TITLE].fillna("").astype("str").str.strip()
    parts = title.str.extract(TITLE_WITH_YEAR)
    own = parts["title"].fillna(title).map(article_first)
    return pd.DataFrame(
        {
            MOVIE_ID: ids,
            TITLE: own.where(own.ne(""), ids.astype("str")).to_numpy(),
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
