"""Any CSV, TSV or Parquet file whose columns have names -> the columns that are wanted, as Arrow holds them."""

import codecs
import contextlib
import csv
import dataclasses
import io
import itertools
import os
import pathlib
from collections.abc import Collection, Generator, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from jaxtyping import Int64

from movierec_jax.data.readers.ratings_file import (
    HEAD_BYTES,
    SEPARATORS,
    AnyPath,
    errors_naming,
    is_gzip,
    opened,
    plain,
    split_line,
    to_pandas,
)
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError

# What stands for a missing value in any column of text, in lower case.
MISSING = ("", "na", "n/a", "nan", "null", "<na>")

# Rows of a text file that are Python objects at once.
ROWS_AT_ONCE = 10_000

# Characters that a field may have, the most that a C long holds everywhere; 131,072 unless the csv module is told.
LONGEST_FIELD = 2**31 - 1

BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's columns are called, no name twice, and what is needed to read them.

    separator, encoding, line: of a text file, the line of the names; "" and 0 in Parquet.
    """

    path: AnyPath
    names: list[str]
    separator: str = ""
    encoding: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Where the names stand, for messages: "a.csv:1", or "a.parquet"."""
        return f"{self.path}:{self.line}" if self.line else str(self.path)


@dataclasses.dataclass(frozen=True)
class Columns:
    """Columns of a file by name, and where their rows stand.

    by_name: large strings without outer spaces, null where missing, of a text file; of any type in Parquet.
    line: the line of a text file, the last where a row has several; the row of a Parquet file; both from 1.
    unit: "line" or "row", for messages.
    """

    path: AnyPath
    by_name: dict[str, pa.ChunkedArray]
    line: Int64[np.ndarray, " rows"]
    unit: str

    def place(self, row: int) -> str:
        """Where a row stands, for messages: "a.csv:7", or "a.parquet: row 7"."""
        return f"{self.path}:{self.line[row]}" if self.unit == "line" else f"{self.path}: row {self.line[row]}"


@contextlib.contextmanager
def local_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """The file of a path, or a copy of what is at a URL. Within it, errors of reading name what was given."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(downloaded(str(path))) if is_url(path) else pathlib.Path(path)
        stack.enter_context(errors_naming(file))
        if not file.is_file():
            raise InputError(f"{file}: no such file")
        yield file


def read_header(path: AnyPath, known: Collection[str], expected: str) -> Header:
    """The names of a file's columns; text is split by what gives the most known names, then the most names.

    known: spellings as `plain` makes them. expected: what the file should have, for messages.
    """
    with opened(path) as stream:
        head = stream.read(HEAD_BYTES)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if suffixes[-1:] in ([".parquet"], [".pq"]) or head.startswith(b"PAR1"):
        with parquet_file(path) as file:
            header = Header(path, file.schema_arrow.names)
    elif b"\0" in head:
        raise InputError(f"{path}: a binary file; expected text or Parquet")
    else:
        encoding = encoding_of(path)
        with opened(path) as stream, long_fields():
            lines = enumerate(io.TextIOWrapper(stream, encoding), start=1)
            line, text = next(((line, text) for line, text in lines if text.strip()), (0, ""))
            splits = {separator: split_line(text, separator) for separator in SEPARATORS if text}
        if not line:
            raise InputError(f"{path}: empty; expected {expected}")
        separator = max(
            splits,
            key=lambda separator: (sum(plain(name) in known for name in splits[separator]), len(splits[separator])),
        )
        header = Header(path, splits[separator], separator, encoding, line)
    repeated = sorted({name for name in header.names if header.names.count(name) > 1})
    if repeated:
        raise InputError(f"{header.place}: column {repeated[0]!r} twice; rename one of them")
    return header


def spelled(header: Header, spellings: Sequence[str]) -> list[str]:
    """The names that are among the spellings of a column, in the order of these."""
    names = [name for name in header.names if plain(name) in spellings]
    return sorted(names, key=lambda name: spellings.index(plain(name)))


def one_of(header: Header, column: str, names: Sequence[str]) -> str | None:
    """The only name that a column may have, None where there is none. Raises InputError where there are several."""
    if len(names) > 1:
        could_be = " and ".join(map(repr, names))
        raise InputError(
            f"{header.place}: columns {could_be} could each be the {column}; keep one, or rename the others"
        )
    return names[0] if names else None


def missing_column(header: Header, column: str, spellings: Sequence[str]) -> InputError:
    """That a file has no such column."""
    return InputError(
        f"{header.place}: no {column} column among {', '.join(map(repr, header.names))[:400]}; accepted names: "
        f"{', '.join(spellings)}"
    )


def read_columns(header: Header, names: Sequence[str]) -> Columns:
    """Columns of a file, of any length, by name. Raises InputError with the line of what cannot be read."""
    path = header.path
    if header.line:
        columns = read_text(header, names)
    else:
        with parquet_file(path) as file:
            table = file.read(columns=list(names))
            table.validate(full=True)  # a damaged file may hold text that is not UTF-8
        columns = Columns(path, {name: table.column(name) for name in names}, np.arange(1, len(table) + 1), "row")
    if not len(columns.line):
        raise InputError(f"{path}: no rows below the columns {', '.join(header.names)[:400]}")
    return columns


@contextlib.contextmanager
def parquet_file(path: AnyPath) -> Iterator[pyarrow.parquet.ParquetFile]:
    """An open Parquet file, which may be packed (.gz); whatever is wrong with it is an InputError."""
    try:
        with (
            opened(path) as stream,
            pyarrow.parquet.ParquetFile(pa.BufferReader(stream.read()) if is_gzip(path) else stream) as file,
        ):
            yield file
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error


def read_text(header: Header, names: Sequence[str]) -> Columns:
    """Columns of a text file."""
    places = [header.names.index(name) for name in names]
    pieces: list[list[pa.Array]] = [[] for _ in names]
    lines = []
    with contextlib.closing(read_records(header)) as records, long_fields():
        while block := list(itertools.islice(records, ROWS_AT_ONCE)):
            lines.append(np.array([line for line, _ in block], np.int64))
            for piece, place in zip(pieces, places, strict=True):
                piece.append(clean_text(pa.array([fields[place] for _, fields in block], pa.large_string())))
    by_name = {name: pa.chunked_array(piece, pa.large_string()) for name, piece in zip(names, pieces, strict=True)}
    return Columns(header.path, by_name, np.concatenate([np.zeros(0, np.int64), *lines]), "line")


def read_records(header: Header) -> Generator[tuple[int, list[str]], None, None]:
    """The last line and the fields of each record below the header; a quoted field may have line ends in it."""
    path, separator, num_columns = header.path, header.separator, len(header.names)
    with opened(path) as stream:
        text = io.TextIOWrapper(stream, header.encoding)
        list(itertools.islice(text, header.line))
        rows = csv.reader(text, delimiter=separator, strict=True) if separator != "::" else None
        records = rows or (line.rstrip("\n").split(separator) if line.strip() else [] for line in text)
        line = header.line
        try:
            for line, fields in enumerate(records, start=header.line + 1):
                if rows:
                    line = header.line + rows.line_num
                if not fields:
                    continue
                if len(fields) != num_columns:
                    found = f"{len(fields)} column{'s' * (len(fields) != 1)}"
                    raise InputError(
                        f"{path}:{line}: {found}; line {header.line} has {num_columns}, split by {separator!r}"
                    )
                yield line, fields
        except csv.Error as error:
            # Where the record begins: a quote that is not closed shows much later, if at all.
            advice = "a quote within a quoted field is written twice"
            raise InputError(f"{path}:{line + 1}: {error}; {advice}") from error


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Has the csv module take fields of any length."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def encoding_of(path: AnyPath) -> str:
    """UTF-8, perhaps with a byte order mark, or latin-1 for text that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(path) as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig"


def clean_text(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Large strings without outer spaces, null where they stand for a missing value."""
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([clean_text(piece) for piece in values.chunks], pa.large_string())
    text = pyarrow.compute.utf8_trim_whitespace(values.cast(pa.large_string()))
    is_missing = pyarrow.compute.is_in(pyarrow.compute.utf8_lower(text), pa.array(MISSING, pa.large_string()))
    return pyarrow.compute.if_else(is_missing, None, text)


def as_text(values: pa.ChunkedArray) -> pd.Series:
    """The same in pandas, as str."""
    return to_pandas(clean_text(values))
