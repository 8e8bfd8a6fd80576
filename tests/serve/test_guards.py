import asyncio

import pytest
from starlette.exceptions import HTTPException

from movierec_jax.serve import guards
from movierec_jax.serve.clients import parse_networks
from movierec_jax.serve.guards import Guard
from movierec_jax.serve.tokens import Tokens


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def status_of(guard, path="/v1/model", headers=(), client="10.0.0.1", method="GET"):
    """Returns the status and headers of a response through a guard."""
    scope = {
        "type": "http",
        "method": method,
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


@pytest.mark.parametrize("settings", [{}, {"trusted_proxies": parse_networks(["10.0.0.9"])}], ids=["own", "proxied"])
def test_clients_of_a_proxy_are_told_apart_only_where_it_is_trusted(settings):
    guard = Guard(answer, max_body_bytes=1, rate="1/hour", **settings)
    sent = [
        status_of(guard, headers=[(b"x-forwarded-for", b"9.9.9.9, " + one)], client="10.0.0.9")[0]
        for one in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.2")
    ]
    assert sent == ([200, 200, 429] if settings else [200, 429, 429])


def test_the_rate_limit_counts_by_token_and_by_ipv6_network():
    guard = Guard(answer, max_body_bytes=1, rate="1/hour", tokens=Tokens({"a" * 16: True, "b" * 16: True}))
    for letter, address, status in [
        (b"a", "192.0.2.1", 200),
        (b"b", "192.0.2.1", 200),
        (b"b", "192.0.2.2", 429),
        (b"x", "2001:db8::1", 401),
        (b"y", "2001:db8::2", 429),
        (b"z", "2001:db8:0:1::", 401),
    ]:
        found = status_of(guard, headers=[(b"authorization", b"Bearer " + 16 * letter)], client=address)[0]
        assert found == status, (letter, address)


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("POST", 200), ("PUT", 403), ("DELETE", 403), ("PATCH", 403)]
)
def test_a_token_to_read_changes_nothing(method, status):
    guard = Guard(answer, max_body_bytes=1, tokens=Tokens({"a" * 16: False}))
    headers = [(b"authorization", b"Bearer " + b"a" * 16)]
    assert status_of(guard, headers=headers, method=method)[0] == status


OWN, FOREIGN, LISTED = b"http://localhost:8000", b"http://evil.org", b"https://friend.org"


@pytest.mark.parametrize(
    ("origin", "site", "status"),
    [
        (None, None, 200),
        (OWN, None, 200),
        (OWN, b"same-origin", 200),
        # A proxy has changed the name of the host.
        (b"https://example.org", b"same-origin", 200),
        (None, b"none", 200),
        (FOREIGN, None, 403),
        (FOREIGN, b"cross-site", 403),
        # Another port of this machine.
        (b"http://localhost:9999", b"same-site", 403),
        (b"http://localhost:9999", None, 403),
        (b"http://localhost", None, 403),
        (b"null", None, 403),
        (b"null", b"cross-site", 403),
        (None, b"cross-site", 403),
        (LISTED, b"cross-site", 200),
        (LISTED, None, 200),
    ],
)
def test_a_change_comes_from_no_foreign_page(origin, site, status):
    guard = Guard(answer, max_body_bytes=1, origins=[LISTED.decode()])
    given = {b"host": b"localhost:8000", b"origin": origin, b"sec-fetch-site": site}
    headers = [(name, value) for name, value in given.items() if value is not None]
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert status_of(guard, headers=headers, method=method)[0] == status
    assert status_of(guard, headers=headers)[0] == 200


@pytest.mark.parametrize(("host", "origin"), [(b"a.org", b"https://a.org:443"), (b"a.org:80", b"http://A.org")])
def test_an_origin_needs_no_usual_port(host, origin):
    headers = [(b"host", host), (b"origin", origin)]
    assert status_of(Guard(answer, max_body_bytes=1), headers=headers, method="PUT")[0] == 200


@pytest.mark.parametrize(("length", "status"), [(b"10", 200), (b"11", 413), (b"9" * 5000, 413), (b"-1", 200)])
def test_a_body_is_refused_by_its_content_length(length, status):
    assert status_of(Guard(answer, max_body_bytes=10), headers=[(b"content-length", length)])[0] == status


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/page/app.js"])
def test_the_page_and_the_health_routes_need_no_token(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=Tokens({"a" * 16: True})), path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/v1/model", "/metrics", "/openapi.json", "/page/../v1/model", "/health/", "//health"]
)
def test_all_other_paths_need_a_token(path):
    assert status_of(Guard(answer, max_body_bytes=1, tokens=Tokens({"a" * 16: True})), path)[0] == 401


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
