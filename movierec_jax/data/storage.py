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
from collections.abc import Callable, Iterator

import fsspec
from fsspec.core import url_to_fs

from movierec_jax.data.files import PARTIAL, first_line
from movierec_jax.errors import InputError
from movierec_jax.packages import install_command

# Files that are still being written have one of these in their name, and are not sent.
UNFINISHED = (PARTIAL, ".orbax-checkpoint-tmp")

# The file of a checkpoint that is sent after all others of it.
LAST_OF_CHECKPOINT = "_CHECKPOINT_METADATA"

# The extra of the package that installs the library for a kind of URL.
EXTRAS = {"s3": "s3", "gs": "gcs"}


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
        """Downloads all files, except those of incomplete checkpoints."""
        with translate_url_errors(self.url):
            self.filesystem.invalidate_cache()
            # Some tools mark a folder with an empty object whose name ends in "/".
            paths = [path for path in self.filesystem.find(self.root) if not path.endswith("/")]
            names = {path: path.removeprefix(self.root).strip("/") or path.rsplit("/", 1)[-1] for path in paths}
            for path, name in names.items():
                step = re.match(r"checkpoints/\d+/", name)
                if step and step[0] + LAST_OF_CHECKPOINT not in names.values():
                    continue
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                # Skips files deleted since they were listed, such as those of an old checkpoint.
                with contextlib.suppress(FileNotFoundError):
                    self.filesystem.get_file(path, str(target))
        self.sent = self.present()

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
        with self.lock, translate_url_errors(self.url):
            present = self.present()
            changed = [name for name in present if self.sent.get(name) != present[name] and name != "config.json"]
            for name in sorted(changed, key=lambda name: (name.endswith(LAST_OF_CHECKPOINT), name)):
                self.put(name, present[name])
            for name in [name for name in self.sent if name not in present]:
                with contextlib.suppress(FileNotFoundError):
                    self.filesystem.rm_file(f"{self.root}/{name}")
                del self.sent[name]
            if "config.json" in present and self.sent.get("config.json") != present["config.json"]:
                self.put("config.json", present["config.json"])

    def put(self, name: str, version: tuple[int, int]) -> None:
        """Sends a file, unless it has been deleted."""
        if (self.folder / name).exists():
            self.filesystem.put_file(str(self.folder / name), f"{self.root}/{name}")
            self.sent[name] = version


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
    url = str(path).rstrip("/")
    with tempfile.TemporaryDirectory(prefix="movierec_jax-") as scratch:
        folder = pathlib.Path(scratch) / url.rsplit("/", 1)[-1]
        folder.mkdir()
        mirror = Mirror(url, folder)
        if is_downloaded:
            mirror.download()
        try:
            with replace_path_in_errors(folder, url):
                yield folder, mirror.send
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
        raise OSError(None, f"cannot be reached ({first_line(error)})", url) from error


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
