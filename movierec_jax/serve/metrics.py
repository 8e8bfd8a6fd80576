"""Metrics of the service for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from starlette.types import Scope

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)

BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

# Other methods share one label, since clients may invent any number of them.
HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")

# The route label of requests whose path is unknown, and of those refused before their path is looked at.
NO_ROUTE = "unknown"


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
        self.recorded_users = Gauge(
            "movierec_recorded_users", "Users with ratings since training in memory", registry=self.registry
        )
        self.dropped_users = Gauge(
            "movierec_dropped_users", "Times such a user has left memory since the start", registry=self.registry
        )
        self.log_bytes = Gauge("movierec_log_bytes", "Size of the ratings log", registry=self.registry)
        self.log_free_bytes = Gauge(
            "movierec_log_free_bytes", "Free space on the disk of the ratings log", registry=self.registry
        )
        self.loads = Counter("movierec_loads", "Attempts to load a checkpoint", ("outcome",), registry=self.registry)
        self.loaded_at = Gauge(
            "movierec_loaded_timestamp_seconds", "Time when the current model was loaded", registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts and times a request by route; paths with ids would be a metric each."""
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """Returns all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


def method_label(scope: Scope) -> str:
    """Returns the method of a request, one word for all unusual ones."""
    return scope["method"] if scope["method"] in HTTP_METHODS else "other"


def route_label(scope: Scope) -> str:
    """Returns the path of the route that answered a request, with names in place of ids; "/page" for a file of it."""
    # A mounted folder leaves its path as the root path.
    return str(getattr(scope.get("route"), "path_format", scope.get("root_path") or NO_ROUTE))
