"""The folder that a process trains in: the workdir itself or, of one at a URL, a copy on this machine.

Each of several processes has a copy. It saves there what its own devices have, as arrays in files of their own, and
sends these; process 0 sends all else and, when everything has arrived, what makes the checkpoint whole. So no machine
gathers the state, though each downloads all of it to resume. Orbax alone would not do: it writes to gs:// but not to
s3://, and joins what processes have saved only where one of them sees the files of all.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterator

from movierec_jax.data.storage import Mirror, is_part, is_url, mirror_of
from movierec_jax.errors import InputError
from movierec_jax.runs import distributed
from movierec_jax.runs.replacement import NEXT
from movierec_jax.runs.workdir import CHECKPOINTS, CONFIG

# What decides how training goes on; all processes must find the same of it.
DECISIVE = (CONFIG, "report.json", CHECKPOINTS, NEXT)


def nothing() -> None:
    """Stands in where a folder needs no copying."""


@dataclasses.dataclass(frozen=True)
class WorkdirCopy:
    """A folder to train in.

    is_own: whether no other process sees it, so that each of several writes what it will read. publish: sends its
    changes to the workdir; all processes call it equally often. fetch: downloads what others have sent.
    """

    folder: pathlib.Path
    is_own: bool = False
    publish: Callable[[], None] = nothing
    fetch: Callable[[], None] = nothing


@contextlib.contextmanager
def copied_workdir(workdir: str | os.PathLike[str]) -> Iterator[WorkdirCopy]:
    """Yields the folder to train in of a path or URL.

    Raises InputError where the processes find different files at a URL, and OSError where it cannot be reached.
    """
    if not is_url(workdir):
        yield WorkdirCopy(pathlib.Path(workdir))
        return
    with mirror_of(str(workdir), is_downloaded=False) as mirror:
        download_together(mirror)
        yield WorkdirCopy(mirror.folder, distributed.is_multi_process(), Publisher(mirror).publish, mirror.download)


def download_together(mirror: Mirror) -> None:
    """Downloads a workdir to all processes; where they do not get the same, all raise InputError or OSError."""
    reason = None
    try:
        mirror.download()
    except OSError as error:
        reason = error
    if not distributed.all_processes_agree(reason is None):
        raise reason or OSError(None, "another process cannot download it; its message says why", mirror.url)
    found = {name: size for name, (size, _) in mirror.sent.items() if name.split("/")[0] in DECISIVE}
    if not distributed.same_on_all_processes(hashlib.sha256(json.dumps(found, sort_keys=True).encode()).digest()):
        raise InputError(
            f"{mirror.url}: the processes find different files there; give all of them the same --workdir and access, "
            "and repeat the command once nothing else writes there"
        )


class Publisher:
    """Sends the copies of all processes to one URL."""

    # Of all publishers of a process, as barriers are named by them.
    numbers = itertools.count()

    def __init__(self, mirror: Mirror):
        self.mirror = mirror

    def publish(self) -> None:
        """Sends what has changed, and returns when that of all processes is there; works in any thread."""
        number, is_primary = next(self.numbers), distributed.is_primary()
        self.mirror.put_changed(is_part if is_primary else holds_arrays)
        distributed.wait_for_all(f"parts sent {number}")
        if is_primary:
            self.mirror.send()
            self.mirror.remove_absent_checkpoints()
        distributed.wait_for_all(f"published {number}")


def holds_arrays(name: str) -> bool:
    """Whether a file has arrays of a checkpoint, of which each process has its own."""
    return re.search(rf"(^|/){CHECKPOINTS}/\d+/state/[^/]+/[^/]+$", name) is not None
