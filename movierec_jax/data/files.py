"""Writes files whole or not at all, and reads those of a workdir with errors that say what to do."""

import contextlib
import ctypes
import errno
import glob
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow.parquet

from movierec_jax.data.locks import is_locked, try_lock
from movierec_jax.data.memory_limits import require_moderate
from movierec_jax.errors import InputError

# Ends the name of a file or folder until it is complete.
PARTIAL = ".partial"

# The key of a sealed JSON file that holds the digest of the others.
SEAL = "digest"

# Of the system call renameat2: paths are relative to the working directory, and the two change places.
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@contextlib.contextmanager
def atomic_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, and moves it to `path` at the end; removes it after an error.

    So no reader sees part of a file, a full disk leaves the old file as it was, and of several writers the last one's
    file stays. A link at `path` is replaced, not followed.
    """
    remove_abandoned(path)
    partial = unique_partial(path)
    try:
        with errors_named(path):
            writing = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                try_lock(writing)
                yield partial
                os.fsync(writing)
            finally:
                os.close(writing)
            os.replace(partial, path)
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary folder to fill, which replaces the folder at `path` at the end; removes it after an error.

    Where the system can exchange two folders in one step, as Linux can, readers find the old one or the new at any
    moment.
    """
    remove_abandoned(path)
    partial = unique_partial(path)
    try:
        with errors_named(path):
            partial.mkdir()
            writing = os.open(partial, os.O_RDONLY)
            try:
                try_lock(writing)
                yield partial
                sync_tree(partial)
                replace_folder(partial, path)
            finally:
                os.close(writing)
            sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def errors_named(path: pathlib.Path) -> Iterator[None]:
    """Makes errors of the system name a file: those of writing to an open one name none, and neither do Arrow's."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or first_line(error), str(path)) from error


def unique_partial(path: pathlib.Path) -> pathlib.Path:
    """Returns a path beside another that no other writer uses."""
    return path.with_name(f"{path.name}.{secrets.token_hex(6)}{PARTIAL}")


def remove_abandoned(path: pathlib.Path) -> None:
    """Removes what killed writers of `path` have left; running writers hold a lock on theirs."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*{PARTIAL}"):
        if partial.is_symlink() or is_locked(partial):
            continue
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def replace_folder(new: pathlib.Path, path: pathlib.Path) -> None:
    """Moves a folder to `path`, and what is there, if anything, to the place that it leaves."""
    try:
        # Takes the place of nothing, or of an empty folder.
        new.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not exchange(new, path):
            old = unique_partial(path)
            path.rename(old)
            new.rename(path)
            old.rename(new)


def exchange(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Lets two paths change places in one step; returns whether the system and the disk can do that."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    return libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def sync_tree(folder: pathlib.Path) -> None:
    """Waits until all files of a folder are on the disk."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def sync(path: pathlib.Path) -> None:
    """Waits until a file's content, or a folder's names, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def file_sha256(path: pathlib.Path) -> str:
    """Returns the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_sha256(values: Mapping[str, Any]) -> str:
    """Returns the sha256 of values as JSON, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with a digest that reveals any change to them."""
    return {**values, SEAL: json_sha256(values)}


def unsealed(values: Any) -> dict[str, Any] | None:
    """Returns the values that `sealed` was given; None where they are not as it left them."""
    if not isinstance(values, dict):
        return None
    others = {name: value for name, value in values.items() if name != SEAL}
    return others if values.get(SEAL) == json_sha256(others) else None


def write_json(path: pathlib.Path, values) -> None:
    """Writes indented JSON."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: pathlib.Path):
    """Reads a JSON file of a workdir. Raises InputError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); restore it, or train anew with --overwrite") from None


def read_sealed_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads what was written with `sealed`. Raises InputError where it has changed since."""
    values = unsealed(read_json(path))
    if values is None:
        raise InputError(f"{path}: has changed since it was written; restore it, or train anew with --overwrite")
    return values


def write_table(path: pathlib.Path, table: pd.DataFrame) -> None:
    """Writes a Parquet table of a workdir, without its index."""
    with atomic_file(path) as partial:
        table.to_parquet(partial, index=False)


def read_table(path: pathlib.Path, columns: list[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Reads columns of a Parquet table of a workdir. Raises InputError where it is missing or damaged.

    optional: columns to read as well if the table has them.
    """
    try:
        require_moderate(path, path.stat().st_size, str(path))
        found = pyarrow.parquet.read_schema(path).names if optional else []
        return pd.read_parquet(path, columns=[*columns, *(name for name in optional if name in found)])
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = first_line(error) if path.exists() else "it is missing"
        raise InputError(
            f"{path}: cannot be read ({reason}); movierec train with the settings of the run writes it again"
        ) from None


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, or its type where it has no text."""
    return str(error).split("\n")[0][:200] or type(error).__name__
