"""Advisory locks of files and folders: the system frees them when their process ends, however it ends.

Where the system or the disk has none, such as some network disks, nothing is locked.
"""

import os
import pathlib

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]


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
