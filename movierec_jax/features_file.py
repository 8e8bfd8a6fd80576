"""Any CSV, TSV or Parquet file about movies or users -> `FeatureTable`, before anything is made of its columns."""

import csv
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from movierec_jax.ratings_file import (
    HEAD_BYTES,
    SEPARATORS,
    SPELLINGS,
    AnyPath,
    errors_naming,
    opened,
    parquet_column,
    plain,
    split_line,
    text_of,
)
from movierec_jax.schema import FeatureTable, InputError
from movierec_jax.storage import fetched, is_url

# What stands for a missing value in any column of text, in lower case.
MISSING = ("", "na", "n/a", "nan", "null", "<na>")

MICROSECONDS_OF_DAY = 24 * 60 * 60 * 10**6


def read_features(path: str | os.PathLike[str], id_column: str) -> FeatureTable:
    """Reads a table with a column of ids (`user_id` or `movie_id`, any usual spelling), from Parquet or text.

    Either may be packed (.gz). Text needs a header; all its columns are str.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    if is_url(path):
        with fetched(str(path)) as copy:
            return dataclasses.replace(read_features(copy, id_column), path=str(path))
    path = pathlib.Path(path)
    with errors_naming(path):
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        with opened(path) as stream:
            head = stream.read(HEAD_BYTES)
        suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
        if suffixes[-1:] in ([".parquet"], [".pq"]) or head.startswith(b"PAR1"):
            return read_parquet_features(path, id_column)
        if b"\0" in head:
            raise InputError(f"{path}: a binary file; expected text or Parquet")
        return read_text_features(path, id_column)


def read_text_features(path: AnyPath, id_column: str) -> FeatureTable:
    """The table of a text file: its first line names the columns, and is split by what splits it best."""
    lines = enumerate(text_of(path), start=1)
    header_line, header = next(((line, text) for line, text in lines if text.strip()), (0, ""))
    if not header_line:
        raise InputError(f"{path}: empty; expected a column of {id_column} and others")
    separator = max(SEPARATORS, key=lambda separator: rank_header(split_line(header, separator), id_column))
    names = split_line(header, separator)
    place, left_out = find_ids(names, id_column, f"{path}:{header_line}")
    if "" in names:
        left_out[""] = "it has no name"
    records = list(read_records(path, separator, len(names), header_line))
    if not records:
        raise InputError(f"{path}: no rows below the columns {', '.join(names)[:400]}")
    columns = {name: as_text([fields[index] for _, fields in records]) for index, name in enumerate(names)}
    return FeatureTable(
        path=str(path),
        id_column=id_column,
        ids=columns.pop(names[place]),
        line=np.array([line for line, _ in records], np.int64),
        unit="line",
        columns=pd.DataFrame({name: values for name, values in columns.items() if name not in left_out}),
        left_out=left_out,
    )


def rank_header(names: list[str], id_column: str) -> tuple[bool, int]:
    """How well a header is split: first by whether it has the ids, then by its number of columns."""
    return any(plain(name) in SPELLINGS[id_column] for name in names), len(names)


def read_records(path: AnyPath, separator: str, num_columns: int, header_line: int) -> Iterator[tuple[int, list[str]]]:
    """The last line and the fields of each record below the header; a quoted field may have line ends in it."""
    text = text_of(path)
    list(itertools.islice(text, header_line))
    rows = csv.reader(text, delimiter=separator, strict=True) if separator != "::" else None
    records = rows or (line.rstrip("\n").split(separator) if line.strip() else [] for line in text)
    line = header_line
    try:
        for line, fields in enumerate(records, start=header_line + 1):
            if rows:
                line = header_line + rows.line_num
            if not fields:
                continue
            if len(fields) != num_columns:
                found = f"{len(fields)} column{'s' * (len(fields) != 1)}"
                raise InputError(
                    f"{path}:{line}: {found}; line {header_line} has {num_columns}, split by {separator!r}"
                )
            yield line, fields
    except csv.Error as error:
        raise InputError(f"{path}:{header_line + rows.line_num if rows else line}: {error}") from error


def as_text(values: Sequence[str | None]) -> pd.Series:
    """Texts without outer spaces, missing where they stand for that."""
    column = pd.Series(list(values), dtype="str").str.strip()
    return column.mask(column.str.lower().isin(MISSING))


def find_ids(names: list[str], id_column: str, place: str) -> tuple[int, dict[str, str]]:
    """Which of the named columns has the ids, and other columns of ids, such as those of IMDb, with why to leave them.

    Of several spellings the one that stands first in `SPELLINGS` is taken. `place` is for messages.
    """
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{place}: column {repeated[0]!r} twice; rename one of them")
    spellings = SPELLINGS[id_column]
    found = sorted(
        (spellings.index(plain(name)), index) for index, name in enumerate(names) if plain(name) in spellings
    )
    if not found:
        raise InputError(
            f"{place}: no {id_column} column among {', '.join(map(repr, names))[:400]}; accepted names: "
            f"{', '.join(spellings)}"
        )
    if len(found) > 1 and found[0][0] == found[1][0]:
        could_be = " and ".join(repr(names[index]) for _, index in found[:2])
        raise InputError(f"{place}: columns {could_be} could each be the {id_column}; keep one, or rename the other")
    return found[0][1], {names[index]: "another id" for _, index in found[1:]}


def read_parquet_features(path: AnyPath, id_column: str) -> FeatureTable:
    """The table of a Parquet file; columns keep their types as far as features can be made of them."""
    try:
        with opened(path) as stream:
            table = pyarrow.parquet.ParquetFile(pa.BufferReader(stream.read())).read()
        table.validate(full=True)  # a damaged file may hold text that is not UTF-8
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
    place, left_out = find_ids(table.column_names, id_column, str(path))
    if not len(table):
        raise InputError(f"{path}: no rows below the columns {', '.join(table.column_names)[:400]}")
    columns = {}
    for index, name in enumerate(table.column_names):
        values = table.column(index)
        try:
            if index == place:
                ids = parquet_column(values, id_column).to_pandas()
            elif name.startswith("__index_level_"):
                left_out[name] = "the numbers of rows in pandas"
            elif name not in left_out:
                columns[name] = feature_column(values)
        except pa.ArrowException as error:
            if index == place:
                raise InputError(f"{path}: column {name!r} cannot be the {id_column}: {error}") from error
            left_out[name] = f"of type {values.type}"
    return FeatureTable(
        path=str(path),
        id_column=id_column,
        ids=ids,
        line=np.arange(1, len(table) + 1),
        unit="row",
        columns=pd.DataFrame(columns, index=range(len(table))),
        left_out=left_out,
    )


def feature_column(values: pa.ChunkedArray) -> pd.Series:
    """A column of a Parquet file as `FeatureTable` has it; raises ArrowInvalid for a type that is no feature."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        time = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pd.Series(time.cast(pa.float64(), safe=False).to_numpy() / MICROSECONDS_OF_DAY, dtype=np.float64)
    if pa.types.is_boolean(kind) or pa.types.is_dictionary(kind):
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        return as_text(values.cast(pa.string()).to_pylist()).astype("category")
    if is_list(kind):
        if not is_word(kind.value_type):
            raise pa.ArrowInvalid("only lists of strings and whole numbers are sets")
        lists = [
            None if items is None else [str(item) for item in items if item is not None] for items in values.to_pylist()
        ]
        return pd.Series(lists, dtype=object)
    if is_word(kind):
        return as_text(values.cast(pa.string()).to_pylist())
    raise pa.ArrowInvalid("no feature")


def is_list(kind: pa.DataType) -> bool:
    """Whether an Arrow type is that of lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def is_word(kind: pa.DataType) -> bool:
    """Whether an Arrow type can name things: text or whole numbers."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
