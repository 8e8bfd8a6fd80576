"""Columns of many ratings in files that are mapped into memory.

A process takes no memory of its own for what it reads of them: the system keeps their pages, once for all processes of
a machine, as long as it has room.

DIGESTS      sha256 of each column's file, written last
NAME.npy     a column
"""

import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Int, Shaped

from movierec_jax.data.files import atomic_folder, read_json, write_json
from movierec_jax.data.readers.table_cache import file_digest
from movierec_jax.errors import InputError

ENDING, DIGESTS = ".npy", "digests.json"

Columns = dict[str, Shaped[np.ndarray, " rows"]]


def map_columns(
    folder: pathlib.Path,
    length: int,
    dtypes: Mapping[str, np.dtype | type],
    blocks: Iterable[tuple[Int[np.ndarray, " _rows"], Mapping[str, np.ndarray]]],
) -> Columns:
    """Returns the columns that a folder holds, for reading; writes them there before, unless all are there unchanged.

    The folder appears once it is complete, so several processes may ask for it at the same time. It may be deleted.

    length: rows of each column. blocks: positions of some rows and their values in each column; every row once.
    Raises OSError where the folder cannot be written.
    """
    if not is_intact(folder, dtypes):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(folder) as partial:
            write_columns(partial, length, dtypes, blocks)
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
    write_json(folder / DIGESTS, digests(folder, columns))


def is_intact(folder: pathlib.Path, names: Iterable[str]) -> bool:
    """Returns whether a folder holds these columns as they were written."""
    try:
        return read_json(folder / DIGESTS) == digests(folder, names)
    except (InputError, OSError):
        return False


def digests(folder: pathlib.Path, names: Iterable[str]) -> dict[str, str]:
    """Returns the digest of each column's file."""
    return {name: file_digest(folder / f"{name}{ENDING}") for name in names}
