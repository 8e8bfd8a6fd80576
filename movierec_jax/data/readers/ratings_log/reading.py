"""Reads the file of a ratings log, which other processes may be writing."""

import contextlib
import errno
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from movierec_jax.data.readers.ratings_log import sql
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError

# The file name of a workdir's log.
FILE_NAME = "ratings_log.sqlite"

# The first bytes of an SQLite file, and the number in its header that marks a ratings log.
MAGIC = b"SQLite format 3\0"

APPLICATION_MARK = b"mvrl"

APPLICATION_ID = int.from_bytes(APPLICATION_MARK, "big")

# Where SQLite keeps that number in the header.
MARK = slice(68, 72)

# Raised when a log of one version can no longer be read by the next.
FORMAT = 1

# Seconds for which a process waits for another that is writing.
BUSY_SECONDS = 10.0


def read_latest(path: pathlib.Path) -> pd.DataFrame:
    """Reads the last rating of each user and movie, without retracted ones, in the order of recording.

    Returns columns `user_id` and `movie_id` (int64, str, or object where both occur), `rating` (float64) and
    `timestamp` (int64 seconds). Writes nothing, and may be called while other processes write.

    Raises InputError where the file is no ratings log, and OSError where it cannot be read.
    """
    return read_log(path, select_latest)


def read_not_interested(path: pathlib.Path) -> pd.DataFrame:
    """Reads the movies that each user is not interested in, as `read_latest` reads ratings, with columns `user_id`,
    `movie_id` and `timestamp`.
    """
    return read_log(path, select_not_interested)


def read_log(path: pathlib.Path, select: Callable[[sqlite3.Connection], pd.DataFrame]) -> pd.DataFrame:
    """Returns what `select` finds in a log that other processes may write. Raises as `read_latest`."""
    with translate_sqlite_errors(path):
        while True:
            before = file_state(path)
            # A log that no process has open is read without a lock: with one, SQLite would leave files beside it.
            with connect_read_only(path, "mode=ro" if before[0] else "mode=ro&immutable=1") as connection:
                require_log(connection, path)
                table = select(connection)
            if before[0] or file_state(path) == before:
                return table


def is_log(path: pathlib.Path) -> bool:
    """Returns whether a file is to be read as a ratings log: by its name, or by the mark in its header."""
    with path.open("rb") as stream:
        head = stream.read(MARK.stop)
    return path.name == FILE_NAME or (head.startswith(MAGIC) and head[MARK] == APPLICATION_MARK)


def wal_path(path: pathlib.Path) -> pathlib.Path:
    """Returns the path of a log's write-ahead log."""
    return path.with_name(path.name + "-wal")


def file_state(path: pathlib.Path) -> tuple[bool, int, int]:
    """Returns whether a process has the log open (or was killed with it open), and its time of change and size."""
    found = path.stat()
    return wal_path(path).exists(), found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def connect_read_only(path: pathlib.Path, options: str) -> Iterator[sqlite3.Connection]:
    """Opens a separate connection to an existing log for reading from any thread; options: of an SQLite URI."""
    uri = f"{path.absolute().as_uri()}?{options}"
    with contextlib.closing(
        sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    ) as connection:
        yield connection


def is_new(connection: sqlite3.Connection) -> bool:
    """Returns whether an SQLite file has no tables and no application id."""
    return not (header_number(connection, "application_id") or header_number(connection, "schema_version"))


def require_log(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Raises InputError where the file is not a ratings log of this version."""
    if header_number(connection, "application_id") != APPLICATION_ID:
        raise InputError(f"{path}: an SQLite file, but no ratings log; name one that movierec serve has written")
    version = header_number(connection, "user_version")
    if version != FORMAT:
        raise InputError(f"{path}: a ratings log of format {version}; this version of movierec_jax reads {FORMAT}")


def header_number(connection: sqlite3.Connection, name: str) -> int:
    """Returns a number in the header of the file."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def select_latest(connection: sqlite3.Connection) -> pd.DataFrame:
    """Returns the table of `read_latest`."""
    entries = connection.execute(sql.LATEST).fetchall()
    user_id, movie_id, rating, timestamp = zip(*entries, strict=True) if entries else [()] * 4
    return pd.DataFrame(
        {
            USER_ID: id_column(user_id),
            MOVIE_ID: id_column(movie_id),
            RATING: pd.Series(rating, dtype="float64"),
            TIMESTAMP: pd.Series(timestamp, dtype="int64"),
        }
    )


def select_not_interested(connection: sqlite3.Connection) -> pd.DataFrame:
    """Returns the table of `read_not_interested`; of a log of an earlier version an empty one."""
    marks = connection.execute(sql.LATEST_NOT_INTERESTED).fetchall() if has_not_interested(connection) else []
    user_id, movie_id, timestamp = zip(*marks, strict=True) if marks else [()] * 3
    times = pd.Series(timestamp, dtype="int64")
    return pd.DataFrame({USER_ID: id_column(user_id), MOVIE_ID: id_column(movie_id), TIMESTAMP: times})


def has_not_interested(connection: sqlite3.Connection) -> bool:
    """Returns whether a log has the table of movies of no interest, which earlier versions did not write."""
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'not_interested'").fetchone())


def id_column(ids: Sequence[int | str]) -> pd.Series:
    """Returns ids as a column: int64 or str, or object where both occur."""
    kinds = {type(found) for found in ids} or {int}
    return pd.Series(ids, dtype=("int64" if kinds == {int} else "str") if len(kinds) == 1 else "object")


@contextlib.contextmanager
def translate_sqlite_errors(path: pathlib.Path) -> Iterator[None]:
    """Turns SQLite's errors into an OSError or InputError that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, f"ratings log: {error}", str(path)) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: cannot be read as a ratings log ({error})") from error
