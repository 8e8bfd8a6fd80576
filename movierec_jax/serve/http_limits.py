"""Limits on connections before their request is complete, when no guard can see it yet, and between requests."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from movierec_jax.serve.connections import Connections

# Request line and headers.
MAX_REQUEST_HEAD_BYTES = 2**16

HEADER_TIMEOUT_SECONDS = 20.0

# How long a connection stays open for the next request.
KEEP_ALIVE_SECONDS = 5


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which closes connections whose headers are too long or come too slowly, and those that
    are too many.
    """

    def __init__(self, open_connections: Connections, **arguments: Any):
        super().__init__(**arguments)
        self.open_connections = open_connections

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def is_half_sent(self) -> bool:
        """Whether the body of a request is still to come."""
        return not self.is_idle and self.cycle.more_body

    def abort(self) -> None:
        """Closes the connection at once."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_header_timeout()
        if not self.open_connections.add(self, self.client[0] if self.client else ""):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.header_timeout.cancel()
        self.open_connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.num_bytes += len(data)
        super().data_received(data)
        if self.is_in_headers and self.num_bytes > MAX_REQUEST_HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        self.header_timeout.cancel()
        self.start_header_timeout()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.is_in_headers = False
        self.header_timeout.cancel()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.open_connections.use(self)
        if self.is_idle and not self.is_in_headers:
            # Bytes that begin no request end the wait for the next one.
            self.header_timeout.cancel()
            self.start_header_timeout()

    def start_header_timeout(self) -> None:
        """Closes the connection unless its headers are complete in time."""
        self.is_in_headers, self.num_bytes = True, 0
        self.header_timeout = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.transport.close)
