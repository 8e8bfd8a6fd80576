"""The ratings log: ratings given after training, and movies of no interest, in an SQLite file of the workdir.

Entries are only added. The last entry of a user and a movie counts; one without a rating retracts the earlier ones.
Movies that users are not interested in stand in a table of their own, so that nobody takes them for ratings.
Many processes may add to one log while others read it.

A process that has a log open must not also open the file by other means: closing it would drop SQLite's locks.
"""

import contextlib
import errno
import math
import pathlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

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

RETRY_SECONDS = 0.01

# The id columns have no type, so that SQLite converts no id: the text "7" is not the integer 7.
TABLE = """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        user_id NOT NULL CHECK (typeof(user_id) IN ('integer', 'text')),
        movie_id NOT NULL CHECK (typeof(movie_id) IN ('integer', 'text')),
        rating REAL,
        timestamp INTEGER NOT NULL
    )
"""

ADD = "INSERT INTO entries (user_id, movie_id, rating, timestamp) VALUES (?, ?, ?, ?)"

LATEST = """
    SELECT user_id, movie_id, rating, timestamp FROM entries
    WHERE number IN (SELECT max(number) FROM entries GROUP BY user_id, movie_id) AND rating IS NOT NULL
    ORDER BY number
"""


# A log of an earlier version has no such table.
TABLE_NOT_INTERESTED = """
    CREATE TABLE IF NOT EXISTS not_interested (
        number INTEGER PRIMARY KEY,
        user_id NOT NULL CHECK (typeof(user_id) IN ('integer', 'text')),
        movie_id NOT NULL CHECK (typeof(movie_id) IN ('integer', 'text')),
        is_on INTEGER NOT NULL,
        timestamp INTEGER NOT NULL
    )
"""

ADD_NOT_INTERESTED = "INSERT INTO not_interested (user_id, movie_id, is_on, timestamp) VALUES (?, ?, ?, ?)"

LATEST_NOT_INTERESTED = """
    SELECT user_id, movie_id, timestamp FROM not_interested
    WHERE number IN (SELECT max(number) FROM not_interested GROUP BY user_id, movie_id) AND is_on
    ORDER BY number
"""


class Entry(NamedTuple):
    """A user's rating of a movie at a time in seconds since 1970; a rating of None retracts earlier ones."""

    user_id: int | str
    movie_id: int | str
    rating: float | None
    timestamp: int


class NotInterested(NamedTuple):
    """A movie that a user does not want to be shown, or does again where `is_on` is False."""

    user_id: int | str
    movie_id: int | str
    is_on: bool
    timestamp: int


class RatingsLog:
    """A log open for writing from any thread; made if missing.

    Raises InputError where the file is no ratings log, and OSError where it cannot be opened, read or written.
    """

    def __init__(self, path: pathlib.Path):
        self.path, self.lock = path, threading.Lock()
        with translate_sqlite_errors(path):
            # Our statements begin and end transactions; the lock keeps threads apart.
            self.connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self.create_or_check()
                self.file = file_identity(path)
            except BaseException:
                self.connection.close()
                raise

    def create_or_check(self) -> None:
        """Creates the table in a new file; checks that any other file is a log before changing it."""
        with self.transaction():
            if is_new(self.connection):
                self.connection.execute(TABLE)
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")
            require_log(self.connection, self.path)
            self.connection.execute(TABLE_NOT_INTERESTED)
        # Readers then see the last commit and block no writer, and each commit is on the disk.
        self.write_ahead()
        self.connection.execute("PRAGMA synchronous = FULL")

    def write_ahead(self) -> None:
        """Turns on the write-ahead log, with retries: SQLite itself does not wait for other processes here."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)

    def append(self, entries: Sequence[Entry | NotInterested]) -> None:
        """Adds all entries or, after an error, none; they are on the disk when it returns.

        Raises InputError for an entry that SQLite cannot keep, and OSError where the log cannot be written: it is
        damaged, the disk is full, or its path now leads to another file.
        """
        for entry in entries:
            require_keepable(entry)
        with self.lock:
            if file_identity(self.path) != self.file:
                raise OSError(errno.ESTALE, "the ratings log has been moved or removed; restart", str(self.path))
            try:
                with self.transaction():
                    self.connection.executemany(ADD, [one for one in entries if isinstance(one, Entry)])
                    marks = [one for one in entries if isinstance(one, NotInterested)]
                    self.connection.executemany(ADD_NOT_INTERESTED, marks)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, f"ratings log: {error}", str(self.path)) from error

    def latest(self) -> pd.DataFrame:
        """Returns the same table as `read_latest`, without waiting for writers."""
        with translate_sqlite_errors(self.path), connect_read_only(self.path, "mode=ro") as connection:
            return select_latest(connection)

    def not_interested(self) -> pd.DataFrame:
        """Returns the same table as `read_not_interested`, without waiting for writers."""
        with translate_sqlite_errors(self.path), connect_read_only(self.path, "mode=ro") as connection:
            return select_not_interested(connection)

    def close(self) -> None:
        """Closes the file; added entries are on the disk already."""
        with self.lock:
            self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits all statements within it or, after an error, none."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # Some errors of SQLite end the transaction themselves.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


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


def file_identity(path: pathlib.Path) -> tuple[int, int] | None:
    """Returns device and inode of the file at a path, None without one. Opens nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def file_state(path: pathlib.Path) -> tuple[bool, int, int]:
    """Returns whether a process has the log open (or was killed with it open), and its time of change and size."""
    found = path.stat()
    return path.with_name(path.name + "-wal").exists(), found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def connect_read_only(path: pathlib.Path, options: str) -> Iterator[sqlite3.Connection]:
    """Opens a separate connection to an existing log for reading; options: of an SQLite URI."""
    uri = f"{path.absolute().as_uri()}?{options}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
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
    entries = connection.execute(LATEST).fetchall()
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
    has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'not_interested'").fetchone()
    marks = connection.execute(LATEST_NOT_INTERESTED).fetchall() if has_table else []
    user_id, movie_id, timestamp = zip(*marks, strict=True) if marks else [()] * 3
    times = pd.Series(timestamp, dtype="int64")
    return pd.DataFrame({USER_ID: id_column(user_id), MOVIE_ID: id_column(movie_id), TIMESTAMP: times})


def id_column(ids: Sequence[int | str]) -> pd.Series:
    """Returns ids as a column: int64 or str, or object where both occur."""
    kinds = {type(found) for found in ids} or {int}
    return pd.Series(ids, dtype=("int64" if kinds == {int} else "str") if len(kinds) == 1 else "object")


def require_keepable(entry: Entry | NotInterested) -> None:
    """Raises InputError unless SQLite would return the entry unchanged."""
    for name, found in ((USER_ID, entry.user_id), (MOVIE_ID, entry.movie_id)):
        if not is_keepable_id(found):
            raise InputError(f"{name} {str(found)[:80]!r}: must be an integer of 64 bits, or text")
    if isinstance(entry, Entry) and entry.rating is not None and not math.isfinite(entry.rating):
        raise InputError(f"{RATING} {entry.rating}: must be a number, or none")
    if not is_int64(entry.timestamp):
        raise InputError(f"{TIMESTAMP} {str(entry.timestamp)[:80]}: must be whole seconds since 1970")


def is_keepable_id(found: Any) -> bool:
    """Returns whether SQLite keeps an id unchanged: text that UTF-8 can encode, or an integer of 64 bits."""
    if not isinstance(found, str):
        return is_int64(found)
    # JSON can spell half of a surrogate pair, which UTF-8 cannot encode.
    return not any("\ud800" <= letter <= "\udfff" for letter in found)


def is_int64(found: Any) -> bool:
    """Returns whether a value is an integer that fits 64 bits."""
    return type(found) is int and -(2**63) <= found < 2**63


@contextlib.contextmanager
def translate_sqlite_errors(path: pathlib.Path) -> Iterator[None]:
    """Turns SQLite's errors into an OSError or InputError that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, f"ratings log: {error}", str(path)) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: cannot be read as a ratings log ({error})") from error
