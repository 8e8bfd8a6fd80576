"""Reads ratings from a table of an SQLite database, and the movies from another; nothing is written."""

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from movierec_jax.data.readers.formats.file_content import FileContent, describe_columns
from movierec_jax.data.readers.formats.loose_values import ID_COLUMNS, join_arrays, ratings_frame, typed_values
from movierec_jax.data.readers.movielens_tables import MovieRow, movie_table
from movierec_jax.data.readers.ratings_file import name_columns
from movierec_jax.data.readers.ratings_log.reading import MAGIC
from movierec_jax.data.readers.source_file import AnyPath
from movierec_jax.data.readers.text.columns import SPELLINGS, matching_names, normalized_name, typed_text
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns
from movierec_jax.data.schema import MOVIE_ID, RATING
from movierec_jax.errors import InputError

# Rows that are Python's at the same time.
ROWS_AT_ONCE = 50_000

TITLE_NAMES = ("title", "movietitle", "name", "moviename", "primarytitle")

GENRE_NAMES = ("genres", "genre")


def is_sqlite(head: bytes) -> bool:
    """Returns whether a file that begins with `head` is an SQLite database."""
    return head.startswith(MAGIC)


def split_table(path: str) -> tuple[pathlib.Path, str] | None:
    """Returns file and table of "FILE:TABLE", where FILE is an SQLite database; None for any other path."""
    file, separator, table = path.rpartition(":")
    if not separator or not table or not pathlib.Path(file).is_file():
        return None
    with open(file, "rb") as stream:
        return (pathlib.Path(file), table) if is_sqlite(stream.read(len(MAGIC))) else None


def read_sqlite(path: pathlib.Path, table: str | None = None, stated: StatedColumns = NOTHING_STATED) -> FileContent:
    """Reads the ratings of a table, by default of the only one with columns of ratings.

    Raises InputError for a damaged file, and where no table has such columns, or several have.
    """
    with open_database(path) as connection:
        columns = {name: column_names(connection, name) for name in table_names(connection)}
        if table is None:
            table = find_table(path, columns, stated)
        elif table not in columns:
            raise InputError(f"{path}: no table {table!r}; found {', '.join(columns)[:400] or 'none'}")
        where = f"{path}:{table}"
        held = name_columns(columns[table], where, stated)
        named = {column: name for column, name in zip(held, columns[table], strict=True) if column}
        ratings = read_table(connection, table, named, where)
        notes, movies = [f"table {table!r} of an SQLite database; {describe_columns(named)}"], None
        try:
            movies = read_movies(connection, columns, ratings, path)
        except InputError as error:
            notes.append(f"its table of movies is not read: {error}")
    return FileContent(ratings, tuple(notes), movies, named[MOVIE_ID])


def find_sqlite_columns(path: pathlib.Path) -> tuple[str | None, ...]:
    """Returns what the columns of the only table with ratings hold. Raises InputError where there is not one."""
    with open_database(path) as connection:
        columns = {name: column_names(connection, name) for name in table_names(connection)}
        table = find_table(path, columns)
    return name_columns(columns[table], f"{path}:{table}")


@contextlib.contextmanager
def open_database(path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    """Opens a database for reading. Without other programs that have it open, no lock and no file is left beside it."""
    is_open = path.with_name(path.name + "-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if is_open else '&immutable=1'}"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read as an SQLite database: {error}") from error


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Returns the names of tables and views."""
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    return [name for (name,) in connection.execute(query)]


def column_names(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Returns the names of a table's columns."""
    return tuple(column[1] for column in connection.execute(f"PRAGMA table_info({quoted(table)})"))


def quoted(name: str) -> str:
    """Returns a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def find_table(path: pathlib.Path, columns: dict[str, tuple[str, ...]], stated: StatedColumns = NOTHING_STATED) -> str:
    """Returns the only table with columns of ratings; columns: names by table."""
    found: dict[str, tuple[str | None, ...]] = {}
    for table, names in columns.items():
        with contextlib.suppress(InputError):
            found[table] = name_columns(names, "", stated)
    found = {table: held for table, held in found.items() if RATING in held} or found
    if len(found) == 1:
        return next(iter(found))
    if found:
        listed = ", ".join(f"{path.name}:{table}" for table in found)
        raise InputError(f"{path}: several tables have columns of ratings; name one of them: {listed}"[:2000])
    tables = "; ".join(f"{table} ({', '.join(names)})" for table, names in columns.items())[:600] or "no table"
    raise InputError(f"{path}: no table with columns of user, movie and rating; found {tables}")


def read_table(connection: sqlite3.Connection, table: str, named: dict[str, str], where: str) -> pd.DataFrame:
    """Returns the ratings of a table; named: names by column.

    Ids of text become integers if all of them are: programs that import CSV write every column as text.
    """
    chunks: dict[str, list[pa.Array]] = {column: [] for column in named}
    rows = connection.execute(f"SELECT {', '.join(map(quoted, named.values()))} FROM {quoted(table)}")
    while block := rows.fetchmany(ROWS_AT_ONCE):
        for column, values in zip(named, zip(*block, strict=True), strict=True):
            try:
                chunks[column].append(typed_values(values, column))
            except TypeError as error:
                raise InputError(f"{where}: column {named[column]!r}: {error}") from error
    columns = {column: join_arrays(arrays) for column, arrays in chunks.items()}
    for column in ID_COLUMNS:
        if pa.types.is_string(columns[column].type):
            columns[column] = typed_text(columns[column], column)
    return ratings_frame(columns, where)


def read_movies(
    connection: sqlite3.Connection, columns: dict[str, tuple[str, ...]], ratings: pd.DataFrame, path: AnyPath
) -> pd.DataFrame | None:
    """Returns the movies of the table "movies" or "movie", None without one that has ids and titles."""
    for table, names in columns.items():
        found = [matching_names(names, spellings)[:1] for spellings in (SPELLINGS[MOVIE_ID], TITLE_NAMES, GENRE_NAMES)]
        if normalized_name(table) in ("movies", "movie") and found[0] and found[1]:
            named = [quoted(name[0]) if name else "''" for name in found]
            rows = connection.execute(f"SELECT {', '.join(named)} FROM {quoted(table)}")
            return movie_table(path, as_movie_rows(rows), ratings)
    return None


def as_movie_rows(rows: sqlite3.Cursor) -> Iterator[MovieRow]:
    """Yields rows of id, title and genres as text, without those that have no id."""
    for number, row in enumerate(rows, start=1):
        movie_id, title, genres = ("" if value is None else str(value) for value in row)
        if movie_id:
            yield number, movie_id, title, genres
