"""Reads any CSV, TSV or Parquet file of ratings: its columns, before any row is judged."""

import dataclasses
import pathlib
import zipfile

import pandas as pd
import pyarrow as pa

from movierec_jax.data.id_spaces import ALL_SPELLINGS, movie_spellings
from movierec_jax.data.readers.columns import (
    COLUMN_TYPES,
    SPELLINGS,
    missing_column,
    normalized_name,
    require_one_name,
    to_own_pandas,
    to_pandas,
    translate_type_errors,
    typed_parquet,
)
from movierec_jax.data.readers.delimited import SEPARATORS, TextLayout, find_layout, read_typed
from movierec_jax.data.readers.source_file import AnyPath, is_gzip, open_parquet
from movierec_jax.data.readers.table_cache import CACHED_FROM_BYTES, through_cache
from movierec_jax.data.schema import MOVIE_ID, RATING, RATING_COLUMNS, TIMESTAMP
from movierec_jax.errors import InputError

RATING_SPELLINGS = {name for column in RATING_COLUMNS for name in SPELLINGS[column]} | set(ALL_SPELLINGS)


def find_ratings_layout(path: AnyPath) -> TextLayout:
    """Returns the layout of any text file of ratings, with or without a header, from its first line."""
    layout = find_layout(path, RATING_SPELLINGS, "ratings", encoding="utf-8-sig")
    where, fields, separator = f"{path}:{layout.skip_lines}", layout.names, layout.separator
    if len(fields) == 1:
        separators = " ".join(map(repr, SEPARATORS))
        raise InputError(f"{where}: one column; expected user, movie and rating columns, split by one of {separators}")
    # The fourth may be a date, but no header begins with three numbers.
    if not all(map(is_number, fields[:3])):
        return dataclasses.replace(layout, columns=name_columns(fields, where))
    if len(fields) not in (3, 4):
        raise InputError(
            f"{where}: {len(fields)} columns, split by {separator!r}; a file without a header has 3 or 4: user, "
            "movie, rating and perhaps timestamp"
        )
    columns = RATING_COLUMNS[: len(fields)]
    return dataclasses.replace(layout, columns=columns, names=(), skip_lines=layout.skip_lines - 1)


def is_number(field: str) -> bool:
    """Returns whether a field is a number or missing."""
    try:
        float(field or 0)
    except ValueError:
        return False
    return True


def name_columns(names: tuple[str, ...], where: str) -> tuple[str | None, ...]:
    """Returns what each named column of a file holds, None for columns that are not used; `where` is for messages."""
    columns: list[str | None] = [None] * len(names)
    for column in RATING_COLUMNS:
        spellings = movie_spellings(names) if column == MOVIE_ID else SPELLINGS[column]
        found = [index for index, name in enumerate(names) if normalized_name(name) in spellings]
        require_one_name([names[index] for index in found], column, where)
        if found:
            columns[found[0]] = column
        elif column != TIMESTAMP:
            note = " (or no header, and numbers in the order user, movie, rating, timestamp)"
            raise missing_column(names, column, spellings, where, note)
    return tuple(columns)


def column_names(path: AnyPath, layout: TextLayout | None) -> tuple[str, ...]:
    """Returns the names of all columns of a ratings file, none without a header; layout: None for Parquet."""
    if layout is not None:
        return layout.names
    with open_parquet(path) as file:
        return tuple(file.schema_arrow.names)


def movie_column_name(path: AnyPath, layout: TextLayout | None) -> str:
    """Returns a ratings file's own name for the column of movie ids, "" without a header; layout: None for Parquet."""
    if layout is not None:
        return layout.names[layout.columns.index(MOVIE_ID)] if layout.names else ""
    names = column_names(path, layout)
    return names[name_columns(names, str(path)).index(MOVIE_ID)]


def read_text(path: AnyPath, layout: TextLayout, cache: pathlib.Path | None = None) -> pd.DataFrame:
    """Reads the ratings of a text file, each column in the first of its `COLUMN_TYPES` that holds every value.

    cache: folder of a `table_cache` for the content of large files; columns from there cannot be changed in place.
    """
    source, member = (pathlib.Path(str(path.root.filename)), path.at) if isinstance(path, zipfile.Path) else (path, "")
    if cache is None or source.stat().st_size < CACHED_FROM_BYTES:
        return to_frame(read_typed(path, layout), path)
    how = repr((member, is_gzip(path), layout, COLUMN_TYPES))
    # One chunk per column, so that pandas can take the column as it lies in the mapped file.
    table = through_cache(cache, source, how, lambda: pa.table(read_typed(path, layout)).combine_chunks())
    return to_frame(dict(zip(table.column_names, table.columns, strict=True)), path, is_mapped=True)


def read_parquet(path: AnyPath) -> pd.DataFrame:
    """Reads the ratings of a Parquet file, each column in the first of its `COLUMN_TYPES` that holds every value."""
    with open_parquet(path) as file:
        names = tuple(file.schema_arrow.names)
        named = {column: name for column, name in zip(name_columns(names, str(path)), names, strict=True) if column}
        table = file.read(columns=list(named.values()))
    columns = {column: table.column(name) for column, name in named.items()}
    del table  # so that to_frame can free each column
    for column, name in named.items():
        with translate_type_errors(path, name, column):
            columns[column] = typed_parquet(columns[column], column)
    return to_frame(columns, path)


def to_frame(columns: dict[str, pa.ChunkedArray], path: AnyPath, *, is_mapped: bool = False) -> pd.DataFrame:
    """Returns the ratings in pandas, and empties `columns` to free each one in turn.

    is_mapped: take columns as they lie in a mapped file, where that is possible.
    """
    convert = to_pandas if is_mapped else to_own_pandas
    ratings = {column: convert(columns.pop(column)) for column in list(columns)}
    if len(ratings[RATING]) == 0:
        raise InputError(f"{path}: no ratings")
    return pd.DataFrame(ratings, copy=False)
