"""What was read from large files, kept in a folder so that the same content need not be read again.

An entry is an Arrow file that is mapped into memory. Its name begins with a digest of what it was read from and of how,
never of when, and ends with a digest of its own bytes: an entry that is damaged, cut short or foreign is not what its
name says, and is made anew. Nothing is lost with the folder, and where it cannot be written nothing is kept.
"""

import concurrent.futures
import contextlib
import functools
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.ipc

from movierec_jax.data.bounded_folder import entries, remove, trim

ENDING = ".arrow"

# Size in bytes from which a file is cached, and the bytes that the folder may hold.
CACHED_FROM_BYTES = 2**24
CACHE_BYTES = 2**32

# Raised when the same content would be read to another table.
FORMAT = 1

# As much is hashed at once: enough to keep threads apart, little enough for each to have its own.
BLOCK_BYTES = 1 << 23


def through_cache(
    folder: pathlib.Path, source: pathlib.Path, how: str, read: Callable[[], pa.Table], limit: int = CACHE_BYTES
) -> pa.Table:
    """The table that `read` makes of a file, from the folder if it has been read before.

    source: the file; what the table is depends on its content and on nothing else but `how`.
    how: whatever else the table depends on.
    limit: bytes that the folder may hold; entries not used for the longest time go.

    Raises what `read` raises, and OSError where the source cannot be read.
    """
    key = key_of(source, how)
    table = load(folder, key)
    if table is None:
        table = read()
        # What changed while it was read may be neither what it was nor what it is.
        if key_of(source, how) == key:
            store(folder, key, table, limit)
    return table


def key_of(source: pathlib.Path, how: str) -> str:
    """A digest of all that a table depends on: the content of the file, how it is read, and by which version."""
    return hashlib.sha256(repr((FORMAT, pa.__version__, digest(source), how)).encode()).hexdigest()


def digest(path: pathlib.Path) -> str:
    """A digest of the content of a file: the sha256 of the sha256 of its blocks, hashed side by side."""
    starts = range(0, path.stat().st_size, BLOCK_BYTES)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        blocks = pool.map(functools.partial(block_digest, path), starts)
        return hashlib.sha256(b"".join(blocks)).hexdigest()


def block_digest(path: pathlib.Path, start: int) -> bytes:
    """The sha256 of a block of a file."""
    with path.open("rb") as stream:
        stream.seek(start)
        return hashlib.sha256(stream.read(BLOCK_BYTES)).digest()


def load(folder: pathlib.Path, key: str) -> pa.Table | None:
    """The table of a key, memory-mapped; None where the folder has none that is whole. Others are removed."""
    for path in entries(folder, f"{key}-*{ENDING}"):
        with contextlib.suppress(OSError, pa.ArrowInvalid):
            if path.name == name_of(key, path):
                with pa.memory_map(str(path)) as stream, pyarrow.ipc.open_file(stream) as reader:
                    table = reader.read_all()
                with contextlib.suppress(OSError):  # in a folder that may only be read
                    path.touch()
                return table
        remove(path)
    return None


def store(folder: pathlib.Path, key: str, table: pa.Table, limit: int) -> None:
    """Keeps the table under the key, if the folder can be written, and removes the oldest beyond the limit.

    The entry appears once it is whole. Nothing is synchronised to disk: after a loss of power its digest tells.
    """
    if table.nbytes > limit:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(f"{ENDING}.partial", dir=folder)
        os.close(descriptor)
        path = pathlib.Path(name)
        try:
            with pyarrow.ipc.new_file(name, table.schema) as writer:
                writer.write_table(table)
            path.replace(folder / name_of(key, path))
        finally:
            remove(path)
    trim(folder, limit, f"*{ENDING}*")


def name_of(key: str, path: pathlib.Path) -> str:
    """The name of an entry with the content of the file."""
    return f"{key}-{digest(path)}{ENDING}"
