"""Files of ratings that are sent to the API."""

import contextlib
import dataclasses
import gzip
import io
import zipfile

import pytest
from helpers import exports
from helpers.served import API_CONFIG
from starlette.testclient import TestClient

from movierec_jax.serve.app import new_app
from movierec_jax.serve.imports import safe_name
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.service import Service

FILMS = exports.films()
RATED = [{"movie_id": int(one.movieId), "rating": one.rating} for one in FILMS.itertuples()]
IMPORTS = "/v1/imports"


@contextlib.contextmanager
def in_service(folder, engine, **settings):
    config = dataclasses.replace(API_CONFIG, **settings)
    with (
        contextlib.closing(Service(folder, engine, config)) as service,
        TestClient(new_app(service, config, ServiceMetrics()), base_url="http://localhost") as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(engine, tmp_path_factory):
    with in_service(tmp_path_factory.mktemp("imports"), engine) as client:
        yield client


def ids(movies):
    return [one["movie_id"] for one in movies]


@pytest.mark.parametrize("name", exports.EXPORTS)
def test_an_export_is_answered_with_its_movies_and_their_list(client, name):
    found = client.post(IMPORTS, params={"filename": f"{name}.csv", "k": 5}, content=exports.EXPORTS[name](FILMS))
    assert found.status_code == 200, found.text
    body = found.json()
    assert {one["movie_id"]: one["rating"] for one in body["ratings"]} == {
        one["movie_id"]: one["rating"] for one in RATED
    }
    assert (body["num_movies"], body["watched"], body["not_found"]) == (30, [], [])
    assert body["summary"][0].startswith("read 30 films of ")
    expected = client.post("/v1/recommendations", json={"ratings": RATED, "k": 5}).json()["movies"]
    assert ids(body["movies"]) == ids(expected)


def test_what_is_not_found_is_listed(client):
    content = exports.letterboxd(FILMS.head(3)) + "2024-03-01,Nothing,2001,https://boxd.it/0,3\n"
    body = client.post(IMPORTS, content=content).json()
    assert len(body["ratings"]) == 3
    assert body["not_found"] == [{"title": "Nothing", "year": 2001, "is_ambiguous": False}]


def test_watched_movies_are_left_out_of_this_list_and_of_those_that_name_them(client, tmp_path):
    path = exports.write_letterboxd_zip(tmp_path / "mine.zip", FILMS.head(5), FILMS)
    body = client.post(IMPORTS, params={"filename": "mine.zip", "k": 20}, content=path.read_bytes()).json()
    assert ids(body["watched"]) == [int(movie) for movie in FILMS["movieId"][5:]]
    assert not set(ids(body["movies"])) & {int(movie) for movie in FILMS["movieId"]}
    asked = {
        "ratings": RATED[:5],
        "watched": [str(ids(body["watched"])[0]), *ids(body["watched"])[1:], 10**15],
        "k": 20,
    }
    assert ids(client.post("/v1/recommendations", json=asked).json()["movies"]) == ids(body["movies"])
    seen = client.post("/v1/recommendations", json={**asked, "include_seen": True}).json()["movies"]
    assert set(ids(seen)) & {int(movie) for movie in FILMS["movieId"]}


def test_movies_watched_without_any_rating_tell_what_is_watched(client):
    body = client.post(IMPORTS, params={"k": 20}, content=exports.letterboxd_watched(FILMS)).json()
    nobody = client.post("/v1/recommendations", json={"ratings": [], "k": 20}).json()["movies"]
    assert body["ratings"] == []
    assert ids(body["movies"]) != [movie for movie in ids(nobody) if movie not in ids(body["watched"])]
    asked = {"ratings": [], "watched": ids(body["watched"]), "k": 20}
    assert ids(client.post("/v1/recommendations", json=asked).json()["movies"]) == ids(body["movies"])


def test_of_too_many_ratings_the_newest_count(engine, tmp_path):
    dated = exports.letterboxd(FILMS).replace("2024-03-01", "2020-01-01", 11)
    with in_service(tmp_path, engine, max_ratings=19) as client:
        body = client.post(IMPORTS, params={"k": 5}, content=dated).json()
        newest = {"ratings": RATED[11:], "watched": ids(RATED[:11]), "k": 5}
        assert ids(body["movies"]) == ids(client.post("/v1/recommendations", json=newest).json()["movies"])
    assert body["summary"][-1] == "the newest 19 ratings count; 11 are older"


def test_options_narrow_the_list(client):
    body = client.post(f"{IMPORTS}?genres=Horror&k=3&explain=true", content=exports.letterboxd(FILMS)).json()
    assert all("Horror" in movie["genres"] and "reasons" in movie for movie in body["movies"])


def zipped(size: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", b"0" * size)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"", "mine.csv: empty"),
        (lambda: b"movieId,title\n1,Heat\n", "mine.csv:1: columns movieId, title; expected a Letterboxd export"),
        (lambda: b"userId,movieId,rating\n1,2,3\n2,2,3\n", "mine.csv: ratings of 2 users"),
        (lambda: gzip.compress(b"movieId,rating\n1,3\n", mtime=0), "a packed or Parquet file"),
        (lambda: zipped(2**26 + 1), "64 MiB; one person's ratings take 64 at most"),
        (lambda: b"\x00\x01\x02" * 100, "mine.csv: a binary file"),
        (lambda: b"movieId,rating\n" + b"1,3\n" * 20_001, "20,001 rows; at most 20,000"),
        (lambda: b"[" * 100_000, "mine.csv: not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_without_the_servers_paths(client, content, words):
    found = client.post(IMPORTS, params={"filename": "mine.csv"}, content=content())
    assert found.status_code == 422
    assert words in found.json()["detail"]
    assert "tmp" not in found.json()["detail"]


def test_a_file_may_be_larger_than_other_requests_up_to_its_own_limit(engine, tmp_path):
    with in_service(tmp_path, engine, max_body_bytes=100, max_import_bytes=10_000) as client:
        assert client.post(IMPORTS, content=exports.letterboxd(FILMS)).status_code == 200
        assert client.post(IMPORTS, content=b" " * 10_001).status_code == 413
        assert client.post("/v1/recommendations", content=b" " * 101).status_code == 413


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ratings.csv", "ratings.csv"),
        ("../../etc/passwd", "passwd.csv"),
        ("C:\\mine\\my export.ZIP", "my_export.ZIP"),
        ("..", "ratings.csv"),
        ("x\0.csv", "x_.csv"),
        ("bomb.csv.gz", "bomb.csv.gz.csv"),
    ],
)
def test_a_name_of_a_file_is_made_safe(name, expected):
    assert safe_name(name) == expected
