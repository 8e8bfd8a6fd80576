"""Reads wanted columns of any CSV, TSV or Parquet file with named columns, as Arrow holds them."""

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute
from jaxtyping import Int64

from movierec_jax.data.readers.formats.foreign_files import refuse_foreign
from movierec_jax.data.readers.source_file import AnyPath, is_parquet, open_parquet, read_head
from movierec_jax.data.readers.text.columns import (
    SPELLINGS,
    clean_text,
    matching_names,
    missing_column,
    normalized_name,
    require_one_name,
)
from movierec_jax.data.readers.text.delimited import UnclosedQuoteError, note_on_quotes, read_fields
from movierec_jax.data.readers.text.layout import TextLayout, find_encoding, find_layout
from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Header:
    """The names of a file's columns, none of them twice, and how its text is laid out; layout: None for Parquet."""

    path: AnyPath
    names: list[str]
    layout: TextLayout | None = None

    @property
    def where(self) -> str:
        """Returns where the names stand, for messages: "a.csv:1", or "a.parquet"."""
        return f"{self.path}:{self.layout.skip_lines}" if self.layout else str(self.path)

    def find(self, column: str, spellings: Sequence[str] | None = None) -> str | None:
        """Returns the file's name for a column; None where it has none. Raises InputError where several could be it."""
        return require_one_name(matching_names(self.names, spellings or SPELLINGS[column]), column, self.where)

    def find_id(self, column: str, spellings: Sequence[str] | None = None) -> str | None:
        """Returns the file's name for a column of ids; of several spellings, the one that is listed first."""
        found = matching_names(self.names, spellings or SPELLINGS[column])
        same = [name for name in found if normalized_name(name) == normalized_name(found[0])]
        return require_one_name(same, column, self.where)

    def missing(self, column: str, spellings: Sequence[str] | None = None) -> InputError:
        """Returns the error of a file without a column."""
        return missing_column(self.names, column, spellings or SPELLINGS[column], self.where)


@dataclasses.dataclass(frozen=True)
class Columns:
    """Columns of a file by name, and where their rows stand.

    by_name: from a text file, large strings without outer spaces, null where missing; from Parquet, of any type.
    line: the line of a text file, the last of a row with several; the row of a Parquet file; both from 1.
    unit: "line" or "row", for messages.
    notes: what was inferred while reading, a sentence each.
    """

    path: AnyPath
    by_name: dict[str, pa.ChunkedArray]
    line: Int64[np.ndarray, " rows"]
    unit: str
    notes: tuple[str, ...] = ()

    def where(self, row: int) -> str:
        """Returns where a row stands, for messages: "a.csv:7", or "a.parquet: row 7"."""
        return f"{self.path}:{self.line[row]}" if self.unit == "line" else f"{self.path}: row {self.line[row]}"


def read_header(path: AnyPath, known_names: Collection[str], expected: str) -> Header:
    """Reads the names of a file's columns.

    known_names: spellings that tell the separator, as `normalized_name` writes them.
    expected: what the file should hold, for messages.

    Raises InputError for a binary or empty file, and for a name that occurs twice.
    """
    if is_parquet(path):
        with open_parquet(path) as file:
            header = Header(path, file.schema_arrow.names)
    else:
        refuse_foreign(path, read_head(path))
        layout = find_layout(path, known_names, expected, find_encoding(path))
        header = Header(path, list(layout.names), layout)
    repeated = sorted({name for name in header.names if header.names.count(name) > 1})
    if repeated:
        raise InputError(f"{header.where}: column {repeated[0]!r} twice; rename one of them")
    return header


def read_columns(header: Header, names: Sequence[str]) -> Columns:
    """Reads columns of a file by name. Raises InputError with the line of what cannot be read."""
    path = header.path
    if header.layout:
        columns = read_text_columns(path, header.layout, names)
    else:
        with open_parquet(path) as file:
            table = file.read(columns=list(names))
            table.validate(full=True)  # a damaged file may hold text that is not UTF-8
        columns = Columns(path, {name: table.column(name) for name in names}, np.arange(1, len(table) + 1), "row")
    if not len(columns.line):
        raise InputError(f"{path}: no rows below the columns {', '.join(header.names)[:400]}")
    return columns


def holds_quoted(values: pa.ChunkedArray, quote: str) -> bool:
    """Returns whether a value stands within quotes."""
    return pyarrow.compute.any(pyarrow.compute.match_substring_regex(values, f"^{quote}.*{quote}$")).as_py() or False


def read_text_columns(path: AnyPath, layout: TextLayout, names: Sequence[str]) -> Columns:
    """Reads columns of a text file; with quotes as text where one is not closed, and every line is a row so."""
    indices, notes = [layout.names.index(name) for name in names], layout.notes
    try:
        columns, lines = read_fields(path, layout, indices)
    except UnclosedQuoteError as error:
        try:
            columns, lines = read_fields(path, dataclasses.replace(layout, is_quoted=False), indices)
        except InputError:
            raise error from None
        if any(holds_quoted(values, layout.quote) for values in columns):
            raise
        notes = (*notes, note_on_quotes(error, path))
    by_name = {name: clean_text(values) for name, values in zip(names, columns, strict=True)}
    return Columns(path, by_name, np.array(lines, np.int64), "line", notes)
