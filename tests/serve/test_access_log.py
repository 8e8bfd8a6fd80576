"""The line and the id of each request, and who may read the metrics."""

import json

import pytest
from helpers.api import in_service


def test_each_request_is_a_line_without_the_ids_of_its_path(engine, tmp_path, capsys):
    with in_service(tmp_path, engine, access_log="json") as client:
        found = client.get("/v1/users/42/recommendations", headers={"x-request-id": "list-1"})
        client.get("/v1/movies/0")
        for path in ("/secret", "/page/app.js", "/page/nothing.js", "/openapi.json", "/docs/start.js"):
            client.get(path)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/v1/users/{user_id}/recommendations", 200),
        ("GET", "/v1/movies/{movie_id}", 404),
        ("GET", "unknown", 404),
        ("GET", "/page", 200),
        ("GET", "/page", 404),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs/start.js", 200),
    ]
    assert lines[0].keys() == {"time", "method", "path", "status", "ms", "request_id"}
    assert found.headers["x-request-id"] == lines[0]["request_id"] == "list-1"
    assert lines[0]["ms"] > 0
    assert lines[1]["request_id"] != lines[2]["request_id"]


def test_nothing_is_logged_where_the_log_is_off(engine, tmp_path, capsys):
    with in_service(tmp_path, engine, access_log="none") as client:
        assert client.get("/health").headers["x-request-id"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("bad", ["", "two words", "a" * 129, '{"status": 500}'])
def test_an_id_that_could_be_mistaken_is_replaced(client, bad):
    assert client.get("/health", headers={"x-request-id": bad}).headers["x-request-id"].isalnum()


def test_refusals_have_an_id_too(client):
    found = client.get("/v1/model", headers={"host": "evil.example", "x-request-id": "refused-1"})
    assert (found.status_code, found.headers["x-request-id"]) == (421, "refused-1")


@pytest.mark.parametrize(("is_public", "status"), [(False, 401), (True, 200)])
def test_metrics_need_a_token_unless_they_are_public(engine, tmp_path, is_public, status):
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("first-token-of-two\n")
    with in_service(tmp_path, engine, tokens_file=str(tokens), metrics_public=is_public) as client:
        assert client.get("/metrics").status_code == status
        assert client.get("/v1/model").status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer first-token-of-two"}).status_code == 200
