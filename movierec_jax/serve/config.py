"""Settings of the service."""

import dataclasses
import re

from movierec_jax.serve.clients import are_networks
from movierec_jax.settings import AT_LEAST_0, AT_LEAST_1, Limits, Settings, setting

PORT = Limits("0 to 65535", lambda port: 0 <= port < 2**16)

# An empty rate is no limit.
RATE_PATTERN = re.compile(r"|[1-9][0-9]{0,8}/(second|minute|hour|day)")
RATE = Limits(
    "a number per second, minute, hour or day, such as 5000/minute", lambda rate: bool(RATE_PATTERN.fullmatch(rate))
)

NETWORKS = Limits("addresses or networks, such as 10.0.0.0/8", are_networks)

WEB_ADDRESS = Limits("an http or https address", lambda url: bool(re.match(r"https?://", url)))


@dataclasses.dataclass(frozen=True)
class ServeConfig(Settings):
    """Address, limits and access of the service."""

    host: str = setting("127.0.0.1", "address to listen on; the default serves this machine only", is_common=True)
    port: int = setting(8000, "port to listen on; 0: any free port", PORT, is_common=True)
    max_k: int = setting(100, "maximum length of a list", AT_LEAST_1)
    max_ratings: int = setting(1000, "maximum ratings, or pairs to predict, per request", AT_LEAST_1)
    max_users: int = setting(100, "maximum users per request for many lists", AT_LEAST_1)
    max_new_users: int = setting(
        100_000, "maximum users with ratings since training in memory; others are read from the log", AT_LEAST_1
    )
    max_body_bytes: int = setting(2**20, "maximum size of a request body in bytes", AT_LEAST_1)
    max_import_bytes: int = setting(2**23, "maximum size of a file of somebody's ratings in bytes", AT_LEAST_1)
    max_batch: int = setting(16, "maximum lists computed together", AT_LEAST_1)
    max_waiting: int = setting(256, "maximum lists waiting; further requests get 503 and Retry-After", AT_LEAST_1)
    rate_limit: str = setting("100/second", "requests per client; empty: no limit", RATE)
    max_client_connections: int = setting(
        256, "maximum open connections per client; for further ones those idle longest close", AT_LEAST_1
    )
    tokens_file: str | None = setting(
        None,
        "file of bearer tokens, one per line, after 'read ' if it may change nothing, read again at SIGHUP; unset: no "
        "authentication",
    )
    docs: bool = setting(True, "answer /docs, a page that shows the API and tries it")
    access_log: str = setting(
        "json", "how requests are logged to standard output: json, a line each, or none", choices=("json", "none")
    )
    metrics_public: bool = setting(False, "answer /metrics without a token too")
    tmdb_key_file: str | None = setting(None, "file with a key of TMDb's API, for posters on the page; unset: none")
    tmdb_url: str = setting("https://api.themoviedb.org/3", "address of TMDb's API", WEB_ADDRESS)
    tmdb_image_url: str = setting("https://image.tmdb.org/t/p", "address of TMDb's images", WEB_ADDRESS)
    cors_origins: tuple[str, ...] = setting(
        (), "other origins whose pages may send requests, such as https://example.org; empty: none"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), "host names accepted in requests; empty: any, or only this machine's names when --host serves it alone"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "addresses and networks of proxies, such as 10.0.0.0/8, whose X-Forwarded-For names the client; empty: none",
        NETWORKS,
    )
    reload_seconds: float = setting(5.0, "seconds between checks for a new checkpoint; 0: never", AT_LEAST_0)
