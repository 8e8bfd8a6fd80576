"""What every request passes before the application sees it: sizes, rates and tokens are looked at here."""

import asyncio
import hmac
import math
import pathlib
import re
import time
from collections.abc import Iterable

import limits
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from movierec_jax.errors import InputError
from movierec_jax.serve import errors as problems

# Bytes of a path with its query, and of all headers, at most.
MOST_PATH_BYTES = 8 * 1024

MOST_HEADER_BYTES = 32 * 1024

# How long a body may take to come.
BODY_SECONDS = 20.0

# What may be asked without a token: whether the service runs, and the page, which then asks for one.
OPEN = re.compile(r"/(health|ready|page/[^/]*)?")

# The page comes from here alone, and no other page may show it in a frame.
HEADERS = [
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]

# The port at the end of a host's name.
PORT = re.compile(r":\d*$")

# What a token may be (RFC 6750), at least so long.
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")


class Guard:
    """An application behind limits.

    rate: such as "100/second", for each client; None for no limit. tokens: of which a request needs one; empty: none.
    hosts: names by which the service may be called; empty: any.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        rate: str | None = None,
        tokens: Iterable[str] = (),
        hosts: Iterable[str] = (),
    ):
        self.app, self.max_body_bytes, self.hosts = app, max_body_bytes, frozenset(host.lower() for host in hosts)
        self.tokens = [token.encode() for token in tokens]
        self.rate = limits.parse(rate) if rate else None
        self.limiter = limits.strategies.SlidingWindowCounterRateLimiter(limits.storage.MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        refusal = self.too_large(scope) or self.misdirected(scope) or self.too_often(scope) or self.without_token(scope)
        if refusal is not None:
            # What is left of the request is not read.
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, with_headers)
            return
        await self.app(scope, self.watched(receive), with_headers)

    def too_large(self, scope: Scope) -> Response | None:
        """The answer to a request that is too large by what it says of itself."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_PATH_BYTES:
            return problems.response(414, f"the path and its query are longer than {MOST_PATH_BYTES:,} bytes")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
            return problems.response(431, f"the headers are longer than {MOST_HEADER_BYTES:,} bytes")
        length = header(scope, b"content-length")
        if length.isdigit() and int(length[:20]) > self.max_body_bytes:
            return problems.response(413, self.too_long)
        return None

    def misdirected(self, scope: Scope) -> Response | None:
        """The answer to a request for another host: a page elsewhere may have a name of its own point here."""
        name = PORT.sub("", header(scope, b"host").decode("latin-1").lower())
        if not self.hosts or name in self.hosts:
            return None
        return problems.response(421, "this service is not called by the name in the header host")

    def too_often(self, scope: Scope) -> Response | None:
        """The answer to a client that has asked too often, by its address."""
        if self.rate is None:
            return None
        client = (scope.get("client") or ("unknown",))[0]
        if self.limiter.hit(self.rate, client):
            return None
        wait = max(1, math.ceil(self.limiter.get_window_stats(self.rate, client).reset_time - time.time()))
        return problems.response(429, f"more than {self.rate} requests; come again", {"Retry-After": str(wait)})

    def without_token(self, scope: Scope) -> Response | None:
        """The answer to a request that needs a token and has none."""
        if not self.tokens or OPEN.fullmatch(scope["path"]) or scope["method"] == "OPTIONS":
            return None
        kind, _, given = header(scope, b"authorization").partition(b" ")
        # All are compared, each in full, so that time tells nothing of them.
        is_known = [hmac.compare_digest(given.strip(), token) for token in self.tokens]
        if kind.lower() == b"bearer" and any(is_known):
            return None
        return problems.response(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})

    def watched(self, receive: Receive) -> Receive:
        """The same, but the body has to come in time, and to be no longer than allowed.

        Raises HTTPException 408 and 413 where it is not.
        """
        size, is_whole = 0, False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def part() -> Message:
            nonlocal size, is_whole
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body did not come within {BODY_SECONDS:g} seconds") from None
            size, is_whole = size + len(message.get("body", b"")), not message.get("more_body", False)
            if size > self.max_body_bytes:
                raise HTTPException(413, self.too_long)
            return message

        return part

    @property
    def too_long(self) -> str:
        """What is said of a body that is longer than allowed."""
        return f"the body is longer than {self.max_body_bytes:,} bytes; ask in parts"


def header(scope: Scope, name: bytes) -> bytes:
    """The value of a header, the first of its name; nothing where there is none."""
    return next((value for found, value in scope["headers"] if found == name), b"")


def read_tokens(path: str) -> list[str]:
    """The tokens of a text file, one on each line. Raises InputError where a line is none, or none is there."""
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--tokens_file={path}: not a text file; write one token on each line") from None
    for number, line in enumerate(lines, start=1):
        if line.strip() and not TOKEN.fullmatch(line.strip()):
            # Not the line itself: it may be meant to stay secret.
            raise InputError(f"{path}:{number}: no token; write 16 letters, digits or -._~+/ or more")
    tokens = [line.strip() for line in lines if line.strip()]
    if not tokens:
        raise InputError(f"--tokens_file={path}: no tokens; write one on each line")
    return tokens
