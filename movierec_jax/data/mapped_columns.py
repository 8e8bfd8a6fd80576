"""Columns of many ratings in files that are mapped into memory.

A process takes no memory of its own for what it reads of them: the system keeps their pages, once for all processes of
a machine, as long as it has room.
"""

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Int, Shaped

ENDING = ".npy"

Columns = dict[str, Shaped[np.ndarray, " rows"]]


def map_columns(
    folder: pathlib.Path,
    length: int,
    dtypes: Mapping[str, np.dtype | type],
    blocks: Iterable[tuple[Int[np.ndarray, " _rows"], Mapping[str, np.ndarray]]],
) -> Columns:
    """Returns the columns that a folder holds, for reading; writes them there before, where there is no such folder.

    The folder appears once it is complete, so several processes may ask for it at the same time.

    length: rows of each column. blocks: positions of some rows and their values in each column; every row once.
    Raises OSError where the folder cannot be written.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = pathlib.Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent))
        try:
            write_columns(partial, length, dtypes, blocks)
            # Fails where another process was faster: its columns are the same.
            with contextlib.suppress(OSError):
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return {name: np.load(folder / f"{name}{ENDING}", mmap_mode="r").view(np.ndarray) for name in dtypes}


def write_columns(
    folder: pathlib.Path,
    length: int,
    dtypes: Mapping[str, np.dtype | type],
    blocks: Iterable[tuple[Int[np.ndarray, " _rows"], Mapping[str, np.ndarray]]],
) -> None:
    """Writes a file for each column."""
    columns = {
        name: np.lib.format.open_memmap(folder / f"{name}{ENDING}", mode="w+", dtype=dtype, shape=(length,))
        for name, dtype in dtypes.items()
    }
    for position, values in blocks:
        for name, column in columns.items():
            column[position] = values[name]
    for column in columns.values():
        column.flush()
