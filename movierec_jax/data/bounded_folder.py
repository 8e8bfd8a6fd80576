"""Keeps folders of files that can be made again within a number of bytes."""

import contextlib
import pathlib


def trim(folder: pathlib.Path, limit: int, pattern: str = "*") -> None:
    """Removes the files that were not used for the longest time, until the others take at most `limit` bytes."""
    total = 0
    for path in entries(folder, pattern):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
            if total > limit:
                remove(path)


def entries(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Returns the files of a folder that match, the last used first; none where the folder does not exist."""
    with contextlib.suppress(OSError):
        return sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return []


def remove(path: pathlib.Path) -> None:
    """Removes a file if possible."""
    with contextlib.suppress(OSError):
        path.unlink()
