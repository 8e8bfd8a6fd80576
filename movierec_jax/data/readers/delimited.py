"""Reads delimited text: one set of rules for separators, headers, quotes, encodings, empty lines and messages.

Two readers follow the same `TextLayout`: `read_typed` parses numbers and ids with Arrow's threads, for tables of many
rows; `read_records` yields the fields of each record as text, which may hold line ends and be of any length.
"""

import codecs
import contextlib
import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Collection, Generator, Iterator

import pyarrow as pa
import pyarrow.csv

from movierec_jax.data.readers.columns import COLUMN_TYPES, normalized_name, typed_text
from movierec_jax.data.readers.source_file import AnyPath, open_bytes, read_head
from movierec_jax.errors import InputError

SEPARATORS = ("::", "\t", ",", ";", "|")

# Stands for "::" while Arrow reads, since Arrow splits by single bytes: the control character for this use.
FIELD_SEPARATOR = "\x1f"

# Characters of a first line that are looked at.
LONGEST_HEADER = 1 << 24

# Characters that a field may have: the most that a C long holds everywhere, where the csv module takes 131,072.
LONGEST_FIELD = 2**31 - 1

BLOCK_BYTES = 1 << 20

UTF_16 = "utf-16"


@dataclasses.dataclass(frozen=True)
class TextLayout:
    """How the lines of a text file make columns.

    columns: what each column of the file holds (a name of schema), None for columns that are not used.
    owner: what has that many columns, for messages: "a MovieLens 1M file".
    names: names of the columns as the file has them; empty without a header.
    skip_lines: lines before the first record: the header, and empty lines before it.
    is_quoted: whether quotes around a field are no part of it.
    """

    separator: str
    columns: tuple[str | None, ...]
    owner: str
    names: tuple[str, ...] = ()
    skip_lines: int = 0
    is_quoted: bool = True
    encoding: str = "utf-8-sig"


def find_layout(path: AnyPath, known_names: Collection[str], expected: str, encoding: str) -> TextLayout:
    """Returns the layout of a text file whose first line that is not empty holds the names of its columns.

    The separator is the one that splits this line into most known names, then into most fields.

    known_names: spellings of columns, as `normalized_name` writes them.
    expected: what the file should hold, for messages.

    Raises InputError for a binary or empty file.
    """
    if encoding != UTF_16 and b"\0" in read_head(path):
        raise InputError(f"{path}: a binary file; expected text or Parquet")
    with open_bytes(path) as stream, long_fields():
        text = io.TextIOWrapper(stream, encoding, errors="replace")
        lines = enumerate(iter(lambda: text.readline(LONGEST_HEADER), ""), start=1)
        line, first = next(((line, first) for line, first in lines if first.strip()), (0, ""))
        if not line:
            raise InputError(f"{path}: empty; expected {expected}")
        splits = {separator: split_line(first, separator) for separator in SEPARATORS}
    separator = max(
        splits,
        key=lambda separator: (
            sum(normalized_name(name) in known_names for name in splits[separator]),
            len(splits[separator]),
        ),
    )
    names = tuple(splits[separator])
    columns = (None,) * len(names)
    return TextLayout(separator, columns, f"line {line}", names, line, separator != "::", encoding)


def split_line(line: str, separator: str) -> list[str]:
    """Returns the fields of a line, without quotes and outer spaces."""
    fields = line.split(separator) if separator == "::" else next(csv.reader([line], delimiter=separator))
    return [field.strip() for field in fields]


def find_encoding(path: AnyPath) -> str:
    """Returns UTF-8, perhaps with a byte order mark, UTF-16 with one, or latin-1 (older MovieLens) for other text."""
    if read_head(path).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return UTF_16
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig"


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Makes the csv module take fields of any length."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def read_lines(path: AnyPath, encoding: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each line that is not empty."""
    with open_bytes(path) as stream:
        text = io.TextIOWrapper(stream, encoding)
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield number, line.rstrip("\n")


def read_records(path: AnyPath, layout: TextLayout) -> Generator[tuple[int, list[str]], None, None]:
    """Yields the last line and the fields of each record; a quoted field may hold line ends.

    Raises InputError with the line of a record with too many or too few fields, or of a quote that is not closed.
    """
    with open_bytes(path) as stream, long_fields():
        text = io.TextIOWrapper(stream, layout.encoding)
        list(itertools.islice(text, layout.skip_lines))
        rows = csv.reader(text, delimiter=layout.separator, strict=True) if layout.is_quoted else None
        records = rows or (line.rstrip("\n").split(layout.separator) if line.strip() else [] for line in text)
        line = layout.skip_lines
        try:
            for line, fields in enumerate(records, start=layout.skip_lines + 1):
                if rows:
                    line = layout.skip_lines + rows.line_num
                if not fields:
                    continue
                if len(fields) != len(layout.columns):
                    raise wrong_number_of_columns(f"{path}:{line}", len(fields), layout)
                yield line, fields
        except csv.Error as error:
            # Where the record begins: a quote that is not closed shows much later, if at all.
            advice = "a quote within a quoted field is written twice"
            raise InputError(f"{path}:{line + 1}: {error}; {advice}") from error


def wrong_number_of_columns(where: str, count: int, layout: TextLayout) -> InputError:
    """Returns the error of a line with `count` columns."""
    columns = f"{count} column{'s' * (count != 1)}"
    return InputError(f"{where}: {columns}; {layout.owner} has {len(layout.columns)}, split by {layout.separator!r}")


def read_typed(path: AnyPath, layout: TextLayout) -> dict[str, pa.ChunkedArray]:
    """Reads the used columns of a UTF-8 file, each in the first of its `COLUMN_TYPES` that holds every value.

    Raises InputError with the line of a record with too many or too few fields, or of text that is not UTF-8.
    """
    types = {column: COLUMN_TYPES[column][0] for column in layout.columns if column}
    while True:
        try:
            columns = parse_columns(path, layout, types)
            break
        except pa.ArrowInvalid as error:
            column = column_of_wrong_type(error, layout)
            if column is None or types[column] == pa.string():
                raise find_refusal(path, layout) from error
            types[column] = pa.string()
    for column, data_type in types.items():
        if data_type != COLUMN_TYPES[column][0]:
            columns[column] = typed_text(columns[column], column)
    return columns


def parse_columns(
    path: AnyPath, layout: TextLayout, types: dict[str, pa.DataType], *, use_threads: bool = True
) -> dict[str, pa.ChunkedArray]:
    """Parses columns of a text file as the given types; null where Arrow sees no value: "", "NA", "nan", "null".

    Raises:
      ArrowInvalid: a value is not of its type, or a line has not as many columns as the layout.
    """
    names = [column or f"unused {index}" for index, column in enumerate(layout.columns)]
    with open_bytes(path) as stream:
        is_double = layout.separator == "::"
        table = pyarrow.csv.read_csv(
            pa.BufferReader(stream.read().replace(b"::", FIELD_SEPARATOR.encode())) if is_double else stream,
            pyarrow.csv.ReadOptions(use_threads=use_threads, skip_rows=layout.skip_lines, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=FIELD_SEPARATOR if is_double else layout.separator, quote_char=layout.is_quoted and '"'
            ),
            pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True),
        )
    return dict(zip(table.column_names, table.columns, strict=True))


def column_of_wrong_type(error: pa.ArrowInvalid, layout: TextLayout) -> str | None:
    """Returns the column in which Arrow met a value of another type; None where something else is wrong."""
    found = re.match(r"In CSV column #(\d+)", str(error))
    return layout.columns[int(found[1])] if found else None


def find_refusal(path: AnyPath, layout: TextLayout) -> InputError:
    """Returns why a text file cannot be read, with the line, which Arrow knows only when it reads without threads."""
    for column in filter(None, layout.columns):
        try:
            parse_columns(path, layout, {column: pa.string()}, use_threads=False)
        except pa.ArrowInvalid as error:
            return arrow_refusal(error, path, layout)
    return InputError(f"{path}: has changed while it was read; try again")


def arrow_refusal(error: pa.ArrowInvalid, path: AnyPath, layout: TextLayout) -> InputError:
    """Returns what Arrow found wrong with a text file, in the user's terms."""
    if re.search("Empty CSV|Could not skip", str(error)):
        return InputError(f"{path}: no ratings")
    row = re.search(r"Row #(\d+)", str(error))
    if row is None:
        return InputError(f"{path}: cannot be read as text split by {layout.separator!r}: {error}")
    where = f"{path}:{line_of_row(int(row[1]), path, layout)}"
    found = re.search(r"got (\d+)", str(error))
    return wrong_number_of_columns(where, int(found[1]), layout) if found else InputError(f"{where}: not UTF-8 text")


def line_of_row(row: int, path: AnyPath, layout: TextLayout) -> int:
    """Returns the line of a row in Arrow's count, which leaves out the empty lines after the header."""
    with open_bytes(path) as stream:
        lines = enumerate(io.TextIOWrapper(stream, encoding="latin-1"), start=1)
        rows = (line for line, text in lines if line <= layout.skip_lines or text != "\n")
        return next(itertools.islice(rows, row - 1, None), row)
