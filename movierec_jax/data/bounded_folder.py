"""Folders of files that can be made again: what is in them, and how they stay within a number of bytes."""

import contextlib
import pathlib


def trim(folder: pathlib.Path, limit: int, pattern: str = "*") -> None:
    """Removes files, those untouched for the longest time first, until the others take no more than so many bytes."""
    total = 0
    for path in entries(folder, pattern):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
            if total > limit:
                remove(path)


def entries(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """The files of the folder that match, the last touched first; none where there is no such folder."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return []


def remove(path: pathlib.Path) -> None:
    """Removes a file where that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()
