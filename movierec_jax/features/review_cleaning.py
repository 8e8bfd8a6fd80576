"""Cleans reviews as read from a file: keeps texts about movies of the data, and counts the rows dropped by reason.

Reasons are checked in the order of `clean_reviews`; a row is counted under the first that holds.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec_jax.data.clean_rows import is_integer, keep, read_seconds
from movierec_jax.data.cleaning import describe_dropped, same_kind
from movierec_jax.data.matching.id_join import JoinedIds, NamedIds, join_movies, known_movies
from movierec_jax.data.matching.id_spaces import COLUMNS
from movierec_jax.data.matching.own_ratings import infer_star_scale
from movierec_jax.data.readers.tables.reviews_file import says_something
from movierec_jax.data.schema import MOVIE_ID, STARS, TEXT, TIMESTAMP, USER_ID, CleanData, RawReviews
from movierec_jax.errors import InputError


def clean_reviews(
    raw: RawReviews, data: CleanData, log: Callable[[str], None] = print
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Returns the reviews of movies that the data has, in the order of the file, and the counts of rows dropped.

    The table has `movie_id` (as in the ratings), `user_id` (Int64 or str, as in the ratings; missing where there is
    none, and perhaps of users without ratings), `text`, `stars` (float32 on the scale of the ratings, NaN where there
    are none) and `timestamp` (as in the ratings); index 0..n-1.

    log: takes a line on stars and users that are left out while the text is kept, on stars of another scale, and on
        movie ids that are not what their column's name states.

    Raises InputError where no row is left, and where movies have ids of another space and the data no links to them.
    """
    if raw.note:
        log(f"{raw.path}: {raw.note}")
    ids, joined = join_reviews(raw, data)
    if joined.note:
        log(joined.note)
    dropped: dict[str, int] = {}
    text = raw.table[TEXT]
    # Texts may be large: they are only copied once the rows to keep have been chosen.
    rows = raw.table.drop(columns=TEXT).assign(is_said=says_something(text), length=text.str.len())
    rows = rows.assign(**{MOVIE_ID: joined.movie_id})
    rows = keep(rows, ids.notna(), "no movie id", dropped)
    rows = keep(rows, rows["is_said"], "no text", dropped)
    if joined.is_linked:
        lost = joined.unlinked(ids)
        rows = keep(rows, rows[MOVIE_ID].notna(), joined.reason(lost[lost.index.isin(rows.index)]), dropped)
    rows = rows.assign(**{MOVIE_ID: same_kind(rows[MOVIE_ID], data.ratings[MOVIE_ID])})
    rows = keep(rows, rows[MOVIE_ID].isin(data.movies[MOVIE_ID]), "movie that the data does not have", dropped)
    rows = keep(rows, ~is_repeated(rows, text), "same text of the same movie and user again", dropped)
    if rows.empty:
        theirs, ours = (", ".join(map(repr, some.dropna().head(3).tolist())) for some in (ids, data.movies[MOVIE_ID]))
        raise InputError(
            f"{raw.path}: no text can be used, after dropping {describe_dropped(dropped)}; its {raw.movie_id_name}s "
            f"are such as {theirs}, the movie_ids of the data such as {ours}"
        )
    seconds, notes = read_seconds(rows, None, limit=1.0, source=raw.path)
    for note in notes:
        log(f"{raw.path}: {note}")
    table = pd.DataFrame(
        {
            MOVIE_ID: rows[MOVIE_ID].astype(data.ratings[MOVIE_ID].dtype),
            USER_ID: clean_user_ids(rows, data.ratings, raw.path, log),
            TEXT: text.loc[rows.index],
            STARS: rescale_stars(rows, data.rating_scale, raw.path, log),
            TIMESTAMP: seconds,
        }
    )
    return table.reset_index(drop=True), dropped


def join_reviews(raw: RawReviews, data: CleanData) -> tuple[pd.Series, JoinedIds]:
    """Returns the ids by which reviews name movies, and the movies of the data that they name."""
    space, column = next(item for item in COLUMNS.items() if item[1] in raw.table)
    found = NamedIds(raw.table[column], space, raw.path, raw.movie_id_name)
    return found.ids, join_movies(found, known_movies(data))


def is_repeated(rows: pd.DataFrame, text: pd.Series) -> np.ndarray:
    """Returns whether a row repeats movie, user and text of an earlier one; only texts of equal length are compared."""
    about = [column for column in (MOVIE_ID, USER_ID) if column in rows]
    alike = rows[rows.duplicated([*about, "length"], keep=False)][about]
    repeated = alike.assign(**{TEXT: text.loc[alike.index]}).duplicated()
    return rows.index.isin(alike.index[repeated])


def clean_user_ids(rows: pd.DataFrame, ratings: pd.DataFrame, path: str, log: Callable[[str], None]) -> pd.Series:
    """Returns user ids, Int64 or str as in the ratings, missing where there is none or it is of another kind."""
    kind = pd.Int64Dtype() if is_integer(ratings[USER_ID]) else pd.StringDtype(na_value=np.nan)
    if USER_ID not in rows:
        return pd.Series(None, index=rows.index, dtype=kind)
    users = pd.Series(same_kind(rows[USER_ID], ratings[USER_ID]), dtype=kind)
    lost = rows[USER_ID][users.isna() & rows[USER_ID].notna()]
    if len(lost):
        log(
            f"{path}: the users of {len(lost):,} texts, such as {lost.iloc[0]!r}, have no integer for an id, as those "
            "of the data have; their texts count as nobody's"
        )
    return users


def rescale_stars(
    rows: pd.DataFrame, rating_scale: tuple[float, float], path: str, log: Callable[[str], None]
) -> np.ndarray:
    """Returns stars rescaled to the scale of the ratings, float32, NaN where there are none that can be used."""
    if STARS not in rows:
        return np.full(len(rows), np.nan, np.float32)
    stars = pd.to_numeric(rows[STARS], errors="coerce").to_numpy(np.float64)
    is_number = np.isfinite(stars)
    if not is_number.any():
        lowest, highest = rating_scale
    else:
        lowest, highest = infer_star_scale(stars[is_number], rating_scale)
    is_inside = is_number & (stars >= lowest) & (stars <= highest)
    not_numbers, outside = int((~is_number & rows[STARS].notna()).sum()), int((is_number & ~is_inside).sum())
    if not_numbers or outside:
        log(
            f"{path}: stars left out of {not_numbers + outside:,} texts: {not_numbers:,} are no number, {outside:,} "
            f"lie outside {lowest:g} to {highest:g}"
        )
    low, high = rating_scale
    if (lowest, highest) != (low, high):
        log(f"{path}: stars of {lowest:g} to {highest:g} (inferred) count as {low:g} to {high:g}")
    share = (np.where(is_inside, stars, np.nan) - lowest) / (highest - lowest)
    return np.clip(low + share * (high - low), low, high).astype(np.float32)
