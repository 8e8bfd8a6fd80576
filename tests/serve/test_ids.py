"""Ids that paths and JavaScript could take apart come back whole."""

import contextlib
import json
import urllib.parse

import pandas as pd
import pytest
from helpers import checkerboard
from helpers.served import API_CONFIG
from starlette.testclient import TestClient

from movierec_jax.config import Config, ModelConfig
from movierec_jax.data.schema import CleanData
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.serve.app import new_app
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.ids import json_bytes
from movierec_jax.serve.metrics import ServiceMetrics
from movierec_jax.serve.service import Service
from movierec_jax.training.state import new_state

BIG = 2**53 + 1
# Among them ids that look like the rest of a path: the user "a/ratings" is not "a".
STRANGE = ["https://boxd.it/0009?x=1#y", "a/b", " ", "a", "a/ratings", "a/ratings/b", "b/similar", "b", "50%25", "ü&=;"]


def part(given) -> str:
    """Returns an id as a page puts it into a path."""
    return urllib.parse.quote(str(given), safe="")


def recommender_of(users: list, movies: list) -> Recommender:
    """Returns an untrained recommender of users who have each rated every second movie."""
    pairs = [(user, movie) for n, user in enumerate(users) for m, movie in enumerate(movies) if (n + m) % 2]
    train = checkerboard.table(*zip(*pairs, strict=True), [1 + n % 5 for n in range(len(pairs))])
    table = pd.DataFrame({"movie_id": movies, "title": "Film", "year": 1999, "genres": ""}).astype({"year": "int32"})
    model = ModelConfig(embedding_dim=2, hidden_dims=(), history=(), implicit_feedback_dim=0)
    data = CleanData(train, table, (1.0, 5.0), "strange ids", {})
    run = new_run(Config(data=DataConfig(content=()), model=model), data, Split.of(train, train[:0], train[:0]))
    return Recommender.of(run, new_state(run.setup).params)


@contextlib.contextmanager
def in_service(folder, recommender: Recommender):
    """Yields a client of the API of a recommender."""
    with (
        contextlib.closing(Service(folder, Engine(recommender, API_CONFIG, "one"), API_CONFIG)) as service,
        TestClient(new_app(service, API_CONFIG, ServiceMetrics()), base_url="http://localhost") as client,
    ):
        yield client


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    with in_service(tmp_path_factory.mktemp("strange"), recommender_of(STRANGE, STRANGE)) as client:
        yield client


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A client of a run whose ids differ only above 53 bits."""
    ids = [BIG - 2, BIG - 1, BIG, BIG + 1, 2**63 - 1]
    with in_service(tmp_path_factory.mktemp("large"), recommender_of(ids, ids)) as client:
        yield client


@pytest.mark.parametrize("given", STRANGE)
def test_every_route_takes_an_id_of_any_text_whole(strange, given):
    user, movie = f"/v1/users/{part(given)}", f"/v1/movies/{part(given)}"
    assert strange.get(user).json()["user_id"] == given
    assert strange.get(f"{user}/ratings").json()["user_id"] == given
    assert strange.get(f"{user}/recommendations?k=2").json()["user_id"] == given
    assert strange.get(movie).json()["movie_id"] == given
    assert given not in [one["movie_id"] for one in strange.get(f"{movie}/similar").json()["movies"]]
    rated = strange.put(f"{user}/ratings/{part(given)}", json={"rating": 2}).json()
    assert (rated["user_id"], rated["movie_id"]) == (given, given)
    assert strange.delete(f"{user}/ratings/{part(given)}").status_code == 204
    predicted = strange.post("/v1/predictions", json={"pairs": [{"user_id": given, "movie_id": given}]}).json()
    assert predicted["predictions"][0]["movie_id"] == given


def test_a_slash_that_is_not_encoded_belongs_to_the_id_where_no_route_ends_like_it(strange):
    assert strange.get("/v1/movies/a/b").json()["movie_id"] == "a/b"
    assert strange.get("/v1/users/a/b/ratings").json()["user_id"] == "a/b"
    assert strange.get("/v1/users/a/ratings").json()["user_id"] == "a"


def test_an_id_above_53_bits_is_text_and_taken_as_text_or_number(large):
    assert large.get(f"/v1/users/{BIG}").json()["user_id"] == str(BIG)
    assert large.get("/v1/model").json()["first_user_id"] == BIG - 2
    assert large.get(f"/v1/movies/{BIG}").json()["movie_id"] == str(BIG)
    listed = large.get(f"/v1/users/{BIG}/recommendations?include_seen=true").json()["movies"]
    assert {one["movie_id"] for one in listed} == {BIG - 2, *map(str, (BIG - 1, BIG, BIG + 1, 2**63 - 1))}
    lists = [
        large.post("/v1/recommendations", json={"ratings": [{"movie_id": given, "rating": 5}]}).json()["movies"]
        for given in (BIG, str(BIG))
    ]
    assert lists[0] == lists[1]
    assert str(BIG) not in [one["movie_id"] for one in lists[0]]
    pairs = [{"user_id": str(BIG), "movie_id": BIG}, {"user_id": BIG, "movie_id": str(BIG)}]
    one, other = large.post("/v1/predictions", json={"pairs": pairs}).json()["predictions"]
    assert one == other


def test_only_integers_that_javascript_cannot_hold_become_text():
    values = {"id": BIG, "rows": [{"id": -BIG, "n": 2**53 - 1}], "big": 2**53, "x": 0.5, "is": True, "none": None}
    expected = {**values, "id": str(BIG), "rows": [{"id": str(-BIG), "n": 2**53 - 1}], "big": str(2**53)}
    assert json.loads(json_bytes(values)) == expected
