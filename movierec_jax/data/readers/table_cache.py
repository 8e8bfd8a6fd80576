"""Keeps the parsed tables of large files in a folder, so that the same content is parsed once.

An entry is an Arrow file that is mapped into memory. Its name begins with a digest of the file's content and of how it
was read, and ends with a digest of the entry's own bytes: an entry that is damaged, cut short or foreign does not match
its name, and is made anew. The folder may be deleted; where it cannot be written, nothing is kept.
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

# Raised when the same content would give another table.
FORMAT = 1

# Bytes that a thread hashes at once: large next to the cost of switching, small enough for every thread to have some.
BLOCK_BYTES = 1 << 23


def through_cache(
    folder: pathlib.Path, source: pathlib.Path, how: str, read: Callable[[], pa.Table], limit: int = CACHE_BYTES
) -> pa.Table:
    """Returns the table that `read` makes of a file, from the folder if it has been read before.

    source: the file. The table depends on its content and on `how`, and on nothing else.
    limit: bytes that the folder may hold; entries unused for the longest time are removed.

    Raises what `read` raises, and OSError where the source cannot be read.
    """
    key = cache_key(source, how)
    table = load_entry(folder, key)
    if table is None:
        table = read()
        # A file that changed while it was read may give a table of neither content.
        if cache_key(source, how) == key:
            store_entry(folder, key, table, limit)
    return table


def cache_key(source: pathlib.Path, how: str) -> str:
    """Returns a digest of all that a table depends on: the file's content, how it is read, and Arrow's version."""
    return hashlib.sha256(repr((FORMAT, pa.__version__, file_digest(source), how)).encode()).hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """Returns the sha256 of the sha256 digests of a file's blocks, which threads hash side by side."""
    starts = range(0, path.stat().st_size, BLOCK_BYTES)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        blocks = pool.map(functools.partial(block_digest, path), starts)
        return hashlib.sha256(b"".join(blocks)).hexdigest()


def block_digest(path: pathlib.Path, start: int) -> bytes:
    """Returns the sha256 of a block of a file."""
    with path.open("rb") as stream:
        stream.seek(start)
        return hashlib.sha256(stream.read(BLOCK_BYTES)).digest()


def load_entry(folder: pathlib.Path, key: str) -> pa.Table | None:
    """Returns the table of a key, memory-mapped; None without an intact entry. Removes damaged ones."""
    for path in entries(folder, f"{key}-*{ENDING}"):
        with contextlib.suppress(OSError, pa.ArrowInvalid):
            if path.name == entry_name(key, path):
                with pa.memory_map(str(path)) as stream, pyarrow.ipc.open_file(stream) as reader:
                    table = reader.read_all()
                with contextlib.suppress(OSError):  # in a read-only folder
                    path.touch()
                return table
        remove(path)
    return None


def store_entry(folder: pathlib.Path, key: str, table: pa.Table, limit: int) -> None:
    """Writes the table under the key, if the folder can be written, and removes the oldest entries beyond the limit.

    The entry appears once it is complete. It is not synchronised to disk: its digest shows damage by a loss of power.
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
            path.replace(folder / entry_name(key, path))
        finally:
            remove(path)
    trim(folder, limit, f"*{ENDING}*")


def entry_name(key: str, path: pathlib.Path) -> str:
    """Returns the name of an entry with the content of the file."""
    return f"{key}-{file_digest(path)}{ENDING}"
