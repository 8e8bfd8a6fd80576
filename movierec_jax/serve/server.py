"""The process that serves: a workdir in, requests answered until it is told to end."""

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
from movierec_jax.serve.reload import Reloader, load_for_service, signature
from movierec_jax.serve.service import Service

# How long requests that are under way may take once the service is told to end.
LAST_SECONDS = 10

# How long a thread may hold up another.
SWITCH_SECONDS = 0.0005


def serve(workdir: str, config: ServeConfig, mesh: str | None = None) -> None:
    """Serves the run of a workdir until SIGINT or SIGTERM, which let requests under way end.

    Raises InputError where it holds no run that can be read, OSError where the address cannot be listened to, and
    Interrupted at the end.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if config.tokens_file:
        # What is wrong there is told before the run is loaded.
        read_tokens(config.tokens_file)
    if is_url(workdir):
        raise InputError(f"--workdir={workdir}: name a folder of this machine; ratings are kept there as they come")
    with in_service(pathlib.Path(workdir), config, mesh) as (service, measures):
        app = new_app(service, config, measures)
        # The thread that works on lists is not to wait for one that answers requests as long as Python would have it.
        sys.setswitchinterval(SWITCH_SECONDS)
        # What is loaded stays, and need not be looked through for garbage again and again.
        gc.collect()
        gc.freeze()
        with listening(config.host, config.port) as listener:
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"serving {workdir} ({service.engine.version}) at http://{name}:{port}", flush=True)
            settings = uvicorn.Config(
                app,
                http=BoundedProtocol,
                lifespan="off",
                log_level="warning",
                access_log=False,
                # What they say of the client could be made up.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=LAST_SECONDS,
            )
            uvicorn.Server(settings).run(sockets=[listener])


def stop(number: int, frame: object) -> None:
    """What a signal does before requests are answered, and, as uvicorn passes it on, once the last is."""
    raise Interrupted(f"stopped by {signal.Signals(number).name}", number)


@contextlib.contextmanager
def in_service(
    workdir: pathlib.Path, config: ServeConfig, mesh: str | None
) -> Iterator[tuple[Service, ServiceMetrics]]:
    """A workdir in service, with what measures it; a newer checkpoint is taken in as it comes."""
    seen, measures = signature(workdir), ServiceMetrics()
    engine = load_for_service(workdir, config, mesh)
    with contextlib.closing(Service(workdir, engine, config, on_batch=measures.batches.observe)) as service:
        if not config.reload_seconds:
            yield service, measures
            return

        def count(is_taken: bool) -> None:
            measures.loads.labels("taken" if is_taken else "refused").inc()

        with contextlib.closing(Reloader(workdir, service, mesh, seen, count)):
            yield service, measures


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises OSError naming the address where it cannot."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise OSError(error.errno, reason, f"{host}:{port}") from error
    with listener:
        yield listener
