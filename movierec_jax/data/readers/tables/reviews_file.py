"""Reads any CSV, TSV or Parquet file of texts about movies as `RawReviews`, before any row is judged."""

import os
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from movierec_jax.data.matching.id_spaces import ALL_SPELLINGS, COLUMNS, find_space
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.tables.links_file import id_series
from movierec_jax.data.readers.tables.table_file import Columns, Header, read_columns, read_header
from movierec_jax.data.readers.text.columns import (
    SPELLINGS,
    text_series,
    to_pandas,
    translate_type_errors,
    typed_parquet,
)
from movierec_jax.data.schema import (
    IMDB_ID,
    LABEL,
    MOVIE_ID,
    SPLIT,
    STARS,
    TEXT,
    TIMESTAMP,
    TMDB_ID,
    USER_ID,
    RawReviews,
)

# Names that tell the separator of a file of texts.
REVIEW_SPELLINGS = {
    *ALL_SPELLINGS,
    *(name for column in (TEXT, STARS, TIMESTAMP, USER_ID, LABEL, SPLIT) for name in SPELLINGS[column]),
}

# Text that says nothing: spaces, tags and entities of HTML.
MARKUP = r"(?:[\s\u00a0\u200b\ufeff]|<[^<>]*>|&#?\w{1,8};)*"


def read_reviews(path: str | os.PathLike[str], spaces: Sequence[str] = tuple(COLUMNS)) -> RawReviews:
    """Reads what people wrote about movies, from Parquet or text, either of which may be packed (.gz).

    The columns have usual names: movie ids (the data's own, IMDb's or TMDb's), text, and perhaps user, stars and
    timestamp.

    spaces: of several columns of movie ids, the one of the first of these spaces is taken.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        header = read_header(file, REVIEW_SPELLINGS, "columns of a movie_id, imdb_id or tmdb_id, and of text")
        movie = find_movie_column(header, spaces)
        if not movie:
            raise header.missing(f"{MOVIE_ID}, {IMDB_ID} or {TMDB_ID}", ALL_SPELLINGS)
        names = movie | find_columns(header, (TEXT, USER_ID, STARS, TIMESTAMP))
        if TEXT not in names:
            raise header.missing(TEXT)
        found = read_columns(header, list(names.values()))
        table = take_columns(found, names)
    note = "; ".join(found.notes)
    return RawReviews(str(path), table, found.line, found.unit, next(iter(movie.values())), note)


def find_movie_column(header: Header, spaces: Sequence[str] = tuple(COLUMNS)) -> dict[str, str]:
    """Returns the file's name for `movie_id`, `imdb_id` or `tmdb_id`, by column; empty where it has none of these.

    spaces: of several, the one of the first of these spaces is taken.
    """
    found = find_space(header.names, spaces)
    name = header.find_id(COLUMNS[found]) if found else None
    return {COLUMNS[found]: name} if found and name else {}


def find_columns(header: Header, columns: Sequence[str]) -> dict[str, str]:
    """Returns the file's names for those of the columns that it has."""
    names = {column: header.find(column) for column in columns}
    return {column: name for column, name in names.items() if name is not None}


def take_columns(found: Columns, names: dict[str, str]) -> pd.DataFrame:
    """Moves columns of a file into a table as `RawReviews` has it; names: the file's name for each column."""
    return pd.DataFrame({column: take_column(found, name, column) for column, name in names.items()}, copy=False)


def take_column(found: Columns, name: str, column: str) -> pd.Series:
    """Returns a column as `RawReviews` has it, removed from `found` so that no text is in memory twice."""
    if column in (*COLUMNS.values(), USER_ID):
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
