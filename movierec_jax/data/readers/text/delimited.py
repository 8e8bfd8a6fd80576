"""Reads the rows of delimited text: one set of rules for quotes, encodings, empty lines and messages.

Two readers follow the same `TextLayout`: `read_typed` parses numbers and ids with Arrow's threads, for tables of many
rows; `read_records` yields the fields of each record as text, which may hold line ends and be of any length.

No quotation mark swallows rows unseen: `text_scan` looks at every line before Arrow does, and sends a file with quotes
that could join lines to `read_records`, which names the line of a quote that joins rows.
"""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Generator, Iterator, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from movierec_jax.data.readers.source_file import MAX_LINE_BYTES, AnyPath, open_bytes, overlong_error
from movierec_jax.data.readers.text.arrow_options import FIELD_SEPARATOR, arrow_options, is_single_byte
from movierec_jax.data.readers.text.columns import COLUMN_TYPES, MISSING_NUMBERS, typed_text
from movierec_jax.data.readers.text.layout import BLANKS, UTF8, TextLayout, find_encoding
from movierec_jax.data.readers.text.text_scan import TextScan, scan_text
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError

# Rows of a text file that are Python objects at the same time.
ROWS_AT_ONCE = 10_000

# What may end a file without being a row: "(800 rows affected)".
FOOTER = re.compile(r"(?=.*[A-Za-z]).*\S\s+\S.*")

# Bytes at the end of a file that may hold such a line.
TAIL_BYTES = 1 << 16


@contextlib.contextmanager
def open_text(path: AnyPath, encoding: str) -> Iterator[IO[bytes]]:
    """Opens a text file as UTF-8 bytes, whatever its encoding; those of UTF-8 may begin with a byte order mark."""
    with open_bytes(path) as stream:
        yield (
            stream
            if encoding in (UTF8, "utf-8")
            else pa.transcoding_input_stream(pa.PythonFile(stream, "r"), encoding, "utf-8")
        )


def read_lines(path: AnyPath, encoding: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each line that is not empty."""
    with open_bytes(path) as stream:
        text = io.TextIOWrapper(stream, encoding)
        for number, line in enumerate(bounded_lines(path, text), start=1):
            if line.strip():
                yield number, line.rstrip("\n")


def bounded_lines(path: AnyPath, text: io.TextIOWrapper) -> Iterator[str]:
    """Yields the lines of a text with their ends. Raises InputError for one that is too long."""
    for number in itertools.count(1):
        line = text.readline(MAX_LINE_BYTES)
        if len(line) == MAX_LINE_BYTES:
            raise overlong_error(f"{path}:{number}")
        if not line:
            return
        yield line


def read_records(path: AnyPath, layout: TextLayout) -> Generator[tuple[int, list[str]], None, None]:
    """Yields the last line and the fields of each record; a quoted field may hold line ends.

    Raises InputError with the line of a record with too many or too few fields, or of a quote that is not closed, or
    closed only after lines that are rows themselves.
    """
    with open_bytes(path) as stream:
        text = io.TextIOWrapper(stream, layout.encoding, newline="")
        lines = bounded_lines(path, text)
        list(itertools.islice(lines, layout.skip_lines))
        rows = None
        if layout.is_quoted:
            rows = csv.reader(
                lines,
                delimiter=layout.separator,
                quotechar=layout.quote,
                skipinitialspace=layout.skips_blanks,
                strict=True,
            )
        records = rows or (layout.split(line) if line.strip() else [] for line in lines)
        line = layout.skip_lines
        try:
            for number, fields in enumerate(records, start=layout.skip_lines + 1):
                first, line = line + 1, layout.skip_lines + rows.line_num if rows else number
                if not any(field.strip() for field in fields) and len(fields) < 2:
                    continue
                if first < line:
                    require_no_rows_within(fields, f"{path}:{first}", layout)
                if len(fields) != len(layout.columns):
                    raise wrong_number_of_columns(f"{path}:{line}", len(fields), layout)
                yield line, fields
        except csv.Error as error:
            # Where the record begins: a quote that is not closed shows much later, if at all.
            advice = "a quote within a quoted field is written twice"
            raise UnclosedQuoteError(f"{path}:{line + 1}: {error}; {advice}") from error


class UnclosedQuoteError(InputError):
    """A quotation mark that is not closed, or closes another field than it opens."""


def require_no_rows_within(fields: Sequence[str], where: str, layout: TextLayout) -> None:
    """Raises UnclosedQuoteError where a field holds lines like rows: numbers, or nothing, in their places.

    where: the line in which the record begins.
    """
    numbers = [index for index, field in enumerate(fields) if is_number(field)]
    for field in fields:
        for inner in re.split("\r\n|\n|\r", field)[1:]:
            inner_fields = layout.split(inner)
            if len(inner_fields) != len(layout.columns):
                continue
            in_place = [inner_fields[n].strip("\"' ") for n in numbers]
            is_like_numbers = all(is_number(text) or text.lower() in MISSING_NUMBERS for text in in_place)
            if is_like_numbers and any(map(is_number, in_place)):
                raise UnclosedQuoteError(
                    f"{where}: a quotation mark begins a field that runs over rows such as {inner[:80]!r}; remove it, "
                    "or close it, and write a quote within a quoted field twice"
                )


def is_number(field: str) -> bool:
    """Returns whether a field is a number."""
    try:
        float(field.strip("\"' "))
    except ValueError:
        return False
    return True


def wrong_number_of_columns(where: str, count: int, layout: TextLayout) -> InputError:
    """Returns the error of a line with `count` columns."""
    columns = f"{count} column{'s' * (count != 1)}"
    return InputError(f"{where}: {columns}; {layout.owner} has {len(layout.columns)}, split by {layout.separator!r}")


def read_fields(path: AnyPath, layout: TextLayout, indices: Sequence[int]) -> tuple[list[pa.ChunkedArray], list[int]]:
    """Returns columns of a file by index, as large strings, and the last line of each record."""
    chunks: list[list[pa.Array]] = [[] for _ in indices]
    lines: list[int] = []
    with contextlib.closing(read_records(path, layout)) as records:
        while block := list(itertools.islice(records, ROWS_AT_ONCE)):
            lines += (line for line, _ in block)
            for column, index in zip(chunks, indices, strict=True):
                column.append(pa.array([fields[index] for _, fields in block], pa.large_string()))
    return [pa.chunked_array(column, pa.large_string()) for column in chunks], lines


def read_typed(path: AnyPath, layout: TextLayout) -> pa.Table:
    """Reads the used columns of a file, each in the first of its `COLUMN_TYPES` that holds every value.

    The table has what was noticed while reading as `notes_of` returns it.

    Raises InputError with the line of a record with too many or too few fields, or of a quote that joins rows.
    """
    try:
        return parse_typed(path, layout)
    except pa.ArrowInvalid as error:
        if "invalid UTF8" not in str(error) or layout.encoding != UTF8:
            raise find_refusal(path, layout) from error
    encoding = find_encoding(path)
    layout = dataclasses.replace(layout, encoding=encoding)
    return with_notes(parse_typed(path, layout), [f"the text is not UTF-8; it is read as {encoding}"])


def parse_typed(path: AnyPath, layout: TextLayout) -> pa.Table:
    """Does the work of `read_typed` in one encoding. Raises ArrowInvalid for text that is not in that encoding."""
    with open_text(path, layout.encoding) as stream:
        scan = scan_text(stream, layout, path)
    if scan.has_odd_quotes and layout.encoding == UTF8:
        layout = dataclasses.replace(layout, encoding=find_encoding(path))
    if scan.has_odd_quotes or layout.skips_blanks:
        columns, notes = read_odd_quotes(path, layout, scan)
    else:
        columns, notes = parse_all(path, layout, scan)
    columns, repeated = without_repeated_header(columns, layout)
    notes += repeated
    for column, values in columns.items():
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            columns[column] = typed_text(values, column)
    return with_notes(pa.table(columns), notes)


def read_odd_quotes(path: AnyPath, layout: TextLayout, scan: TextScan) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Reads the used columns of a file with quotes that could join lines, and notes how.

    Quotes are text where they are not well-formed and every line is a row without them; otherwise UnclosedQuoteError is
    raised.
    """
    try:
        return read_as_text(path, layout), []
    except UnclosedQuoteError as error:
        if not (scan.has_odd_quotes and scan.is_even_without_quotes):
            raise
        columns, notes = parse_all(path, dataclasses.replace(layout, is_quoted=False), scan)
        return columns, [note_on_quotes(error, path), *notes]


def note_on_quotes(error: UnclosedQuoteError, path: AnyPath) -> str:
    """Returns a note on quotes that are read as text, because of the one that an error names."""
    line = str(error).removeprefix(f"{path}:").split(":")[0]
    return f"quotation marks are read as text: that of line {line} is not closed"


def read_as_text(path: AnyPath, layout: TextLayout) -> dict[str, pa.ChunkedArray]:
    """Reads the used columns of a file as strings, null where empty, by `read_records`."""
    used = {column: index for index, column in enumerate(layout.columns) if column}
    columns, lines = read_fields(path, layout, list(used.values()))
    if not lines:
        raise InputError(f"{path}: no ratings")
    empty = pa.scalar("", pa.large_string())
    return {
        column: pyarrow.compute.if_else(pyarrow.compute.equal(values, empty), None, values).cast(pa.string())
        for column, values in zip(used, columns, strict=True)
    }


def parse_all(path: AnyPath, layout: TextLayout, scan: TextScan) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Parses the used columns, as strings where a value is not of the usual type; and a note on lines left out.

    Raises:
      ArrowInvalid: text that is not UTF-8.
      InputError: a line has another number of columns, or rows are missing.
    """
    types = {column: COLUMN_TYPES[column][0] for column in layout.columns if column}
    if scan.has_leading_zeros:
        types |= {column: pa.string() for column in (USER_ID, MOVIE_ID) if column in types}
    footer: list[str] | None = None
    while True:
        try:
            columns = parse_columns(path, layout, types, footer=footer)
            break
        except pa.ArrowInvalid as error:
            column = column_of_wrong_type(error, layout)
            if "invalid UTF8" in str(error):
                raise
            if footer is None and "columns, got" in str(error) and (footer := find_footer(path, layout)):
                continue
            if column is None or types[column] == pa.string():
                raise find_refusal(path, layout) from error
            types[column] = pa.string()
    footer = footer or []
    num_rows = len(next(iter(columns.values())))
    if num_rows + len(footer) != scan.num_lines:
        raise InputError(
            f"{path}: {scan.num_lines:,} lines with text below line {layout.skip_lines}, but {num_rows:,} rows; look "
            "for quotation marks that are not closed"
        )
    return columns, [f"the last line is no row, and is skipped: {line[:80]!r}" for line in footer if line]


def find_footer(path: AnyPath, layout: TextLayout) -> list[str]:
    """Returns the lines at the end of a file that are no rows: lines of blanks, and one sentence in a single field."""
    with open_text(path, layout.encoding) as stream:
        tail = b""
        while block := stream.read(1 << 20):
            tail = (tail + block)[-TAIL_BYTES:]
    footer: list[str] = []
    for line in reversed(tail.decode("utf-8", "replace").rstrip("\r\n").splitlines()):
        text = line.strip()
        is_sentence = len(layout.split(line)) == 1 and FOOTER.fullmatch(text) is not None
        if text and (not is_sentence or any(footer)):
            break
        if line:
            footer.insert(0, text)
    return footer


def without_footer(text: bytes, num_lines: int) -> bytes:
    """Returns text without its last lines that are not empty."""
    for _ in range(num_lines):
        text = text.rstrip(b"\r\n")
        text = text[: max(text.rfind(b"\n"), text.rfind(b"\r")) + 1]
    return text


def parse_columns(
    path: AnyPath,
    layout: TextLayout,
    types: dict[str, pa.DataType],
    *,
    footer: list[str] | None = None,
    use_threads: bool = True,
) -> dict[str, pa.ChunkedArray]:
    """Parses columns of a text file as the given types; null where a field is empty.

    footer: the lines at its end that are no rows.

    Raises:
      ArrowInvalid: a value is not of its type, or a line has not as many columns as the layout.
    """
    is_single = is_single_byte(layout.separator)
    with open_text(path, layout.encoding) as stream:
        source = stream
        if footer or not is_single:
            text = without_footer(stream.read(), len(footer or []))
            source = pa.BufferReader(text if is_single else with_single_separator(text, layout.separator))
        table = pyarrow.csv.read_csv(source, *arrow_options(layout, types, use_threads=use_threads))
    return dict(zip(table.column_names, table.columns, strict=True))


def with_single_separator(text: bytes, separator: str) -> bytes:
    """Returns text with `FIELD_SEPARATOR` for each separator; that of blanks is any number of them."""
    if separator != BLANKS:
        return text.replace(separator.encode(), FIELD_SEPARATOR.encode())
    text = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", text)
    return re.sub(rb"[ \t]+", FIELD_SEPARATOR.encode(), text)


def without_repeated_header(
    columns: dict[str, pa.ChunkedArray], layout: TextLayout
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Returns the columns without rows that repeat the header, as of files that were joined, and a note on them."""
    names = {column: name for column, name in zip(layout.columns, layout.names, strict=False) if column}
    text = [column for column in names if pa.types.is_string(columns[column].type)]
    if not text:
        return columns, []
    is_header = pyarrow.compute.equal(columns[text[0]], names[text[0]])
    for column in text[1:]:
        is_header = pyarrow.compute.and_kleene(is_header, pyarrow.compute.equal(columns[column], names[column]))
    is_header = pyarrow.compute.fill_null(is_header, False)
    count = pyarrow.compute.sum(is_header).as_py() or 0
    if not count:
        return columns, []
    is_row = pyarrow.compute.invert(is_header)
    what = f"{count} lines repeat the header, and are" if count > 1 else "a line repeats the header, and is"
    return {column: values.filter(is_row) for column, values in columns.items()}, [f"{what} skipped"]


def with_notes(table: pa.Table, notes: list[str]) -> pa.Table:
    """Returns a table that also says what was noticed, which a cache keeps."""
    return table.replace_schema_metadata({"notes": json.dumps([*notes_of(table), *notes])})


def notes_of(table: pa.Table) -> tuple[str, ...]:
    """Returns what was noticed when a table was read, a sentence each."""
    return tuple(json.loads((table.schema.metadata or {}).get(b"notes", "[]")))


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
    if "straddles" in str(error):
        return InputError(f"{path}: a line of more than 1 MiB; expected a table of ratings")
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
