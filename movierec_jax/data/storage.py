"""Works on files at URLs of object storage through a copy on this machine.

A URL is s3://bucket/name, gs://bucket/name, or another that fsspec knows. A folder is downloaded, worked on, and its
changes are sent back file by file, each whole or not at all. Two files make a set of files valid, so they are sent
last: a checkpoint's metadata, without which the checkpoint is not downloaded, and the workdir's config.json.
"""

import contextlib
import os
import pathlib
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import fsspec
from fsspec.core import url_to_fs

from movierec_jax.data.files import PARTIAL, first_line
from movierec_jax.errors import InputError
from movierec_jax.packages import install_command

# Files that are still being written have one of these in their name, and are not sent.
UNFINISHED = (PARTIAL, ".orbax-checkpoint-tmp")

# The file of a checkpoint that is sent after all others of it, and that of a workdir.
LAST_OF_CHECKPOINT, LAST_OF_WORKDIR = "_CHECKPOINT_METADATA", "config.json"

# Files that are on their way at once: each of many small ones takes longer to be asked for than to be sent.
MOST_AT_ONCE = 16

# The extra of the package that installs the library for a kind of URL.
EXTRAS = {"s3": "s3", "gs": "gcs"}


class UnreachableError(OSError):
    """A URL cannot be reached."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Returns whether a path is a URL."""
    return "://" in str(path)


def open_store(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Returns the store of a URL, and the path there, without a slash at its end."""
    filesystem, path = url_to_fs(url, **({"auto_mkdir": True} if url.startswith("file://") else {}))
    return filesystem, path.rstrip("/")


class Mirror:
    """A folder of this machine that mirrors the folder or file at a URL."""

    def __init__(self, url: str, folder: pathlib.Path):
        self.url, self.folder = url, folder
        self.sent: dict[str, tuple[int, int]] = {}
        self.lock = threading.Lock()
        with translate_url_errors(url):
            self.filesystem, self.root = open_store(url)

    def download(self) -> None:
        """Downloads all files that are not here, except those of incomplete checkpoints."""
        with translate_url_errors(self.url):
            paths = self.paths()
            wanted = [name for name in paths if is_complete(name, paths) and not (self.folder / name).exists()]
            for_each_at_once(lambda name: self.get(paths[name], name), wanted)
        present = self.present()
        self.sent |= {name: present[name] for name in wanted if name in present}

    def paths(self) -> dict[str, str]:
        """Returns the path in the store of each file at the URL, by its name there."""
        self.filesystem.invalidate_cache()
        # Some tools mark a folder with an empty object whose name ends in "/".
        found = [path for path in self.filesystem.find(self.root) if not path.endswith("/")]
        return {path.removeprefix(self.root).strip("/") or path.rsplit("/", 1)[-1]: path for path in found}

    def get(self, path: str, name: str) -> None:
        """Downloads a file, unless it has been deleted since it was listed, such as one of an old checkpoint."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.get_file(path, str(self.folder / name))

    def present(self) -> dict[str, tuple[int, int]]:
        """Returns the finished files of this machine with their size and time of change."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            # Skips files deleted since they were listed.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not any(mark in name for mark in UNFINISHED):
                    found[name] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found

    def send(self) -> None:
        """Sends new and changed files, and removes at the URL what was deleted here."""
        self.put_changed(is_part)
        self.put_changed(lambda name: name.endswith(LAST_OF_CHECKPOINT))
        with self.lock, translate_url_errors(self.url):
            present = self.present()
            self.remove([name for name in self.sent if name not in present])
        self.put_changed(completes)

    def put_changed(self, is_chosen: Callable[[str], bool]) -> None:
        """Sends those of the new and changed files whose names are chosen."""
        with self.lock, translate_url_errors(self.url):
            present = self.present()
            changed = [name for name in present if self.sent.get(name) != present[name] and is_chosen(name)]
            for_each_at_once(lambda name: self.put(name, present[name]), changed)

    def put(self, name: str, version: tuple[int, int]) -> None:
        """Sends a file, unless it has been deleted."""
        if (self.folder / name).exists():
            self.filesystem.put_file(str(self.folder / name), f"{self.root}/{name}")
            self.sent[name] = version

    def remove(self, names: Collection[str]) -> None:
        """Removes files at the URL, first those without which a checkpoint counts as incomplete."""
        for_each_at_once(self.remove_one, filter(completes, names))
        for_each_at_once(self.remove_one, filter(is_part, names))

    def remove_one(self, name: str) -> None:
        """Removes a file at the URL, unless somebody else has."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(f"{self.root}/{name}")
        self.sent.pop(name, None)

    def remove_absent_checkpoints(self) -> None:
        """Removes at the URL the checkpoints that are not here, whoever sent them, and what is left of broken ones."""
        with self.lock, translate_url_errors(self.url):
            checkpoints = {name: checkpoint_of(name) for name in self.paths()}
            self.remove([name for name, found in checkpoints.items() if found and not (self.folder / found).exists()])


def checkpoint_of(name: str) -> str | None:
    """Returns the folder of the checkpoint that a file of a workdir belongs to, with a slash at its end."""
    found = re.match(r"(?:.+/)?checkpoints/\d+/", name)
    return found[0] if found else None


def is_complete(name: str, names: Container[str]) -> bool:
    """Whether a file belongs to no checkpoint, or to one that is complete by these names of all files."""
    checkpoint = checkpoint_of(name)
    return checkpoint is None or checkpoint + LAST_OF_CHECKPOINT in names


def completes(name: str) -> bool:
    """Whether a file is one of those that make others valid."""
    return name.endswith(LAST_OF_CHECKPOINT) or name == LAST_OF_WORKDIR


def is_part(name: str) -> bool:
    """Whether a file makes no others valid, and so can be sent at any time."""
    return not completes(name)


def for_each_at_once(act: Callable[[str], None], names: Iterable[str]) -> None:
    """Calls a function with each name, from several threads. Raises the first error."""
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        for _ in threads.map(act, names):
            pass


@contextlib.contextmanager
def mirror_of(url: str, *, is_downloaded: bool = True) -> Iterator[Mirror]:
    """Yields a mirror in a temporary folder; errors inside name the URL instead of it."""
    url = url.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="movierec_jax-") as scratch:
        folder = pathlib.Path(scratch) / url.rsplit("/", 1)[-1]
        folder.mkdir()
        mirror = Mirror(url, folder)
        if is_downloaded:
            mirror.download()
        with replace_path_in_errors(folder, url):
            yield mirror


@contextlib.contextmanager
def synced_folder(
    path: str | os.PathLike[str], *, is_downloaded: bool = True
) -> Iterator[tuple[pathlib.Path, Callable[[], None]]]:
    """Yields the folder of a path, or a local mirror of a URL, and a function that sends back its changes.

    Changes are sent once more at the end, also after an error. Raises OSError where the URL cannot be reached; errors
    inside name the URL instead of the mirror.

    is_downloaded: whether the mirror starts with the files at the URL; otherwise new files are added to them.
    """
    if not is_url(path):
        yield pathlib.Path(path), lambda: None
        return
    with mirror_of(str(path), is_downloaded=is_downloaded) as mirror:
        try:
            yield mirror.folder, mirror.send
        finally:
            mirror.send()


@contextlib.contextmanager
def downloaded(url: str) -> Iterator[pathlib.Path]:
    """Yields a copy of the file or folder at a URL, for reading. Raises InputError where there is nothing."""
    with tempfile.TemporaryDirectory(prefix="movierec_jax-") as scratch:
        folder = pathlib.Path(scratch) / "downloaded"
        mirror = Mirror(url.rstrip("/"), folder)
        mirror.download()
        files = list(mirror.sent)
        if not files:
            raise InputError(f"{url}: there is nothing")
        is_file = files == [url.rsplit("/", 1)[-1]] and mirror.filesystem.isfile(mirror.root)
        path = folder / files[0] if is_file else folder
        with replace_path_in_errors(path, url):
            yield path


def list_names(path: str | os.PathLike[str]) -> list[str]:
    """Returns the names in a folder of this machine or at a URL; none where the folder does not exist."""
    if not is_url(path):
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    with translate_url_errors(str(path)):
        filesystem, root = url_to_fs(str(path))
        filesystem.invalidate_cache()
        return sorted(found.rsplit("/", 1)[-1] for found in filesystem.find(root) if not found.endswith("/"))


@contextlib.contextmanager
def translate_url_errors(url: str) -> Iterator[None]:
    """Turns the errors of storage libraries into an InputError or OSError that names the URL."""
    try:
        yield
    except ImportError as error:
        kind = url.split("://")[0]
        advice = f": {install_command(EXTRAS[kind])}" if kind in EXTRAS else ""
        raise InputError(f"{url}: {error}{advice}") from None
    except Exception as error:  # Each library raises errors of its own.
        if isinstance(error, ValueError) and url.split("://")[0] not in fsspec.available_protocols():
            raise InputError(f"{url}: {first_line(error)}; s3:// and gs:// are known") from None
        raise UnreachableError(None, f"cannot be reached ({first_line(error)})", url) from error


@contextlib.contextmanager
def unreachable_url_named(advice: str) -> Iterator[None]:
    """Adds advice to the error of a URL that cannot be reached."""
    try:
        yield
    except UnreachableError as error:
        raise UnreachableError(None, f"{error.strerror}. {advice}", error.filename) from error


@contextlib.contextmanager
def replace_path_in_errors(path: pathlib.Path, url: str) -> Iterator[None]:
    """Makes errors name the URL instead of its copy on this machine."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), url)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(error.filename).replace(str(path), url)) from error
