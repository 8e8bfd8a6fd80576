"""Reads times written as numbers: seconds and finer units since 1970, years, compact dates, and Excel's days."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int8, Int64

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.data.values.date_texts import calendar_seconds

DAY_SECONDS = 24 * 60 * 60

# Excel's day 25569 is the first of January 1970.
EXCEL_1970 = 25_569

# Seconds below are before March 1973: small numbers are rather an order of ratings, or stand for no time.
SMALLEST_SECONDS = 100_000_000

# The units of --time_format, in seconds.
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

# Numbers from 2^62 cannot be seconds in int64.
TOO_LARGE = 2.0**62


@dataclasses.dataclass(frozen=True)
class NumberKind:
    """Numbers that stand for times in one way.

    name: for messages. lowest, highest: the range of numbers that are read so, both inclusive. read: from numbers in
    this range to seconds, NO_TIMESTAMP for those that are none.
    """

    name: str
    lowest: float
    highest: float
    read: Callable[[np.ndarray], np.ndarray]


def read_years(number: np.ndarray) -> np.ndarray:
    """Returns the seconds at which years begin."""
    year = number.astype(np.int64)
    ones = np.ones_like(year)
    return np.where(number == year, calendar_seconds(year, ones, ones), NO_TIMESTAMP)


def read_excel(number: np.ndarray) -> np.ndarray:
    """Returns the seconds of days since 1900, as Excel counts them, to the nearest second."""
    return np.round((number - EXCEL_1970) * DAY_SECONDS).astype(np.int64)


def reader_of_digits(num_digits: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that reads numbers such as 20140513 with so many digits, up to YYYYMMDDHHMMSS."""

    def read(number: np.ndarray) -> np.ndarray:
        digits = number.astype(np.int64)
        is_whole = number == digits
        # A month without a day is its first day.
        digits = digits * 100 + 1 if num_digits == 6 else digits
        digits = digits * 10 ** (14 - max(num_digits, 8))
        day, clock = digits // 1_000_000, digits % 1_000_000
        hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
        seconds = calendar_seconds(day // 10_000, day // 100 % 100, day % 100)
        is_time = is_whole & (hour < 24) & (minute < 60) & (second < 60) & (seconds != NO_TIMESTAMP)
        return np.where(is_time, seconds + hour * 3600 + minute * 60 + second, NO_TIMESTAMP)

    return read


def reader_of_unit(unit: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that reads numbers in a unit since 1970 as whole seconds, fractions cut off."""
    # Integers stay exact; as floats, nanoseconds would be rounded.
    return lambda number: (number // np.asarray(UNITS[unit], number.dtype)).astype(np.int64)


def digits_kind(num_digits: int, form: str) -> NumberKind:
    """Returns the kind of numbers that are the digits of a date between 1900 and 2100."""
    rest = 10.0 ** (num_digits - 4)
    return NumberKind(form, 1900 * rest, 2101 * rest - 1, reader_of_digits(num_digits))


# From 1e11, as seconds after the year 5100, numbers are milliseconds; and so on with finer units.
SECONDS = NumberKind("seconds since 1970", 1e-3 - 1e11, 1e11 - 1e-3, reader_of_unit("s"))

# A number is of the first kind that can read it.
NUMBER_KINDS = (
    NumberKind("years", 1900.0, 2100.0, read_years),
    NumberKind("Excel's days since 1900", 32_874.0, 54_789.0, read_excel),  # 1990 to 2050
    digits_kind(6, "%Y%m"),
    digits_kind(8, "%Y%m%d"),
    digits_kind(12, "%Y%m%d%H%M"),
    digits_kind(14, "%Y%m%d%H%M%S"),
    SECONDS,
    NumberKind("milliseconds since 1970", 1e11, 1e14 - 1, reader_of_unit("ms")),
    NumberKind("microseconds since 1970", 1e14, 1e17 - 1e3, reader_of_unit("us")),
    NumberKind("nanoseconds since 1970", 1e17, TOO_LARGE, reader_of_unit("ns")),
)
SECONDS_PLACE = NUMBER_KINDS.index(SECONDS)


def kinds_of(
    number: Float64[np.ndarray, " times"], largest_share: float, count: Int64[np.ndarray, " times"] | None = None
) -> Int8[np.ndarray, " times"]:
    """Returns the place of each number's kind in `NUMBER_KINDS`, -1 for numbers that are no time.

    Where more than `largest_share` of the numbers are small and of no other kind, all small numbers are seconds, which
    keeps an order of ratings: 1900 is not a year where 1 to 5000 occur. The numbers 0 and -1 often stand for no time:
    they are of the most frequent kind of the others if that counts from 1970, else of none.

    count: how often each number occurs; None: once.
    """
    place_of = np.full(len(number), -1, np.int8)
    for place, kind in enumerate(NUMBER_KINDS):
        rows = np.flatnonzero((place_of < 0) & (number >= kind.lowest) & (number <= kind.highest))
        place_of[rows[kind.read(number[rows]) != NO_TIMESTAMP]] = place
    says_nothing = (number == 0) | (number == -1)
    is_small = (number < SMALLEST_SECONDS) & (place_of >= 0) & ~says_nothing
    count = np.ones(len(number), np.int64) if count is None else count
    num_orders = count[is_small & (place_of == SECONDS_PLACE)].sum()
    if num_orders > largest_share * count[~says_nothing].sum():
        place_of[is_small] = SECONDS_PLACE
    is_other = ~says_nothing & (place_of >= 0)
    most_frequent = int(np.bincount(place_of[is_other], count[is_other]).argmax()) if is_other.any() else SECONDS_PLACE
    place_of[says_nothing] = most_frequent if most_frequent >= SECONDS_PLACE else -1
    return place_of
