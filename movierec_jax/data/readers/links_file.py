"""A file that links the movies of the data to IMDb, such as MovieLens' links.csv -> ids of both, side by side."""

import os

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from movierec_jax.data.readers.ratings_file import SPELLINGS, AnyPath, from_text, parquet_column, to_pandas
from movierec_jax.data.readers.table_file import (
    Columns,
    Header,
    as_text,
    local_file,
    missing_column,
    one_of,
    plain,
    read_columns,
    read_header,
    spelled,
)
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID
from movierec_jax.errors import InputError

# What a column of IMDb's ids may be called; its own exports say "tconst" and "Const".
IMDB_NAMES = ("imdb", "imdbid", "tconst", "const", "imdbtitleid")

# And one of the data's own ids, where it is to be told from those.
MOVIE_NAMES = tuple(name for name in SPELLINGS[MOVIE_ID] if name not in IMDB_NAMES)


def read_links(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads links, in the columns of `RawData.links`, from CSV, TSV or Parquet with columns of both ids.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        return read_links_file(file).reset_index(drop=True)


def read_links_file(path: AnyPath) -> pd.DataFrame:
    """The links of a file by line: `movie_id` (int64 if all are integers, else str) and `imdb_id` (int64).

    Movies without an IMDb id are left out.
    """
    header = read_header(path, {*MOVIE_NAMES, *IMDB_NAMES}, "columns of a movie_id and an imdb_id")
    names = {column: id_name(header, column) for column in (MOVIE_ID, IMDB_ID)}
    for column, spellings in ((MOVIE_ID, MOVIE_NAMES), (IMDB_ID, IMDB_NAMES)):
        if names[column] is None:
            raise missing_column(header, column, spellings)
    found = read_columns(header, [name for name in names.values() if name])
    links = pd.DataFrame({column: ids_of(found, name, column) for column, name in names.items() if name})
    number = imdb_numbers(links[IMDB_ID])
    unknown = (number.isna() & links[IMDB_ID].notna()).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        shown = str(links[IMDB_ID].iloc[row])[:80]
        raise InputError(f"{found.place(row)}: IMDb id {shown!r}; expected one such as tt0114709 or 114709")
    links = links.assign(**{IMDB_ID: number}).set_axis(found.line).dropna()
    return links.astype({IMDB_ID: "int64"} | ({MOVIE_ID: "int64"} if links[MOVIE_ID].dtype == "Int64" else {}))


def id_name(header: Header, column: str) -> str | None:
    """The name under which a file has `movie_id` or `imdb_id`, of several spellings the first; None without one."""
    found = spelled(header, MOVIE_NAMES if column == MOVIE_ID else IMDB_NAMES)
    return one_of(header, column, [name for name in found if plain(name) == plain(found[0])])


def ids_of(found: Columns, name: str, column: str) -> pd.Series:
    """A column of ids: int64 or Int64 if all are integers, else str; also where some begin with a 0 that would go."""
    values = found.by_name[name]
    if found.unit == "line":
        ids = to_pandas(from_text(values, MOVIE_ID))
        has_zeros = (
            pd.api.types.is_integer_dtype(ids) and pc.any(pc.match_substring_regex(values, r"^\s*-?0\d")).as_py()
        )
        return as_text(values) if has_zeros else ids
    try:
        ids = parquet_column(values, MOVIE_ID)
    except pa.ArrowException as error:
        raise InputError(f"{found.path}: column {name!r} cannot be the {column}: {error}") from error
    return as_text(ids) if pa.types.is_string(ids.type) else to_pandas(ids)


def imdb_numbers(ids: pd.Series) -> pd.Series:
    """IMDb's ids as Int64: "tt0114709", "0114709", "114709.0" and 114709 are the same; missing where it is none."""
    return ids.astype("str").str.extract(r"(?i)^(?:tt)?0*([1-9]\d{0,17})(?:\.0*)?$")[0].astype("Int64")
