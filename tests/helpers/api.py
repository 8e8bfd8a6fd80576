"""Sends requests to the application of a service, and checks the responses."""

import contextlib
import dataclasses

from starlette.testclient import TestClient

from helpers.served import API_CONFIG
from movierec_jax.serve.app import new_app
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.problem_types import PREFIX
from movierec_jax.serve.service import Service
from movierec_jax.serve.tokens import Tokens, read_tokens

LIKED = [{"movie_id": 318, "rating": 5}, {"movie_id": 296, "rating": 4.5}, {"movie_id": 2571, "rating": 2}]


@contextlib.contextmanager
def in_service(workdir, engine, **settings):
    config = dataclasses.replace(API_CONFIG, **settings)
    metrics = ServiceMetrics()
    with contextlib.closing(Service(workdir, engine, config, metrics.batches.observe)) as service:
        tokens = Tokens(read_tokens(config.tokens_file)) if config.tokens_file else None
        app = new_app(service, config, metrics, tokens=tokens)
        with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
            yield client


def movies_of(response):
    assert response.status_code == 200, response.text
    return [movie["movie_id"] for movie in response.json()["movies"]]


def assert_problem(response, status, *words, kind=None):
    """Asserts that a response has problem details (RFC 9457) of this kind, if given, with these words."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["type"] == PREFIX + kind if kind else body["type"].startswith(PREFIX)
    for word in words:
        assert word in body["detail"]
