"""Columns of input files: the names they may have, the types they may have, and their values in pandas.

To accept another name for a column, add it to `SPELLINGS`, in lower case without spaces, "_" and "-".
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from movierec_jax.data.schema import (
    IMDB_ID,
    LABEL,
    MOVIE_ID,
    RATING,
    SPLIT,
    STARS,
    TAG,
    TEXT,
    TIMESTAMP,
    TMDB_ID,
    USER_ID,
    WEIGHT,
)
from movierec_jax.errors import InputError

RATING_NAMES = (
    "rating ratings stars starrating score overall value userrating myrating bookrating movierating ratingval "
    "ratingvalue star myscore userscore reviewscore reviewoverall reviewrating eventvalue grade"
)

# What columns may be called, as `normalized_name` writes names. Of several names for a column, the first listed is
# taken. A name of an id says which space it is of; see `id_spaces`. IMDb's own exports say "tconst" and "Const". The
# last names of a movie are titles, for data without ids.
SPELLINGS = {
    column: tuple(names.split())
    for column, names in {
        USER_ID: "userid user uid customer customerid custid reviewer reviewerid member memberid profile profileid "
        "username usermd5 account accountid person personid viewer viewerid author authorid critic criticid "
        "criticname profilename reviewprofilename reviewername",
        MOVIE_ID: "movieid movie mid itemid item iid filmid film titleid asin productid product showid show bookid "
        "book isbn anime animeid joke jokeid business businessid artist artistid game gameid appid track trackid "
        "song songid recipe recipeid beerbeerid beerid parentasin rottentomatoeslink movietitle "
        "moviename movienameen filmtitle filmname title",
        IMDB_ID: "imdbid imdbtitleid tconst const imdbtt ttid imdb",
        TMDB_ID: "tmdbid tmdbmovieid themoviedbid tmdb",
        RATING: RATING_NAMES,
        STARS: RATING_NAMES,
        TIMESTAMP: "timestamp unixtimestamp timestamp(utc) ratingtimestamputc time ts unixreviewtime date datetime "
        "ratedat ratingdate ratingtime ratingtimestamp createdat reviewtime reviewdate mylastupdated lastupdated "
        "daterated dateadded watcheddate watchedat submissiontime submissiondate dt",
        TEXT: "text review reviewtext reviewbody reviewcontent comment comments body content tag",
        LABEL: "label sentiment polarity class",
        SPLIT: "split part subset",
    }.items()
}

# Counts of events: a file with one of these in place of ratings says who watched what, and no stars.
COUNT_NAMES = {
    "plays",
    "numplays",
    "playcount",
    "count",
    "counts",
    "weight",
    "listens",
    "views",
    "watches",
    "clicks",
    "hours",
}

# The types that a column may have, the usual one first; the first that holds every value is taken.
COLUMN_TYPES = {
    USER_ID: (pa.int64(), pa.string()),
    MOVIE_ID: (pa.int64(), pa.string()),
    RATING: (pa.float32(), pa.string()),
    STARS: (pa.float32(), pa.string()),
    TIMESTAMP: (pa.int64(), pa.float64(), pa.string()),
    TAG: (pa.string(),),
    WEIGHT: (pa.float32(), pa.string()),
}

# What stands for a missing value in a column of text, in lower case; IMDb's files write \N.
MISSING = ("", "na", "n/a", "nan", "null", "<na>", "\\n")

# What stands for a missing value in a column of numbers.
MISSING_NUMBERS = (*MISSING, "none")


# A number that has lost its last digits: 7.6561198e+16.
ROUNDED = r"^-?\d(\.\d+)?[eE]\+?\d+$"


def normalized_name(name: str) -> str:
    """Returns a column's name in lower case, without spaces, "_", "-", "." and RecBole's types ("user_id:token")."""
    return re.sub(r"[\s_.\ufeff-]|:(?:token|float)(?:_seq)?$", "", name.strip()).lower()


def matching_names(names: Iterable[str], spellings: Sequence[str]) -> list[str]:
    """Returns the names that are spellings of a column, in the order of the spellings."""
    found = [name for name in names if normalized_name(name) in spellings]
    return sorted(found, key=lambda name: spellings.index(normalized_name(name)))


def require_one_name(found: Sequence[str], column: str, where: str) -> str | None:
    """Returns the only name found for a column, None without any. Raises InputError for several."""
    if len(found) > 1:
        could_be = " and ".join(map(repr, found))
        raise InputError(f"{where}: columns {could_be} could each be the {column}; keep one, or rename the others")
    return found[0] if found else None


def missing_column(
    names: Iterable[str], column: str, spellings: Iterable[str], where: str, note: str = ""
) -> InputError:
    """Returns the error of a file without a column; `note` follows the accepted names."""
    return InputError(
        f"{where}: no {column} column among {', '.join(map(repr, names))[:400]}; accepted names: "
        f"{', '.join(spellings)}{note}"
    )


@contextlib.contextmanager
def translate_type_errors(path: object, name: str, column: str) -> Iterator[None]:
    """Turns Arrow's errors into an InputError: the file's column `name` has a type that `column` cannot have."""
    try:
        yield
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name!r} cannot be the {column}: {error}") from error


def typed_text(text: pa.ChunkedArray, column: str, types: Sequence[pa.DataType] | None = None) -> pa.ChunkedArray:
    """Returns the values of a text column in the first of the types that holds all of them, by default `COLUMN_TYPES`.

    Ids are integers if each is written as one is, without leading zeros; words for missing values may be among them.
    Otherwise they are text without outer spaces, missing only where empty.
    """
    if column not in (USER_ID, MOVIE_ID):
        return cast_to_first(text, types or COLUMN_TYPES[column])
    text = clean_ids(text)
    if types is not None and pa.int64() not in types:
        return text
    with contextlib.suppress(pa.ArrowInvalid):
        # Chunk by chunk: ids that are no integers show in the first, and parsing text takes long.
        return pa.chunked_array([parse_integers(chunk) for chunk in text.chunks], pa.int64())
    return text


def clean_ids(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns ids of text without outer spaces, null where nothing is left."""
    trimmed = pa.chunked_array([pyarrow.compute.utf8_trim_whitespace(chunk) for chunk in text.chunks], text.type)
    return pyarrow.compute.if_else(pyarrow.compute.equal(trimmed, ""), None, trimmed)


def parse_integers(text: pa.StringArray | pa.LargeStringArray) -> pa.Int64Array:
    """Returns the integers that the text spells. Raises ArrowInvalid where a value is no integer."""
    lower = pyarrow.compute.utf8_lower(text)
    is_missing = pyarrow.compute.is_in(lower, pa.array(MISSING_NUMBERS, text.type))
    text = pyarrow.compute.if_else(is_missing, None, text)
    # pandas writes "1.0" for an integer id in a column where another id is missing.
    digits = pyarrow.compute.replace_substring_regex(text, r"^(-?[1-9]\d*|0)(\.0*)?$", r"\1")
    if pyarrow.compute.any(pyarrow.compute.match_substring_regex(digits, r"^-?0[\dxX]|^\+|^-0")).as_py():
        raise pa.ArrowInvalid("an id begins with a zero, or is written in hexadecimal digits")
    return digits.cast(pa.int64())


def require_exact(ids: pa.ChunkedArray, column: str, path: object) -> None:
    """Raises InputError where most ids are numbers that have lost digits, so that different ids may have become one."""
    if not pa.types.is_string(ids.type) and not pa.types.is_large_string(ids.type):
        return
    is_rounded = pyarrow.compute.match_substring_regex(ids, ROUNDED)
    if (pyarrow.compute.mean(is_rounded).as_py() or 0) > 0.5:
        raise rounded_error(ids.filter(is_rounded)[0].as_py(), column, path)


def rounded_error(example: str, column: str, path: object) -> InputError:
    """Returns the error of ids that are numbers that have lost digits."""
    return InputError(
        f"{path}: {column} such as {example!r} is a rounded number, and several ids may have become one; write "
        "ids as text (in pandas: read them with dtype=str)"
    )


def typed_parquet(values: pa.ChunkedArray, column: str, types: Sequence[pa.DataType] | None = None) -> pa.ChunkedArray:
    """Returns the values of a Parquet column in the first of the types that holds all of them; times in UTC.

    types: by default `COLUMN_TYPES`. Ids of text stay text, and ids of floats become integers if all are whole.
    """
    values.validate(full=True)  # a damaged file may hold text that is not UTF-8
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pyarrow.compute.if_else(pyarrow.compute.is_nan(values), None, values)
    is_number_type = pa.types.is_primitive(values.type) or pa.types.is_decimal(values.type)
    if column in (USER_ID, MOVIE_ID):
        if not is_number_type:
            return clean_ids(values.cast(pa.string()))
        require_exact_floats(values)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp(values.type.unit))
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("ms"))
    return cast_to_first(values, types or COLUMN_TYPES[column])


def require_exact_floats(ids: pa.ChunkedArray) -> None:
    """Raises ArrowInvalid where ids are floats too large to be exact, so that different ids may have become one."""
    exact = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): 2**53}.get(ids.type)
    largest = pyarrow.compute.max(pyarrow.compute.abs(ids)).as_py() if exact else None
    if largest is not None and largest > exact:
        raise pa.ArrowInvalid(
            f"{largest:.0f} is a rounded number, and several ids may have become one; write ids as integers or text"
        )


def cast_to_first(values: pa.ChunkedArray, types: Iterable[pa.DataType]) -> pa.ChunkedArray:
    """Returns the values in the first type that holds all of them. Raises ArrowInvalid if none does."""
    for data_type in types:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return values.cast(data_type)
    raise pa.ArrowInvalid(f"{values.type} is none of {', '.join(map(str, types))}")


def clean_text(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Returns large strings without outer spaces, null for missing values."""
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([clean_text(chunk) for chunk in values.chunks], pa.large_string())
    text = pyarrow.compute.utf8_trim_whitespace(values.cast(pa.large_string()))
    is_missing = pyarrow.compute.is_in(pyarrow.compute.utf8_lower(text), pa.array(MISSING, pa.large_string()))
    return pyarrow.compute.if_else(is_missing, None, text)


def text_series(values: pa.ChunkedArray) -> pd.Series:
    """Returns a column in pandas as clean str."""
    return to_pandas(clean_text(values))


def to_own_pandas(values: pa.ChunkedArray) -> pd.Series:
    """Returns a column in pandas, in memory of its own."""
    series = to_pandas(values)
    # pandas has joined several chunks into a copy; a single chunk is still Arrow's memory, which is read-only.
    return series.copy() if values.num_chunks == 1 else series


def to_pandas(values: pa.ChunkedArray) -> pd.Series:
    """Returns a column in pandas, in Arrow's memory where possible; a missing integer makes it Int64."""
    # pandas gives text this type in any case, but by way of Python objects unless it is asked for.
    types: dict[pa.DataType, Any] = dict.fromkeys((pa.string(), pa.large_string()), pd.StringDtype(na_value=np.nan))
    if values.null_count:
        types[pa.int64()] = pd.Int64Dtype()
    return values.to_pandas(types_mapper=types.get)
