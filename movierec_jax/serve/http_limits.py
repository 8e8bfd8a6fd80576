"""Limits on connections before their request is complete, when no guard can see it yet."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Request line and headers.
MAX_REQUEST_HEAD_BYTES = 2**16

HEADER_TIMEOUT_SECONDS = 20.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which closes connections whose headers are too long or come too slowly."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.start_header_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self.header_timeout.cancel()
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

    def start_header_timeout(self) -> None:
        """Closes the connection unless its headers are complete in time."""
        self.is_in_headers, self.num_bytes = True, 0
        self.header_timeout = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self.transport.close)
