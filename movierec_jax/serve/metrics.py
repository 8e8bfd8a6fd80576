"""How the service goes, in numbers that Prometheus collects."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)

# Methods that are told apart: a client may make others up.
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")

# Stands for the route of a request that no route takes.
NO_ROUTE = "none"


class ServiceMetrics:
    """The numbers of one service, apart from those of others in the process."""

    def __init__(self) -> None:
        # When each number began is of no use, and a line for each.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("movierec_requests", "Requests answered", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "movierec_request_seconds", "Seconds to the whole answer", labels, registry=self.registry, buckets=SECONDS
        )
        self.batches = Histogram(
            "movierec_batch_lists", "Lists worked on together", registry=self.registry, buckets=BATCH_SIZES
        )
        self.waiting = Gauge("movierec_waiting_lists", "Lists that wait", registry=self.registry)
        self.recorded = Counter("movierec_recorded_ratings", "Ratings recorded or taken back", registry=self.registry)
        self.loads = Counter("movierec_loads", "Checkpoints looked at", ("outcome",), registry=self.registry)
        self.loaded_at = Gauge(
            "movierec_loaded_timestamp_seconds", "When the model that answers was loaded", registry=self.registry
        )

    def text(self) -> bytes:
        """All numbers as Prometheus reads them."""
        return generate_latest(self.registry)


class Measured:
    """An application whose requests are counted and timed, by route: a path of ids would be a number each."""

    def __init__(self, app: ASGIApp, measures: ServiceMetrics):
        self.app, self.measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.measures.requests.labels(method, route, status).inc()
            self.measures.seconds.labels(method, route).observe(time.perf_counter() - start)
