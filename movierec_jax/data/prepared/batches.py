"""Reads files of ratings in batches, each column in the type that the readers in memory give it.

They take the first of `COLUMN_TYPES` that holds every value of a column. Here a batch at a time is known: one that does
not fit the type of those before raises `OtherType`, and the file is read again with what has been learnt.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from movierec_jax.data.prepared.source import SourceFile, refusal
from movierec_jax.data.readers.source_file import open_parquet, translate_read_errors
from movierec_jax.data.readers.text.arrow_options import arrow_options, is_single_byte
from movierec_jax.data.readers.text.columns import COLUMN_TYPES, translate_type_errors, typed_parquet, typed_text
from movierec_jax.data.readers.text.delimited import (
    arrow_refusal,
    column_of_wrong_type,
    find_footer,
    open_text,
    without_repeated_header,
)
from movierec_jax.data.readers.text.layout import TextLayout
from movierec_jax.data.readers.text.text_scan import TextScan, scan_text
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError

# Rows of a batch, and bytes of text that become one.
BATCH_ROWS, BATCH_BYTES = 1 << 20, 1 << 24


@dataclasses.dataclass(frozen=True)
class FileTypes:
    """What is known of the types of a file's columns.

    types: of each column, those of its `COLUMN_TYPES` that may still hold every value.
    as_text: columns that Arrow cannot parse from text itself.
    """

    types: Mapping[str, Sequence[pa.DataType]]
    as_text: frozenset[str] = frozenset()

    @classmethod
    def of(cls, file: SourceFile) -> "FileTypes":
        """Returns what is known of a file that has not been read."""
        return cls({column: COLUMN_TYPES[column] for column in file.named})


class OtherType(Exception):  # noqa: N818
    """A column of a file has a value that its type cannot hold. known: what is known of the file's types now."""

    def __init__(self, file: SourceFile, known: FileTypes):
        super().__init__(file.path)
        self.file, self.known = file, known


def typed_batches(file: SourceFile, known: FileTypes) -> Iterator[pa.Table]:
    """Yields the ratings of a file, typed.

    Raises InputError for what only readers in memory can read, and OtherType.
    """
    batches = parquet_batches(file, known) if file.layout is None else text_batches(file, file.layout, known)
    for columns in batches:
        for column, values in columns.items():
            first = known.types[column][0]
            if values.type in COLUMN_TYPES[column] and values.type != first:
                place = COLUMN_TYPES[column].index(values.type)
                raise OtherType(
                    file, dataclasses.replace(known, types={**known.types, column: COLUMN_TYPES[column][place:]})
                )
        yield pa.table(columns)


def parquet_batches(file: SourceFile, known: FileTypes) -> Iterator[dict[str, pa.ChunkedArray]]:
    """Yields the used columns of a Parquet file."""
    with open_parquet(file.path) as opened, translate_read_errors(file.path):
        for batch in opened.iter_batches(BATCH_ROWS, columns=list(file.named.values())):
            columns = {}
            for column, name in file.named.items():
                with translate_type_errors(file.path, name, column):
                    values = pa.chunked_array([batch.column(name)])
                    columns[column] = typed_parquet(values, column, known.types[column])
            yield columns


def text_batches(file: SourceFile, layout: TextLayout, known: FileTypes) -> Iterator[dict[str, pa.ChunkedArray]]:
    """Yields the used columns of a text file."""
    with open_text(file.path, layout.encoding) as stream:
        scan = scan_text(stream, layout, file.path)
    if scan.has_odd_quotes or layout.skips_blanks or not is_single_byte(layout.separator):
        raise refusal(file.path, f"lines split by {layout.separator!r}, with quotes or blanks, are read as a whole")
    types = {
        column: pa.string() if column in known.as_text or is_zero_filled(scan, column) else types[0]
        for column, types in known.types.items()
    }
    num_rows = 0
    for columns in parsed_batches(file, layout, types, known):
        num_rows += len(next(iter(columns.values())))
        columns, repeated = without_repeated_header(columns, layout)
        if repeated:
            raise refusal(file.path, f"{repeated[0]} by readers of the whole file")
        for column, values in columns.items():
            if pa.types.is_string(values.type):
                columns[column] = typed_text(values, column, known.types[column])
        yield columns
    if num_rows != scan.num_lines:
        raise InputError(
            f"{file.path}: {scan.num_lines:,} lines with text below line {layout.skip_lines}, but {num_rows:,} rows; "
            "look for quotation marks that are not closed"
        )


def is_zero_filled(scan: TextScan, column: str) -> bool:
    """Returns whether a column may hold ids that begin with a zero, which Arrow would drop."""
    return scan.has_leading_zeros and column in (USER_ID, MOVIE_ID)


def parsed_batches(
    file: SourceFile, layout: TextLayout, types: dict[str, pa.DataType], known: FileTypes
) -> Iterator[dict[str, pa.ChunkedArray]]:
    """Yields the columns of a text file as Arrow parses them."""
    read, parse, convert = arrow_options(layout, types)
    read.block_size = BATCH_BYTES
    try:
        with open_text(file.path, layout.encoding) as stream:
            for batch in pyarrow.csv.open_csv(stream, read, parse, convert):
                yield {name: pa.chunked_array([values]) for name, values in zip(types, batch.columns, strict=True)}
    except pa.ArrowInvalid as error:
        column = column_of_wrong_type(error, layout)
        if "invalid UTF8" in str(error):
            raise refusal(file.path, "the text is not UTF-8, and its encoding is found by reading all of it") from None
        if column is not None and types[column] != pa.string():
            raise OtherType(file, dataclasses.replace(known, as_text=known.as_text | {column})) from None
        if find_footer(file.path, layout):
            raise refusal(file.path, "its last lines are no rows and are skipped") from None
        raise arrow_refusal(error, file.path, layout) from error
