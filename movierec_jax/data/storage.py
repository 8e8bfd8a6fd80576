"""Object storage: what is at a URL, worked on through a copy on this machine.

A URL is s3://bucket/name, gs://bucket/name, or another that fsspec knows. A folder is fetched, worked on, and what has
changed in it is sent back, file by file, each of which is whole or not there. A checkpoint that was sent in part is not
fetched; config.json, which says what all else is of, is sent when all else is there and nothing old is left.
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

# What is being written has one of these in its name, and stays here.
UNFINISHED = (PARTIAL, ".orbax-checkpoint-tmp")

# A file of each checkpoint; it is sent when the others are there.
LAST_OF_CHECKPOINT = "_CHECKPOINT_METADATA"

# What installs the library for a kind of URL.
EXTRAS = {"s3": "s3", "gs": "gcs"}


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL."""
    return "://" in str(path)


class Mirror:
    """A folder of this machine that stands for what is at a URL, a folder or a file."""

    def __init__(self, url: str, folder: pathlib.Path):
        self.url, self.folder = url, folder
        self.sent: dict[str, tuple[int, int]] = {}
        self.lock = threading.Lock()
        with errors_named(url):
            self.filesystem, root = url_to_fs(url, **({"auto_mkdir": True} if url.startswith("file://") else {}))
        self.root = root.rstrip("/")

    def fetch(self) -> None:
        """Brings all that is there."""
        with errors_named(self.url):
            self.filesystem.invalidate_cache()
            # Some tools mark folders with an empty object whose name ends so.
            paths = [path for path in self.filesystem.find(self.root) if not path.endswith("/")]
            names = {path: path.removeprefix(self.root).strip("/") or path.rsplit("/", 1)[-1] for path in paths}
            for path, name in names.items():
                step = re.match(r"checkpoints/\d+/", name)
                if step and step[0] + LAST_OF_CHECKPOINT not in names.values():
                    continue
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                # What is removed meanwhile, such as an old checkpoint, is not there.
                with contextlib.suppress(FileNotFoundError):
                    self.filesystem.get_file(path, str(target))
        self.sent = self.present()

    def present(self) -> dict[str, tuple[int, int]]:
        """The finished files that are here, with what tells whether they have changed."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            # Those that go meanwhile are gone.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not any(mark in name for mark in UNFINISHED):
                    found[name] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found

    def send(self) -> None:
        """Sends what is new or has changed, and removes there what is gone here."""
        with self.lock, errors_named(self.url):
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
        """Sends a file, unless it is gone meanwhile."""
        if (self.folder / name).exists():
            self.filesystem.put_file(str(self.folder / name), f"{self.root}/{name}")
            self.sent[name] = version


@contextlib.contextmanager
def at_hand(
    path: str | os.PathLike[str], *, is_fetched: bool = True
) -> Iterator[tuple[pathlib.Path, Callable[[], None]]]:
    """The folder of a path, or one that stands for a URL, and what sends back what has changed in it.

    This is done once more at the end, also after an error. is_fetched: whether what is there is brought first; without
    it files are added to what is there. Raises OSError where the URL cannot be reached, and errors that name it.
    """
    if not is_url(path):
        yield pathlib.Path(path), lambda: None
        return
    url = str(path).rstrip("/")
    with tempfile.TemporaryDirectory(prefix="movierec_jax-") as scratch:
        folder = pathlib.Path(scratch) / url.rsplit("/", 1)[-1]
        folder.mkdir()
        mirror = Mirror(url, folder)
        if is_fetched:
            mirror.fetch()
        try:
            with errors_renamed(folder, url):
                yield folder, mirror.send
        finally:
            mirror.send()


@contextlib.contextmanager
def fetched(url: str) -> Iterator[pathlib.Path]:
    """What is at a URL, a file or a folder, to be read. Raises InputError where there is nothing."""
    with tempfile.TemporaryDirectory(prefix="movierec_jax-") as scratch:
        folder = pathlib.Path(scratch) / "fetched"
        mirror = Mirror(url.rstrip("/"), folder)
        mirror.fetch()
        files = list(mirror.sent)
        if not files:
            raise InputError(f"{url}: there is nothing")
        is_file = files == [url.rsplit("/", 1)[-1]] and mirror.filesystem.isfile(mirror.root)
        path = folder / files[0] if is_file else folder
        with errors_renamed(path, url):
            yield path


def names_in(path: str | os.PathLike[str]) -> list[str]:
    """The names of what is in a folder, of this machine or at a URL; none where there is no folder."""
    if not is_url(path):
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    with errors_named(str(path)):
        filesystem, root = url_to_fs(str(path))
        filesystem.invalidate_cache()
        return sorted(found.rsplit("/", 1)[-1] for found in filesystem.find(root) if not found.endswith("/"))


@contextlib.contextmanager
def errors_named(url: str) -> Iterator[None]:
    """Turns whatever libraries raise where a URL cannot be reached into one error that names it."""
    try:
        yield
    except ImportError as error:
        kind = url.split("://")[0]
        advice = f": pip install 'movierec_jax[{EXTRAS[kind]}]'" if kind in EXTRAS else ""
        raise InputError(f"{url}: {error}{advice}") from None
    except Exception as error:  # Each library has errors of its own.
        if isinstance(error, ValueError) and url.split("://")[0] not in fsspec.available_protocols():
            raise InputError(f"{url}: {first_line(error)}; s3:// and gs:// are known") from None
        raise OSError(None, f"cannot be reached ({first_line(error)})", url) from error


@contextlib.contextmanager
def errors_renamed(path: pathlib.Path, url: str) -> Iterator[None]:
    """Has errors name the URL in place of the copy on this machine."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), url)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(error.filename).replace(str(path), url)) from error
