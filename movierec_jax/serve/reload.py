"""Reloads the workdir when it holds a newer checkpoint; if that cannot be read, the current model stays in service."""

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

# Orbax writes this file of a checkpoint last.
CHECKPOINT_COMPLETE = "_CHECKPOINT_METADATA"

# Characters of a version, which is a digest of the parameters.
VERSION_CHARS = 12

# Name, time and size of the files that identify a run and its checkpoints.
Signature = tuple


def workdir_signature(workdir: pathlib.Path) -> Signature:
    """Returns a value that changes when a workdir holds another finished run or checkpoint; empty while it trains."""
    if not (workdir / "report.json").exists():
        return ()
    paths = [workdir / "config.json", *sorted((workdir / "checkpoints").glob(f"[0-9]*/{CHECKPOINT_COMPLETE}"))]
    found = []
    for path in paths:
        try:
            found.append((path.parent.name, path.stat().st_mtime_ns, path.stat().st_size))
        except OSError:  # Deleted since the listing.
            continue
    return tuple(found)


def load_engine(workdir: pathlib.Path, config: ServeConfig, mesh: str | None) -> Engine:
    """Loads the run of a workdir and compiles its programs. Raises InputError when it cannot be read."""
    recommender = load(workdir, mesh)
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(recommender.on_host[0]):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return Engine(recommender, config, digest.hexdigest()[:VERSION_CHARS])


class Reloader:
    """Watches a workdir in its own thread and replaces the service's engine when the workdir changes.

    signature: of the workdir when the current engine was loaded. on_load: called after each attempt with its success.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        service: Service,
        mesh: str | None,
        signature: Signature,
        on_load: Callable[[bool], None] = lambda is_loaded: None,
    ):
        self.workdir, self.service, self.mesh, self.signature, self.on_load = workdir, service, mesh, signature, on_load
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="reloader", daemon=True)
        self.thread.start()

    def watch(self) -> None:
        """Checks the workdir at intervals until closed."""
        while not self.closed.wait(self.service.config.reload_seconds):
            self.check()

    def check(self) -> None:
        """Loads what is new; a workdir that cannot be loaded is not tried again until it changes."""
        try:
            signature = workdir_signature(self.workdir)
        except OSError:  # The disk may be back at the next check.
            return
        if not signature or signature == self.signature:
            return
        self.signature = signature
        try:
            self.service.replace_engine(load_engine(self.workdir, self.service.config, self.mesh))
            self.service.reload_error = None
        except Exception as error:  # Whatever fails, the current engine keeps serving.
            self.service.reload_error = printable(first_line(error))
            warn(f"not reloaded: {self.service.reload_error}")
        self.on_load(self.service.reload_error is None)

    def close(self) -> None:
        """Stops watching."""
        self.closed.set()
        self.thread.join()
