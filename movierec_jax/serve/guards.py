"""Checks of every request before the application sees it: sizes, host, origin, rate limit and token."""

import asyncio
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence

import limits
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from movierec_jax.serve.clients import IPNetwork, client_address, client_key
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.tokens import KnownToken, Tokens

# A path with its query.
MAX_PATH_BYTES = 8 * 1024

# All headers together.
MAX_HEADER_BYTES = 32 * 1024

BODY_TIMEOUT_SECONDS = 20.0

# Paths that need no token: the service's health, and the pages, which ask for a token themselves.
PUBLIC_PATHS = re.compile(r"/(health|ready|docs|page/[^/]*|docs/[^/]*)?")

# Pages load files from here only, and no other page may embed them.
CONTENT_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

# Those that a response has already are left as they are.
SECURITY_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]

# The port at the end of a host name.
PORT = re.compile(r":\d*$")

# The port of an origin that its name leaves out.
DEFAULT_PORT = re.compile(r":(80|443)$")

# Methods that change what is recorded, and those that pages of other sites may not send.
CHANGING_METHODS = ("PUT", "DELETE", "PATCH")

PROTECTED_METHODS = (*CHANGING_METHODS, "POST")


class Guard:
    """An application behind checks.

    max_body_bytes: size of a request's body; path_limits: that of certain paths.
    rate: limit per client such as "100/second"; empty: none. tokens: a request needs one of them; None: none needed.
    hosts: names that the Host header may have; empty: any. public_paths: further ones that need no token.
    origins: other origins whose pages may send anything; "*": all. trusted_proxies: networks of proxies whose
    X-Forwarded-For names the client.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        rate: str = "",
        tokens: Tokens | None = None,
        hosts: Iterable[str] = (),
        path_limits: Mapping[str, int] | None = None,
        public_paths: Iterable[str] = (),
        origins: Iterable[str] = (),
        trusted_proxies: Sequence[IPNetwork] = (),
    ):
        self.app, self.max_body_bytes, self.path_limits = app, max_body_bytes, path_limits or {}
        self.public_paths = frozenset(public_paths)
        self.hosts = frozenset(host.lower() for host in hosts)
        self.tokens, self.trusted_proxies = tokens, trusted_proxies
        self.origins = frozenset(origin.lower() for origin in origins)
        self.rate = limits.parse(rate) if rate else None
        self.rate_text = rate.replace("/", " requests per ")
        self.limiter = limits.strategies.SlidingWindowCounterRateLimiter(limits.storage.MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [header for header in SECURITY_HEADERS if header[0] not in own]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        token = None if self.tokens is None else self.tokens.find(header(scope, b"authorization"))
        refusal = (
            self.size_error(scope)
            or self.host_error(scope)
            or self.origin_error(scope)
            or self.rate_error(scope, token)
            or self.token_error(scope, token)
        )
        if refusal is not None:
            # The rest of the request is not read.
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, send_with_headers)
            return
        await self.app(scope, self.limit_body(receive, self.body_limit(scope)), send_with_headers)

    def size_error(self, scope: Scope) -> Response | None:
        """Returns the refusal of a request whose path, headers or announced body are too long."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_PATH_BYTES:
            return Problem("too-large", f"Path and query are longer than {MAX_PATH_BYTES:,} bytes", 414).response()
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            return Problem("too-large", f"Headers are longer than {MAX_HEADER_BYTES:,} bytes", 431).response()
        length = header(scope, b"content-length")
        if length.isdigit() and int(length[:20]) > self.body_limit(scope):
            return Problem("too-large", body_too_long(self.body_limit(scope))).response()
        return None

    def host_error(self, scope: Scope) -> Response | None:
        """Returns the refusal of a request for another host, which prevents DNS rebinding by other pages."""
        name = PORT.sub("", header(scope, b"host").decode("latin-1").lower())
        if not self.hosts or name in self.hosts:
            return None
        return Problem("wrong-host", "The name in the Host header is not allowed").response()

    def origin_error(self, scope: Scope) -> Response | None:
        """Returns the refusal of a change that the page of another site sends through somebody's browser."""
        if scope["method"] not in PROTECTED_METHODS:
            return None
        origin, site = (header(scope, name).decode("latin-1").lower() for name in (b"origin", b"sec-fetch-site"))
        if "*" in self.origins or origin in self.origins:
            return None
        if site:
            # Browsers say so themselves, also where a proxy changes the name of the host.
            is_own = site in ("same-origin", "none")
        else:
            host = header(scope, b"host").decode("latin-1").lower()
            is_own = not origin or without_default_port(origin.partition("://")[2]) == without_default_port(host)
        if is_own:
            return None
        return Problem(
            "foreign-page", "A page of another origin sent this; --cors_origins lists those that may"
        ).response()

    def rate_error(self, scope: Scope, token: KnownToken | None) -> Response | None:
        """Returns the refusal of a client, by its token or else its address, that has exceeded the rate limit."""
        if self.rate is None:
            return None
        client = self.client_of(scope) if token is None else f"token {token.digest.hex()}"
        if self.limiter.hit(self.rate, client):
            return None
        wait = max(1, math.ceil(self.limiter.get_window_stats(self.rate, client).reset_time - time.time()))
        detail = f"Rate limit exceeded; retry later. A client may send {self.rate_text}"
        return Problem("rate-limit-exceeded", detail).response({"Retry-After": str(wait)})

    def client_of(self, scope: Scope) -> str:
        """Returns what stands for the client of a request."""
        peer = (scope.get("client") or ("unknown",))[0]
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return client_key(client_address(peer, forwarded.decode("latin-1"), self.trusted_proxies))

    def token_error(self, scope: Scope, token: KnownToken | None) -> Response | None:
        """Returns the refusal of a request that needs a token and has none, or one that does not allow it."""
        is_public = PUBLIC_PATHS.fullmatch(scope["path"]) or scope["path"] in self.public_paths
        if self.tokens is None or is_public or scope["method"] == "OPTIONS":
            return None
        if token is None:
            return Problem("token-required", "A bearer token is required").response({"WWW-Authenticate": "Bearer"})
        if scope["method"] in CHANGING_METHODS and not token.may_write:
            return Problem("token-read-only", "This token may only read").response()
        return None

    def body_limit(self, scope: Scope) -> int:
        """Returns the size that the body of a request may have."""
        return self.path_limits.get(scope["path"], self.max_body_bytes)

    def limit_body(self, receive: Receive, max_bytes: int) -> Receive:
        """Wraps `receive` with limits on the body: HTTPException 408 when it is too slow, 413 when it is too long."""
        size, is_complete = 0, False
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_SECONDS

        async def receive_limited() -> Message:
            nonlocal size, is_complete
            if is_complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"Body not received within {BODY_TIMEOUT_SECONDS:g} seconds") from None
            size, is_complete = size + len(message.get("body", b"")), not message.get("more_body", False)
            if size > max_bytes:
                raise HTTPException(413, body_too_long(max_bytes))
            return message

        return receive_limited


def body_too_long(max_bytes: int) -> str:
    """Returns the message for a body over the limit."""
    return f"Body is longer than {max_bytes:,} bytes; send several requests"


def without_default_port(host: str) -> str:
    """Returns a host without the port that is usual."""
    return DEFAULT_PORT.sub("", host)


def header(scope: Scope, name: bytes) -> bytes:
    """Returns the value of a header, the first of its name; empty if absent."""
    return next((value for found, value in scope["headers"] if found == name), b"")
