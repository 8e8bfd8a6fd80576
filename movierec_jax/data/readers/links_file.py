"""Reads a file that links movies to IMDb, such as MovieLens' links.csv: the ids of both, side by side."""

import os

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from movierec_jax.data.readers.columns import (
    SPELLINGS,
    text_series,
    to_pandas,
    translate_type_errors,
    typed_parquet,
    typed_text,
)
from movierec_jax.data.readers.source_file import AnyPath, local_file
from movierec_jax.data.readers.table_file import Columns, read_columns, read_header
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID
from movierec_jax.errors import InputError

IMDB_NAMES = SPELLINGS[IMDB_ID]

# Names of the data's own movie ids in a file that may also have IMDb's.
MOVIE_NAMES = tuple(name for name in SPELLINGS[MOVIE_ID] if name not in IMDB_NAMES)


def read_links(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads links, in the columns of `RawData.links`, from CSV, TSV or Parquet with columns of both ids.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        return read_links_file(file).reset_index(drop=True)


def read_links_file(path: AnyPath) -> pd.DataFrame:
    """Reads the links of a file by line: `movie_id` (int64 if all are integers, else str) and `imdb_id` (int64).

    Leaves out movies without an IMDb id.
    """
    header = read_header(path, {*MOVIE_NAMES, *IMDB_NAMES}, "columns of a movie_id and an imdb_id")
    names: dict[str, str] = {}
    for column, spellings in ((MOVIE_ID, MOVIE_NAMES), (IMDB_ID, IMDB_NAMES)):
        name = header.find_id(column, spellings)
        if name is None:
            raise header.missing(column, spellings)
        names[column] = name
    found = read_columns(header, list(names.values()))
    links = pd.DataFrame({column: id_series(found, name, column) for column, name in names.items()})
    number = imdb_numbers(links[IMDB_ID])
    unknown = (number.isna() & links[IMDB_ID].notna()).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        shown = str(links[IMDB_ID].iloc[row])[:80]
        raise InputError(f"{found.where(row)}: IMDb id {shown!r}; expected one such as tt0114709 or 114709")
    links = links.assign(**{IMDB_ID: number}).set_axis(found.line).dropna()
    return links.astype({IMDB_ID: "int64"} | ({MOVIE_ID: "int64"} if links[MOVIE_ID].dtype == "Int64" else {}))


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


def imdb_numbers(ids: pd.Series) -> pd.Series:
    """Returns IMDb's ids as Int64: "tt0114709", "0114709", "114709.0" and 114709 are equal; missing for other text."""
    return ids.astype("str").str.extract(r"(?i)^(?:tt)?0*([1-9]\d{0,17})(?:\.0*)?$")[0].astype("Int64")
