"""The server process: serves a workdir until a signal stops it."""

import contextlib
import functools
import gc
import os
import pathlib
import signal
import socket
import sys
import types
from collections.abc import Iterator

import uvicorn

from movierec_jax.data.matching.own_ratings import counted
from movierec_jax.data.storage import is_url
from movierec_jax.errors import InputError
from movierec_jax.serve.app import is_local, new_app
from movierec_jax.serve.clients import parse_networks
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.connections import Connections, max_connections, raise_open_files
from movierec_jax.serve.errors import warn
from movierec_jax.serve.http_limits import KEEP_ALIVE_SECONDS, BoundedProtocol
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.posters import FOLDER, Posters, read_key
from movierec_jax.serve.reload import Reloader, load_engine, workdir_signature
from movierec_jax.serve.service import Service
from movierec_jax.serve.shutdown import SHUTDOWN_SECONDS, Server, stop_handler, without_cancellation
from movierec_jax.serve.tokens import Tokens, read_tokens
from movierec_jax.serve.workdir_lock import serving_lock

# Python's default lets a thread that answers requests hold up the one that computes lists for 5 ms.
THREAD_SWITCH_SECONDS = 0.0005


def serve(workdir: str, config: ServeConfig, mesh: str | None = None) -> None:
    """Serves the run of a workdir until SIGINT or SIGTERM, then finishes open requests.

    Raises InputError when the workdir holds no readable run or another process serves it, OSError when the address
    cannot be listened on, and Interrupted at the end.
    """
    stop = stop_handler()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # Fails before the run is loaded, which takes seconds.
    tokens = reloadable_tokens(config.tokens_file) if config.tokens_file else None
    key = read_key(config.tmdb_key_file) if config.tmdb_key_file else None
    if is_url(workdir):
        raise InputError(f"--workdir={workdir}: name a local folder; new ratings are written to it")
    if not (is_local(config.host) or config.tokens_file or config.allowed_hosts):
        warn(f"--host={config.host}: whoever reaches it may read and change everything; see --tokens_file")
    limit = max_connections(raise_open_files())
    with running_service(pathlib.Path(workdir), config, mesh) as (service, metrics):
        folder = pathlib.Path(workdir) / FOLDER
        posters = None if key is None else Posters(folder, key, config.tmdb_url, config.tmdb_image_url)
        app = new_app(service, config, metrics, posters, tokens)
        connections = Connections(limit, config.max_client_connections, parse_networks(config.trusted_proxies))
        sys.setswitchinterval(THREAD_SWITCH_SECONDS)
        # The loaded run is permanent: excludes it from garbage collection.
        gc.collect()
        gc.freeze()
        with listening_socket(config.host, config.port) as listener:
            host, port = listener.getsockname()[:2]
            name = f"[{host}]" if ":" in host else host
            print(f"serving {workdir} ({service.engine.version}) at http://{name}:{port}", flush=True)
            settings = uvicorn.Config(
                without_cancellation(app),
                http=functools.partial(BoundedProtocol, connections),  # type: ignore[arg-type]
                lifespan="off",
                log_level="warning",
                access_log=False,
                # Clients can forge these headers.
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                # Only for requests that cannot be cut off.
                timeout_graceful_shutdown=SHUTDOWN_SECONDS + 2,
            )
            Server(settings).run(sockets=[listener])


def reloadable_tokens(path: str) -> Tokens:
    """Returns the tokens of a file, which SIGHUP reads again. Raises InputError or OSError as `read_tokens`."""
    tokens = Tokens(read_tokens(path))

    def reload(number: int, frame: types.FrameType | None) -> None:
        try:
            tokens.replace(read_tokens(path))
        except (InputError, OSError) as error:
            warn(f"the tokens stay as they were: {error}")
        else:
            print(f"{path}: {counted(len(tokens.known), 'token')} read again", file=sys.stderr, flush=True)

    if hasattr(signal, "SIGHUP"):  # Not on Windows.
        signal.signal(signal.SIGHUP, reload)
    return tokens


@contextlib.contextmanager
def running_service(
    workdir: pathlib.Path, config: ServeConfig, mesh: str | None
) -> Iterator[tuple[Service, ServiceMetrics]]:
    """Yields the service of a workdir and its metrics; reloads newer checkpoints meanwhile."""
    with contextlib.ExitStack() as stack:
        is_read_only = workdir.is_dir() and stack.enter_context(serving_lock(workdir))
        if is_read_only:
            warn(f"{workdir} cannot be written to: ratings are not recorded")
        signature, metrics = workdir_signature(workdir), ServiceMetrics()
        engine = load_engine(workdir, config, mesh)
        service = Service(workdir, engine, config, metrics.batches.observe, is_read_only=is_read_only)
        stack.enter_context(contextlib.closing(service))
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
