"""Tests of posters with a server in the place of TMDb."""

import contextlib
import dataclasses
import http.server
import json
import threading

import pytest
from fastapi.testclient import TestClient
from helpers.served import API_CONFIG

from movierec_jax.errors import InputError
from movierec_jax.serve.app import new_app
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.posters import Posters, read_key, write_whole
from movierec_jax.serve.service import Service

IMAGE = b"\xff\xd8 a poster"
# TMDb's ids: Toy Story, with a poster; Jumanji, without one; Heat, with a path that is no image's.
PATHS = {862: "/toys.jpg", 8844: None, 949: "/../secret.txt", 11: "/cut.jpg"}
# Answers that are no good, whole.
OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "/w185/cut.jpg": OK + b"Content-Length: 99\r\n\r\n" + IMAGE,
    "/movie/12": b"no HTTP\r\n\r\n",
    "/movie/13": OK + b"\r\n[]",
    "/movie/14": OK + b'\r\n{"poster_path": 1}',
}
KEY, OLDER_KEY = "a.token-of-tmdb", "0123456789abcdef0123456789abcdef"


@pytest.fixture
def tmdb():
    """Yields the address of a server that answers as TMDb, and what it was asked for: paths and Authorization."""
    asked = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            if self.path in BROKEN:
                self.wfile.write(BROKEN[self.path])
                return
            number = int(self.path.split("?")[0].rpartition("/")[2]) if "/movie/" in self.path else None
            is_found = number is None or number in PATHS
            self.send_response(200 if is_found else 404)
            self.end_headers()
            self.wfile.write(IMAGE if number is None else json.dumps({"poster_path": PATHS.get(number)}).encode())

        def log_message(self, *values):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_poster_is_fetched_once_and_kept(tmdb, tmp_path):
    address, asked = tmdb
    for _ in range(2):
        # A new object, as after a restart.
        posters = Posters(tmp_path / "posters", KEY, f"{address}/3", f"{address}/t/p/")
        assert posters.kept_or_fetched(862) == IMAGE
    assert asked == [("/3/movie/862", f"Bearer {KEY}"), ("/t/p/w185/toys.jpg", None)]


def test_a_key_of_the_older_kind_goes_into_the_query(tmdb, tmp_path):
    address, asked = tmdb
    assert Posters(tmp_path / "posters", OLDER_KEY, address, address).kept_or_fetched(862) == IMAGE
    assert asked[0] == (f"/movie/862?api_key={OLDER_KEY}", None)


@pytest.mark.parametrize("tmdb_id", [8844, 1])
def test_a_movie_without_a_poster_is_asked_for_once(tmdb, tmp_path, tmdb_id):
    address, asked = tmdb
    posters = Posters(tmp_path / "posters", KEY, address, address)
    assert [posters.kept_or_fetched(tmdb_id) for _ in range(2)] == [None, None]
    assert len(asked) == 1


@pytest.mark.parametrize("is_reachable", [True, False])
def test_an_unusable_answer_pauses_requests_and_never_shows_the_key(tmdb, tmp_path, is_reachable, capsys):
    address, asked = tmdb
    posters = Posters(tmp_path / "posters", OLDER_KEY, address if is_reachable else "http://127.0.0.1:9", address)
    assert posters.kept_or_fetched(949) is None
    num_asked = len(asked)
    assert posters.kept_or_fetched(862) is None
    assert len(asked) == num_asked
    warning = capsys.readouterr().err
    assert warning.startswith("warning: TMDb gave no poster")
    assert OLDER_KEY not in warning


@pytest.mark.parametrize("tmdb_id", [11, 12, 13, 14], ids=["cut off", "no HTTP", "a list", "a number as a path"])
def test_nothing_is_kept_of_a_broken_answer(tmdb, tmp_path, tmdb_id, capsys):
    posters = Posters(tmp_path / "posters", KEY, tmdb[0], tmdb[0])
    assert posters.kept_or_fetched(tmdb_id) is None
    assert list(posters.folder.iterdir()) == []
    assert capsys.readouterr().err.startswith("warning: TMDb gave no poster")


def test_a_poster_that_cannot_be_kept_is_shown_all_the_same(tmdb, tmp_path, capsys):
    posters = Posters(tmp_path / "posters", KEY, tmdb[0], tmdb[0])
    posters.folder.rmdir()
    assert posters.kept_or_fetched(862) == IMAGE
    assert "cannot be kept" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    path = tmp_path / "1.jpg"
    path.mkdir()
    with pytest.raises(OSError, match=r"1\.jpg"):
        write_whole(path, IMAGE)
    assert list(tmp_path.iterdir()) == [path]


def test_the_api_answers_with_posters_only_where_it_has_them(tmdb, tmp_path, engine):
    config = dataclasses.replace(API_CONFIG, allowed_hosts=("testserver",))
    posters = Posters(tmp_path / "posters", KEY, tmdb[0], tmdb[0])
    with contextlib.closing(Service(tmp_path, engine, config)) as service:
        for given in (posters, None):
            client = TestClient(new_app(service, config, ServiceMetrics(), given))
            found = [client.get(f"/v1/movies/{movie}/poster") for movie in (1, 2, "x")]
            assert [one.status_code for one in found] == [200 if given else 404, 404, 404]
            assert (found[0].content == IMAGE) == (given is not None)
            assert client.get("/v1/model").json()["has_posters"] == (given is not None)


def test_a_file_of_several_words_is_no_key(tmp_path):
    path = tmp_path / "key.txt"
    path.write_text("two words\n")
    with pytest.raises(InputError, match="2 words; write TMDb's API key alone"):
        read_key(str(path))
