"""HTTP connections end where headers are too long or do not come: there is no request yet for a guard to look at."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request up to the end of its headers, and seconds until these are there, at most.
MOST_BYTES = 2**16

HEADER_SECONDS = 20.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on what comes before a request is known."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self.until_headers.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.num_bytes += len(data)
        super().data_received(data)
        if self.is_in_headers and self.num_bytes > MOST_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        self.until_headers.cancel()
        self.wait_for_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.is_in_headers = False
        self.until_headers.cancel()
        super().on_headers_complete()

    def wait_for_headers(self) -> None:
        """Closes the connection unless headers are complete in time."""
        self.is_in_headers, self.num_bytes = True, 0
        self.until_headers = self.loop.call_later(HEADER_SECONDS, self.transport.close)
