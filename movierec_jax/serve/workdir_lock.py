"""Lets one server at a time record in a workdir: serving.lock names the process, with which the lock ends."""

import contextlib
import datetime
import errno
import json
import os
import pathlib
import socket
from collections.abc import Iterator

from movierec_jax.data.locks import try_lock
from movierec_jax.errors import InputError
from movierec_jax.runs.training_lock import MAX_BYTES, read_holder

LOCK = "serving.lock"

# Errors of a folder to which nothing can be written.
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def serving_lock(workdir: pathlib.Path) -> Iterator[bool]:
    """Holds the lock of a folder; yields whether nothing can be written there, so that there is nothing to lock.

    Raises InputError, saying who serves it, where another server holds the lock.
    """
    path = workdir / LOCK
    try:
        opened = open_locked(path)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield True
        return
    try:
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        os.ftruncate(opened, 0)
        os.pwrite(opened, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since}).encode(), 0)
        yield False
    finally:
        if is_at(path, opened):
            path.unlink()
        os.close(opened)


def open_locked(path: pathlib.Path) -> int:
    """Opens and locks a file, and returns its descriptor. Raises InputError where another server holds the lock."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            if not try_lock(opened):
                holder = read_holder(os.pread(opened, MAX_BYTES, 0))
                raise InputError(
                    f"{path.parent}: process {holder['pid']} of host {holder['host']} serves it since "
                    f"{holder['since']}; stop it, or serve a copy of the workdir"
                )
            # The holder before may have removed the file since it was opened.
            if is_at(path, opened):
                return opened
        except BaseException:
            os.close(opened)
            raise
        os.close(opened)


def is_at(path: pathlib.Path, opened: int) -> bool:
    """Whether a path leads to the file that is open."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(opened))
    except FileNotFoundError:
        return False
