"""Reads any CSV, TSV or Parquet file of ratings: its columns, before any row is judged."""

import dataclasses
import pathlib
import re
import zipfile
from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute

from movierec_jax.data.matching.id_spaces import ALL_SPELLINGS, has_links, movie_spellings
from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.source_file import AnyPath, open_parquet
from movierec_jax.data.readers.table_cache import CACHED_FROM_BYTES, through_cache
from movierec_jax.data.readers.text.columns import (
    COLUMN_TYPES,
    COUNT_NAMES,
    SPELLINGS,
    missing_column,
    normalized_name,
    require_exact,
    require_one_name,
    to_own_pandas,
    to_pandas,
    translate_type_errors,
    typed_parquet,
)
from movierec_jax.data.readers.text.delimited import notes_of, read_typed
from movierec_jax.data.readers.text.layout import SEPARATORS, TextLayout, find_layout, sample_lines, split_line
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns, stated_columns
from movierec_jax.data.schema import DATA_FRAME, MOVIE_ID, RATING, RATING_COLUMNS, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError

RATING_SPELLINGS = {name for column in RATING_COLUMNS for name in SPELLINGS[column]} | set(ALL_SPELLINGS)

# Amazon's ids of products: ten letters and digits of which the first is B, or an ISBN.
PRODUCT = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")

# What columns of times may be called besides their known names.
LIKE_TIME = re.compile("time|date|^(year|month|day)$")

# Columns of names, beside which a column of ids needs no mention.
NAME = re.compile("title$|name")


def find_ratings_layout(path: AnyPath, stated: StatedColumns = NOTHING_STATED) -> TextLayout:
    """Returns the layout of any text file of ratings, with or without a header, from its first lines."""
    layout = find_layout(path, RATING_SPELLINGS, "ratings")
    where, fields = f"{path}:{layout.skip_lines}", layout.names
    if len(fields) == 1:
        separators = " ".join(map(repr, SEPARATORS))
        raise InputError(f"{where}: one column; expected user, movie and rating columns, split by one of {separators}")
    rows = [split_line(line, layout.separator) for line in sample_lines(path, layout.encoding)[layout.skip_lines :]]
    rows = [row for row in rows if len(row) > 1]
    has_header = is_header(fields, stated)
    layout = with_last_column(layout, rows)
    if has_header or stated.columns:
        names = layout.names if has_header else ()
        found, notes = hold_columns(names, len(layout.columns), where, stated)
        layout = dataclasses.replace(layout, columns=found, notes=(*layout.notes, *notes))
    else:
        layout = layout_without_header(layout, [list(fields), *rows], where)
    return layout if has_header else dataclasses.replace(layout, names=(), skip_lines=layout.skip_lines - 1)


def is_header(fields: Sequence[str], stated: StatedColumns) -> bool:
    """Returns whether the first line holds names."""
    if any(normalized_name(field) in RATING_SPELLINGS or field in stated.names for field in fields):
        return True
    # The fourth may be a date, but no header begins with three numbers; two ids of text may come before a rating.
    return not (is_number(fields[2]) if len(fields) > 2 else all(map(is_number, fields)))


def is_number(field: str) -> bool:
    """Returns whether a field is a number or missing."""
    try:
        float(field.replace(",", ".") or 0)
    except ValueError:
        return False
    return True


def with_last_column(layout: TextLayout, rows: Sequence[Sequence[str]]) -> TextLayout:
    """Returns the layout with one more column, if each row ends in a separator that the header lacks."""
    if rows and all(len(row) == len(layout.columns) + 1 and not row[-1] for row in rows):
        return dataclasses.replace(layout, columns=(*layout.columns, None))
    return layout


def layout_without_header(layout: TextLayout, rows: Sequence[Sequence[str]], where: str) -> TextLayout:
    """Returns the layout of a file without a header, whose columns are told by their order.

    Raises InputError where the first rows show another order.
    """
    count = len(layout.names)
    if count not in (3, 4):
        raise InputError(
            f"{where}: {count} columns, split by {layout.separator!r}, and none has a known name; a file without a "
            "header has 3 or 4: user, movie, rating and perhaps timestamp; state others by --columns=user,item,rating"
        )
    columns: list[str | None] = list(RATING_COLUMNS[:count])
    values = [set(column) for column in zip(*(row[:3] for row in rows if len(row) >= 3), strict=True)]
    if are_products(values[0]) and not are_products(values[1]):
        columns[:2] = MOVIE_ID, USER_ID
    elif len(rows) > 30 and len(values[2]) > 3 * len(values[0]) and len(values[2]) > 20 and len(values[0]) <= 11:
        shown = ", ".join(sorted(values[0])[:5])
        raise InputError(
            f"{where}: no header, and the first column has few values ({shown}) like ratings, the third many; state "
            f"the order, such as --columns=rating,user,item{',timestamp' * (count == 4)}"
        )
    note = f"no header: the columns are taken as {', '.join(map(str, columns))} (--columns states others)"
    columns += [None] * (len(layout.columns) - count)
    return dataclasses.replace(layout, columns=tuple(columns), notes=(*layout.notes, note))


def are_products(ids: set[str]) -> bool:
    """Returns whether ids are products of Amazon; ten digits alone are ISBNs where the last one is right in all."""
    if not all(map(PRODUCT.fullmatch, ids)):
        return False
    return any(not id.isdigit() for id in ids) or all(map(is_isbn, ids))


def is_isbn(digits: str) -> bool:
    """Returns whether the last of ten digits is the check digit of an ISBN."""
    return sum((10 - place) * int(digit) for place, digit in enumerate(digits)) % 11 == 0


def hold_columns(
    names: Sequence[str], count: int, where: str, stated: StatedColumns
) -> tuple[tuple[str | None, ...], list[str]]:
    """Returns what each of `count` columns holds, as stated or else by their names, and notes on what was chosen."""
    notes: list[str] = []
    if stated.columns:
        held = stated_columns(stated.columns, names, count, where)
    else:
        held, notes = name_columns_with_notes(names, where, stated)
        held += (None,) * (count - len(held))
    return stated.with_weight(held, names, where), notes


def name_columns(names: Sequence[str], where: str, stated: StatedColumns = NOTHING_STATED) -> tuple[str | None, ...]:
    """Returns what each named column of a file holds, None for columns that are not used; `where` is for messages."""
    return hold_columns(names, len(names), where, stated)[0]


def name_columns_with_notes(
    names: Sequence[str], where: str, stated: StatedColumns
) -> tuple[tuple[str | None, ...], list[str]]:
    """Returns what each named column of a file holds, and what was chosen among several, a sentence each.

    Raises InputError where a column is missing, or two could be the ratings.
    """
    columns: list[str | None] = [None] * len(names)
    notes = []
    for column in RATING_COLUMNS:
        spellings = movie_spellings(names) if column == MOVIE_ID else SPELLINGS[column]
        found = [index for index, name in enumerate(names) if normalized_name(name) in spellings]
        found.sort(key=lambda index: spellings.index(normalized_name(names[index])))
        same = [index for index in found if normalized_name(names[index]) == normalized_name(names[found[0]])]
        require_one_name([names[index] for index in (found if column == RATING else same)], column, where)
        if found:
            columns[found[0]] = column
            others = " and ".join(
                repr(names[index]) for index in found[1:] if not NAME.search(normalized_name(names[index]))
            )
            if others:
                notes.append(f"{column} is taken from the column {names[found[0]]!r}, not {others}")
        elif column in (USER_ID, MOVIE_ID):
            raise missing_column(names, column, spellings, where, "; or say which it is by --columns=user=NAME,...")
    likely = [name for name in names if LIKE_TIME.search(normalized_name(name))]
    if TIMESTAMP not in columns and likely:
        notes.append(
            f"no column of times has a known name; if {' or '.join(map(repr, likely[:4]))} has them, say so by "
            "--columns=user=NAME,item=NAME,rating=NAME,timestamp=NAME"
        )
    if RATING not in columns:
        notes.append(note_without_ratings([name for name in names if name != stated.weight], names, columns, where))
    return tuple(columns), notes


def note_without_ratings(
    candidates: Sequence[str], names: Sequence[str], columns: Sequence[str | None], where: str
) -> str:
    """Returns what a file without ratings is taken for. Raises InputError where a column may hold them by any name.

    candidates: names of the columns that may.
    """
    held = {name for name, column in zip(names, columns, strict=True) if column}
    others = [name for name in candidates if name and name not in held]
    if any(normalized_name(name) not in COUNT_NAMES for name in others):
        raise missing_column(
            names,
            RATING,
            SPELLINGS[RATING],
            where,
            f" (or no header, and numbers in the order user, movie, rating, timestamp). If one holds ratings, say "
            f"--columns=user={names[list(columns).index(USER_ID)]},item={names[list(columns).index(MOVIE_ID)]},"
            "rating=NAME; without a rating there, every row counts as watched",
        )
    return "no column of ratings: every row counts as watched, and lists come without stars"


def read_text(path: AnyPath, layout: TextLayout, cache: pathlib.Path | None = None) -> FileContent:
    """Reads the ratings of a text file, each column in the first of its `COLUMN_TYPES` that holds every value.

    cache: folder of a `table_cache` for the content of large files; columns from there cannot be changed in place.
    """
    source, member = (pathlib.Path(str(path.root.filename)), path.at) if isinstance(path, zipfile.Path) else (path, "")
    if cache is None or source.stat().st_size < CACHED_FROM_BYTES:
        table, is_mapped = read_typed(path, layout), False
    else:
        how = repr((member, layout, COLUMN_TYPES))
        # One chunk per column, so that pandas can take the column as it lies in the mapped file.
        table = through_cache(cache, source, how, lambda: read_typed(path, layout).combine_chunks())
        is_mapped = True
    notes = (*layout.notes, *notes_of(table))
    movie_name = layout.names[layout.columns.index(MOVIE_ID)] if layout.names else ""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    del table  # so that to_frame can free each column
    ratings = to_frame(columns, path, is_mapped=is_mapped)
    return FileContent(ratings, notes, movie_name=movie_name, has_links=has_links(layout.names))


def read_parquet(path: AnyPath, stated: StatedColumns = NOTHING_STATED) -> FileContent:
    """Reads the ratings of a Parquet file, each column in the first of its `COLUMN_TYPES` that holds every value."""
    with open_parquet(path) as file:
        return read_columns(file.schema_arrow.names, lambda names: file.read(columns=names), str(path), stated)


def read_frame(table: pd.DataFrame, stated: StatedColumns = NOTHING_STATED) -> FileContent:
    """Returns the ratings of a table in pandas, as of a Parquet file; a named index is a column too."""
    if any(name is not None for name in table.index.names):
        table = table.reset_index()
    names = [str(name) for name in table.columns]

    def columns(chosen: Sequence[str]) -> pa.Table:
        found = {}
        for name in chosen:
            try:
                found[name] = pa.chunked_array([pa.Array.from_pandas(table.iloc[:, names.index(name)])])
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise InputError(f"{DATA_FRAME}: column {name!r} has values of several kinds: {error}") from error
        return pa.table(found)

    return read_columns(names, columns, DATA_FRAME, stated)


def read_columns(
    names: Sequence[str], read: Callable[[list[str]], pa.Table], where: str, stated: StatedColumns
) -> FileContent:
    """Returns the ratings of a typed table, of which only columns that are used are read; `where` is for messages."""
    held, notes = hold_columns(names, len(names), where, stated)
    named = {column: name for column, name in zip(held, names, strict=True) if column}
    table = read(list(named.values()))
    found = {column: table.column(name) for column, name in named.items()}
    del table  # so that to_frame can free each column
    for column, name in named.items():
        with translate_type_errors(where, name, column):
            found[column] = typed_parquet(found[column], column)
    ratings = to_frame(found, where)
    return FileContent(ratings, tuple(notes), movie_name=named[MOVIE_ID], has_links=has_links(names))


def to_frame(columns: dict[str, pa.ChunkedArray], path: object, *, is_mapped: bool = False) -> pd.DataFrame:
    """Returns the ratings in pandas, and empties `columns` to free each one in turn.

    is_mapped: take columns as they lie in a mapped file, where that is possible.

    Raises InputError for a file without ratings, and for ids that are rounded numbers.
    """
    if not len(columns[USER_ID]):
        raise InputError(f"{path}: no ratings")
    for column in (USER_ID, MOVIE_ID):
        require_exact(columns[column], column, path)
    convert = to_pandas if is_mapped else to_own_pandas
    return pd.DataFrame({column: convert(columns.pop(column)) for column in list(columns)}, copy=False)
