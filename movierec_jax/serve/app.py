"""The HTTP application: one route per request, each answered by `service` as JSON."""

import functools
import importlib.metadata
import ipaddress

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from movierec_jax.serve.access_log import ObservedRequests
from movierec_jax.serve.clients import parse_networks
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.errors import add_error_handlers
from movierec_jax.serve.guards import Guard
from movierec_jax.serve.ids import EncodedPaths
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.openapi import openapi_document, problem_docs
from movierec_jax.serve.posters import Posters
from movierec_jax.serve.routes.lists import IMPORTS, add_list_routes
from movierec_jax.serve.routes.movies import add_movie_routes
from movierec_jax.serve.routes.pages import add_pages
from movierec_jax.serve.routes.state import METRICS, add_state_routes
from movierec_jax.serve.routes.users import add_user_routes
from movierec_jax.serve.service import Service
from movierec_jax.serve.tokens import Tokens

# Host names accepted when the service listens on this machine only.
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def new_app(
    service: Service,
    config: ServeConfig,
    metrics: ServiceMetrics,
    posters: Posters | None = None,
    tokens: Tokens | None = None,
) -> ASGIApp:
    """Returns the application of a service, behind its guards. tokens: None: requests need none."""
    app = FastAPI(
        title="movierec_jax",
        version=importlib.metadata.version("movierec-jax"),
        description="Recommendations for known and new users, in real time.",
        # FastAPI's own pages load scripts from other hosts, and its route of the document has no name in the log.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Clients are generated from the names of the routes' functions.
        generate_unique_id_function=lambda route: route.name,
        responses={"4XX": problem_docs("the request cannot be answered"), 503: problem_docs("too many requests wait")},
    )
    add_error_handlers(app)
    add_list_routes(app, service)
    add_user_routes(app, service, metrics)
    add_movie_routes(app, service, posters)
    # Images cannot send a token.
    add_state_routes(app, service, metrics, has_posters=posters is not None and tokens is None)
    add_pages(app, has_docs=config.docs)
    hosts = list(config.allowed_hosts) or (LOCAL_HOSTS if is_local(config.host) else [])
    app.openapi = functools.partial(openapi_document, app, has_tokens=tokens is not None)  # type: ignore[method-assign]
    guarded: ASGIApp = Guard(
        EncodedPaths(app),
        max_body_bytes=config.max_body_bytes,
        path_limits={IMPORTS: config.max_import_bytes},
        hosts=hosts,
        rate=config.rate_limit,
        tokens=tokens,
        public_paths=[METRICS] if config.metrics_public else [],
        origins=config.cors_origins,
        trusted_proxies=parse_networks(config.trusted_proxies),
    )
    if config.cors_origins:
        # Outside the guard, so that pages of other origins can read refusals too.
        guarded = CORSMiddleware(
            guarded,
            config.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
    return ObservedRequests(guarded, metrics, is_logged=config.access_log == "json")


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
