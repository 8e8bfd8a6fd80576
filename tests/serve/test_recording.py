"""Tests of recorded ratings where files go, disks fill up, users are many, or nothing can be written."""

import contextlib
import dataclasses

import pytest
from helpers.api import assert_problem, in_service, movies_of
from helpers.served import API_CONFIG
from starlette.testclient import TestClient

from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.serve import service
from movierec_jax.serve.app import new_app
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.service import Service


def test_a_log_that_is_removed_stops_readiness_and_ratings_but_no_lists(engine, tmp_path):
    with in_service(tmp_path, engine) as client:
        assert client.put("/v1/users/1/ratings/318", json={"rating": 4}).status_code == 200
        assert client.get("/ready").json() == {"status": "ready", "warnings": []}
        (tmp_path / f"{FILE_NAME}-wal").unlink()
        assert_problem(client.get("/ready"), 503, f"{FILE_NAME}-wal", "restart", kind="storage-unavailable")
        assert_problem(client.put("/v1/users/1/ratings/296", json={"rating": 4}), 503, kind="storage-unavailable")
        assert client.get("/v1/users/1/recommendations").status_code == 200
    with in_service(tmp_path, engine) as client:
        recorded = [one for one in client.get("/v1/users/1/ratings?k=9999").json()["ratings"] if one["is_recorded"]]
        assert [one["movie_id"] for one in recorded] == [318]
        assert client.get("/ready").status_code == 200


def test_a_disk_that_fills_up_is_told_before_it_is_full(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "LOW_DISK_BYTES", 2**62)
    with in_service(tmp_path, engine) as client:
        found = client.get("/ready")
        assert found.status_code == 200
        assert "the disk of the ratings log has" in found.json()["warnings"][0]
        metrics = dict(line.split(" ") for line in client.get("/metrics").text.splitlines() if line[0] != "#")
        assert float(metrics["movierec_log_free_bytes"]) > float(metrics["movierec_log_bytes"]) > 0


def test_users_beyond_the_maximum_leave_memory_and_lose_nothing(engine, tmp_path):
    with in_service(tmp_path, engine, max_new_users=2) as client:
        for user in range(90_001, 90_005):
            client.put(f"/v1/users/{user}/ratings/318", json={"rating": 4})
            client.put(f"/v1/users/{user}/not_interested/296")
        metrics = client.get("/metrics").text
        assert "movierec_recorded_users 2.0" in metrics
        assert "movierec_dropped_users 2.0" in metrics
        for user in (90_001, 90_004):
            assert client.get(f"/v1/users/{user}").json()["num_ratings"] == 1
            assert 318 not in movies_of(client.get(f"/v1/users/{user}/recommendations"))
            assert movies_of(client.get(f"/v1/users/{user}/not_interested")) == [296]
        assert_problem(client.get("/v1/users/90009"), 404, kind="unknown-user")


@pytest.mark.parametrize("has_log", [False, True], ids=["without a log", "with a log"])
def test_a_service_that_cannot_write_answers_with_what_there_is(engine, tmp_path, has_log):
    if has_log:
        with in_service(tmp_path, engine) as client:
            client.put("/v1/users/90001/ratings/318", json={"rating": 4})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    config = dataclasses.replace(API_CONFIG, allowed_hosts=("testserver",))
    with contextlib.closing(Service(tmp_path, engine, config, is_read_only=True)) as reading:
        client = TestClient(new_app(reading, config, ServiceMetrics()))
        assert client.get("/v1/users/90001").status_code == (200 if has_log else 404)
        assert client.get("/v1/users/42/recommendations").status_code == 200
        for found in (
            client.put("/v1/users/42/ratings/318", json={"rating": 4}),
            client.put("/v1/users/42/not_interested/318"),
        ):
            assert_problem(found, 403, kind="read-only")
        assert client.get("/ready").status_code == client.get("/metrics").status_code == 200
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
