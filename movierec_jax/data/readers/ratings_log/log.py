"""A ratings log that is open for adding.

What is added goes to SQLite's write-ahead log, FILE-wal; `settle` copies it to the file itself. If FILE-wal is removed
while the log is open, nothing is lost: the next `append`, `settle` or `close` copies what it had.

A process that has a log open must not also open the file by other means: closing it would drop SQLite's locks.
"""

import contextlib
import errno
import pathlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence

import pandas as pd

from movierec_jax.data.readers.ratings_log import sql
from movierec_jax.data.readers.ratings_log.entries import Entry, NotInterested, require_keepable
from movierec_jax.data.readers.ratings_log.reading import (
    APPLICATION_ID,
    BUSY_SECONDS,
    FORMAT,
    connect_read_only,
    has_not_interested,
    header_number,
    is_new,
    require_log,
    select_latest,
    select_not_interested,
    translate_sqlite_errors,
    wal_path,
)

# Seconds between two attempts of what SQLite does not wait for.
RETRY_SECONDS = 0.01

# Less free space than this on the disk of a log calls for a warning.
LOW_DISK_BYTES = 100 * 2**20


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
                self.reader.execute(sql.TABLE_NOT_INTERESTED.replace("CREATE TABLE", "CREATE TEMP TABLE"))
            self.files = self.file_identities()
            self.opened = opened.pop_all()

    def create_or_check(self) -> None:
        """Creates the tables in a new file; checks that any other file is a log before changing it."""
        with self.transaction():
            if is_new(self.connection):
                self.connection.execute(sql.TABLE)
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {FORMAT}")
            require_log(self.connection, self.path)
            for statement in (sql.TABLE_NOT_INTERESTED, *sql.INDICES):
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
                    self.connection.executemany(sql.ADD, [one for one in entries if isinstance(one, Entry)])
                    marks = [one for one in entries if isinstance(one, NotInterested)]
                    self.connection.executemany(sql.ADD_NOT_INTERESTED, marks)
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
                for statement in sql.COMPACT:
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
            return [user_id for (user_id,) in connection.execute(sql.NEWEST_USERS, (limit,))]

    def entries_of_newest(self, limit: int) -> list[Entry | NotInterested]:
        """Returns all entries of the users that `newest_users` returns."""
        return self.entries_where(sql.NEWEST_USERS, limit)

    def entries_of(self, user_id: int | str) -> list[Entry | NotInterested]:
        """Returns all entries of a user in the order of recording, ratings first."""
        return self.entries_where("?", user_id)

    def entries_where(self, users: str, value: int | str) -> list[Entry | NotInterested]:
        """Returns the entries of the users that an expression of SQL with one value gives, as `entries_of`."""
        with self.reading() as connection:
            ratings = connection.execute(sql.RATINGS.format(users=users), (value,)).fetchall()
            marks = connection.execute(sql.MARKS.format(users=users), (value,)).fetchall()
        kept = [NotInterested(user, movie, bool(is_on), time) for user, movie, is_on, time in marks]
        return [*(Entry(*row) for row in ratings), *kept]

    def id_examples(self) -> tuple[list[int | str], list[int | str]]:
        """Returns a user id and a movie id of each type among those that count."""
        with self.reading() as connection:
            found = connection.execute(sql.ID_EXAMPLES).fetchall()
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


def file_identity(path: pathlib.Path) -> tuple[int, int] | None:
    """Returns device and inode of the file at a path, None without one. Opens nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
