"""A line of JSON for each request, and an id by which its response and its line are found."""

import datetime
import re
import time
import uuid

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from movierec_jax.serve.guards import header
from movierec_jax.serve.metrics import ServiceMetrics, method_label, route_label

# An id that a client may choose, so that it cannot write a line of its own.
REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")


class ObservedRequests:
    """An application whose requests are counted, timed, given an id, and logged to standard output if wanted."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, *, is_logged: bool):
        self.app, self.metrics, self.is_logged = app, metrics, is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, start, request_id = 500, time.perf_counter(), request_id_of(scope)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            seconds, method, route = time.perf_counter() - start, method_label(scope), route_label(scope)
            self.metrics.observe(method, route, status, seconds)
            if self.is_logged:
                log_request(method, route, status, seconds, request_id)


def request_id_of(scope: Scope) -> bytes:
    """Returns the id that a client gives its request, or else a new one."""
    given = header(scope, b"x-request-id")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()


def log_request(method: str, route: str, status: int, seconds: float, request_id: bytes) -> None:
    """Prints a request to standard output. route: with names in place of ids, which say what somebody watches."""
    line = {
        "time": datetime.datetime.now(datetime.UTC),
        "method": method,
        "path": route,
        "status": status,
        "ms": round(1000 * seconds, 3),
        "request_id": request_id.decode(),
    }
    print(orjson.dumps(line).decode(), flush=True)
