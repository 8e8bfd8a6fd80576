"""The ratings log: ratings given after training, and movies of no interest, in an SQLite file of the workdir.

Entries are added. The last entry of a user and a movie counts; one without a rating retracts the earlier ones.
`compact` removes what does not count. Movies that users are not interested in stand in a table of their own, so that
nobody takes them for ratings. Many processes may add to one log while others read it.

What is added goes to SQLite's write-ahead log, FILE-wal; `settle` copies it to the file itself. If FILE-wal is removed
while the log is open, nothing is lost: the next `append`, `settle` or `close` copies what it had.

A process that has a log open must not also open the file by other means: closing it would drop SQLite's locks.
"""

import contextlib
import errno
import math
import pathlib
import shutil
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

# Less free space than this on the disk of a log calls for a warning.
LOW_DISK_BYTES = 100 * 2**20

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


# Finds the entries of a user, and the last of a pair.
INDICES = [
    f"CREATE INDEX IF NOT EXISTS {table}_by_user ON {table} (user_id, movie_id)"
    for table in ("entries", "not_interested")
]

DELETE_OLD = """
    DELETE FROM {table}
    WHERE {counts_for_nothing} OR number NOT IN (SELECT max(number) FROM {table} GROUP BY user_id, movie_id)
"""

COMPACT = [
    DELETE_OLD.format(table="entries", counts_for_nothing="rating IS NULL"),
    DELETE_OLD.format(table="not_interested", counts_for_nothing="NOT is_on"),
]

NEWEST_USERS = """
    SELECT user_id FROM (
        SELECT user_id, timestamp FROM entries WHERE rating IS NOT NULL
        UNION ALL SELECT user_id, timestamp FROM not_interested WHERE is_on
    )
    GROUP BY user_id ORDER BY max(timestamp) DESC, user_id LIMIT ?
"""

RATINGS = "SELECT user_id, movie_id, rating, timestamp FROM entries WHERE user_id IN ({users}) ORDER BY number"

MARKS = "SELECT user_id, movie_id, is_on, timestamp FROM not_interested WHERE user_id IN ({users}) ORDER BY number"

# One user id and one movie id of each type.
ID_EXAMPLES = """
    SELECT user_id, movie_id FROM entries WHERE rating IS NOT NULL GROUP BY typeof(user_id), typeof(movie_id)
    UNION ALL
    SELECT user_id, movie_id FROM not_interested WHERE is_on GROUP BY typeof(user_id), typeof(movie_id)
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

    is_read_only: open an existing log for reading alone, writing nothing beside it.
    Raises InputError where the file is no ratings log, and OSError where it cannot be opened, read or written.
    """

    def __init__(self, path: pathlib.Path, *, is_read_only: bool = False):
        self.path, self.is_read_only = path, is_read_only
        # Writers wait for the disk, readers for no writer.
        self.lock, self.reader_lock = threading.Lock(), threading.Lock()
        self.is_settled = True
        with translate_sqlite_errors(path), contextlib.ExitStack() as opened:
            if not is_read_only:
                # Our statements begin and end transactions; the lock keeps threads apart.
                self.connection = sqlite3.connect(
                    path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                opened.callback(self.connection.close)
                self.create_or_check()
            has_wal = wal_path(path).exists()
            options = "mode=ro&immutable=1" if is_read_only and not has_wal else "mode=ro"
            self.reader = opened.enter_context(connect_read_only(path, options))
            require_log(self.reader, path)
            if not has_not_interested(self.reader):
                # A log of an earlier version that cannot be changed; the table is in this process alone.
                self.reader.execute(TABLE_NOT_INTERESTED.replace("CREATE TABLE", "CREATE TEMP TABLE"))
            self.files = self.file_identities()
            self.opened = opened.pop_all()

    def create_or_check(self) -> None:
        """Creates the tables in a new file; checks that any other file is a log before changing it."""
        with self.transaction():
            if is_new(self.connection):
                self.connection.execute(TABLE)
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")
            require_log(self.connection, self.path)
            for statement in (TABLE_NOT_INTERESTED, *INDICES):
                self.connection.execute(statement)
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
        damaged, the disk is full, or another file has taken the place of one of its files.
        """
        for entry in entries:
            require_keepable(entry)
        with self.lock:
            self.require_in_place()
            try:
                with self.transaction():
                    self.connection.executemany(ADD, [one for one in entries if isinstance(one, Entry)])
                    marks = [one for one in entries if isinstance(one, NotInterested)]
                    self.connection.executemany(ADD_NOT_INTERESTED, marks)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, f"ratings log: {error}", str(self.path)) from error
            self.is_settled = False
            # A file that went meanwhile has taken the entries with it.
            self.require_in_place()

    def checkpoint(self, mode: str = "PASSIVE") -> bool:
        """Copies what is in the write-ahead log to the file, and returns whether that was all of it.

        What cannot be copied, because somebody reads or the disk is full, stays where it is, on the disk as well.
        """
        try:
            _, num_pages, num_copied = self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.OperationalError:
            return False
        return num_pages == num_copied

    def settle(self) -> None:
        """Copies to the file what has been added since the last time, so that the file alone holds all."""
        with self.lock:
            if not self.is_settled:
                self.is_settled = self.checkpoint()

    def compact(self) -> None:
        """Removes the entries that do not count, in one transaction, and gives most of their space back to the disk."""
        with self.lock, translate_sqlite_errors(self.path):
            with self.transaction():
                for statement in COMPACT:
                    self.connection.execute(statement)
            if 2 * header_number(self.connection, "freelist_count") > header_number(self.connection, "page_count"):
                # Needs space for a copy; without it the file stays as it is.
                with contextlib.suppress(sqlite3.OperationalError):
                    self.connection.execute("VACUUM")
            self.checkpoint("TRUNCATE")

    def moved_file(self) -> pathlib.Path | None:
        """Returns the first of the log's files that has been removed or replaced since the log was opened."""
        found = self.file_identities()
        return next((path for path, identity in self.files.items() if found[path] != identity), None)

    def require_in_place(self) -> None:
        """Raises OSError where one of the log's files has been removed or replaced."""
        moved = self.moved_file()
        if moved is not None:
            # Nothing is lost where the main file is still there.
            self.checkpoint()
            raise OSError(errno.ESTALE, "the ratings log has been moved or removed; restart", str(moved))

    def file_identities(self) -> dict[pathlib.Path, tuple[int, int] | None]:
        """Returns the identity of the log's file and of its write-ahead log."""
        return {path: file_identity(path) for path in (self.path, wal_path(self.path))}

    def num_bytes(self) -> int:
        """Returns the size of the log's files."""
        return sum(path.stat().st_size for path in self.files if path.exists())

    def free_bytes(self) -> int:
        """Returns the free space on the disk of the log."""
        return shutil.disk_usage(self.path.parent).free

    def latest(self) -> pd.DataFrame:
        """Returns the same table as `read_latest`, without waiting for writers."""
        with self.reading() as connection:
            return select_latest(connection)

    def not_interested(self) -> pd.DataFrame:
        """Returns the same table as `read_not_interested`, without waiting for writers."""
        with self.reading() as connection:
            return select_not_interested(connection)

    def newest_users(self, limit: int) -> list[int | str]:
        """Returns the users with the newest entries, newest first."""
        with self.reading() as connection:
            return [user_id for (user_id,) in connection.execute(NEWEST_USERS, (limit,))]

    def entries_of_newest(self, limit: int) -> list[Entry | NotInterested]:
        """Returns all entries of the users that `newest_users` returns."""
        return self.entries_where(NEWEST_USERS, limit)

    def entries_of(self, user_id: int | str) -> list[Entry | NotInterested]:
        """Returns all entries of a user in the order of recording, ratings first."""
        return self.entries_where("?", user_id)

    def entries_where(self, users: str, value: int | str) -> list[Entry | NotInterested]:
        """Returns the entries of the users that an expression of SQL with one value gives, as `entries_of`."""
        with self.reading() as connection:
            ratings = connection.execute(RATINGS.format(users=users), (value,)).fetchall()
            marks = connection.execute(MARKS.format(users=users), (value,)).fetchall()
        kept = [NotInterested(user, movie, bool(is_on), time) for user, movie, is_on, time in marks]
        return [*(Entry(*row) for row in ratings), *kept]

    def id_examples(self) -> tuple[list[int | str], list[int | str]]:
        """Returns a user id and a movie id of each type among those that count."""
        with self.reading() as connection:
            found = connection.execute(ID_EXAMPLES).fetchall()
        return [user_id for user_id, _ in found], [movie_id for _, movie_id in found]

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yields the connection for reading to one thread at a time."""
        with self.reader_lock, translate_sqlite_errors(self.path):
            yield self.reader

    def close(self) -> None:
        """Closes the file; added entries are on the disk already."""
        with self.lock, self.reader_lock:
            self.opened.close()

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


def wal_path(path: pathlib.Path) -> pathlib.Path:
    """Returns the path of a log's write-ahead log."""
    return path.with_name(path.name + "-wal")


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
    marks = connection.execute(LATEST_NOT_INTERESTED).fetchall() if has_not_interested(connection) else []
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
