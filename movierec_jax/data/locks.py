"""Advisory locks of files and folders: the system frees them when their process ends, however it ends.

Where the system or the disk has none, such as some network disks, nothing is locked.
"""

import os
import pathlib

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]


# Bytes of a lock file that are read at most.
MAX_BYTES = 4096


class HeldError(Exception):
    """Another process holds a lock. content: what it has written to the file."""

    def __init__(self, content: bytes):
        super().__init__("held by another process")
        self.content = content


def open_locked(path: pathlib.Path) -> int:
    """Opens a lock file, makes it if it is missing, locks it and returns its descriptor. Raises HeldError.

    A holder may remove its file before it closes it.
    """
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            if not try_lock(opened):
                raise HeldError(os.pread(opened, MAX_BYTES, 0))
            # The holder before may have removed the file since it was opened.
            if is_at(path, opened):
                return opened
        except BaseException:
            os.close(opened)
            raise
        os.close(opened)


def is_at(path: pathlib.Path, opened: int) -> bool:
    """Whether a path leads to the file that is open, and not to another or none."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(opened))
    except OSError:
        return False


def try_lock(opened: int) -> bool:
    """Locks what a file descriptor stands for, until it is closed; returns False where another process has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # The disk has no locks.
        return True
    return True


def is_locked(path: pathlib.Path) -> bool:
    """Whether a process holds the lock of a file or folder; True too where it cannot be opened, not if it is gone."""
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not try_lock(opened)
    finally:
        os.close(opened)
