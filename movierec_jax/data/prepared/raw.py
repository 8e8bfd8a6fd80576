"""Loads the files of ratings into the table raw, and looks at its different values."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from movierec_jax.data.matching.id_spaces import NUM_LOOKED_AT
from movierec_jax.data.prepared.batches import FileTypes, OtherType, typed_batches
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.manifest import NUMBER
from movierec_jax.data.prepared.source import Source, refusal
from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.text.columns import ROUNDED, rounded_error, to_pandas
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, WEIGHT, RawData
from movierec_jax.data.values.times import dates_to_seconds
from movierec_jax.data.values.weights import with_weights
from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class RawTable:
    """The table raw. Weights in it are as `with_weights` returns them, null for one that cannot be read.

    num_rows: of it. types: of its columns in the files; dates are in seconds in the table.
    """

    num_rows: int
    types: Mapping[str, pa.DataType]

    @property
    def has_dates(self) -> bool:
        """Whether times are dates, and so in seconds already."""
        return TIMESTAMP in self.types and pa.types.is_timestamp(self.types[TIMESTAMP])

    def is_text(self, column: str) -> bool:
        """Returns whether the files have a column, and it is text."""
        return column in self.types and pa.types.is_string(self.types[column])

    @property
    def has_weights(self) -> bool:
        """Whether not every row counts 1: the files have weights, or no ratings."""
        return WEIGHT in self.types or RATING not in self.types


def load_raw(database: Database, source: Source) -> RawTable:
    """Fills raw. Raises InputError for what only readers in memory can read."""
    known = {file.path: FileTypes.of(file) for file in source.files}
    while True:
        database.run("DROP TABLE IF EXISTS raw")
        try:
            table = load_files(database, source, known)
        except OtherType as found:
            known[found.file.path] = found.known
        else:
            require_exact_texts(database, table, source)
            return table


def load_files(database: Database, source: Source, known: Mapping[pathlib.Path, FileTypes]) -> RawTable:
    """Fills raw as the files are known. Raises OtherType."""
    num_rows, types = 0, None
    for file in source.files:
        for batch in typed_batches(file, known[file.path]):
            found = dict(zip(batch.column_names, batch.schema.types, strict=True))
            if types is not None and found != types:
                raise refusal(file.path, f"its columns are {batch.schema.types}, those before it {[*types.values()]}")
            types = found
            database.insert("raw", raw_rows(batch, num_rows))
            num_rows += len(batch)
    if not num_rows or types is None:
        raise InputError(f"{source.path}: no ratings")
    return RawTable(num_rows, types)


def raw_rows(batch: pa.Table, first: int) -> pa.Table:
    """Returns rows of raw from a batch of typed ratings; first: the number of its first row."""
    columns = {NUMBER: pa.array(np.arange(first, first + len(batch)))}
    for name in batch.column_names:
        values = batch.column(name)
        if pa.types.is_timestamp(values.type):
            values = pa.array(dates_to_seconds(to_pandas(values)))
        elif pa.types.is_floating(values.type):
            values = pyarrow.compute.if_else(pyarrow.compute.is_nan(values), None, values)
        columns[name] = values
    if WEIGHT in columns or RATING not in columns:
        names = [name for name in (RATING, WEIGHT) if name in columns]
        frame = pd.DataFrame({name: to_pandas(batch.column(name)) for name in names}, index=range(len(batch)))
        for name in (RATING, WEIGHT):
            if name not in columns or name == WEIGHT:
                columns[name] = pa.array(with_weights(frame)[name], pa.float32(), from_pandas=True)
    return pa.table(columns)


def require_exact_texts(database: Database, table: RawTable, source: Source) -> None:
    """Raises InputError where most ids of text are numbers that have lost digits."""
    for column in (USER_ID, MOVIE_ID):
        if table.is_text(column):
            is_rounded = f"regexp_matches({column}, '{ROUNDED}')"
            share, example = database.row(
                f"SELECT avg({is_rounded}::INT), arg_min({column}, number) FILTER ({is_rounded}) FROM raw"
            )
            if (share or 0) > 0.5:
                raise rounded_error(example, column, source.path)


@dataclasses.dataclass(frozen=True)
class DistinctValues:
    """The different values of a column that are not missing, in the order in which they first occur."""

    value: pd.Series
    count: np.ndarray


def distinct_values(database: Database, column: str, table: str = "raw", where: str = "TRUE") -> DistinctValues:
    """Returns the different values of a column in those rows of a table for which a condition holds."""
    found = database.query(
        f"SELECT {column}, count(*) AS count FROM {table} WHERE {column} IS NOT NULL AND {where} "
        f"GROUP BY {column} ORDER BY min(number)"
    )
    return DistinctValues(to_pandas(found.column(column)), found.column("count").to_numpy())


def raw_data(database: Database, table: RawTable, source: Source, ids: Mapping[str, pd.Series]) -> RawData:
    """Returns the tables beside the ratings with a small table of ratings that stands for all of them.

    Like them it begins, and it has each id, which is all that the readers of these tables look at.

    ids: the different ids of users and movies, in the order in which they first occur.
    """
    head = database.query(f"SELECT * EXCLUDE (number) FROM raw ORDER BY number LIMIT {NUM_LOOKED_AT}")
    rest = max(map(len, ids.values()))
    columns = {
        name: pd.concat([to_pandas(head.column(name)), repeated(ids[name], rest)], ignore_index=True)
        if name in ids
        else to_pandas(head.column(name)).reindex(range(len(head) + rest))
        for name in table.types
    }
    counts = pd.Series(dtype=np.int64)
    if RATING in table.types:
        ratings = distinct_values(database, RATING)
        numbers = pd.to_numeric(ratings.value, errors="coerce")
        counts = pd.Series(ratings.count, index=pd.Index(numbers))[np.isfinite(numbers.to_numpy(np.float64))]
    content = FileContent(pd.DataFrame(columns), source.notes, movie_name=source.movie_name, has_links=source.has_links)
    return source.data(content, counts)


def repeated(values: pd.Series, length: int) -> pd.Series:
    """Returns values over and over, up to a length; none where there are none."""
    places = np.arange(length) % len(values) if len(values) else np.zeros(0, int)
    return values.iloc[places].reset_index(drop=True)
