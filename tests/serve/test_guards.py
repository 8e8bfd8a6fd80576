import asyncio

import pytest
from starlette.exceptions import HTTPException

from movierec_jax.errors import InputError
from movierec_jax.serve import guards
from movierec_jax.serve.guards import Guard, read_tokens


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def status_of(guard, path="/v1/model", headers=(), client="10.0.0.1"):
    """Returns the status and headers of a response through a guard."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "client": (client, 1),
    }
    sent = []

    async def send(message):
        sent.append(message)

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(guard(scope, nothing, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_every_response_has_a_content_security_policy():
    for path in ("/", "/nothing" + "a" * 9000):
        assert b"content-security-policy" in status_of(Guard(answer, max_body_bytes=1), path)[1]


def test_the_rate_limit_counts_each_client_separately():
    guard = Guard(answer, max_body_bytes=1, rate="2/hour")
    assert [status_of(guard, client=client)[0] for client in "aaabba"] == [200, 200, 429, 200, 200, 429]


@pytest.mark.parametrize(("length", "status"), [(b"10", 200), (b"11", 413), (b"9" * 5000, 413), (b"-1", 200)])
def test_a_body_is_refused_by_its_content_length(length, status):
    assert status_of(Guard(answer, max_body_bytes=10), headers=[(b"content-length", length)])[0] == status


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/page/app.js"])
def test_the_page_and_the_health_routes_need_no_token(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=["a" * 16]), path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v1/model", "/metrics", "/openapi.json", "/page/../v1/model", "/health/", "//health"]
)
def test_all_other_paths_need_a_token(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=["a" * 16]), path)[0] == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [(b"localhost", 200), (b"LOCALHOST:8000", 200), (b"[::1]:80", 200), (b"localhost.evil.org", 421)],
)
def test_the_host_header_must_be_an_allowed_name(host, status):
    guard = Guard(answer, max_body_bytes=1, hosts=["Localhost", "[::1]"])
    assert status_of(guard, headers=[(b"host", host)])[0] == status


def test_a_slow_body_times_out(monkeypatch):
    monkeypatch.setattr(guards, "BODY_TIMEOUT_SECONDS", 0.01)

    async def never():
        await asyncio.sleep(60)

    async def ask():
        await Guard(answer, max_body_bytes=1).limit_body(never, 1)()

    with pytest.raises(HTTPException) as refused:
        asyncio.run(ask())
    assert refused.value.status_code == 408


def test_messages_after_the_body_have_no_timeout(monkeypatch):
    monkeypatch.setattr(guards, "BODY_TIMEOUT_SECONDS", 0.01)
    messages = [{"type": "http.request", "more_body": False}, {"type": "http.disconnect"}]

    async def slow():
        if len(messages) == 1:
            await asyncio.sleep(0.05)
        return messages.pop(0)

    async def both():
        receive = Guard(answer, max_body_bytes=1).limit_body(slow, 1)
        return [(await receive())["type"] for _ in range(2)]

    assert asyncio.run(both()) == ["http.request", "http.disconnect"]


def test_tokens_are_read_line_by_line(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("first-token-of-two\r\n\n  second.token~of+two==  \n")
    assert read_tokens(str(path)) == ["first-token-of-two", "second.token~of+two=="]


def test_a_missing_or_empty_tokens_file_is_refused(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        read_tokens(str(tmp_path / "nowhere"))
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(InputError, match="no tokens; write one per line"):
        read_tokens(str(tmp_path / "empty"))
