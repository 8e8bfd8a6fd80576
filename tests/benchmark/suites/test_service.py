"""The suite of the service sends requests of every kind to a server, and counts those that are not answered."""

import json

import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.suites.service import Answer, figures_of, run_suite
from movierec_jax.config import Config


def test_figures_are_those_of_answered_requests():
    answers = [Answer("search", 2.0, 200, seconds / 1000) for seconds in range(1, 102)]
    refused = [Answer("search", 3.0, 503, 9.0), Answer("search", 3.0, 0, 60.0)]
    assert figures_of([*answers, *refused]) == {
        "requests": 103,
        "statuses": {"200": 101, "503": 1, "0": 1},
        "p50": pytest.approx(51),
        "p99": pytest.approx(100),
        "slowest": pytest.approx(101),
    }
    assert figures_of(refused)["p99"] is None


@pytest.mark.slow
def test_a_server_answers_every_kind_of_request(tmp_path):
    config = Config().replace(embedding_dim=4, hidden_dims=(), implicit_feedback_dim=2, epochs=1)
    benchmark = BenchmarkConfig(suite="service", request_rate=20, request_seconds=1, output=str(tmp_path))
    found = run_suite(config, benchmark, "the command")
    assert json.loads((tmp_path / "service.json").read_text()) == found
    assert {kind: one["statuses"] for kind, one in found["figures"].items()} == {
        "list of a known user": {"200": 4},
        "list of a new user": {"200": 4},
        "similar movies": {"200": 4},
        "search": {"200": 4},
        "10 predictions": {"200": 4},
    }
    assert "| search | 4 | 4 |" in (tmp_path / "service.md").read_text()
