"""Reads any CSV, TSV or Parquet file of texts about movies as `RawReviews`, before any row is judged."""

import os
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from movierec_jax.data.readers.columns import SPELLINGS, text_series, to_pandas, translate_type_errors, typed_parquet
from movierec_jax.data.readers.links_file import IMDB_NAMES, MOVIE_NAMES, id_series
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.table_file import Columns, Header, read_columns, read_header
from movierec_jax.data.schema import (
    IMDB_ID,
    LABEL,
    MOVIE_ID,
    SPLIT,
    STARS,
    TEXT,
    TIMESTAMP,
    USER_ID,
    RawReviews,
)

ID_NAMES = (*MOVIE_NAMES, *IMDB_NAMES)

# Names that tell the separator of a file of texts.
REVIEW_SPELLINGS = {
    *ID_NAMES,
    *(name for column in (TEXT, STARS, TIMESTAMP, USER_ID, LABEL, SPLIT) for name in SPELLINGS[column]),
}

# Text that says nothing: spaces, tags and entities of HTML.
MARKUP = r"(?:[\s\u00a0\u200b\ufeff]|<[^<>]*>|&#?\w{1,8};)*"


def read_reviews(path: str | os.PathLike[str]) -> RawReviews:
    """Reads what people wrote about movies, from Parquet or text, either of which may be packed (.gz).

    The columns have usual names: movie ids or, without these, IMDb's ids; text; and perhaps user, stars and timestamp.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        header = read_header(file, REVIEW_SPELLINGS, "columns of a movie_id or imdb_id, and of text")
        movie = find_movie_column(header)
        if not movie:
            raise header.missing(f"{MOVIE_ID} or {IMDB_ID}", ID_NAMES)
        names = movie | find_columns(header, (TEXT, USER_ID, STARS, TIMESTAMP))
        if TEXT not in names:
            raise header.missing(TEXT)
        found = read_columns(header, list(names.values()))
        table = take_columns(found, names)
    return RawReviews(str(path), table, found.line, found.unit)


def find_movie_column(header: Header) -> dict[str, str]:
    """Returns the file's name for `movie_id` or else for `imdb_id`, by column; empty where it has neither."""
    for column, spellings in ((MOVIE_ID, MOVIE_NAMES), (IMDB_ID, IMDB_NAMES)):
        name = header.find_id(column, spellings)
        if name is not None:
            return {column: name}
    return {}


def find_columns(header: Header, columns: Sequence[str]) -> dict[str, str]:
    """Returns the file's names for those of the columns that it has."""
    names = {column: header.find(column) for column in columns}
    return {column: name for column, name in names.items() if name is not None}


def take_columns(found: Columns, names: dict[str, str]) -> pd.DataFrame:
    """Moves columns of a file into a table as `RawReviews` has it; names: the file's name for each column."""
    return pd.DataFrame({column: take_column(found, name, column) for column, name in names.items()}, copy=False)


def take_column(found: Columns, name: str, column: str) -> pd.Series:
    """Returns a column as `RawReviews` has it, removed from `found` so that no text is in memory twice."""
    if column in (MOVIE_ID, IMDB_ID, USER_ID):
        return id_series(found, name, column)
    values = found.by_name.pop(name)
    if found.unit == "line":
        return to_pandas(values)
    with translate_type_errors(found.path, name, column):
        if column not in (STARS, TIMESTAMP):
            if pa.types.is_dictionary(values.type):
                values = values.cast(values.type.value_type)
            return text_series(values)
        values = typed_parquet(values, column)
    return text_series(values) if pa.types.is_string(values.type) else to_pandas(values)


def says_something(text: pd.Series) -> pd.Series:
    """Returns whether each text has more in it than spaces and markup."""
    return text.notna() & ~text.str.fullmatch(MARKUP, na=True)
