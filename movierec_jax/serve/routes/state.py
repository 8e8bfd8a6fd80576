"""Routes that describe the service itself."""

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from movierec_jax.serve import schemas
from movierec_jax.serve.errors import busy_response
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

    @app.get("/ready", responses=ok_docs(schemas.Status), tags=["state"])
    async def check_ready() -> Response:
        """Answers 200 while lists are computed and the queue is not full."""
        if not service.is_ready():
            return busy_response()
        return json_response({"status": "ready"})

    @app.get("/openapi.json", include_in_schema=False)
    async def get_openapi() -> Response:
        # Its bounds stay numbers, also those that JavaScript cannot hold, which our own answers write as text.
        return JSONResponse(app.openapi())

    @app.get(METRICS, response_class=Response, tags=["state"])
    async def get_metrics() -> Response:
        """Returns metrics in the text format of Prometheus."""
        metrics.waiting.set(service.lists.batcher.num_waiting)
        metrics.loaded_at.set(service.loaded_at.timestamp())
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
