"""The ratings log: ratings that came after training, kept in an SQLite file of the workdir as they are given.

Entries are only ever added. The last one of a user and a movie counts; one without a rating takes back what was
recorded of them before. Many processes may add to one log, and others read it meanwhile.

A process that has a log open must not open the file by other means as well: to close it drops the locks of SQLite.
"""

import contextlib
import errno
import math
import pathlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError

# The name of the log of a workdir.
FILE_NAME = "ratings_log.sqlite"

# How an SQLite file begins, and what its header tells of ours.
MAGIC = b"SQLite format 3\0"

APPLICATION_ID = int.from_bytes(b"mvrl", "big")

# Raised when a log of one version can no longer be read by the next.
FORMAT = 1

# How long one process waits for another that is writing.
BUSY_SECONDS = 10.0

RETRY_SECONDS = 0.01

# Ids have no column type, so that SQLite converts none: the text "7" is not the integer 7.
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


class Entry(NamedTuple):
    """What a user gave a movie, and when, in seconds since 1970; no rating takes back what was recorded."""

    user_id: int | str
    movie_id: int | str
    rating: float | None
    timestamp: int


class RatingsLog:
    """A log open for writing, from any thread; made if missing.

    Raises InputError where the file is no ratings log, and OSError where it cannot be opened, read or written.
    """

    def __init__(self, path: pathlib.Path):
        self.path, self.lock = path, threading.Lock()
        with errors_named(path):
            # Statements begin and end transactions themselves; the lock keeps threads apart.
            self.connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self.begin_or_go_on()
                self.file = file_of(path)
            except BaseException:
                self.connection.close()
                raise

    def begin_or_go_on(self) -> None:
        """Makes the table of a new file; of another file, looks at it first and changes nothing that is not ours."""
        with self.transaction():
            if is_new(self.connection):
                self.connection.execute(TABLE)
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")
            require_log(self.connection, self.path)
        # Readers then see the log as it was and hinder no writer, and each commit is on the disk.
        self.write_ahead()
        self.connection.execute("PRAGMA synchronous = FULL")

    def write_ahead(self) -> None:
        """Has commits go to a file beside the log first; SQLite does not wait by itself for others that open it."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)

    def append(self, entries: Sequence[Entry]) -> None:
        """Adds all of these or, after an error, none; they are on the disk when it returns.

        Raises InputError for an entry that cannot be kept, and OSError where the log cannot be written: it is damaged,
        the disk is full, or the file at its path is another one by now.
        """
        for entry in entries:
            require_keepable(entry)
        with self.lock:
            if file_of(self.path) != self.file:
                raise OSError(errno.ESTALE, "the ratings log has been moved or removed; restart", str(self.path))
            try:
                with self.transaction():
                    self.connection.executemany(ADD, entries)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, f"ratings log: {error}", str(self.path)) from error

    def latest(self) -> pd.DataFrame:
        """The last entry of each user and movie, as `read_latest` has them; waits for no writer."""
        with errors_named(self.path), opened(self.path, "mode=ro") as connection:
            return latest_of(connection)

    def close(self) -> None:
        """Closes the file; nothing that was added waits for it."""
        with self.lock:
            self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Within it all is done or, after an error, nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # Some errors of SQLite have ended it already.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise


def read_latest(path: pathlib.Path) -> pd.DataFrame:
    """The last entry of each user and movie of a log, unless it takes the rating back, in the order of recording.

    Columns `user_id` and `movie_id` (int64, str, or object where both occur), `rating` (float64) and `timestamp`
    (int64 seconds). Writes nothing, and may be called while other processes write.
    Raises InputError where the file is no ratings log, and OSError where it cannot be read.
    """
    with errors_named(path):
        while True:
            before = state(path)
            # A log that nobody has open is read without a lock: else SQLite leaves files beside it.
            with opened(path, "mode=ro" if before[0] else "mode=ro&immutable=1") as connection:
                require_log(connection, path)
                table = latest_of(connection)
            if before[0] or state(path) == before:
                return table


def is_log(path: pathlib.Path) -> bool:
    """Whether a file is to be read as a ratings log: by its name, or since it is an SQLite file."""
    with path.open("rb") as stream:
        return path.name == FILE_NAME or stream.read(len(MAGIC)) == MAGIC


def file_of(path: pathlib.Path) -> tuple[int, int] | None:
    """What tells the file at a path from any other; None where there is none. It opens nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def state(path: pathlib.Path) -> tuple[bool, int, int]:
    """Whether a process has the log open, or was killed with it open; and what tells whether the file has changed."""
    found = path.stat()
    return path.with_name(path.name + "-wal").exists(), found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def opened(path: pathlib.Path, options: str) -> Iterator[sqlite3.Connection]:
    """A connection of its own to a log that is there, for reading."""
    uri = f"{path.absolute().as_uri()}?{options}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        yield connection


def is_new(connection: sqlite3.Connection) -> bool:
    """Whether a file has nothing in it, nor says whose it is."""
    return not (number_of(connection, "application_id") or number_of(connection, "schema_version"))


def require_log(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Raises InputError where the file is not a ratings log of this version."""
    if number_of(connection, "application_id") != APPLICATION_ID:
        raise InputError(f"{path}: an SQLite file, but no ratings log; name one that scripts/serve.py has written")
    version = number_of(connection, "user_version")
    if version != FORMAT:
        raise InputError(f"{path}: a ratings log of format {version}; this version of movierec_jax reads {FORMAT}")


def number_of(connection: sqlite3.Connection, name: str) -> int:
    """A number in the header of the file."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def latest_of(connection: sqlite3.Connection) -> pd.DataFrame:
    """What `read_latest` returns."""
    entries = connection.execute(LATEST).fetchall()
    user_id, movie_id, rating, timestamp = zip(*entries, strict=True) if entries else [()] * 4
    return pd.DataFrame(
        {
            USER_ID: as_ids(user_id),
            MOVIE_ID: as_ids(movie_id),
            RATING: pd.Series(rating, dtype="float64"),
            TIMESTAMP: pd.Series(timestamp, dtype="int64"),
        }
    )


def as_ids(ids: Sequence[int | str]) -> pd.Series:
    """Ids as a column of their kind; of both kinds, as they are."""
    kinds = {type(found) for found in ids} or {int}
    return pd.Series(ids, dtype=("int64" if kinds == {int} else "str") if len(kinds) == 1 else "object")


def require_keepable(entry: Entry) -> None:
    """Raises InputError unless the log gives back an entry as it is."""
    for name, found in ((USER_ID, entry.user_id), (MOVIE_ID, entry.movie_id)):
        if not is_keepable_id(found):
            raise InputError(f"{name} {str(found)[:80]!r}: must be an integer of 64 bits, or text")
    if entry.rating is not None and not math.isfinite(entry.rating):
        raise InputError(f"{RATING} {entry.rating}: must be a number, or none")
    if not is_int64(entry.timestamp):
        raise InputError(f"{TIMESTAMP} {str(entry.timestamp)[:80]}: must be whole seconds since 1970")


def is_keepable_id(found: Any) -> bool:
    """Whether SQLite keeps an id: text that UTF-8 can spell, or an integer of 64 bits."""
    if not isinstance(found, str):
        return is_int64(found)
    # A lone half of a surrogate pair, which JSON can spell.
    return not any("\ud800" <= letter <= "\udfff" for letter in found)


def is_int64(found: Any) -> bool:
    """Whether it is an integer that fits 64 bits."""
    return type(found) is int and -(2**63) <= found < 2**63


@contextlib.contextmanager
def errors_named(path: pathlib.Path) -> Iterator[None]:
    """Turns what SQLite raises into errors that name the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, f"ratings log: {error}", str(path)) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: cannot be read as a ratings log ({error})") from error
