"""Metrics of the service for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)

BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

# Other methods share one label, since clients may invent any number of them.
HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")

# The route label of requests that match no route.
NO_ROUTE = "none"


class ServiceMetrics:
    """Metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        # Creation times would add a line to every metric.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("movierec_requests", "Requests answered", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "movierec_request_seconds",
            "Seconds until the end of the response",
            labels,
            registry=self.registry,
            buckets=LATENCY_BUCKETS,
        )
        self.batches = Histogram(
            "movierec_batch_lists", "Lists computed together", registry=self.registry, buckets=BATCH_SIZE_BUCKETS
        )
        self.waiting = Gauge("movierec_waiting_lists", "Lists waiting", registry=self.registry)
        self.rating_changes = Counter(
            "movierec_recorded_ratings", "Ratings recorded or deleted", registry=self.registry
        )
        self.loads = Counter("movierec_loads", "Attempts to load a checkpoint", ("outcome",), registry=self.registry)
        self.loaded_at = Gauge(
            "movierec_loaded_timestamp_seconds", "Time when the current model was loaded", registry=self.registry
        )

    def text(self) -> bytes:
        """Returns all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts and times the requests of an application by route; paths with ids would be a metric each."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            route = getattr(scope.get("route"), "path_format", NO_ROUTE)
            method = scope["method"] if scope["method"] in HTTP_METHODS else "other"
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.seconds.labels(method, route).observe(time.perf_counter() - start)
