"""Opens input files: on disk, packed, inside an archive, or at a URL. Errors name the path that was given.

The first bytes of a file tell whether it is packed, never its name: browsers unpack files and keep the name, or keep
them packed under a name without .gz.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pathlib
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet

from movierec_jax.data.memory_limits import MAX_GROWTH, most_unpacked_bytes, require_moderate
from movierec_jax.data.storage import downloaded, is_url, replace_path_in_errors
from movierec_jax.errors import InputError

# On disk or inside an archive; messages show a zipfile.Path as "ml-1m.zip/ml-1m/ratings.dat".
AnyPath = pathlib.Path | zipfile.Path

# Errors of missing permissions, passwords and damage, in text, archives and Parquet alike.
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    UnicodeDecodeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)

# Enough bytes to tell the kind of a file.
HEAD_BYTES = 1 << 16

# Endings of the names of packed files, which say nothing of the kind of the file within.
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".lz4")


# The longest line, and the longest object of JSON.
MAX_LINE_BYTES = 2**24


def overlong_error(where: str, what: str = "line") -> InputError:
    """Returns the error of a line, or an object, that is too long to be one of a table."""
    return InputError(
        f"{where}: a {what} of more than {MAX_LINE_BYTES >> 20} MiB; expected a table of ratings or films"
    )


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
    """Opens a file or archive member, and unpacks it where its first bytes say that it is packed."""
    with translate_read_errors(path), path.open("rb") as stream:
        # On disk it is a BufferedReader, in an archive a ZipExtFile: both can peek.
        unpack = packing_of(cast(io.BufferedReader, stream).peek(8))
        if unpack is None and isinstance(path, pathlib.Path):
            yield stream
        else:
            limit = most_unpacked_bytes(packed_size(path))
            unpacked = cast(io.BufferedIOBase, unpack(stream) if unpack else stream)
            yield cast(IO[bytes], io.BufferedReader(Bounded(unpacked, limit, path)))


def packed_size(path: AnyPath) -> int:
    """Returns the bytes that a file takes on disk or in its archive."""
    if isinstance(path, pathlib.Path):
        return path.stat().st_size
    return path.root.getinfo(path.at).compress_size


class Bounded(io.RawIOBase):
    """A stream that is unpacked as it is read; reading beyond `limit` bytes raises InputError, which names the path."""

    def __init__(self, stream: io.BufferedIOBase, limit: int, path: AnyPath):
        self.stream, self.limit, self.path = stream, limit, path
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = self.stream.seek(offset, whence)
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer) -> int:
        content = self.stream.read(len(buffer))
        buffer[: len(content)] = content
        self.position += len(content)
        if self.position > self.limit:
            raise InputError(
                f"{self.path}: unpacks to more than {self.limit >> 20:,} MiB, {MAX_GROWTH} times its size; tables of "
                "ratings never do. If it is right, unpack it yourself"
            )
        return len(content)


def packing_of(head: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """Returns what unpacks a file that begins with `head`; None for one that is not packed."""
    return next((unpack for magic, unpack in PACKINGS.items() if head.startswith(magic)), None)


def unpack_with_arrow(codec: str) -> Callable[[IO[bytes]], IO[bytes]]:
    """Returns what unpacks a stream with one of Arrow's codecs."""

    def unpack(stream: IO[bytes]) -> IO[bytes]:
        packed = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), codec)
        return cast(IO[bytes], io.BufferedReader(packed))

    return unpack


# What unpacks a file, by its first bytes.
PACKINGS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda stream: cast(IO[bytes], gzip.GzipFile(fileobj=stream)),
    b"BZh": lambda stream: cast(IO[bytes], bz2.BZ2File(stream)),
    b"\xfd7zXZ\0": lambda stream: cast(IO[bytes], lzma.LZMAFile(stream)),  # noqa: SIM115
    b"\x28\xb5\x2f\xfd": unpack_with_arrow("zstd"),
    b"\x04\x22\x4d\x18": unpack_with_arrow("lz4"),
}


@contextlib.contextmanager
def on_disk(path: AnyPath) -> Iterator[pathlib.Path]:
    """Yields a file, or a temporary copy of one that is packed or in an archive. Errors name the given path."""
    if isinstance(path, pathlib.Path) and not is_packed(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="movierec-") as folder:
        copy = pathlib.Path(folder) / path.name
        with open_bytes(path) as stream, copy.open("wb") as target:
            shutil.copyfileobj(stream, target)
        with replace_path_in_errors(copy, str(path)):
            yield copy


def read_head(path: AnyPath) -> bytes:
    """Reads the first bytes of a file, unpacked."""
    with open_bytes(path) as stream:
        return stream.read(HEAD_BYTES)


def is_packed(path: AnyPath) -> bool:
    """Returns whether the first bytes of a file say that it is packed."""
    with translate_read_errors(path), path.open("rb") as stream:
        return packing_of(stream.read(8)) is not None


def unpacked_name(name: str) -> str:
    """Returns a file's name in lower case, without the ending of a packed one: "a.csv" for A.csv.gz."""
    name = name.lower()
    return next((name.removesuffix(suffix) for suffix in PACKED_SUFFIXES if name.endswith(suffix)), name)


def is_parquet(path: AnyPath) -> bool:
    """Returns whether a file is Parquet, by its name or its first bytes."""
    return unpacked_name(path.name).endswith((".parquet", ".pq")) or read_head(path).startswith(b"PAR1")


@contextlib.contextmanager
def open_parquet(path: AnyPath) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Opens a Parquet file, which may be packed. Raises InputError for damage of any kind."""
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(translate_read_errors(path))
            source: pathlib.Path | pa.BufferReader
            if isinstance(path, pathlib.Path) and not is_packed(path):
                source = path
            else:
                with open_bytes(path) as stream:
                    source = pa.BufferReader(stream.read())
            require_moderate(source, packed_size(path), str(path))
            yield stack.enter_context(pyarrow.parquet.ParquetFile(source))
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
