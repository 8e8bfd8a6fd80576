"""Routes that describe the service itself."""

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from movierec_jax.serve import schemas
from movierec_jax.serve.errors import Problem, busy_response
from movierec_jax.serve.ids import json_response
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.openapi import ok_docs
from movierec_jax.serve.service import Service

METRICS = "/metrics"


def add_state_routes(app: FastAPI, service: Service, metrics: ServiceMetrics, *, has_posters: bool) -> None:
    """Adds the routes that describe the service itself."""

    @app.get("/v1/model", responses=ok_docs(schemas.ModelInfo), tags=["state"])
    async def get_model() -> Response:
        """Describes the current model and the limits of requests."""
        return json_response({**service.model_info(), "has_posters": has_posters})

    @app.get("/health", responses=ok_docs(schemas.Status), tags=["state"])
    async def check_health() -> Response:
        """Answers 200 while the process runs."""
        return json_response({"status": "ok"})

    @app.get("/ready", responses=ok_docs(schemas.Readiness), tags=["state"])
    async def check_ready() -> Response:
        """Answers 200 while lists are computed, the queue is not full and ratings can be recorded. Warns of a disk that
        is nearly full.
        """
        if not service.is_ready():
            return busy_response()
        problem = service.storage_problem()
        if problem is not None:
            raise Problem("storage-unavailable", problem)
        return json_response({"status": "ready", "warnings": service.warnings()})

    @app.get("/openapi.json", include_in_schema=False)
    async def get_openapi() -> Response:
        # Its bounds stay numbers, also those that JavaScript cannot hold, which our own answers write as text.
        return JSONResponse(app.openapi())

    @app.get(METRICS, response_class=Response, tags=["state"])
    async def get_metrics() -> Response:
        """Returns metrics in the text format of Prometheus."""
        metrics.waiting.set(service.lists.batcher.num_waiting)
        metrics.recorded_users.set(len(service.new_ratings.users))
        metrics.dropped_users.set(service.new_ratings.num_dropped)
        if service.log is not None:
            metrics.log_bytes.set(service.log.num_bytes())
            metrics.log_free_bytes.set(service.log.free_bytes())
        metrics.loaded_at.set(service.loaded_at.timestamp())
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
