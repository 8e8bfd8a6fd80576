"""Reads a file that links movies to IMDb and TMDb, such as MovieLens' links.csv: the ids of each, side by side."""

import os

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from movierec_jax.data.matching.id_spaces import ALL_SPELLINGS, COLUMNS, ID_SPELLINGS, IMDB, TMDB, id_numbers
from movierec_jax.data.readers.source_file import AnyPath, local_file
from movierec_jax.data.readers.tables.table_file import Columns, read_columns, read_header
from movierec_jax.data.readers.text.columns import (
    SPELLINGS,
    text_series,
    to_pandas,
    translate_type_errors,
    typed_parquet,
    typed_text,
)
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, OWN, TMDB_ID
from movierec_jax.errors import InputError

# The columns of linked ids: the space, what messages call an id of it, and examples.
LINKED = {IMDB_ID: (IMDB, "IMDb id", "tt0114709 or 114709"), TMDB_ID: (TMDB, "TMDb id", "862")}


def read_links(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads links, in the columns of `RawData.links`, from CSV, TSV or Parquet with columns of movie and other ids.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        return read_links_file(file).reset_index(drop=True)


def read_links_file(path: AnyPath) -> pd.DataFrame:
    """Reads the links of a file by line: `movie_id` (int64 if all are integers, else str), `imdb_id` and `tmdb_id`.

    The latter two are Int64, missing where unknown; movies without either are left out.
    """
    header = read_header(path, ALL_SPELLINGS, "columns of a movie_id and an imdb_id or tmdb_id")
    columns = {column: header.find_id(column, ID_SPELLINGS[space]) for space, column in COLUMNS.items()}
    names = {column: name for column, name in columns.items() if name is not None}
    if MOVIE_ID not in names:
        raise header.missing(MOVIE_ID, ID_SPELLINGS[OWN])
    if len(names) == 1:
        raise header.missing(f"{IMDB_ID} or {TMDB_ID}", (*SPELLINGS[IMDB_ID], *SPELLINGS[TMDB_ID]))
    found = read_columns(header, list(names.values()))
    links = pd.DataFrame({MOVIE_ID: id_series(found, names[MOVIE_ID], MOVIE_ID)})
    for column in (IMDB_ID, TMDB_ID):
        links[column] = (
            linked_numbers(found, names[column], column)
            if column in names
            else pd.Series(pd.NA, index=links.index, dtype="Int64")
        )
    links = links.set_axis(found.line).dropna(subset=MOVIE_ID).dropna(subset=[IMDB_ID, TMDB_ID], how="all")
    return links.astype({MOVIE_ID: "int64"} if links[MOVIE_ID].dtype == "Int64" else {})


def linked_numbers(found: Columns, name: str, column: str) -> pd.Series:
    """Returns the numbers of a column of IMDb or TMDb ids. Raises InputError with the line of what is none."""
    space, label, example = LINKED[column]
    ids = id_series(found, name, column)
    numbers = id_numbers(ids, space)
    unknown = (numbers.isna() & ids.notna()).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(f"{found.where(row)}: {label} {str(ids.iloc[row])[:80]!r}; expected one such as {example}")
    return numbers


def id_series(found: Columns, name: str, column: str) -> pd.Series:
    """Returns a column of ids: int64 or Int64 if all are integers, else str; also where one begins with a 0."""
    values = found.by_name[name]
    if found.unit == "line":
        ids = to_pandas(typed_text(values, MOVIE_ID))
        has_zeros = (
            pd.api.types.is_integer_dtype(ids) and pc.any(pc.match_substring_regex(values, r"^\s*-?0\d")).as_py()
        )
        return text_series(values) if has_zeros else ids
    with translate_type_errors(found.path, name, column):
        ids = typed_parquet(values, MOVIE_ID)
    return text_series(ids) if pa.types.is_string(ids.type) else to_pandas(ids)
