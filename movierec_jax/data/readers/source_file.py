"""Opens input files: on disk, packed (.gz), inside an archive, or at a URL. Errors name the path that was given."""

import contextlib
import gzip
import lzma
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet

from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError

# On disk or inside an archive; messages show a zipfile.Path as "ml-1m.zip/ml-1m/ratings.dat".
AnyPath = pathlib.Path | zipfile.Path

# Errors of missing permissions, passwords and damage, in text, archives and Parquet alike.
UNREADABLE = (OSError, EOFError, RuntimeError, UnicodeDecodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

# Enough bytes to tell the kind of a file.
HEAD_BYTES = 1 << 16


@contextlib.contextmanager
def translate_read_errors(path: AnyPath) -> Iterator[None]:
    """Turns errors of opening, unpacking and reading into an InputError that names the path."""
    try:
        yield
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def local_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields the file at a path, or a copy of the file at a URL. Errors of reading it name the given path."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(downloaded(str(path))) if is_url(path) else pathlib.Path(path)
        stack.enter_context(translate_read_errors(file))
        if not file.is_file():
            raise InputError(f"{file}: no such file")
        yield file


@contextlib.contextmanager
def open_bytes(path: AnyPath) -> Iterator[IO[bytes]]:
    """Opens a file or archive member, unpacked if its name ends in .gz."""
    with translate_read_errors(path), path.open("rb") as stream:
        if is_gzip(path):
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        yield stream


def read_head(path: AnyPath) -> bytes:
    """Reads the first bytes of a file."""
    with open_bytes(path) as stream:
        return stream.read(HEAD_BYTES)


def is_gzip(path: AnyPath) -> bool:
    """Returns whether the name of a file says that it is packed."""
    return path.name.lower().endswith(".gz")


def is_parquet(path: AnyPath) -> bool:
    """Returns whether a file is Parquet, by its name or its first bytes."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1:] in ([".parquet"], [".pq"]) or read_head(path).startswith(b"PAR1")


@contextlib.contextmanager
def open_parquet(path: AnyPath) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Opens a Parquet file, which may be packed (.gz). Raises InputError for damage of any kind."""
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(translate_read_errors(path))
            source: pathlib.Path | pa.BufferReader
            if isinstance(path, pathlib.Path) and not is_gzip(path):
                source = path
            else:
                with open_bytes(path) as stream:
                    source = pa.BufferReader(stream.read())
            yield stack.enter_context(pyarrow.parquet.ParquetFile(source))
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
