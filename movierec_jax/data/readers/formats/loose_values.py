"""Makes columns of values that have a type each, as JSON and SQLite write them."""

import contextlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from movierec_jax.data.readers.text.columns import clean_ids, to_own_pandas
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.errors import InputError

ID_COLUMNS = (USER_ID, MOVIE_ID)

# Larger whole numbers cannot be told from their neighbours once they are floats.
LARGEST_EXACT = 2**53


def typed_values(values: Sequence[Any], column: str) -> pa.Array:
    """Returns values of one column as an array: int64, float64 or string, or null if all are missing.

    Text stays text. Integers beyond 64 bits, and values of several kinds, become text; ids that are whole floats become
    integers.

    Raises TypeError for a value that is no number, text or truth value.
    """
    with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, UnicodeEncodeError):
        array = pa.array(values)
        is_usual = array.type in (pa.int64(), pa.string(), pa.null())
        if is_usual or (array.type == pa.float64() and column not in ID_COLUMNS):
            return array
    plain = [plain_value(value, column) for value in values]
    kinds = {type(value) for value in plain} - {type(None)}
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in plain):
        return pa.array(plain, pa.int64())
    if kinds <= {int, float} and column not in ID_COLUMNS:
        return pa.array([None if value is None else float(value) for value in plain], pa.float64())
    return pa.array([None if value is None else str(value) for value in plain], pa.string())


def plain_value(value: Any, column: str) -> Any:
    """Returns a value as an int, float, str or None."""
    if isinstance(value, float) and column in ID_COLUMNS:
        if value != value:
            return None
        if abs(value) > LARGEST_EXACT:
            raise TypeError(f"the number {value!r}, which has lost digits, cannot be the {column}; write ids as text")
        return int(value) if value.is_integer() else repr(value)
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()  # JSON can spell half a surrogate pair
    if value is None or isinstance(value, int | float):
        return value
    raise TypeError(f"{type(value).__name__} {str(value)[:80]!r} cannot be the {column}")


def join_arrays(arrays: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Returns the arrays of a column after each other, in the type that holds all of their values."""
    types = {array.type for array in arrays} - {pa.null()}
    for joined in (pa.string(), pa.float64(), pa.int64()):
        if joined in types:
            return pa.chunked_array([array.cast(joined, safe=False) for array in arrays], joined)
    return pa.chunked_array([array.cast(pa.int64()) for array in arrays], pa.int64())


def ratings_frame(columns: dict[str, pa.ChunkedArray], where: str) -> pd.DataFrame:
    """Returns ratings in pandas, with ratings that are numbers as float32. Raises InputError where there are none."""
    if not len(columns[USER_ID]):
        raise InputError(f"{where}: no ratings")
    for column in ID_COLUMNS:
        if pa.types.is_string(columns[column].type):
            columns = columns | {column: clean_ids(columns[column])}
    if RATING in columns and pa.types.is_integer(columns[RATING].type) | pa.types.is_floating(columns[RATING].type):
        columns = columns | {RATING: columns[RATING].cast(pa.float32(), safe=False)}
    return pd.DataFrame({column: to_own_pandas(values) for column, values in columns.items()}, copy=False)
