"""Any CSV, TSV or Parquet file of ratings -> its columns, before any row is judged."""

import contextlib
import csv
import dataclasses
import gzip
import io
import itertools
import lzma
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from movierec_jax.data.readers.table_cache import CACHED_FROM_BYTES, through_cache
from movierec_jax.data.schema import MOVIE_ID, RATING, TAG, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError

# On disk or inside an archive; a zipfile.Path reads as "ml-1m.zip/ml-1m/ratings.dat" in messages.
AnyPath = pathlib.Path | zipfile.Path

# What the columns of any ratings file may be called, in lower case and without spaces, "_" and "-".
USER_NAMES = "user userid uid customer customerid custid reviewer reviewerid member memberid profile profileid"

MOVIE_NAMES = "movie movieid mid item itemid iid film filmid titleid asin product productid imdb imdbid"

RATING_NAMES = "rating ratings stars starrating score overall value"

TIME_NAMES = "timestamp time ts unixreviewtime date datetime ratedat ratingdate ratingtime ratingtimestamp createdat"

SPELLINGS = {
    USER_ID: USER_NAMES.split(),
    MOVIE_ID: MOVIE_NAMES.split(),
    RATING: RATING_NAMES.split(),
    TIMESTAMP: TIME_NAMES.split(),
}

# The types that a column may have, the usual one first; the first that holds every value is taken.
COLUMN_TYPES = {
    USER_ID: (pa.int64(), pa.string()),
    MOVIE_ID: (pa.int64(), pa.string()),
    RATING: (pa.float32(), pa.string()),
    TIMESTAMP: (pa.int64(), pa.float64(), pa.string()),
    TAG: (pa.string(),),
}

SEPARATORS = ("::", "\t", ",", ";", "|")

# Stands for "::" while Arrow reads, since Arrow splits by single bytes only: the control character for this use.
FIELD_SEPARATOR = "\x1f"

# Enough for a first line.
HEAD_BYTES = 1 << 16

# What missing permissions, passwords and damage raise, in text, archives and Parquet alike.
UNREADABLE = (OSError, EOFError, RuntimeError, UnicodeDecodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@contextlib.contextmanager
def errors_naming(path: AnyPath) -> Iterator[None]:
    """Turns what opening, unpacking and reading may raise into an InputError that names the path."""
    try:
        yield
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def opened(path: AnyPath) -> Iterator[IO[bytes]]:
    """The bytes of a file or archive member, unpacked if its name ends in .gz."""
    with errors_naming(path), path.open("rb") as stream:
        if is_gzip(path):
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        yield stream


def is_gzip(path: AnyPath) -> bool:
    """Whether the name of a file says that it is packed."""
    return path.name.lower().endswith(".gz")


def text_of(path: AnyPath) -> io.StringIO:
    """The text of a small file, lines ending in a newline; latin-1, as in the older MovieLens, if it is not UTF-8."""
    with opened(path) as stream:
        content = stream.read()
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError:
        return io.StringIO(content.decode("latin-1"), newline=None)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the lines of a text file make columns.

    columns: for each column of the file what it holds (a name of schema), None where we have no use for it.
    owner: what has that many columns, for messages: "a MovieLens 1M file".
    header: names of the columns as the file has them; empty without a header.
    skip_rows: lines before the first rating, the header and the empty lines before it.
    """

    separator: str
    columns: tuple[str | None, ...]
    owner: str
    header: tuple[str, ...] = ()
    skip_rows: int = 0


def find_layout(path: AnyPath) -> Layout:
    """The layout of any ratings file, from its first line."""
    with opened(path) as stream:
        head = stream.read(HEAD_BYTES)
    if b"\0" in head:
        raise InputError(f"{path}: a binary file; expected text or Parquet")
    # Bytes split at the line ends that Arrow knows; str.splitlines knows more of them.
    lines = enumerate(head.splitlines(), start=1)
    line, first = next(((line, text) for line, text in lines if text.strip()), (0, b""))
    if not first:
        raise InputError(f"{path}: empty; expected ratings")
    place, owner = f"{path}:{line}", f"line {line}"
    splits = {separator: split_line(first.decode("utf-8-sig", "replace"), separator) for separator in SEPARATORS}
    separator = max(splits, key=lambda separator: (num_known(splits[separator]), len(splits[separator])))
    fields = splits[separator]
    if len(fields) == 1:
        separators = " ".join(map(repr, SEPARATORS))
        raise InputError(f"{place}: one column; expected user, movie and rating columns, split by one of {separators}")
    # The fourth may be a date, but no header begins with three numbers.
    if all(map(is_number, fields[:3])):
        if len(fields) not in (3, 4):
            raise InputError(
                f"{place}: {len(fields)} columns, split by {separator!r}; a file without a header has 3 or 4: user, "
                "movie, rating and perhaps timestamp"
            )
        return Layout(separator, tuple(SPELLINGS)[: len(fields)], owner, skip_rows=line - 1)
    return Layout(separator, name_columns(fields, place), owner, header=tuple(fields), skip_rows=line)


def split_line(line: str, separator: str) -> list[str]:
    """The fields of a line, without quotes and outer spaces."""
    fields = line.split(separator) if separator == "::" else next(csv.reader([line], delimiter=separator))
    return [field.strip() for field in fields]


def is_number(field: str) -> bool:
    """Whether the field is a number or missing."""
    try:
        float(field or 0)
    except ValueError:
        return False
    return True


def plain(name: str) -> str:
    """A column's name without what people write differently."""
    return re.sub(r"[\s_-]", "", name).lower()


def num_known(names: Iterable[str]) -> int:
    """How many of the names are spellings of a column we read."""
    return sum(plain(name) in spellings for name in names for spellings in SPELLINGS.values())


def name_columns(names: list[str], place: str) -> tuple[str | None, ...]:
    """What each named column of a file holds, None where we have no use for it; `place` is for messages."""
    columns: list[str | None] = [None] * len(names)
    for column, spellings in SPELLINGS.items():
        found = [index for index, name in enumerate(names) if plain(name) in spellings]
        if len(found) > 1:
            could_be = " and ".join(repr(names[index]) for index in found)
            raise InputError(f"{place}: columns {could_be} could each be the {column}; keep one, or rename the others")
        if found:
            columns[found[0]] = column
        elif column != TIMESTAMP:
            raise InputError(
                f"{place}: no {column} column among {', '.join(map(repr, names))[:400]}; accepted names: "
                f"{', '.join(spellings)} (or no header, and numbers in the order user, movie, rating, timestamp)"
            )
    return tuple(columns)


def read_text(path: AnyPath, layout: Layout, cache: pathlib.Path | None = None) -> pd.DataFrame:
    """The ratings of a text file, each column in the first of `COLUMN_TYPES` that holds every value.

    cache: folder of a `table_cache` for what large files hold; columns from there cannot be changed in place.
    """
    source, member = (pathlib.Path(str(path.root.filename)), path.at) if isinstance(path, zipfile.Path) else (path, "")
    if cache is None or source.stat().st_size < CACHED_FROM_BYTES:
        return to_frame(text_columns(path, layout), path)
    how = repr((member, is_gzip(path), layout, COLUMN_TYPES))
    # Each column in one piece, so that pandas can take it as it stands in the mapped file.
    table = through_cache(cache, source, how, lambda: pa.table(text_columns(path, layout)).combine_chunks())
    return to_frame(dict(zip(table.column_names, table.columns, strict=True)), path, is_mapped=True)


def text_columns(path: AnyPath, layout: Layout) -> dict[str, pa.ChunkedArray]:
    """The columns of a text file that we have a use for, in the first of `COLUMN_TYPES` that holds every value.

    Raises InputError with the line where lines have another number of columns, or text is not UTF-8.
    """
    types = {column: COLUMN_TYPES[column][0] for column in layout.columns if column}
    while True:
        try:
            columns = read_columns(path, layout, types)
            break
        except pa.ArrowInvalid as error:
            column = column_not_of_its_type(error, layout)
            if column is None or types[column] == pa.string():
                raise refusal(path, layout) from error
            types[column] = pa.string()
    for column, data_type in types.items():
        if data_type != COLUMN_TYPES[column][0]:
            columns[column] = from_text(columns[column], column)
    return columns


def column_not_of_its_type(error: pa.ArrowInvalid, layout: Layout) -> str | None:
    """The column in which Arrow met a value of another type; None where something else is wrong."""
    found = re.match(r"In CSV column #(\d+)", str(error))
    return layout.columns[int(found[1])] if found else None


def from_text(text: pa.ChunkedArray, column: str) -> pa.ChunkedArray:
    """The values of a column in the first of its types that holds all of them."""
    if column not in (USER_ID, MOVIE_ID):
        return cast_to_first(text, COLUMN_TYPES[column])
    with contextlib.suppress(pa.ArrowInvalid):
        # Piece by piece: ids that are no integers show in the first, and text takes long to look through.
        return pa.chunked_array([to_integers(piece) for piece in text.chunks], pa.int64())
    return text


def to_integers(text: pa.StringArray | pa.LargeStringArray) -> pa.Int64Array:
    """The integers that the text writes; ArrowInvalid where some is none."""
    # pandas writes "1.0" for an integer id in a column where another id is missing.
    return pyarrow.compute.replace_substring_regex(text, r"^\s*(-?\d+)(\.0*)?\s*$", r"\1").cast(pa.int64())


def refusal(path: AnyPath, layout: Layout) -> InputError:
    """Why a text file cannot be read, with the line, which only a serial reader of Arrow's knows."""
    for column in filter(None, layout.columns):
        try:
            read_columns(path, layout, {column: pa.string()}, use_threads=False)
        except pa.ArrowInvalid as error:
            return InputError(explain(error, path, layout))
    return InputError(f"{path}: has changed while it was read; try again")


def read_columns(
    path: AnyPath, layout: Layout, types: dict[str, pa.DataType], *, use_threads: bool = True
) -> dict[str, pa.ChunkedArray]:
    """Columns of a text file in the given types; null where Arrow sees no value: "", "NA", "nan", "null".

    Raises:
      ArrowInvalid: a value is not of its type, or a line has not as many columns as the layout.
    """
    names = [column or f"unused {index}" for index, column in enumerate(layout.columns)]
    with opened(path) as stream:
        is_double = layout.separator == "::"
        table = pyarrow.csv.read_csv(
            pa.BufferReader(stream.read().replace(b"::", FIELD_SEPARATOR.encode())) if is_double else stream,
            pyarrow.csv.ReadOptions(use_threads=use_threads, skip_rows=layout.skip_rows, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=FIELD_SEPARATOR if is_double else layout.separator, quote_char=not is_double and '"'
            ),
            pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True),
        )
    return dict(zip(table.column_names, table.columns, strict=True))


def explain(error: pa.ArrowInvalid, path: AnyPath, layout: Layout) -> str:
    """What Arrow found wrong with a text file, in the caller's terms."""
    if re.search("Empty CSV|Could not skip", str(error)):
        return f"{path}: no ratings"
    row = re.search(r"Row #(\d+)", str(error))
    if row is None:
        return f"{path}: cannot be read as text split by {layout.separator!r}: {error}"
    place = f"{path}:{line_of_row(int(row[1]), path, layout)}"
    found = re.search(r"got (\d+)", str(error))
    if found is None:
        return f"{place}: not UTF-8 text"
    columns = "column" if found[1] == "1" else "columns"
    return f"{place}: {found[1]} {columns}; {layout.owner} has {len(layout.columns)}, split by {layout.separator!r}"


def line_of_row(row: int, path: AnyPath, layout: Layout) -> int:
    """The line of a row in Arrow's count, which leaves out the empty lines after the header."""
    with opened(path) as stream:
        lines = enumerate(io.TextIOWrapper(stream, encoding="latin-1"), start=1)
        rows = (line for line, text in lines if line <= layout.skip_rows or text != "\n")
        return next(itertools.islice(rows, row - 1, None), row)


def read_parquet(path: pathlib.Path) -> pd.DataFrame:
    """The ratings of a Parquet file; ids of text stay text, and ids of floats become integers if all are whole."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            named = {column: name for column, name in zip(name_columns(names, str(path)), names, strict=True) if column}
            table = file.read(columns=list(named.values()))
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
    columns = {column: table.column(name) for column, name in named.items()}
    del table  # so that to_frame can free each column
    for column, name in named.items():
        try:
            columns[column] = parquet_column(columns[column], column)
        except pa.ArrowException as error:
            raise InputError(f"{path}: column {name!r} cannot be the {column}: {error}") from error
    return to_frame(columns, path)


def parquet_column(values: pa.ChunkedArray, column: str) -> pa.ChunkedArray:
    """The values in the first of the column's types that holds all of them; times in UTC."""
    values.validate(full=True)  # a damaged file may hold text that is not UTF-8
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pyarrow.compute.if_else(pyarrow.compute.is_nan(values), None, values)
    is_number_type = pa.types.is_primitive(values.type) or pa.types.is_decimal(values.type)
    if column in (USER_ID, MOVIE_ID) and not is_number_type:
        return values.cast(pa.string())
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp(values.type.unit))
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("ms"))
    return cast_to_first(values, COLUMN_TYPES[column])


def cast_to_first(values: pa.ChunkedArray, types: Iterable[pa.DataType]) -> pa.ChunkedArray:
    """The values in the first type that holds all of them; ArrowInvalid if none does."""
    for data_type in types:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return values.cast(data_type)
    raise pa.ArrowInvalid(f"{values.type} is none of {', '.join(map(str, types))}")


def to_frame(columns: dict[str, pa.ChunkedArray], path: AnyPath, *, is_mapped: bool = False) -> pd.DataFrame:
    """The ratings in pandas. Empties `columns` to free each one in turn.

    is_mapped: take columns as they stand in a mapped file, where that is possible.
    """
    convert = to_pandas if is_mapped else to_series
    ratings = {column: convert(columns.pop(column)) for column in list(columns)}
    if len(ratings[RATING]) == 0:
        raise InputError(f"{path}: no ratings")
    return pd.DataFrame(ratings, copy=False)


def to_series(values: pa.ChunkedArray) -> pd.Series:
    """A column in pandas, in memory of its own."""
    series = to_pandas(values)
    # Of several pieces pandas has made one; a single piece still is Arrow's, and cannot be changed.
    return series.copy() if values.num_chunks == 1 else series


def to_pandas(values: pa.ChunkedArray) -> pd.Series:
    """A column in pandas, in the memory of Arrow where it can be; a missing integer makes it Int64."""
    # pandas gives text this type in any case, but by way of Python objects unless it is asked for.
    types: dict[pa.DataType, Any] = dict.fromkeys((pa.string(), pa.large_string()), pd.StringDtype(na_value=np.nan))
    if values.null_count:
        types[pa.int64()] = pd.Int64Dtype()
    return values.to_pandas(types_mapper=types.get)
