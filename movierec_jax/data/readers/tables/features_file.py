"""Reads any CSV, TSV or Parquet file about movies or users as a `FeatureTable`, before any feature is made of it."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from movierec_jax.data.matching.id_spaces import ALL_SPELLINGS, COLUMNS, ID_SPELLINGS, find_space
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.tables.table_file import Header, read_columns, read_header
from movierec_jax.data.readers.text.columns import (
    SPELLINGS,
    matching_names,
    text_series,
    to_pandas,
    translate_type_errors,
    typed_parquet,
)
from movierec_jax.data.schema import MOVIE_ID, OWN, FeatureTable

MICROSECONDS_OF_DAY = 24 * 60 * 60 * 10**6

# A name of ids that says nothing of their space; such a column beside the movie ids tells rows apart, as these do.
OTHER_ID = "id"


def read_features(path: str | os.PathLike[str], id_column: str, spaces: Sequence[str] = tuple(COLUMNS)) -> FeatureTable:
    """Reads a table with a column of ids (`user_id` or `movie_id`, any usual spelling), from Parquet or text.

    Either may be packed (.gz). Text needs a header, and all its columns are read as str.

    spaces: of several columns of movie ids, the one of the first of these spaces is taken.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        spellings = ALL_SPELLINGS if id_column == MOVIE_ID else SPELLINGS[id_column]
        header = read_header(file, spellings, f"a column of {id_column} and others")
        id_space = (find_space(header.names, spaces) or OWN) if id_column == MOVIE_ID else OWN
        id_name, left_out = find_ids(header, id_column, id_space)
        found = read_columns(header, [name for name in header.names if name not in left_out])
        columns: dict[str, Any] = {}
        for name, values in found.by_name.items():
            if header.layout:
                columns[name] = to_pandas(values)
            elif name == id_name:
                with translate_type_errors(file, name, id_column):
                    columns[name] = parquet_ids(values, id_column)
            else:
                try:
                    columns[name] = feature_column(values)
                except pa.ArrowException:
                    left_out[name] = f"of type {values.type}"
    return FeatureTable(
        path=str(path),
        id_column=id_column,
        ids=columns.pop(id_name),
        line=found.line,
        unit=found.unit,
        columns=pd.DataFrame(columns, index=range(len(found.line))),
        left_out=left_out,
        id_space=id_space,
        id_name=id_name,
        note="; ".join(found.notes),
    )


def find_ids(header: Header, id_column: str, space: str) -> tuple[str, dict[str, str]]:
    """Returns the name of the column of ids, and the columns that are no features, each with the reason.

    space: the space of the movie ids to find; the data's own for users.
    """
    spellings = SPELLINGS[id_column]
    others: Sequence[str] = spellings
    if id_column == MOVIE_ID:
        spellings = SPELLINGS[COLUMNS[space]]
        others = (*(name for names in ID_SPELLINGS.values() for name in names), OTHER_ID)
    id_name = header.find_id(id_column, spellings)
    if id_name is None:
        raise header.missing(id_column, ALL_SPELLINGS if id_column == MOVIE_ID else spellings)
    left_out = dict.fromkeys((name for name in matching_names(header.names, others) if name != id_name), "another id")
    for name in header.names:
        if not name:
            left_out[name] = "it has no name"
        elif not header.layout and name.startswith("__index_level_"):
            left_out[name] = "the numbers of rows in pandas"
    return id_name, left_out


def parquet_ids(values: pa.ChunkedArray, id_column: str) -> pd.Series:
    """Returns a Parquet column of ids, text without outer spaces. Raises ArrowInvalid for a type that is no id's."""
    ids = typed_parquet(values, id_column)
    return text_series(ids) if pa.types.is_string(ids.type) else to_pandas(ids)


def feature_column(values: pa.ChunkedArray) -> pd.Series:
    """Returns a Parquet column as `FeatureTable` has it. Raises ArrowInvalid for a type that cannot be a feature."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        time = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pd.Series(time.cast(pa.float64(), safe=False).to_numpy() / MICROSECONDS_OF_DAY, dtype=np.float64)
    if pa.types.is_boolean(kind) or pa.types.is_dictionary(kind):
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        return text_series(values).astype("category")
    if is_list(kind):
        if not is_word(kind.value_type):
            raise pa.ArrowInvalid("only lists of strings and whole numbers are sets")
        lists = [
            None if items is None else [str(item) for item in items if item is not None] for items in values.to_pylist()
        ]
        return pd.Series(lists, dtype=object)
    if is_word(kind):
        return text_series(values)
    raise pa.ArrowInvalid("no feature")


def is_list(kind: pa.DataType) -> bool:
    """Returns whether an Arrow type is one of lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def is_word(kind: pa.DataType) -> bool:
    """Returns whether an Arrow type can name things: text or whole numbers."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
