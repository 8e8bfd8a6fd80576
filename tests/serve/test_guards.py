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
    """What an application behind a guard answers with, and its headers."""
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


def test_every_answer_says_what_the_page_may_load():
    for path in ("/", "/nothing" + "a" * 9000):
        assert b"content-security-policy" in status_of(Guard(answer, max_body_bytes=1), path)[1]


def test_one_client_does_not_use_up_what_another_may_ask():
    guard = Guard(answer, max_body_bytes=1, rate="2/hour")
    assert [status_of(guard, client=client)[0] for client in "aaabba"] == [200, 200, 429, 200, 200, 429]


@pytest.mark.parametrize(("length", "status"), [(b"10", 200), (b"11", 413), (b"9" * 5000, 413), (b"-1", 200)])
def test_a_body_is_refused_by_what_it_says_of_its_length(length, status):
    assert status_of(Guard(answer, max_body_bytes=10), headers=[(b"content-length", length)])[0] == status


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/page/app.js"])
def test_the_page_and_the_state_need_no_token(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=["a" * 16]), path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v1/model", "/metrics", "/openapi.json", "/page/../v1/model", "/health/", "//health"]
)
def test_all_else_needs_one(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=["a" * 16]), path)[0] == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [(b"localhost", 200), (b"LOCALHOST:8000", 200), (b"[::1]:80", 200), (b"localhost.evil.org", 421)],
)
def test_the_host_is_one_of_the_names_allowed(host, status):
    guard = Guard(answer, max_body_bytes=1, hosts=["Localhost", "[::1]"])
    assert status_of(guard, headers=[(b"host", host)])[0] == status


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(guards, "BODY_TIMEOUT_SECONDS", 0.01)

    async def never():
        await asyncio.sleep(60)

    async def ask():
        await Guard(answer, max_body_bytes=1).limit_body(never)()

    with pytest.raises(HTTPException) as refused:
        asyncio.run(ask())
    assert refused.value.status_code == 408


def test_what_comes_after_the_body_may_take_as_long_as_it_likes(monkeypatch):
    monkeypatch.setattr(guards, "BODY_TIMEOUT_SECONDS", 0.01)
    messages = [{"type": "http.request", "more_body": False}, {"type": "http.disconnect"}]

    async def slow():
        if len(messages) == 1:
            await asyncio.sleep(0.05)
        return messages.pop(0)

    async def both():
        receive = Guard(answer, max_body_bytes=1).limit_body(slow)
        return [(await receive())["type"] for _ in range(2)]

    assert asyncio.run(both()) == ["http.request", "http.disconnect"]


def test_tokens_are_read_line_by_line(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("first-token-of-two\r\n\n  second.token~of+two==  \n")
    assert read_tokens(str(path)) == ["first-token-of-two", "second.token~of+two=="]


def test_a_file_of_tokens_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        read_tokens(str(tmp_path / "nowhere"))
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(InputError, match="no tokens; write one per line"):
        read_tokens(str(tmp_path / "empty"))
