"""The end of the server: open requests finish in a stated time after a signal, and at once after a second one."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import types
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from movierec_jax.errors import Interrupted
from movierec_jax.serve.errors import warn
from movierec_jax.serve.http_limits import BoundedProtocol

# Seconds for open requests to finish after a signal, and for the bodies of those that are half sent.
SHUTDOWN_SECONDS, BODY_SECONDS = 10, 2

# Until a connection that is closed at once knows that it is.
CLOSE_SECONDS = 0.05


class Server(uvicorn.Server):
    """uvicorn's server, which after a signal finishes open requests in a stated time, and after a second one none."""

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        if self.should_exit:
            end_at_once(sig)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(self.end_open_requests())
        await super().shutdown(sockets)
        ending.cancel()

    async def end_open_requests(self) -> None:
        """Closes connections with half a body, and later those whose requests take too long."""
        await asyncio.sleep(BODY_SECONDS)
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedProtocol) and connection.is_half_sent:
                connection.transport.abort()
        await asyncio.sleep(SHUTDOWN_SECONDS - BODY_SECONDS)
        warn(f"{len(self.server_state.tasks)} requests, not finished within {SHUTDOWN_SECONDS} seconds, are cut off")
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # After they are closed, so that nobody answers them.
        await asyncio.sleep(CLOSE_SECONDS)
        for task in list(self.server_state.tasks):
            task.cancel()


def without_cancellation(app: ASGIApp) -> ASGIApp:
    """Returns an application whose requests end without an error when the server cuts them off."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return answer


def stop_handler() -> Callable[[int, types.FrameType | None], None]:
    """Returns a handler that stops at a first signal, while the run loads or once uvicorn has shut down, and ends the
    process at a second one.
    """
    is_stopping = False

    def stop(number: int, frame: types.FrameType | None) -> None:
        nonlocal is_stopping
        if is_stopping:
            end_at_once(number)
        is_stopping = True
        raise Interrupted(f"stopped by {signal.Signals(number).name}", number)

    return stop


def end_at_once(number: int) -> None:
    """Ends the process; what was acknowledged is on the disk."""
    print(f"ended at once by a second {signal.Signals(number).name}", file=sys.stderr, flush=True)
    os._exit(128 + number)
