"""Ratings as programs give them, turned into a table for `fold_in`: dicts, tables of any spelling, lists of rows."""

import datetime
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64
from pandas.api.types import is_integer_dtype

from movierec_jax.data.matching.given_ids import as_ids, as_integer, shown
from movierec_jax.data.matching.id_spaces import ID_SPELLINGS
from movierec_jax.data.readers.text.columns import SPELLINGS, matching_names, normalized_name, require_one_name
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, OWN, RATING, RATING_COLUMNS, TIMESTAMP, USER_ID, WEIGHT
from movierec_jax.data.values.times import parse_times
from movierec_jax.errors import InputError
from movierec_jax.recommend.fold_in import require_on_scale

# The user id of a new user who needs none.
ANYBODY = 0

FORMS = "a dict of ratings by movie id, a table with the columns movie_id and rating, or a list of (movie_id, rating)"

FORMS_OF_USERS = (
    "a table with the columns user_id, movie_id and rating, a list of (user_id, movie_id, rating), or a dict of users' "
    "dicts of ratings"
)


def ratings_of_one(given: Any, movie_ids: pd.Index, rating_scale: tuple[float, float] | None) -> pd.DataFrame:
    """Returns one user's ratings as `ratings_of_users` does, under the user id ANYBODY.

    given: ratings by movie id (a mapping or a Series), a table, or rows (movie, rating) with a time or without.
    """
    if isinstance(given, pd.Series | Mapping):
        given = list(given.items())
    table = named_table(given, RATING_COLUMNS[1:], FORMS)
    if USER_ID in table and len(table[USER_ID].drop_duplicates()) > 1:
        raise InputError("ratings of several users: give those of one, or all of them to with_new_users")
    return checked(table.assign(**{USER_ID: ANYBODY}), movie_ids, rating_scale)


def ratings_of_users(given: Any, movie_ids: pd.Index, rating_scale: tuple[float, float] | None) -> pd.DataFrame:
    """Returns ratings as a clean table has them: `user_id`, `movie_id`, `rating` (float32), `timestamp` (seconds).

    Movies watched but not rated have the rating NaN and the `weight` 0, a column that is there for them alone.

    given: a table with columns of any usual name, rows (user, movie, rating) with a time or without, or a mapping from
        users to ratings by movie id. Times are seconds since 1970, dates, or ISO text; without them NO_TIMESTAMP. A
        column `weight` with 0 marks movies that were watched but not rated.
    movie_ids: ids of the data's movies; those given may be others of the same kind.
    rating_scale: lowest and highest rating; None where all movies given count as watched.
    Where a user has rated a movie twice, the later rating counts, with a warning; equal ones count once.
    Raises InputError for anything else, for ids and times that cannot be told, ratings off the scale, and ratings of
    which it cannot be told which is the later.
    """
    if isinstance(given, Mapping):
        if not all(isinstance(ratings, Mapping) for ratings in given.values()):
            raise InputError(f"ratings of one user, as recommend_for takes them: give {FORMS_OF_USERS}")
        given = [(user, *rating) for user, ratings in given.items() for rating in ratings.items()]
    return checked(named_table(given, RATING_COLUMNS, FORMS_OF_USERS), movie_ids, rating_scale)


def named_table(given: Any, columns: Sequence[str], forms: str) -> pd.DataFrame:
    """Returns a table or rows with our names for their columns. Raises InputError for other things.

    columns: what rows without names hold, in this order; the last may be missing.
    """
    if hasattr(given, "to_pandas"):
        given = given.to_pandas()
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, pd.DataFrame | Iterable):
        raise InputError(f"ratings given as {type(given).__name__} {shown(given)}: give {forms}")
    if not isinstance(given, pd.DataFrame):
        given = list(given)
        try:
            given = pd.DataFrame(given)
        except ValueError:
            raise InputError(f"ratings such as {shown(given[0])}: give {forms}") from None
    if given.empty:
        raise InputError("no ratings: give one or more")
    if isinstance(given.columns, pd.RangeIndex):
        if not len(columns) - 1 <= given.shape[1] <= len(columns):
            raise InputError(f"rows of {given.shape[1]} values, such as {shown(tuple(given.iloc[0]))}: give {forms}")
        return given.set_axis(columns[: given.shape[1]], axis=1)
    return renamed(given, columns, forms)


def renamed(table: pd.DataFrame, columns: Sequence[str], forms: str) -> pd.DataFrame:
    """Returns the columns of ratings in a table under our names, found by their usual spellings.

    Raises InputError where one of the `columns`, but for the last, is missing or could be several.
    """
    if table.index.names != [None]:
        table = table.reset_index()
    found = {}
    for column in RATING_COLUMNS:
        # A title is no id of the data.
        spellings = ID_SPELLINGS[OWN] if column == MOVIE_ID else SPELLINGS[column]
        names = [column] if column in table else matching_names(map(str, table.columns), spellings)
        if column in (USER_ID, MOVIE_ID):
            # Of several names for an id, the first listed is taken.
            names = [name for name in names if normalized_name(name) == normalized_name(names[0])]
        if (name := require_one_name(names, column, "ratings")) is not None:
            found[name] = column
    missing = [column for column in columns[:-1] if column not in found.values()]
    if missing:
        others = ", ".join(map(str, table.columns))
        raise InputError(f"ratings: no column {', '.join(missing)} among {others[:400]}; give {forms}")
    kept = [*found, *([WEIGHT] if WEIGHT in table else [])]
    return table[kept].rename(columns=found)


def checked(table: pd.DataFrame, movie_ids: pd.Index, rating_scale: tuple[float, float] | None) -> pd.DataFrame:
    """Returns named columns of ratings with ids, ratings and times of our types, each pair once."""
    times = table.get(TIMESTAMP, pd.Series(NO_TIMESTAMP, table.index))
    is_watched = pd.Series(rating_scale is None, table.index)
    if WEIGHT in table:
        is_watched |= pd.to_numeric(table[WEIGHT], errors="coerce") == 0
    checked_table = pd.DataFrame(
        {
            USER_ID: new_user_ids(table[USER_ID]).to_numpy(),
            MOVIE_ID: as_ids(table[MOVIE_ID], movie_ids, "movie").to_numpy(),
            RATING: stars_of(table[RATING], rating_scale or (0.0, 0.0), is_watched.to_numpy()),
            TIMESTAMP: seconds_of(times),
        }
    )
    if is_watched.any():
        checked_table = checked_table.assign(**{WEIGHT: (~is_watched).to_numpy(np.float32)})
    return latest_of_pairs(checked_table)


def new_user_ids(ids: pd.Series) -> pd.Series:
    """Returns ids of new users, all integers or all text. Raises InputError where they are neither."""
    if is_integer_dtype(ids) and not ids.isna().any():
        return ids.astype(np.int64)
    if ids.isna().any():
        raise InputError("a rating without a user id: give one for each")
    if all(isinstance(user, str) for user in ids):
        return ids.astype("str")
    numbers = [None if isinstance(user, str) else as_integer(user) for user in ids]
    if None in numbers:
        wrong = ids.iloc[numbers.index(None)]
        raise InputError(f"user id {shown(wrong)} among {shown(ids.iloc[0])}: write all as integers, or all as text")
    return pd.Series(numbers, dtype="int64")


def stars_of(
    ratings: pd.Series, rating_scale: tuple[float, float], is_watched: Bool[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """Returns ratings, NaN for movies only watched. Raises InputError for one that is no number, or off the scale."""
    written = ratings[~is_watched].tolist()
    # True and False would count as 1 and 0.
    ratings = ratings.mask(ratings.map(lambda rating: isinstance(rating, bool | np.bool_)) | is_watched)
    stars = pd.to_numeric(ratings, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    require_on_scale(stars[~is_watched], rating_scale, written)
    return stars.astype(np.float32)


def seconds_of(times: Iterable) -> Int64[np.ndarray, " times"]:
    """Returns times in seconds since 1970; NO_TIMESTAMP where one is missing.

    times: numbers of seconds, dates of any kind, or their text. Raises InputError for the first that cannot be read.
    """
    if not isinstance(times, pd.Series):
        times = list(times)
    column = pd.Series(times, dtype=None if len(times) else "int64")
    if column.dtype == np.int64 and (column == NO_TIMESTAMP).all():
        return column.to_numpy()
    is_missing = column.isna() | (column == NO_TIMESTAMP)
    if column.dtype == object:
        column = column.map(lambda time: time.isoformat() if isinstance(time, datetime.date) else time)
    advice = "give seconds since 1970, dates, or ISO text such as 2024-05-31T18:30:00, all of one kind"
    try:
        found = parse_times(column.mask(is_missing) if is_missing.any() else column)
    except InputError as error:
        raise InputError(f"timestamps: {error}; {advice}") from None
    if found.num_unreadable:
        raise InputError(f"timestamp {found.unreadable_example!r}: {advice}")
    return found.seconds


def latest_of_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Returns one rating for each user and movie, the latest. Raises InputError where it cannot be told which that is.

    Warns where a later rating replaces a different one.
    """
    pair = [USER_ID, MOVIE_ID]
    if not table.duplicated(pair).any():
        return table
    different = table.drop_duplicates([*pair, RATING])
    latest = table[table[TIMESTAMP] == table.groupby(pair)[TIMESTAMP].transform("max")]
    latest = latest.drop_duplicates([*pair, RATING])
    is_repeated = latest.duplicated(pair)
    if is_repeated.any():
        user, movie = latest.loc[is_repeated, pair].iloc[0]
        raise InputError(
            f"user {user} has rated movie {movie} more than once: give one rating of it, or the time of each"
        )
    if len(different) > len(latest):
        user, movie = different.loc[different.duplicated(pair), pair].iloc[0]
        warnings.warn(
            f"{len(different) - len(latest):,} ratings have a later one of the same user and movie, which counts, such "
            f"as that of movie {movie} by user {user}",
            stacklevel=2,
        )
    return latest.reset_index(drop=True)
