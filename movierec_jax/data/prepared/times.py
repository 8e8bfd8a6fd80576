"""Reads times out of core: from a sample, the ends and the different values of their column."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from movierec_jax.data.clean_rows import notes_on_times
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.raw import RawTable, distinct_values
from movierec_jax.data.prepared.source import refusal
from movierec_jax.data.schema import NO_TIMESTAMP, TIMESTAMP
from movierec_jax.data.values.time_numbers import NUMBER_KINDS, SECONDS_PLACE, NumberKind
from movierec_jax.data.values.times import (
    Times,
    number_reading,
    only_kind,
    parse_times,
    sample_step,
    times_of,
)
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

# Different times that are looked at together, in memory: some 2 GB.
MOST_DIFFERENT = 20_000_000


@dataclasses.dataclass(frozen=True)
class TimeReader:
    """How a column of times is read. seconds: from a batch of the column to seconds since 1970. notes: on it."""

    seconds: Callable[[pa.ChunkedArray], np.ndarray]
    notes: list[str] = dataclasses.field(default_factory=list)


def time_reader(database: Database, table: RawTable, num_rows: int, config: DataConfig, source: str) -> TimeReader:
    """Returns how the times of the rows without a reason in judged are read, as `read_seconds` reads them.

    num_rows: how many these are.
    """
    if TIMESTAMP not in table.types or not num_rows:
        return TimeReader(lambda column: np.full(len(column), NO_TIMESTAMP))
    if table.has_dates:
        return TimeReader(plain_seconds)
    is_number = not table.is_text(TIMESTAMP)
    has_gaps = not database.row(f"SELECT bool_and({TIMESTAMP} IS NOT NULL) FROM judged WHERE reason IS NULL")[0]
    is_integer = is_number and not has_gaps and pa.types.is_integer(table.types[TIMESTAMP])
    kind = None
    if is_number and config.time_format is None:
        kind = kind_of_all(database, num_rows, np.int64 if is_integer else np.float64)
    if kind is not None and NUMBER_KINDS.index(kind) >= SECONDS_PLACE:
        return reader_of_kind(database, kind, is_integer=is_integer)
    times, reader = reader_of_distinct(database, kind, config.time_format, source)
    return TimeReader(reader, notes_on_times(times, num_rows, config.max_dropped_fraction, source))


def plain_seconds(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Returns a column of seconds, NO_TIMESTAMP where one is missing."""
    return np.asarray(pyarrow.compute.fill_null(column, NO_TIMESTAMP))


def kind_of_all(database: Database, num_rows: int, dtype: type) -> NumberKind | None:
    """Returns the kind of all numbers, None where each has to be looked at; see `only_kind`."""
    step, position, sample = sample_step(num_rows), 0, []
    for batch in database.stream(f"SELECT {TIMESTAMP} FROM judged WHERE reason IS NULL"):
        sample.append(batch.column(TIMESTAMP)[-position % step :: step].cast(pa.float64()).to_numpy())
        position += len(batch)
    ends = database.row(f"SELECT min({TIMESTAMP}), max({TIMESTAMP}) FROM judged WHERE reason IS NULL")
    if None in ends:
        return None
    return only_kind(np.concatenate(sample), *(dtype(end) for end in ends))


def reader_of_kind(database: Database, kind: NumberKind, *, is_integer: bool) -> TimeReader:
    """Returns how numbers that are all of one kind, counted from 1970, are read: each by itself."""
    dtype = np.int64 if is_integer else np.float64

    def seconds(column: pa.ChunkedArray) -> np.ndarray:
        number = column.to_numpy()
        found = np.full(len(number), NO_TIMESTAMP)
        is_present = column.is_valid().to_numpy()
        found[is_present] = kind.read(number[is_present].astype(dtype))
        return found

    first, highest = database.row(
        f"SELECT arg_min({TIMESTAMP}, number), max({TIMESTAMP}) FROM judged "
        f"WHERE reason IS NULL AND {TIMESTAMP} IS NOT NULL"
    )
    # The first and the highest tell all that a note can say.
    reading = number_reading(kind, np.arange(2), kind.read(np.array([first, highest], dtype)))
    note = times_of(pd.Series([first, highest]), np.ones(2, bool), reading).note
    return TimeReader(seconds, [note] if note else [])


def reader_of_distinct(
    database: Database, kind: NumberKind | None, time_format: str | None, source: str
) -> tuple[Times, Callable[[pa.ChunkedArray], np.ndarray]]:
    """Returns the different times of the rows without a reason, each read once, and what looks them up.

    kind: that of all numbers, if there is one.
    """
    where = f"reason IS NULL AND {TIMESTAMP} IS NOT NULL"
    different = database.row(f"SELECT approx_count_distinct({TIMESTAMP}) FROM judged WHERE {where}")[0]
    if different > MOST_DIFFERENT:
        raise refusal(source, f"some {different:,} different times in a form that is found from all of them together")
    found = distinct_values(database, TIMESTAMP, "judged", "reason IS NULL")
    values, present = found.value, np.ones(len(found.value), bool)
    try:
        if kind is None:
            times = parse_times(values, time_format, found.count)
        else:
            reading = number_reading(kind, np.arange(len(values)), kind.read(values.to_numpy()))
            times = times_of(values, present, reading, found.count)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    keys, seconds = pa.array(values), pa.array(times.seconds)

    def look_up(column: pa.ChunkedArray) -> np.ndarray:
        place = pyarrow.compute.index_in(column.cast(keys.type), value_set=keys, skip_nulls=True)
        return plain_seconds(seconds.take(place.combine_chunks()))

    return times, look_up
