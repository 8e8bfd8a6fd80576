"""Writes files of a workdir whole or not at all, and reads them with errors that say what to do."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow.parquet

from movierec_jax.errors import InputError

# Ends the name of a file or folder until it is complete.
PARTIAL = ".partial"


@contextlib.contextmanager
def atomic_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, and moves it to `path` at the end; removes it after an error.

    So no reader sees part of a file, and a full disk leaves the old file as it was.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        # Arrow leaves the file name out of its errors.
        raise OSError(error.errno, error.strerror or first_line(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary folder to fill, which replaces the folder at `path` at the end; removes it after an error."""
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or first_line(error), str(path)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: pathlib.Path, values) -> None:
    """Writes indented JSON."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: pathlib.Path):
    """Reads a JSON file of a workdir. Raises InputError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); restore it, or train anew with --overwrite") from None


def write_table(path: pathlib.Path, table: pd.DataFrame) -> None:
    """Writes a Parquet table of a workdir, without its index."""
    with atomic_file(path) as partial:
        table.to_parquet(partial, index=False)


def read_table(path: pathlib.Path, columns: list[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Reads columns of a Parquet table of a workdir. Raises InputError where it is missing or damaged.

    optional: columns to read as well if the table has them.
    """
    try:
        found = pyarrow.parquet.read_schema(path).names if optional else []
        return pd.read_parquet(path, columns=[*columns, *(name for name in optional if name in found)])
    except (OSError, ValueError) as error:
        reason = first_line(error) if path.exists() else "it is missing"
        raise InputError(
            f"{path}: cannot be read ({reason}); movierec train with the settings of the run writes it again"
        ) from None


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, or its type where it has no text."""
    return str(error).split("\n")[0][:200] or type(error).__name__
