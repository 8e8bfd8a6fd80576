"""The train part of a large prepared dataset, mapped from files of this machine rather than read into memory."""

import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow.parquet

from movierec_jax.data.files import json_sha256
from movierec_jax.data.mapped_columns import map_columns
from movierec_jax.data.prepared.manifest import (
    MOVIE_ROW,
    MOVIES,
    NUMBER,
    USER_ROW,
    USERS,
    Manifest,
    require_unchanged,
)
from movierec_jax.data.prepared.reading import part_schema
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, WEIGHT, Ratings

# Ratings from which the train part is mapped; fewer take little memory.
MAPPED_FROM = 2**22

# Characters of the name of a folder of columns that tell a dataset from others.
DIGEST_CHARS = 16


def map_train(
    folder: pathlib.Path, manifest: Manifest, ids: Mapping[str, pd.Series], cache: pathlib.Path
) -> tuple[pd.DataFrame, Ratings]:
    """Returns the train part as a clean table in original ids, and by row, with columns mapped from `cache`.

    ids: as `read_id_columns` returns them. Where they are text, the table's columns of them are made in memory.
    Raises InputError where a file is missing or has changed, unless its ratings have been mapped before; OSError where
    `cache` cannot be written.
    """
    schema = part_schema(manifest.has_weights)
    dtypes = {field.name: field.type.to_pandas_dtype() for field in schema if field.name != NUMBER}
    integer_ids = {column: values.to_numpy() for column, values in ids.items() if manifest.id_types[column] == "int64"}
    files = {name: file.sha256 for name, file in manifest.files.items() if name.startswith(("train/", USERS, MOVIES))}
    columns = map_columns(
        cache / f"prepared-{json_sha256(files)[:DIGEST_CHARS]}",
        manifest.counts["train"],
        dtypes | dict.fromkeys(integer_ids, np.int64),
        blocks_of_train(folder, manifest, schema.names, integer_ids),
    )
    row = {USER_ID: columns[USER_ROW], MOVIE_ID: columns[MOVIE_ROW]}
    table = {
        column: columns[column] if column in integer_ids else values.take(row[column]).reset_index(drop=True)
        for column, values in ids.items()
    }
    others = [name for name in (RATING, TIMESTAMP, WEIGHT) if name in columns]
    by_row = Ratings(
        user_row=columns[USER_ROW],
        movie_row=columns[MOVIE_ROW],
        rating=columns[RATING],
        timestamp=columns[TIMESTAMP],
        time_features=np.zeros((manifest.counts["train"], 0), np.int32),
        weight=columns.get(WEIGHT),
    )
    return pd.DataFrame(table | {name: columns[name] for name in others}, copy=False), by_row


def blocks_of_train(
    folder: pathlib.Path, manifest: Manifest, names: list[str], integer_ids: Mapping[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yields the positions of some train ratings, and their columns and integer ids."""
    row_of = {USER_ID: USER_ROW, MOVIE_ID: MOVIE_ROW}
    for name in sorted(manifest.files):
        if not name.startswith("train/"):
            continue
        with pyarrow.parquet.ParquetFile(require_unchanged(folder, name, manifest)) as file:
            for batch in file.iter_batches(columns=names):
                columns = {column: batch.column(column).to_numpy(zero_copy_only=False) for column in names}
                found = {column: ids[columns[row_of[column]]] for column, ids in integer_ids.items()}
                yield columns[NUMBER], columns | found
