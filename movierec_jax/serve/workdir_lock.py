"""Lets one server at a time record in a workdir: serving.lock names the process, with which the lock ends."""

import contextlib
import errno
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from movierec_jax.data.locks import HeldError, is_at, open_locked
from movierec_jax.errors import InputError
from movierec_jax.runs.training_lock import in_words, read_holder, this_holder

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
    except HeldError as held:
        raise held_error(workdir, read_holder(held.content)) from None
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield True
        return
    try:
        os.ftruncate(opened, 0)
        os.pwrite(opened, json.dumps(this_holder()).encode(), 0)
        yield False
    finally:
        if is_at(path, opened):
            path.unlink()
        os.close(opened)


def held_error(workdir: pathlib.Path, holder: dict[str, Any]) -> InputError:
    """Returns the error of a workdir that another server holds."""
    return InputError(
        f"{workdir}: {in_words(holder)} serves it since {holder['since']}; stop it, or serve a copy of the workdir"
    )
