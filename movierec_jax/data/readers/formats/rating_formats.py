"""Reads ratings of one file, whatever its format, which its first bytes tell.

To add a format, write a reader that returns a `FileContent`, and give it an entry in `FORMATS`.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, cast

from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.formats.foreign_files import refuse_foreign
from movierec_jax.data.readers.formats.json_file import find_json_columns, is_json, read_json
from movierec_jax.data.readers.formats.matrix_file import MatrixLayout, find_matrix_layout, read_matrix
from movierec_jax.data.readers.formats.netflix_file import is_netflix, read_netflix
from movierec_jax.data.readers.formats.sqlite_file import find_sqlite_columns, is_sqlite, read_sqlite
from movierec_jax.data.readers.ratings_file import find_ratings_layout, name_columns, read_parquet, read_text
from movierec_jax.data.readers.source_file import AnyPath, is_parquet, on_disk, open_parquet, read_head
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns
from movierec_jax.data.schema import RATING_COLUMNS

# What each column of a file holds, None for columns that are not used.
HeldColumns = tuple[str | None, ...]


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of ratings.

    is_it: returns whether a file has the format, by its path and first bytes, unpacked.
    columns: returns what the columns of a file hold. Raises InputError for a file without ratings.
    has_columns: whether the file has a column for each of user, movie and rating.
    read: reads a file; the folder is that of a `table_cache`, if any; the last is what is stated of its columns.
    """

    is_it: Callable[[AnyPath, bytes], bool]
    columns: Callable[[AnyPath], HeldColumns]
    read: Callable[[AnyPath, pathlib.Path | None, StatedColumns], FileContent]
    has_columns: bool = True


def read_ratings_file(
    path: AnyPath, cache: pathlib.Path | None = None, stated: StatedColumns = NOTHING_STATED
) -> FileContent:
    """Reads the ratings of one file. Raises InputError for a file without ratings, with what was found instead."""
    return format_of(path, stated).read(path, cache, stated)


def find_columns(path: AnyPath) -> HeldColumns:
    """Returns what the columns of a file hold, from its beginning. Raises InputError for a file without ratings."""
    return format_of(path).columns(path)


def format_of(path: AnyPath, stated: StatedColumns = NOTHING_STATED) -> Format:
    """Returns the format of a file. Raises InputError for files that no reader takes, such as workbooks."""
    head = read_head(path)
    formats = (found for found in FORMATS if found.has_columns or not stated)
    return next(found for found in formats if found.is_it(path, head))


def read_text_file(path: AnyPath, cache: pathlib.Path | None, stated: StatedColumns = NOTHING_STATED) -> FileContent:
    """Reads ratings of delimited text."""
    return read_text(path, find_ratings_layout(path, stated), cache)


def find_parquet_columns(path: AnyPath) -> HeldColumns:
    """Returns what the columns of a Parquet file hold."""
    with open_parquet(path) as file:
        return name_columns(tuple(file.schema_arrow.names), str(path))


def read_on_disk(read: Callable[[pathlib.Path], Any], path: AnyPath) -> Any:
    """Returns what a reader that needs a file on disk makes of any file."""
    with on_disk(path) as file:
        return read(file)


def is_matrix(path: AnyPath, head: bytes) -> bool:
    """Returns whether a file is a wide table of users by movies."""
    return find_matrix_layout(path, head) is not None


def read_matrix_file(path: AnyPath, cache: pathlib.Path | None, stated: StatedColumns) -> FileContent:
    """Reads a wide table of users by movies."""
    return read_matrix(path, cast(MatrixLayout, find_matrix_layout(path, read_head(path))))


def is_readable_text(path: AnyPath, head: bytes) -> bool:
    """Returns True. Raises InputError for a file that is no text, but of a kind that is known."""
    refuse_foreign(path, head)
    return True


# The first that a file has is taken; any file that is left is text.
FORMATS = (
    Format(
        lambda path, head: is_parquet(path),
        find_parquet_columns,
        lambda path, cache, stated: read_parquet(path, stated),
    ),
    Format(
        lambda path, head: is_sqlite(head),
        lambda path: read_on_disk(find_sqlite_columns, path),
        lambda path, cache, stated: read_on_disk(functools.partial(read_sqlite, stated=stated), path),
    ),
    Format(lambda path, head: is_json(head), find_json_columns, lambda path, cache, stated: read_json(path, stated)),
    Format(
        lambda path, head: is_netflix(head),
        lambda path: RATING_COLUMNS,
        lambda path, cache, stated: read_netflix(path),
        has_columns=False,
    ),
    Format(is_matrix, lambda path: RATING_COLUMNS[:3], read_matrix_file, has_columns=False),
    Format(is_readable_text, lambda path: find_ratings_layout(path).columns, read_text_file),
)
