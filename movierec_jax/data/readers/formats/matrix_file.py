"""Reads wide tables of ratings: a row for each user and a column for each movie, or the other way round.

Two forms are known: a table with names above the columns and ids before the rows, as `pivot_table(...).to_csv` of
pandas writes it; and Jester's, numbers alone, which begins each row with how many ratings it has, and writes 99 for
none.
"""

import csv
import dataclasses
import io
import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Float32

from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.source_file import AnyPath, open_bytes
from movierec_jax.data.readers.text.columns import SPELLINGS, normalized_name, to_own_pandas, typed_text
from movierec_jax.data.readers.text.layout import find_encoding
from movierec_jax.data.schema import MOVIE_ID, RATING, RATING_COLUMNS, USER_ID
from movierec_jax.errors import InputError

SEPARATORS = (",", ";", "\t")

# Fewer columns of numbers after an id could be features of a user or movie.
FEWEST_COLUMNS = 8

# Rows that are looked at to tell a wide table, and letters that a row may have.
ROWS_LOOKED_AT = 20
LONGEST_ROW = 1 << 24

# Names of a column of ids that pandas gives, or leaves out.
NO_NAMES = {"", "index", "unnamed:0"}

# Other columns of a table in long form, whose names no movie has.
LONG_NAMES = {name for column in RATING_COLUMNS for name in SPELLINGS[column]}

# Jester's value for no rating.
JESTER_UNRATED = 99.0

MISSING_VALUES = ["", "NA", "NaN", "nan", "null", "NULL", "None", "-"]

BLOCK_BYTES = 1 << 24


@dataclasses.dataclass(frozen=True)
class MatrixLayout:
    """How a wide table is written.

    names: above the columns of ratings; empty for Jester's form.
    has_movie_rows: whether a row is a movie, and a column a user.
    num_columns: with that of ids or counts.
    """

    separator: str
    names: tuple[str, ...]
    num_columns: int
    has_movie_rows: bool = False
    has_decimal_commas: bool = False
    encoding: str = "utf-8-sig"


def find_matrix_layout(path: AnyPath, head: bytes) -> MatrixLayout | None:
    """Returns the layout of a wide table; None for any other file. `head`: its first bytes."""
    if b"\0" in head or not any(separator.encode() in head for separator in SEPARATORS):
        return None
    encoding = "utf-8-sig"
    lines = first_lines(path, encoding)
    if len(lines) < 2:
        return None
    separator = max(SEPARATORS, key=lambda separator: len(split(lines[0], separator)))
    rows = [split(line, separator) for line in lines]
    if len(rows[0]) <= FEWEST_COLUMNS or len({len(row) for row in rows}) > 1:
        return None
    layout = named_layout(rows, separator) or jester_layout(rows, separator)
    if layout and "\ufffd" in "".join(lines):
        encoding = find_encoding(path)
        names = split(first_lines(path, encoding)[0], separator)[1:]
        layout = dataclasses.replace(layout, names=tuple(names), encoding=encoding)
    return layout


def first_lines(path: AnyPath, encoding: str) -> list[str]:
    """Returns the first lines of a file that are not empty."""
    with open_bytes(path) as stream:
        text = io.TextIOWrapper(stream, encoding, errors="replace")
        lines = list(itertools.islice(iter(lambda: text.readline(LONGEST_ROW), ""), ROWS_LOOKED_AT + 1))
    return [line.rstrip("\r\n") for line in lines if line.strip()]


def split(line: str, separator: str) -> list[str]:
    """Returns the fields of a line, without quotes and outer spaces."""
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator))]
    except csv.Error:
        return []


def named_layout(rows: list[list[str]], separator: str) -> MatrixLayout | None:
    """Returns the layout of a table whose first row names the columns; None where it is none."""
    first, *names = rows[0]
    known = {normalized_name(name) for name in names} & LONG_NAMES
    is_movie, is_user = (normalized_name(first) in SPELLINGS[column] for column in (MOVIE_ID, USER_ID))
    if known or not (is_movie or is_user or normalized_name(first) in NO_NAMES):
        return None
    values = [field for row in rows[1:] for field in row[1:] if field not in MISSING_VALUES]
    has_commas = separator == ";" and any("," in field for field in values)
    if not values or not all(is_number(field.replace(",", ".") if has_commas else field) for field in values):
        return None
    return MatrixLayout(separator, tuple(names), len(rows[0]), is_movie and not is_user, has_commas)


def jester_layout(rows: list[list[str]], separator: str) -> MatrixLayout | None:
    """Returns Jester's layout where each row begins with the number of its ratings, else None."""
    if not all(is_number(field) for row in rows for field in row):
        return None
    table = np.array(rows, np.float64)
    has_counts = (table[:, 0] == np.count_nonzero(table[:, 1:] != JESTER_UNRATED, axis=1)).all()
    return MatrixLayout(separator, (), len(rows[0])) if has_counts and (table == JESTER_UNRATED).any() else None


def is_number(field: str) -> bool:
    """Returns whether a field is a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def read_matrix(path: AnyPath, layout: MatrixLayout) -> FileContent:
    """Reads the ratings of a wide table: a row for each cell that is not empty, in the order of the file.

    In a table without empty cells, of which most are 0, a 0 is an empty cell.

    Raises InputError where a cell is no number, or an id has two rows.
    """
    ids: list[pa.Array] = []
    cells: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    num_rows = 0
    for row_ids, values in read_blocks(path, layout):
        row, column = np.nonzero(~np.isnan(values))
        cells.append((row + num_rows, column, values[row, column]))
        ids.append(row_ids)
        num_rows += len(values)
    row, column, rating = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    is_zero = rating == 0
    has_zeros = layout.names != () and len(rating) == num_rows * (layout.num_columns - 1) and is_zero.mean() > 0.5
    if has_zeros:
        row, column, rating = row[~is_zero], column[~is_zero], rating[~is_zero]
    if not len(rating):
        raise InputError(f"{path}: no ratings")
    row_ids = row_series(path, pa.chunked_array(ids, pa.string()), layout)
    by_row, by_column = (MOVIE_ID, USER_ID) if layout.has_movie_rows else (USER_ID, MOVIE_ID)
    ratings = {
        by_row: row_ids.take(row).reset_index(drop=True),
        by_column: column_series(path, layout).take(column).reset_index(drop=True),
        RATING: rating,
    }
    note = describe(layout, num_rows) + (", and 0 for no rating" if has_zeros else "")
    return FileContent(pd.DataFrame({name: ratings[name] for name in (USER_ID, MOVIE_ID, RATING)}), (note,))


def read_blocks(path: AnyPath, layout: MatrixLayout) -> Iterator[tuple[pa.Array, Float32[np.ndarray, "rows columns"]]]:
    """Yields the first column of some rows, as text, and their cells, NaN where empty."""
    names = [str(index) for index in range(layout.num_columns)]
    types = dict.fromkeys(names, pa.float32()) | {names[0]: pa.string()}
    reading = pyarrow.csv.ReadOptions(
        column_names=names,
        skip_rows=int(layout.names != ()),
        block_size=BLOCK_BYTES,
        encoding="utf8" if layout.encoding == "utf-8-sig" else layout.encoding,
    )
    parsing = pyarrow.csv.ParseOptions(delimiter=layout.separator)
    decimal_point = "," if layout.has_decimal_commas else "."
    converting = pyarrow.csv.ConvertOptions(column_types=types, null_values=MISSING_VALUES, decimal_point=decimal_point)
    try:
        with open_bytes(path) as stream, pyarrow.csv.open_csv(stream, reading, parsing, converting) as reader:
            for batch in reader:
                first, *cells = batch.columns
                values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in cells])
                if not layout.names:
                    values = np.where(values == JESTER_UNRATED, np.float32(np.nan), values)
                yield first, values
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as a table of users by movies: {error}") from error


def row_series(path: AnyPath, ids: pa.ChunkedArray, layout: MatrixLayout) -> pd.Series:
    """Returns the ids of the rows, from 1 in Jester's form. Raises InputError where one occurs twice."""
    if not layout.names:
        return pd.Series(np.arange(1, len(ids) + 1))
    series = to_own_pandas(typed_text(ids, USER_ID))
    is_repeated = series.duplicated()
    if is_repeated.any():
        raise InputError(f"{path}: two rows of {series[is_repeated].iloc[0]} in a table of users by movies")
    return series


def column_series(path: AnyPath, layout: MatrixLayout) -> pd.Series:
    """Returns the ids above the columns, from 1 in Jester's form. Raises InputError where one occurs twice."""
    if not layout.names:
        return pd.Series(np.arange(1, layout.num_columns))
    repeated = sorted(name for name, count in Counter(layout.names).items() if count > 1)
    if repeated:
        raise InputError(f"{path}: two columns {repeated[0]!r} in a table of users by movies")
    return to_own_pandas(typed_text(pa.chunked_array([pa.array(layout.names, pa.string())]), MOVIE_ID))


def describe(layout: MatrixLayout, num_rows: int) -> str:
    """Returns what was found, as a sentence."""
    columns = layout.num_columns - 1
    if not layout.names:
        return (
            f"a table of {num_rows:,} users by {columns:,} movies in Jester's form, without ids, which are numbers "
            f"from 1: counts first, and {JESTER_UNRATED:g} for no rating"
        )
    rows, across = ("movies", "users") if layout.has_movie_rows else ("users", "movies")
    return f"a table of {num_rows:,} {rows} (rows) by {columns:,} {across} (columns), empty for no rating"
