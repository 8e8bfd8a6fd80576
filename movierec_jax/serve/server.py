"""The server process: serves a workdir until a signal stops it."""

import contextlib
import gc
import os
import pathlib
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from movierec_jax.data.storage import is_url
from movierec_jax.errors import InputError, Interrupted
from movierec_jax.serve.app import new_app
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.guards import read_tokens
from movierec_jax.serve.http_limits import BoundedProtocol
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.posters import FOLDER, Posters, read_key
from movierec_jax.serve.reload import Reloader, load_engine, workdir_signature
from movierec_jax.serve.service import Service

# Time for open requests to finish after a signal.
SHUTDOWN_SECONDS = 10

# Python's default lets a thread that answers requests hold up the one that computes lists for 5 ms.
THREAD_SWITCH_SECONDS = 0.0005


def serve(workdir: str, config: ServeConfig, mesh: str | None = None) -> None:
    """Serves the run of a workdir until SIGINT or SIGTERM, then finishes open requests.

    Raises InputError when the workdir holds no readable run, OSError when the address cannot be listened on, and
    Interrupted at the end.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if config.tokens_file:
        # Fails before the run is loaded, which takes seconds.
        read_tokens(config.tokens_file)
    key = read_key(config.tmdb_key_file) if config.tmdb_key_file else None
    if is_url(workdir):
        raise InputError(f"--workdir={workdir}: name a local folder; new ratings are written to it")
    with running_service(pathlib.Path(workdir), config, mesh) as (service, metrics):
        folder = pathlib.Path(workdir) / FOLDER
        posters = None if key is None else Posters(folder, key, config.tmdb_url, config.tmdb_image_url)
        app = new_app(service, config, metrics, posters)
        sys.setswitchinterval(THREAD_SWITCH_SECONDS)
        # The loaded run is permanent: excludes it from garbage collection.
        gc.collect()
        gc.freeze()
        with listening_socket(config.host, config.port) as listener:
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"serving {workdir} ({service.engine.version}) at http://{name}:{port}", flush=True)
            settings = uvicorn.Config(
                app,
                http=BoundedProtocol,
                lifespan="off",
                log_level="warning",
                access_log=False,
                # Clients can forge these headers.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
            uvicorn.Server(settings).run(sockets=[listener])


def stop(number: int, frame: object) -> None:
    """Handles a signal while the run loads; uvicorn raises the signal again after its own shutdown."""
    raise Interrupted(f"stopped by {signal.Signals(number).name}", number)


@contextlib.contextmanager
def running_service(
    workdir: pathlib.Path, config: ServeConfig, mesh: str | None
) -> Iterator[tuple[Service, ServiceMetrics]]:
    """Yields the service of a workdir and its metrics; reloads newer checkpoints meanwhile."""
    signature, metrics = workdir_signature(workdir), ServiceMetrics()
    engine = load_engine(workdir, config, mesh)
    with contextlib.closing(Service(workdir, engine, config, on_batch=metrics.batches.observe)) as service:
        if not config.reload_seconds:
            yield service, metrics
            return

        def count(is_loaded: bool) -> None:
            metrics.loads.labels("taken" if is_loaded else "refused").inc()

        with contextlib.closing(Reloader(workdir, service, mesh, signature, count)):
            yield service, metrics


@contextlib.contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yields a listening socket. Raises OSError naming the address when it is taken or invalid."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise OSError(error.errno, reason, f"{host}:{port}") from error
    with listener:
        yield listener
