"""Ids as programs give them, turned into those of the data where that is unambiguous.

Where ids are integers, 42, "42", " 42 " and 42.0 all mean 42; where they are text, 42 means "42" if the data has that.
Anything else that is not of the data's kind is refused: 1.5, True, None, NaN, "042", or digits of other scripts.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from movierec_jax.errors import InputError

# An integer as the data writes it. Python refuses to parse thousands of digits.
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,999}")

INT64 = np.iinfo(np.int64)

# Characters of a refused id that a message shows.
SHOWN_CHARS = 60


def as_ids(given: Any, known: pd.Index, name: str) -> pd.Index:
    """Returns ids of the data's kind, in the order given; perhaps ids that the data does not have.

    given: one id or many, in any sequence, array, column or iterable.
    known: ids of the data, int64 or text, at least one; they tell the kind. name: "user" or "movie", for messages.
    Raises InputError for a table, a mapping, and the first value that cannot be such an id.
    """
    values = as_list(given, name)
    ids = as_index(values)
    if ids is not None and is_of_kind(ids, known):
        return ids.astype(np.int64) if is_integer_dtype(known) else trimmed(ids, known, name)
    return pd.Index([as_one_of(known, value, name) for value in values], dtype=known.dtype)


def as_id(given: Any, known: pd.Index, name: str) -> int | str:
    """Returns one id as `as_ids` does. Raises InputError where several are given, or none."""
    ids = as_ids(given, known, name)
    if len(ids) != 1:
        raise InputError(f"{len(ids)} {name} ids: give one, such as {example_of(known)}")
    return ids.tolist()[0]


def as_list(given: Any, name: str) -> Any:
    """Returns ids as something with a length to iterate over, one id by itself as a list."""
    if isinstance(given, pd.DataFrame | Mapping) or getattr(given, "ndim", 1) > 1:
        raise InputError(f"{name} ids in a {type(given).__name__}: give a list or one column of ids")
    if isinstance(given, pd.Series | pd.Index | np.ndarray) and given.ndim:
        return given
    if isinstance(given, str | bytes | np.generic):
        return [given]
    if hasattr(given, "__array__"):
        return np.atleast_1d(np.asarray(given))
    return list(given) if isinstance(given, Iterable) else [given]


def as_index(values: Any) -> pd.Index | None:
    """Returns values as pandas holds them, None for those that it cannot hold."""
    try:
        return pd.Index(values, tupleize_cols=False)
    except (TypeError, ValueError, OverflowError):
        return None


def is_of_kind(ids: pd.Index, known: pd.Index) -> bool:
    """Returns whether all ids are of the data's kind: integers of 64 bits, or text, and none is missing."""
    if not is_integer_dtype(known):
        return isinstance(ids.dtype, pd.StringDtype) and not ids.hasnans
    return ids.dtype.kind in "iu" and not ids.hasnans and (ids.dtype != np.uint64 or not (ids > INT64.max).any())


def trimmed(ids: pd.Index, known: pd.Index, name: str) -> pd.Index:
    """Returns ids of text without outer spaces, except those that the data writes with them."""
    without = ids.str.strip()
    if bool((without == ids).all()) and not (ids == "").any():
        return ids
    return pd.Index([as_one_of(known, value, name) for value in ids], dtype=ids.dtype)


def as_one_of(known: pd.Index, value: Any, name: str) -> int | str:
    """Returns the id that a value means. Raises InputError where it means none."""
    number = as_integer(value)
    if is_integer_dtype(known):
        if number is not None and INT64.min <= number <= INT64.max:
            return number
        limit = " of at most 64 bits" if number is not None else " without leading zeros" * has_leading_zeros(value)
        raise InputError(f"{name} id {shown(value)}: the ids of this data are integers{limit}, such as {known[0]}")
    if isinstance(value, str) and (value in known or value.strip()):
        return str(value if value in known else value.strip())
    if number is not None and number.bit_length() <= INT64.bits and str(number) in known:
        return str(number)
    raise InputError(f"{name} id {shown(value)}: the ids of this data are text, such as {example_of(known)}")


def as_integer(value: Any) -> int | None:
    """Returns the integer that a number or its text means, None where it means none."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        # Floats above this leave out integers, so the one that was meant may be another.
        number, largest = float(value), 2.0 ** (np.finfo(type(value)).nmant + 1)
        return int(number) if abs(number) < largest and number.is_integer() else None
    if isinstance(value, str) and INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def has_leading_zeros(value: Any) -> bool:
    """Returns whether a value is an integer's text with zeros before it."""
    return isinstance(value, str) and re.fullmatch(r"-?0+[0-9]+", value.strip(), re.ASCII) is not None


def shown(value: Any) -> str:
    """Returns a value for messages, shortened."""
    if isinstance(value, int) and value.bit_length() > SHOWN_CHARS * 3:
        return f"of {value.bit_length():,} bits"
    text = repr(value.item() if isinstance(value, np.integer | np.floating | np.bool_) else value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def example_of(known: pd.Index) -> str:
    """Returns an id of the data for messages, text in quotes."""
    return repr(known[:1].tolist()[0])
