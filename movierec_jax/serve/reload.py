"""A newer checkpoint of the workdir is taken into service; one that cannot be read is not, and the old one stays."""

import hashlib
import pathlib
import threading
from collections.abc import Callable

import jax
import numpy as np

from movierec_jax.data.files import first_line
from movierec_jax.recommend.recommender import load
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.errors import printable, warn
from movierec_jax.serve.service import Service

# A file of each checkpoint that is there once the checkpoint is whole.
WHOLE = "_CHECKPOINT_METADATA"

# Letters of a version: enough to tell the parameters of one model from those of another.
VERSION_LETTERS = 12

# What tells one state of a workdir from another.
Signature = tuple


def signature(workdir: pathlib.Path) -> Signature:
    """What changes when a workdir holds another finished run, or another checkpoint of one; nothing while it trains."""
    if not (workdir / "report.json").exists():
        return ()
    paths = [workdir / "config.json", *sorted((workdir / "checkpoints").glob(f"[0-9]*/{WHOLE}"))]
    found = []
    for path in paths:
        try:
            found.append((path.parent.name, path.stat().st_mtime_ns, path.stat().st_size))
        except OSError:  # It goes meanwhile.
            continue
    return tuple(found)


def load_for_service(workdir: pathlib.Path, config: ServeConfig, mesh: str | None) -> Engine:
    """The run of a workdir with all its programs compiled. Raises InputError where it cannot be read."""
    recommender = load(workdir, mesh)
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(recommender.on_host[0]):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return Engine(recommender, config, digest.hexdigest()[:VERSION_LETTERS])


class Reloader:
    """Looks at a workdir from time to time, in a thread of its own, and has the service take what is new.

    on_load: told after each attempt whether the checkpoint was taken.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        service: Service,
        mesh: str | None,
        seen: Signature,
        on_load: Callable[[bool], None] = lambda is_taken: None,
    ):
        self.workdir, self.service, self.mesh, self.seen, self.on_load = workdir, service, mesh, seen, on_load
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="reloader", daemon=True)
        self.thread.start()

    def watch(self) -> None:
        """Looks until closed."""
        while not self.ended.wait(self.service.config.reload_seconds):
            self.look()

    def look(self) -> None:
        """Takes what is new, if it can be read; what could not is not tried again until it changes."""
        try:
            found = signature(self.workdir)
        except OSError:  # The disk may be there again the next time.
            return
        if not found or found == self.seen:
            return
        self.seen = found
        try:
            self.service.take(load_for_service(self.workdir, self.service.config, self.mesh))
            self.service.refused = None
        except Exception as error:  # Whatever it is, the old run answers on.
            self.service.refused = printable(first_line(error))
            warn(f"not reloaded: {self.service.refused}")
        self.on_load(self.service.refused is None)

    def close(self) -> None:
        """Looks no more."""
        self.ended.set()
        self.thread.join()
