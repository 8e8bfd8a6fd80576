"""Settings of the service."""

import dataclasses
import math
import re

from movierec_jax.settings import (
    Settings,
    require,
    setting,
)

# What --rate_limit may say.
RATE = re.compile(r"none|[1-9][0-9]{0,8}/(second|minute|hour|day)")


@dataclasses.dataclass(frozen=True)
class ServeConfig(Settings):
    """Where the service listens, whom it answers, and how much it takes on."""

    host: str = setting("127.0.0.1", "address to listen at; this machine alone unless another is given", is_common=True)
    port: int = setting(8000, "port to listen at; 0 takes a free one", is_common=True)
    max_k: int = setting(100, "movies of a list at most")
    max_ratings: int = setting(1000, "ratings, or pairs to predict, in one request at most")
    max_body_bytes: int = setting(2**20, "bytes of a request's body at most")
    batch_ms: float = setting(
        0.0, "milliseconds for which a list waits for others to be worked on with it, beside those that wait already"
    )
    max_batch: int = setting(16, "lists worked on together at most")
    max_waiting: int = setting(256, "lists that may wait; those beyond are refused with 503 and Retry-After")
    rate_limit: str | None = setting(
        "100/second", "requests of each client, such as 100/second or 5000/minute; none lifts the limit"
    )
    tokens_file: str | None = setting(
        None, "text file of bearer tokens, one on each line, of which a request then needs one; without it none does"
    )
    cors_origins: tuple[str, ...] = setting(
        (), "other origins whose pages may ask, such as https://example.org; empty: none"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), "names by which requests may call the service; empty: any, or this machine's where it alone is listened to"
    )
    reload_seconds: float = setting(5.0, "how often to look for a new checkpoint; 0: never")

    def __post_init__(self):
        require(0 <= self.port < 2**16, "port", self.port, "0 to 65535")
        for flag in ("max_k", "max_ratings", "max_body_bytes", "max_batch", "max_waiting"):
            require(getattr(self, flag) >= 1, flag, getattr(self, flag), "1 or more")
        require(0 <= self.batch_ms <= 1000, "batch_ms", self.batch_ms, "0 to 1000")
        is_rate = self.rate_limit is None or RATE.fullmatch(self.rate_limit) is not None
        require(is_rate, "rate_limit", self.rate_limit, "a number per second, minute, hour or day, or none")
        require(0 <= self.reload_seconds < math.inf, "reload_seconds", self.reload_seconds, "0 or more")
