"""Reads a column of times, whatever form they are written in, as seconds since 1970.

The form is chosen for a column, not for a row: a column that mixes two forms is refused, and single values that do not
fit are counted. `time_numbers` has the forms of numbers, `date_texts` those of text.
"""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Bool, Float64, Int64

from movierec_jax.data.readers.text.columns import clean_text
from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.data.values.date_texts import DATE_KINDS, YEAR_FIRST, DateKind, format_of, read_dates
from movierec_jax.data.values.time_numbers import (
    NUMBER_KINDS,
    SECONDS,
    SMALLEST_SECONDS,
    TOO_LARGE,
    UNITS,
    NumberKind,
    kinds_of,
    read_excel,
    reader_of_unit,
)
from movierec_jax.errors import InputError

# Fraction of the readable times that may be written in another way than the rest. They count as unreadable.
LARGEST_SHARE = 0.01

# A column's forms are guessed from about so many values, to try the likely ones first.
SAMPLE = 2_000

# Where fewer of a sample are different, equal texts are read once: they are days rather than times.
FEW_DIFFERENT = 0.95

# Texts are read in pieces, as their parts take several times their memory.
PIECE = 1_000_000

# How often each value of a column occurs; None where the values are all of the column.
Count = Int64[np.ndarray, " values"] | None

NUMBER = r"(?i)^\+?-?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?$"


@dataclasses.dataclass(frozen=True)
class Times:
    """A column of times that has been read.

    seconds: since 1970, UTC; NO_TIMESTAMP where a time is missing or unreadable.
    note: what was inferred, None for seconds since 1970, unless all are early, and for dates that begin with the year.
    num_unreadable: the number of values that are there and are no time.
    unreadable_example: the first of them, as text.
    """

    seconds: Int64[np.ndarray, " ratings"]
    note: str | None = None
    num_unreadable: int = 0
    unreadable_example: str | None = None


@dataclasses.dataclass(frozen=True)
class Reading:
    """The values of a column that can be read in one way.

    name: of the way, for messages. rows: theirs in the column, increasing. seconds: theirs. is_plain: whether there is
    nothing to note. advice: what to add to the note.
    """

    name: str
    rows: Int64[np.ndarray, " found"]
    seconds: Int64[np.ndarray, " found"]
    is_plain: bool = False
    advice: str = ""


def parse_times(values: pd.Series, time_format: str | None = None, count: Count = None) -> Times:
    """Returns the times of a column of integers, floats, dates or text, in any one of the usual forms.

    time_format: s, ms, us, ns, excel, or a format as pandas takes it ("%d/%m/%Y"); else the form is inferred. A column
    of dates needs none. Where nothing can be read, all values count as unreadable.
    count: where the values are the different ones of a column, none missing, in the order in which they first occur:
    how often each does. Numbers are then those of a column for which `only_kind` finds none.

    Raises InputError where a column mixes forms without `time_format`, and for a wrong format. The message does not
    name the file.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return Times(dates_to_seconds(values))
    if time_format is not None:
        return parse_stated(values, time_format, count)
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return parse_numbers(values, count)
    return parse_texts(values, count)


def dates_to_seconds(dates: pd.Series) -> Int64[np.ndarray, " ratings"]:
    """Returns dates in seconds since 1970, NO_TIMESTAMP for missing dates."""
    seconds = dates.to_numpy("datetime64[s]").astype(np.int64)
    return np.where(dates.isna(), NO_TIMESTAMP, seconds)


def parse_stated(values: pd.Series, time_format: str, count: Count = None) -> Times:
    """Returns the times of a column whose form is stated; what does not fit is unreadable. count: see `parse_times`."""
    text = as_text(values)
    if time_format in UNITS or time_format == "excel":
        rows, number, _ = split_numbers(text)
        rows, number = rows[np.abs(number) < TOO_LARGE], number[np.abs(number) < TOO_LARGE]
        seconds = (read_excel if time_format == "excel" else reader_of_unit(time_format))(number)
    elif "%" in time_format:
        try:
            dates = pd.to_datetime(pd.Series(text.to_pandas()), format=time_format, errors="coerce", utc=True)
        except ValueError as error:
            raise InputError(f"--time_format={time_format}: {error}; write it like %d/%m/%Y %H:%M") from error
        rows = np.flatnonzero(dates.notna())
        seconds = dates_to_seconds(dates)[rows]
    else:
        raise InputError(
            f"--time_format={time_format}: no such format; it is s, ms, us, ns or excel, or written like %d/%m/%Y %H:%M"
        )
    return times_of(values, is_valid(text), Reading(time_format, rows, seconds, is_plain=True), count)


def parse_numbers(values: pd.Series, count: Count = None) -> Times:
    """Returns the times of a column of numbers, in the column's own memory where it holds plain seconds.

    count: see `parse_times`.
    """
    is_integer = values.dtype == np.int64
    number = values.to_numpy() if is_integer else values.to_numpy(np.float64, na_value=np.nan)
    kind = only_kind_of_column(number) if count is None else None
    if kind is SECONDS and is_integer:
        return Times(number, note_if_early(values, number))
    is_present = np.ones(len(number), bool) if is_integer else values.notna().to_numpy()
    rows = np.flatnonzero(np.isfinite(number))
    found = number[rows]
    if kind is not None:
        return times_of(values, is_present, number_reading(kind, rows, kind.read(found)))
    readings = number_readings(rows, found.astype(np.float64), count)
    return times_of(values, is_present, chosen(values, readings, count), count)


def only_kind_of_column(number: Int64[np.ndarray, " ratings"] | Float64[np.ndarray, " ratings"]) -> NumberKind | None:
    """Returns the kind of the numbers of a column, as `only_kind`."""
    if not len(number):
        return None
    has_gaps = bool(np.isnan(number.min()))
    lowest, highest = (np.nanmin(number), np.nanmax(number)) if has_gaps else (number.min(), number.max())
    return only_kind(number[:: sample_step(len(number))], lowest, highest)


def sample_step(length: int) -> int:
    """Returns the distance between the values of a column that are a sample of it."""
    return length // SAMPLE + 1


def only_kind(sample: np.ndarray, lowest: np.number, highest: np.number) -> NumberKind | None:
    """Returns the kind of numbers where all are of one beyond doubt, None where each has to be looked at.

    A sample tells the kind, and the lowest and the highest number that all are of it.
    """
    sample = sample.astype(np.float64)
    sample = sample[np.isfinite(sample)]
    places = np.unique(kinds_of(sample, LARGEST_SHARE))
    if len(places) != 1 or places[0] < 0:
        return None
    kind = NUMBER_KINDS[places[0]]
    # Among epochs, small numbers are looked at: they could be years or compact dates.
    least = SMALLEST_SECONDS if kind is SECONDS and np.median(sample) >= SMALLEST_SECONDS else kind.lowest
    return kind if lowest >= least and highest <= kind.highest else None


def number_readings(
    rows: Int64[np.ndarray, " found"], number: Float64[np.ndarray, " found"], count: Count = None
) -> list[Reading]:
    """Returns the ways to read the numbers that stand in some rows of a column. count: see `parse_times`."""
    place_of = kinds_of(number, LARGEST_SHARE, None if count is None else count[rows])
    readings = []
    for place in np.unique(place_of[place_of >= 0]):
        kind, of_kind = NUMBER_KINDS[place], place_of == place
        readings.append(number_reading(kind, rows[of_kind], kind.read(number[of_kind])))
    return readings


def number_reading(
    kind: NumberKind, rows: Int64[np.ndarray, " found"], seconds: Int64[np.ndarray, " found"]
) -> Reading:
    """Returns how numbers of a kind are read, without those that the kind cannot read."""
    if (seconds == NO_TIMESTAMP).any():
        rows, seconds = rows[seconds != NO_TIMESTAMP], seconds[seconds != NO_TIMESTAMP]
    return Reading(kind.name, rows, seconds, is_plain=kind is SECONDS)


def parse_texts(values: pd.Series, count: Count = None) -> Times:
    """Returns the times of a column of text: numbers, or dates of one kind. count: see `parse_times`."""
    text = as_text(values)
    rows, number, dates = read_pieces(text)
    readings = [reading for kind, found in dates.items() if (reading := date_reading(kind, text, *found, count=count))]
    if not readings or not np.isin(number, (0, -1)).all():
        readings += number_readings(rows, number, count)
    return times_of(values, is_valid(text), chosen(values, readings, count), count)


def as_text(values: pd.Series) -> pa.LargeStringArray:
    """Returns a column as text without outer spaces, null where a value is missing; whole floats without ".0"."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    text = pa.array(values.astype("str"), pa.large_string())
    # A series that stands on Arrow's memory keeps its chunks.
    return clean_text(text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text)


def is_valid(text: pa.LargeStringArray) -> Bool[np.ndarray, " ratings"]:
    """Returns which texts are not null."""
    return text.is_valid().to_numpy(zero_copy_only=False)


def read_pieces(text: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray, dict[DateKind, tuple[np.ndarray, ...]]]:
    """Returns what is in a column of text: rows of numbers, the numbers, and the dates of each kind that occurs.

    Dates are their rows, their seconds with the month first, and with the day first; the same where the kind has one
    order.
    """
    present = text.drop_null()
    sample = present.take(pa.array(np.arange(0, len(present), len(present) // SAMPLE + 1)))
    is_repetitive = len(sample.unique()) < FEW_DIFFERENT * len(sample)
    num_dates = {kind: len(rows) for kind, (rows, *_) in read_dates(sample, DATE_KINDS).items()}
    kinds = sorted(DATE_KINDS, key=lambda kind: -num_dates.get(kind, 0))
    numbers: list[tuple[np.ndarray, ...]] = [(np.zeros(0, np.int64), np.zeros(0))]
    dates: dict[DateKind, list[tuple[np.ndarray, ...]]] = {}
    for start in range(0, len(text), PIECE):
        rows, number, others = split_numbers(text.slice(start, PIECE))
        numbers.append((rows + start, number))
        words = text.slice(start, PIECE).take(pa.array(others))
        for kind, (found, *orders) in (read_equal_once if is_repetitive else read_dates)(words, kinds).items():
            dates.setdefault(kind, []).append((others[found] + start, *orders))
    rows, number = joined(numbers)
    return rows, number, {kind: joined(found) for kind, found in dates.items()}


def read_equal_once(text: pa.LargeStringArray, kinds: list[DateKind]) -> dict[DateKind, tuple[np.ndarray, ...]]:
    """Returns what `read_dates` does, faster where texts repeat."""
    different = text.dictionary_encode()
    code = different.indices.to_numpy(zero_copy_only=False)
    dates = {}
    for kind, (found, *orders) in read_dates(different.dictionary, kinds).items():
        place = np.full(len(different.dictionary), -1)
        place[found] = np.arange(len(found))
        rows = np.flatnonzero(place[code] >= 0)
        dates[kind] = (rows, *(order[place[code[rows]]] for order in orders))
    return dates


def joined(pieces: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Returns pieces of several arrays as these arrays."""
    return tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))


def split_numbers(text: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the rows of text that hold numbers, the numbers, and the rows that hold other text."""
    is_number = pyarrow.compute.match_substring_regex(text, NUMBER)
    rows = np.flatnonzero(is_number.fill_null(False).to_numpy(zero_copy_only=False))
    others = np.flatnonzero(pyarrow.compute.invert(is_number).fill_null(False).to_numpy(zero_copy_only=False))
    plain = pyarrow.compute.replace_substring(text.take(pa.array(rows)), ",", ".")
    plain = pyarrow.compute.utf8_ltrim(plain, "+")
    return rows, plain.cast(pa.float64()).to_numpy(zero_copy_only=False), others


def total(rows: Int64[np.ndarray, " found"], count: Count) -> int:
    """Returns how often the values of some rows occur: once each, unless the counts are given."""
    return len(rows) if count is None else int(count[rows].sum())


def date_reading(
    kind: DateKind,
    text: pa.LargeStringArray,
    rows: np.ndarray,
    month_first: np.ndarray,
    day_first: np.ndarray,
    count: Count = None,
) -> Reading | None:
    """Returns how the dates of one kind are read, None where none of them is in the calendar.

    count: see `parse_times`.

    Raises InputError where some have the month first and others the day.
    """
    as_month, as_day = month_first != NO_TIMESTAMP, day_first != NO_TIMESTAMP
    num_any, num_month, num_day = (total(rows[mask], count) for mask in (as_month | as_day, as_month, as_day))
    if not num_any:
        return None
    if not kind.has_order:
        example = text[int(rows[as_month][0])].as_py()
        name = kind.name if kind is YEAR_FIRST else format_of(kind, example, None)
        return Reading(name, rows[as_month], month_first[as_month], is_plain=kind is YEAR_FIRST)
    if max(num_month, num_day) < (1 - LARGEST_SHARE) * num_any:
        examples = [text[int(rows[mask][0])].as_py() for mask in (as_month & ~as_day, as_day & ~as_month)]
        raise mixed([(examples[0], "month first", num_any - num_day), (examples[1], "day first", num_any - num_month)])
    is_month_first = bool(kind.is_month_first) if num_month == num_day else num_month > num_day
    mask, seconds = (as_month, month_first) if is_month_first else (as_day, day_first)
    example = text[int(rows[mask][0])].as_py()
    advice = ""
    # A single date that only one order can read may be a slip, so that the other is worth a word.
    if min(num_month, num_day) >= (1 - LARGEST_SHARE) * num_any and (month_first != day_first).any():
        other = "day" if is_month_first else "month"
        advice = f"; --time_format={format_of(kind, example, not is_month_first)!r} reads the {other} first"
    return Reading(format_of(kind, example, is_month_first), rows[mask], seconds[mask], advice=advice)


def chosen(values: pd.Series, readings: list[Reading], count: Count = None) -> Reading | None:
    """Returns the way in which nearly all readable values of a column can be read, None where none can be.

    count: see `parse_times`.

    Raises InputError where the column mixes ways.
    """
    sizes = [total(reading.rows, count) for reading in readings]
    frequent = [(size, found) for size, found in zip(sizes, readings, strict=True) if size > LARGEST_SHARE * sum(sizes)]
    if len(frequent) > 1:
        frequent.sort(key=lambda sized: -sized[0])
        raise mixed([(shown(values, int(found.rows[0])), found.name, size) for size, found in frequent])
    return frequent[0][1] if frequent else None


def mixed(ways: list[tuple[str, str, int]]) -> InputError:
    """Returns the error of a column with times written in several ways: an example, the name and the number of each."""
    examples = " and ".join(f"{example!r} ({name}; {count:,} values)" for example, name, count in ways)
    return InputError(
        f"times are written in {len(ways)} ways: {examples}; write all in one way, or state one, such as "
        "--time_format=s or --time_format=%d/%m/%Y: others then count as unreadable"
    )


def times_of(values: pd.Series, is_present: np.ndarray, reading: Reading | None, count: Count = None) -> Times:
    """Returns the times of a column that is read in one way; what is present and not read is unreadable.

    count: see `parse_times`.
    """
    seconds = np.full(len(values), NO_TIMESTAMP)
    note = None
    if reading is not None:
        seconds[reading.rows] = reading.seconds
        if not reading.is_plain:
            example = shown(values, int(reading.rows[0]))
            note = f"times such as {example!r} are read as {reading.name}{reading.advice}"
        elif reading.name == SECONDS.name:
            note = note_if_early(values.iloc[reading.rows[:1]], reading.seconds)
    unreadable = np.flatnonzero(is_present & (seconds == NO_TIMESTAMP))
    first = shown(values, int(unreadable[0])) if len(unreadable) else None
    return Times(seconds, note, total(unreadable, count), first)


def note_if_early(values: pd.Series, seconds: Int64[np.ndarray, " found"]) -> str | None:
    """Returns a note on seconds since 1970 that all lie before 1973, and may be a date or an order; None for others.

    values: the first is the example.
    """
    if not len(seconds) or seconds.max() >= SMALLEST_SECONDS:
        return None
    return (
        f"times such as {shown(values, 0)!r} are read as seconds since 1970, all of them before 1973: right for an "
        "order; another form is stated by --time_format"
    )


def shown(values: pd.Series, row: int) -> str:
    """Returns a value of a column as text, for messages."""
    value = values.iloc[row]
    return f"{value:.15g}" if isinstance(value, float | np.floating) else str(value)
