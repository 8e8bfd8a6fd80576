"""Keeps the ratings of a raw table that can be used, counts the others by reason, and says what was inferred.

Reasons are checked in the order of `clean_rows`; a row counts under the first that applies.

The rating scale is the one that `--rating_scale` or the format states (`EDITIONS` of `readers.movielens`), or the way
in which ratings are written; else the one that `infer_scale` finds in the ratings.
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID, WEIGHT, RawData
from movierec_jax.data.values.rating_values import RatingValues, parse_rating_values
from movierec_jax.data.values.scale import RatingCounts, counts_of, find_unrated_value, scale_of_counts
from movierec_jax.data.values.times import Times, parse_times
from movierec_jax.data.values.weights import is_watched, rated_rows, with_unrated, with_weights, without_equal_weights
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

# Reasons for dropping rows, in the order in which they are checked; ratings outside the scale come after these.
NO_ID = "no user or movie id"
BAD_WEIGHT = "weight is not a number of 0 or more"
NO_RATING = "no rating"
NO_NUMBER = "rating is not a number"
# The reason for dropping all but the latest rating of a pair.
REPEATED = "repeated pair of user and movie"

# Fraction of rows left out for one reason from which an example is shown.
SHOWN_SHARE = 0.05


@dataclasses.dataclass(frozen=True)
class CleanRows:
    """The usable rows of a raw table.

    table: in the columns and dtypes of `CleanData.ratings`.
    scale: lowest and highest rating; None where there are no ratings, and none is stated.
    dropped: the number of rows left out, by reason; only reasons that occurred.
    notes: what was inferred, a sentence each.
    """

    table: pd.DataFrame
    scale: tuple[float, float] | None
    dropped: dict[str, int]
    notes: tuple[str, ...] = ()


class LeftOut:
    """Counts rows left out, by reason, and keeps an example of each reason."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.examples: dict[str, str] = {}

    def keep(self, table: pd.DataFrame, mask, reason: str, example: str | None = None) -> pd.DataFrame:
        """Returns the rows where the mask holds, and counts the others under the reason."""
        kept = keep(table, mask, reason, {})
        if len(kept) < len(table):
            first = int(np.argmin(np.asarray(mask, bool)))
            self.count(reason, len(table) - len(kept), example or in_words(table, first))
        return kept

    def count(self, reason: str, number: int, example: str) -> None:
        """Counts so many rows left out under the reason; the first example stays."""
        self.counts[reason] = self.counts.get(reason, 0) + number
        self.examples.setdefault(reason, example)

    def notes(self, num_rows: int, limit: float, source: str) -> list[str]:
        """Returns a sentence for each reason that took many rows.

        Raises InputError where a reason took more than the fraction `limit`.
        """
        found = []
        for reason, count in self.counts.items():
            share = count / num_rows
            what = f"{count:,} of {num_rows:,} rows ({share:.0%}) left out: {reason}, such as {self.examples[reason]}"
            if share > limit:
                advice = ADVICE.get(reason.split(" outside ")[0], "Look at the file; --columns states its columns")
                raise InputError(f"{source}: {what}. {advice}; or accept it by --max_dropped_fraction={share:.2f}")
            if share > SHOWN_SHARE:
                found.append(f"warning: {what}")
        return found


# What to do where too many rows are left out, by the beginning of the reason.
ADVICE = {
    "rating": "State the scale by --rating_scale, or what is no rating by --unrated_value",
    NO_RATING: "If rows without a rating were watched, say --unrated_value=nan",
    NO_NUMBER: "State the column of ratings by --columns",
}


# Words that mostly stand for no value, and are ids like others in a column of text.
ID_WORDS = ("NA", "N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "<NA>", "-", "?", "unknown")


# Fraction of a column's ids that are whole numbers from which one that is not looks like a mistake.
MOSTLY = 0.9


def notes_on_ids(table: pd.DataFrame) -> list[str]:
    """Returns a sentence for each column of ids that has a word for no value in several rows, and for each in which
    nearly all ids are whole numbers: one that is not makes all of them text.
    """
    notes = []
    for column in (USER_ID, MOVIE_ID):
        if not pd.api.types.is_numeric_dtype(table[column]):
            code, different = pd.factorize(table[column])
            notes += notes_on_texts(column, pd.Series(different), np.bincount(code, minlength=len(different)))
    return notes


def notes_on_texts(column: str, ids: pd.Series, count: Int64[np.ndarray, " ids"]) -> list[str]:
    """Returns the note of `notes_on_ids` on one column, if there is one.

    ids: its different texts, in the order in which they first occur. count: how often each occurs.
    """
    num_of_word = np.where(ids.isin(ID_WORDS), count, 0)
    if num_of_word.sum() > 1:
        word = ids.iloc[int(num_of_word.argmax())]
        return [f"warning: {num_of_word.sum():,} rows have the {column} {word!r}, which is an id like any other"]
    is_number = ids.astype("str").str.fullmatch(r"[+-]?\d+").to_numpy(bool)
    num_others = count[~is_number].sum()
    if not num_others or count[is_number].sum() < MOSTLY * count.sum():
        return []
    example = str(ids.iloc[int(np.argmin(is_number))])[:80]
    return [
        f"warning: the {column}s are text, not numbers, because of {num_others:,} of {count.sum():,}, such as "
        f"{example!r}"
    ]


def in_words(table: pd.DataFrame, row: int) -> str:
    """Returns a row of a table for a message: "rating 7 of user 3 for movie 8"."""
    user, movie, rating = (table[column].iloc[row] for column in (USER_ID, MOVIE_ID, RATING))
    what = "the row" if pd.isna(rating) else f"rating {rating!s:.80}"
    return f"{what} of user {user!s:.80} for movie {movie!s:.80}"


def clean_rows(raw: RawData, scale: tuple[float, ...] | None, config: DataConfig) -> CleanRows:
    """Returns the rows that can be used; scale: lowest and highest rating, inferred if not given.

    Raises InputError where more than `--max_dropped_fraction` of the rows, or of their times, cannot be used, and for
    times in two forms.
    """
    left_out, notes = LeftOut(), []
    table = with_weights(raw.ratings)
    table = left_out.keep(table, table[USER_ID].notna() & table[MOVIE_ID].notna(), NO_ID)
    notes += notes_on_ids(table)
    if WEIGHT in table:
        table = left_out.keep(table, table[WEIGHT].notna(), BAD_WEIGHT)
    table, stated, form = with_numbers(table, config.unrated_value, left_out)
    rated = rated_rows(table)[RATING].to_numpy()
    chosen = choose_scale(counts_of(rated), scale or stated, config.unrated_value)
    notes += chosen.notes
    lowest, highest = chosen.scale
    is_in_scale = table[RATING].between(lowest, highest) | is_watched(table)
    table = left_out.keep(table, is_in_scale, outside_scale(chosen.scale))
    limit = config.max_dropped_fraction
    notes += left_out.notes(len(raw.ratings), limit, raw.source)
    seconds, of_times = read_seconds(table, config.time_format, limit, raw.source)
    integer_ids = {column: np.int64 for column in (USER_ID, MOVIE_ID) if is_integer(table[column])}
    table = table.astype(integer_ids).assign(**{TIMESTAMP: seconds})
    table = keep(table, is_last_of_pair(table), REPEATED, left_out.counts)
    table = without_equal_weights(table)
    columns = [name for name in (USER_ID, MOVIE_ID, RATING, TIMESTAMP, WEIGHT) if name in table]
    return CleanRows(
        table[columns].reset_index(drop=True),
        (float(lowest), float(highest)) if chosen.is_known else None,
        left_out.counts,
        (*form, *notes, *of_times),
    )


@dataclasses.dataclass(frozen=True)
class ChosenScale:
    """The scale that ratings are judged by.

    is_known: whether it is stated, or there are ratings that it is inferred from. notes: what was inferred.
    """

    scale: tuple[float, float]
    is_known: bool
    notes: list[str]


def choose_scale(rated: RatingCounts, stated: tuple[float, ...] | None, unrated_value: float | None) -> ChosenScale:
    """Returns the stated scale, else the one that ratings are on; notes a value that may stand for no rating."""
    notes = []
    unrated = find_unrated_value(rated) if unrated_value is None else None
    if unrated is not None:
        notes.append(
            f"warning: {unrated.share:.0%} of the ratings are {unrated.value:g}, apart from the others: if that means "
            f"watched but not rated, say --unrated_value={unrated.value:g}"
        )
    if stated:
        return ChosenScale((stated[0], stated[1]), True, notes)
    inferred = scale_of_counts(rated)
    has_ratings = len(rated.value) > 0
    notes += [f"the rating scale is inferred: {inferred.reason}"] if has_ratings else []
    return ChosenScale((inferred.lowest, inferred.highest), has_ratings, notes)


def outside_scale(scale: tuple[float, float]) -> str:
    """Returns the reason for dropping ratings outside a scale."""
    return f"rating outside {scale[0]:g} to {scale[1]:g}"


def with_numbers(
    table: pd.DataFrame, unrated_value: float | None, left_out: LeftOut
) -> tuple[pd.DataFrame, tuple[float, float] | None, list[str]]:
    """Returns the rows with ratings as float32, and those watched; the scale that their form states; a note on it."""
    values = parse_rating_values(table[RATING])
    rating = with_infinite(values, table[RATING].isna().to_numpy())
    table = with_unrated(table.assign(**{RATING: rating}), unrated_value)
    table = left_out.keep(table, table[RATING].notna() | is_watched(table), NO_RATING)
    is_read = np.isfinite(table[RATING]) | is_watched(table)
    table = left_out.keep(table, is_read, NO_NUMBER, repr(values.unreadable_example))
    return table, values.scale, [values.note] if values.note else []


def with_infinite(values: RatingValues, is_null: Bool[np.ndarray, " ratings"]) -> Float32[np.ndarray, " ratings"]:
    """Returns ratings in which what cannot be read is infinite, and so not taken for a missing rating.

    is_null: which values of the column are missing.
    """
    is_missing = np.isnan(values.rating)
    if values.num_unreadable:
        is_missing &= is_null
    return np.where(np.isnan(values.rating) & ~is_missing, np.float32(np.inf), values.rating)


def read_seconds(
    table: pd.DataFrame, time_format: str | None, limit: float, source: str
) -> tuple[np.ndarray, list[str]]:
    """Returns timestamps in seconds since 1970, int64, NO_TIMESTAMP without one, and notes on how they were read.

    Raises InputError where more than the fraction `limit` cannot be read, and for times in two forms.
    """
    if TIMESTAMP not in table:
        return np.full(len(table), NO_TIMESTAMP), []
    try:
        times = parse_times(table[TIMESTAMP], time_format)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return times.seconds, notes_on_times(times, len(table), limit, source)


def notes_on_times(times: Times, num_rows: int, limit: float, source: str) -> list[str]:
    """Returns how so many times were read. Raises InputError where more than the fraction `limit` are unreadable."""
    notes = [times.note] if times.note else []
    if times.num_unreadable:
        what = f"{times.num_unreadable:,} of {num_rows:,} times cannot be read, such as {times.unreadable_example!r}"
        if times.num_unreadable > limit * num_rows:
            raise InputError(
                f"{source}: {what}; state how they are written by --time_format, or leave the column out by --columns"
            )
        notes.append(f"warning: {what}, and count as missing")
    return notes


def keep(table: pd.DataFrame, mask, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    """Returns the rows where the mask holds, and counts the others under the reason."""
    count = len(table) - int(np.count_nonzero(mask))
    if not count:
        return table
    dropped[reason] = dropped.get(reason, 0) + count
    return table[mask]


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
    # A hash table of the few repeated pairs; NumPy would sort all of them again.
    repeated = np.flatnonzero(pd.Series(pair).isin(repeated_pairs))
    is_rated = ~np.isnan(table[RATING].to_numpy()[repeated])
    order = np.lexsort((table[TIMESTAMP].to_numpy()[repeated], is_rated, pair[repeated]))
    sorted_pair = pair[repeated][order]
    mask[repeated[order]] = np.append(sorted_pair[1:] != sorted_pair[:-1], True)
    return mask


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
