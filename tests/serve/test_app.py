"""Tests of the routes, with real requests over ASGI."""

import asyncio
import contextlib
import dataclasses
import json

import httpx2
import numpy as np
import pytest
from helpers.api import LIKED, assert_problem, in_service, movies_of
from helpers.served import API_CONFIG

from movierec_jax.data.readers.ratings_log.entries import Entry
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.serve import schemas
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.service import Service


@pytest.fixture(scope="module")
def reviewed_client(reviewed, tmp_path_factory):
    with in_service(tmp_path_factory.mktemp("service"), Engine(reviewed, API_CONFIG, "two")) as client:
        yield client


# Lists.


def test_a_users_list_equals_the_recommenders(client, films):
    found = client.get("/v1/users/42/recommendations?k=5")
    assert movies_of(found) == films.recommend([42], 5)[MOVIE_ID].tolist()
    first = found.json()["movies"][0]
    assert first.keys() == {"movie_id", "title", "year", "genres", "rank", "score", "predicted_rating"}


def test_a_new_users_list_equals_the_recommenders(client, films):
    found = client.post("/v1/recommendations", json={"ratings": LIKED, "k": 5})
    expected = films.recommend_for({one["movie_id"]: one["rating"] for one in LIKED}, 5)
    assert movies_of(found) == expected[MOVIE_ID].tolist()


def test_a_new_user_without_ratings_gets_a_list(client):
    assert len(movies_of(client.post("/v1/recommendations", json={"ratings": []}))) == 10


def test_filters_select_the_same_movies_as_the_recommender(client, films):
    query = "k=20&genres=Film-Noir&genres=War&year_from=1940&year_to=1949&min_ratings=3"
    found = client.get(f"/v1/users/42/recommendations?{query}").json()["movies"]
    expected = films.recommend([42], 20, movies=films.select_movies(["Film-Noir", "War"], (1940, 1949), 3))
    assert [movie["movie_id"] for movie in found] == expected[MOVIE_ID].tolist()
    assert all(1940 <= movie["year"] <= 1949 and {"Film-Noir", "War"} & {*movie["genres"]} for movie in found)


def test_include_seen_lists_rated_movies_too(client, films):
    found = movies_of(client.get("/v1/users/42/recommendations?k=20&include_seen=true"))
    assert found == films.recommend([42], 20, include_seen=True)[MOVIE_ID].tolist()


def test_explain_adds_rated_movies_as_reasons(client):
    movies = client.post("/v1/recommendations", json={"ratings": LIKED, "explain": True}).json()["movies"]
    for movie in movies:
        rated = [reason for reason in movie["reasons"] if reason["source"] == "rated"]
        assert all(reason["movie_id"] in (318, 296, 2571) and reason["title"] for reason in rated)
    assert any(reason["source"] == "rated" for movie in movies for reason in movie["reasons"])


def test_a_filter_that_no_movie_passes_gives_an_empty_list(client):
    assert movies_of(client.get("/v1/users/42/recommendations?year_from=1903&year_to=1904")) == []


def test_praised_selects_movies_whose_reviews_praise_an_aspect(reviewed_client):
    path = "/v1/users/7/recommendations?include_seen=true"
    everything = movies_of(reviewed_client.get(path))
    assert len(everything) == 10
    assert movies_of(reviewed_client.get(f"{path}&praised=music")) == [318]
    assert {*movies_of(reviewed_client.get(f"{path}&praised=music&praised=pace"))} == {318, 2571}
    assert movies_of(reviewed_client.get(f"{path}&praised=music&praised=pace&year_from=1995")) == [2571]
    assert movies_of(reviewed_client.get(f"{path}&praised=music&year_to=1950")) == []
    assert movies_of(reviewed_client.get(path)) == everything
    asked = {"ratings": [{"movie_id": 318, "rating": 5}], "praised": ["music", "pace"]}
    assert movies_of(reviewed_client.post("/v1/recommendations", json=asked)) == [2571]
    assert len(movies_of(reviewed_client.post("/v1/recommendations", json={**asked, "praised": []}))) == 10


@pytest.mark.parametrize("aspect", ["love", "", "music,pace", "Comedy", "\x1b[31m", "é" * 100])
def test_an_unknown_aspect_is_refused_with_the_valid_names(reviewed_client, aspect):
    path = "/v1/users/7/recommendations"
    names = "Valid aspects: acting, music, pace"
    assert_problem(
        reviewed_client.get(path, params={"praised": ["music", aspect]}),
        422,
        "Unknown aspect",
        names,
        kind="unknown-aspect",
    )
    asked = {"ratings": [], "praised": [aspect] * 50}
    assert_problem(
        reviewed_client.post("/v1/recommendations", json=asked), 422, "Unknown aspect", names, kind="unknown-aspect"
    )


def test_praised_is_refused_without_reviews(client):
    words = "praised=music: this run has no reviews"
    assert_problem(client.get("/v1/users/7/recommendations?praised=music"), 422, words)
    assert_problem(client.post("/v1/recommendations", json={"ratings": [], "praised": ["music"]}), 422, words)


def test_predictions_come_in_the_order_of_the_pairs(client, films):
    pairs = [{"user_id": 7, "movie_id": 318}, {"user_id": 42, "movie_id": 1}, {"user_id": 7, "movie_id": 318}]
    found = client.post("/v1/predictions", json={"pairs": pairs}).json()["predictions"]
    assert [{key: one[key] for key in ("user_id", "movie_id")} for one in found] == pairs
    expected = films.predict([7, 42, 7], [318, 1, 318])
    np.testing.assert_allclose([one["predicted_rating"] for one in found], expected, atol=1e-4)
    assert all(one["spread"] > 0 for one in found)


def test_the_default_length_is_at_most_max_k(engine, tmp_path):
    engine.config, before = dataclasses.replace(API_CONFIG, max_k=4), engine.config
    try:
        with in_service(tmp_path, engine) as client:
            assert len(movies_of(client.post("/v1/recommendations", json={"ratings": LIKED}))) == 4
            assert_problem(
                client.post("/v1/recommendations", json={"ratings": LIKED, "k": 5}), 422, "1 to 4", kind="over-limit"
            )
    finally:
        engine.config = before


def test_spread_is_null_without_a_validation_part(engine, tmp_path):
    engine.noise, before = None, engine.noise
    try:
        with in_service(tmp_path, engine) as client:
            found = client.post("/v1/predictions", json={"pairs": [{"user_id": 7, "movie_id": 318}]}).json()
    finally:
        engine.noise = before
    assert found["predictions"][0]["spread"] is None


def test_a_pair_without_a_prediction_has_a_problem_and_changes_nothing_for_the_others(client):
    known = [{"user_id": 7, "movie_id": 318}, {"user_id": 42, "movie_id": "1"}]
    unknown = [{"user_id": 0, "movie_id": 318}, {"user_id": "nobody", "movie_id": 318}, {"user_id": 7, "movie_id": 0}]
    unlike = [{"user_id": 7}, {**known[0], "colour": "red"}, {"user_id": True, "movie_id": 318}, "7", None]
    expected = client.post("/v1/predictions", json={"pairs": known}).json()["predictions"]
    response = client.post("/v1/predictions", json={"pairs": [known[0], *unknown, *unlike, known[1]]})
    assert response.status_code == 200, response.text
    first, *problems, last = response.json()["predictions"]
    assert [first, last] == expected
    assert [one["index"] for one in problems] == list(range(1, 9))
    kinds = ["unknown-user", "unknown-user", "unknown-movie", *["invalid-request"] * 5]
    assert [one["type"].removeprefix("urn:movierec:") for one in problems] == kinds
    assert [one["status"] for one in problems] == [404] * 3 + [422] * 5
    assert problems[0]["detail"] == "User 0 not found. Rate a film to create it."
    only_problems = client.post("/v1/predictions", json={"pairs": unknown}).json()["predictions"]
    assert [one["type"] for one in only_problems] == [one["type"] for one in problems[:3]]


@pytest.mark.parametrize("body", [{}, {"pairs": []}, {"pairs": 3}, {"pairs": [{"user_id": 7, "movie_id": 1}], "k": 1}])
def test_a_request_for_predictions_that_is_not_as_described_is_refused_as_a_whole(client, body):
    assert_problem(client.post("/v1/predictions", json=body), 422, kind="invalid-request")


def test_too_many_pairs_are_refused(client):
    pairs = [{"user_id": 7, "movie_id": 318}] * 31
    assert_problem(client.post("/v1/predictions", json={"pairs": pairs}), 422, "31; must be 30 at most")


def test_rated_movies_without_ratings_in_training_are_reported_as_ignored(client, films):
    cold = int(films.run.movies.ids[len(films.run.movies)])
    ratings = [*LIKED, {"movie_id": cold, "rating": 5}]
    assert client.post("/v1/recommendations", json={"ratings": ratings}).json()["ignored_movies"] == [cold]


# Ratings.


def test_deleting_a_recorded_rating_restores_the_rating_of_the_data(client, films):
    movie, rating = films.rated_by(42).iloc[0][["movie_id", "rating"]]
    path = f"/v1/users/42/ratings/{int(movie)}"
    before = client.get("/v1/users/42/recommendations").json()
    assert client.put(path, json={"rating": 0.5}).is_success
    assert client.get("/v1/users/42/recommendations").json() != before
    assert client.delete(path).status_code == 204
    mine = {one["movie_id"]: one["rating"] for one in client.get("/v1/users/42/ratings?k=10000").json()["ratings"]}
    assert mine[int(movie)] == rating
    assert client.get("/v1/users/42/recommendations").json() == before


def test_a_recorded_rating_changes_the_next_list_until_deleted(client):
    before = movies_of(client.get("/v1/users/10/recommendations"))
    path = f"/v1/users/10/ratings/{before[0]}"
    recorded = client.put(path, json={"rating": 0.5})
    assert recorded.json().items() >= {"user_id": 10, "movie_id": before[0], "rating": 0.5}.items()
    after = movies_of(client.get("/v1/users/10/recommendations"))
    assert before[0] not in after
    mine = client.get("/v1/users/10/ratings?k=10000").json()["ratings"]
    assert [one["rating"] for one in mine if one["movie_id"] == before[0]] == [0.5]
    assert client.delete(path).status_code == 204
    assert movies_of(client.get("/v1/users/10/recommendations")) == before
    assert_problem(client.delete(path), 404, "No recorded rating of movie")


def test_a_first_rating_creates_a_user(client):
    assert_problem(
        client.get("/v1/users/70001/recommendations"), 404, "User 70001 not found. Rate a film to create it."
    )
    for one in LIKED:
        assert client.put(f"/v1/users/70001/ratings/{one['movie_id']}", json={"rating": one["rating"]}).is_success
    assert client.get("/v1/users/70001").json() == {"user_id": 70001, "num_ratings": 3, "is_trained": False}
    of_new_user = movies_of(client.post("/v1/recommendations", json={"ratings": LIKED}))
    assert movies_of(client.get("/v1/users/70001/recommendations")) == of_new_user
    predicted = client.post("/v1/predictions", json={"pairs": [{"user_id": 70001, "movie_id": 318}]})
    assert predicted.json()["predictions"][0]["predicted_rating"] > 3


def test_a_users_ratings_come_best_first(client, films):
    found = client.get("/v1/users/42/ratings?k=7").json()["ratings"]
    assert [one["rating"] for one in found] == films.rated_by(42)["rating"].tolist()[:7]
    count = len(films.rated_by(42))
    assert client.get("/v1/users/42").json() == {USER_ID: 42, "num_ratings": count, "is_trained": True}


def test_movies_of_no_interest_are_not_listed_until_undone(client):
    path, not_interested = "/v1/users/11/recommendations?include_seen=true", "/v1/users/11/not_interested"
    before = movies_of(client.get(path))
    marked = client.put(f"{not_interested}/{before[0]}")
    assert (marked.status_code, marked.json()) == (200, {"user_id": 11, "movie_id": before[0]})
    client.put(f"{not_interested}/{before[2]}")
    assert movies_of(client.get(path))[:8] == [before[1], *before[3:]]
    assert movies_of(client.get(not_interested)) == [before[2], before[0]]
    assert client.get(not_interested).json()["movies"][0].keys() == {"movie_id", "title", "year", "genres"}
    for movie in (before[0], before[2]):
        assert client.delete(f"{not_interested}/{movie}").status_code == 204
    assert_problem(client.delete(f"{not_interested}/{before[0]}"), 404, "has not marked movie")
    assert movies_of(client.get(not_interested)) == []
    assert movies_of(client.get(path)) == before


def test_what_a_new_user_is_not_interested_in_is_not_listed(client):
    before = movies_of(client.post("/v1/recommendations", json={"ratings": LIKED}))
    asked = {"ratings": LIKED, "not_interested": [before[0], str(before[1]), 10**9]}
    assert movies_of(client.post("/v1/recommendations", json=asked))[:8] == before[2:]


def test_a_movie_of_no_interest_creates_a_user(client):
    assert_problem(client.get("/v1/users/70002/not_interested"), 404, "not found")
    assert_problem(client.put("/v1/users/70002/not_interested/0"), 404, "Movie 0 not found")
    assert client.put("/v1/users/70002/not_interested/318").is_success
    assert client.get("/v1/users/70002").json()["num_ratings"] == 0
    assert 318 not in movies_of(client.get("/v1/users/70002/recommendations?k=20"))


@pytest.mark.parametrize(("path", "rating"), [("ratings/318", {"rating": 3}), ("not_interested/318", None)])
def test_what_cannot_be_written_is_refused(engine, tmp_path, path, rating):
    with in_service(tmp_path, engine) as client:
        (tmp_path / FILE_NAME).rename(tmp_path / "elsewhere")
        found = client.put(f"/v1/users/42/{path}", json=rating)
    assert_problem(found, 503, "This cannot be recorded", kind="storage-unavailable")


# Movies.


def test_search_finds_misspelt_titles(client):
    assert movies_of(client.get("/v1/movies", params={"query": "schindlers lst"}))[0] == 527


def test_search_refuses_an_unknown_genre_with_the_valid_ones(client):
    words = "Unknown genre 'Foo'. Valid genres: Action, Adventure"
    assert_problem(client.get("/v1/movies?genres=Foo"), 422, words, kind="unknown-genre")
    assert movies_of(client.get("/v1/movies?genres=film-noir")) == movies_of(client.get("/v1/movies?genres=Film-Noir"))


def test_search_without_a_query_lists_the_most_rated_movies_first(client):
    found = client.get("/v1/movies?k=3").json()["movies"]
    counts = [movie["num_ratings"] for movie in found]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 3


def test_details_have_the_title_ratings_and_tags_of_the_data(client, films):
    mine = films.parts.train[films.parts.train[MOVIE_ID] == 318]
    found = client.get("/v1/movies/318").json()
    assert found["title"] == "The Shawshank Redemption"
    assert found["num_ratings"] == len(mine)
    assert found["mean_rating"] == pytest.approx(float(mine["rating"].mean()), abs=1e-3)
    assert "prison" in found["tags"]


def test_details_have_reviews_where_a_movie_has_some(reviewed_client, client):
    found = reviewed_client.get("/v1/movies/780").json()["reviews"]
    assert found.keys() == {"num_texts", "praise", "spread", "praised", "blamed"}
    assert schemas.MovieReviews.model_validate(found, strict=True).num_texts == 4
    assert found["praise"] < 0.1
    assert (found["praised"], {*found["blamed"]}) == ([], {"acting", "pace"})
    for one in reviewed_client, client:
        assert one.get("/v1/movies/1").json()["reviews"] is None


def test_similar_movies_equal_the_recommenders(client, films):
    assert movies_of(client.get("/v1/movies/318/similar?k=4")) == films.similar(318, 4)[MOVIE_ID].tolist()


def test_a_movie_without_ratings_in_training_has_details_but_no_similar_movies(client, films):
    cold = films.run.movies.ids[len(films.run.movies)]
    assert client.get(f"/v1/movies/{cold}").json()["mean_rating"] is None
    assert_problem(client.get(f"/v1/movies/{cold}/similar"), 422, "has no ratings in training")


def test_the_map_puts_similar_movies_close_together(client):
    movies = client.get("/v1/map?k=300").json()["movies"]
    position = {movie["movie_id"]: np.array([movie["x"], movie["y"]]) for movie in movies}
    assert all(((one >= 0) & (one <= 1)).all() for one in position.values())
    # The Star Wars trilogy is closer together than films are on average.
    trilogy = [position[movie] for movie in (260, 1196, 1210)]
    near = np.mean([np.linalg.norm(one - other) for one in trilogy for other in trilogy])
    far = np.mean([np.linalg.norm(one - other) for one in trilogy for other in position.values()])
    assert near < far / 2


# State.


def test_model_info_has_counts_scale_and_limits(client, films):
    found = client.get("/v1/model").json()
    assert found["num_movies"] == len(films.run.movies)
    assert found["rating_scale"] == [0.5, 5.0]
    assert found["rating_step"] == 0.5
    assert found["limits"] == {"k": 20, "ratings": 30, "pairs": 30, "users": 100}
    assert found["praised"] == []
    assert found["version"] == "one"
    assert found["refused"] is None


def test_model_info_lists_the_praised_aspects(reviewed_client):
    assert reviewed_client.get("/v1/model").json()["praised"] == ["acting", "music", "pace"]


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_and_ready_answer_200(client, path):
    assert client.get(path).status_code == 200


def test_requests_are_counted_by_route_not_by_id(client):
    client.get("/v1/movies/318")
    client.get("/v1/movies/296")
    client.get("/nowhere/at/all")
    text = client.get("/metrics").text
    assert 'movierec_requests_total{method="GET",route="/v1/movies/{movie_id}",status="200"}' in text
    assert 'route="unknown",status="404"' in text
    assert "/nowhere" not in text
    assert "movierec_batch_lists_count" in text


def test_every_route_documents_its_responses(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"]
            success = [code for code in operation["responses"] if code.startswith("2")]
            assert success
            if path.startswith("/v1"):
                problem = operation["responses"]["4XX"]["content"]
                assert problem.keys() == {"application/problem+json"}
                schema = problem["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ProblemDetails"}


def test_responses_have_security_headers(client):
    headers = client.get("/v1/model").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


# Callers' mistakes.


def body(text):
    return {"content": text, "headers": {"content-type": "application/json"}}


HUGE = '{"ratings": [' + ",".join('{"movie_id": 1, "rating": 3}' for _ in range(40_000)) + "]}"
BAD_BODIES = {
    "no json": ("ratings", 422),
    "cut off": ('{"ratings": [', 422),
    "not utf-8": (b'{"ratings": "\xff\xfe"}', 400),
    "an array": ("[]", 422),
    "null": ("null", 422),
    "nothing": ("", 422),
    "no ratings": ("{}", 422),
    "an unknown field": ('{"ratings": [], "admin": true}', 422),
    "NaN": ('{"ratings": [{"movie_id": 318, "rating": NaN}]}', 422),
    "infinity": ('{"ratings": [{"movie_id": 318, "rating": 1e999}]}', 422),
    "off the scale": ('{"ratings": [{"movie_id": 318, "rating": 6}]}', 422),
    "text for a rating": ('{"ratings": [{"movie_id": 318, "rating": "five"}]}', 422),
    "an unknown movie": ('{"ratings": [{"movie_id": 0, "rating": 3}]}', 422),
    "words for an id": ('{"ratings": [{"movie_id": "three", "rating": 3}]}', 422),
    "true for an id": ('{"ratings": [{"movie_id": true, "rating": 3}]}', 422),
    "a fraction for an id": ('{"ratings": [{"movie_id": 318.5, "rating": 3}]}', 422),
    "an id beyond 64 bits": ('{"ratings": [{"movie_id": 99999999999999999999, "rating": 3}]}', 422),
    "an id of 6,000 digits": ('{"ratings": [{"movie_id": ' + "9" * 6000 + ', "rating": 3}]}', 400),
    "half a surrogate": ('{"ratings": [{"movie_id": "\\ud800", "rating": 3}]}', 422),
    "a movie twice": ('{"ratings": [{"movie_id": 318, "rating": 3}, {"movie_id": 318, "rating": 3}]}', 422),
    "too many ratings": (json.dumps({"ratings": [{"movie_id": n, "rating": 3} for n in range(31)]}), 422),
    "a deep body": ("[" * 100_000, 400),
    "a body of 1 MB": (HUGE, 413),
    "k of 0": ('{"ratings": [], "k": 0}', 422),
    "k beyond the limit": ('{"ratings": [], "k": 21}', 422),
    "1 for true": ('{"ratings": [], "explain": 1}', 422),
    "the year 0": ('{"ratings": [], "year_to": 0}', 422),
    "k of text": ('{"ratings": [], "k": "all"}', 422),
    "an unknown genre": ('{"ratings": [], "genres": ["Opera"]}', 422),
    "praise as text": ('{"ratings": [], "praised": "music"}', 422),
    "praise of null": ('{"ratings": [], "praised": null}', 422),
    "praise of numbers": ('{"ratings": [], "praised": [1]}', 422),
    "half a surrogate of praise": ('{"ratings": [], "praised": ["\\ud800"]}', 422),
    "praise of 101 letters": (json.dumps({"ratings": [], "praised": ["a" * 101]}), 422),
    "51 praises": (json.dumps({"ratings": [], "praised": ["music"] * 51}), 422),
    "years the wrong way round": ('{"ratings": [], "year_from": 2000, "year_to": 1990}', 422),
    "diversity of 1": ('{"ratings": [], "diversity": 1}', 422),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused(client, name):
    text, status = BAD_BODIES[name]
    assert_problem(client.post("/v1/recommendations", **body(text)), status)


def test_a_body_that_is_not_json_is_refused(client):
    text = json.dumps({"ratings": []})
    assert_problem(client.post("/v1/recommendations", content=text, headers={"content-type": "text/plain"}), 422)


def test_a_long_chunked_body_is_refused(client):
    def parts():
        for _ in range(3_000):
            yield b"x" * 1024

    headers = {"content-type": "application/json"}
    assert_problem(client.post("/v1/recommendations", content=parts(), headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/users/abc", 404),
        ("GET", "/v1/users/0/recommendations", 404),
        ("GET", "/v1/users/1_0/recommendations", 404),
        ("GET", "/v1/users/%D9%A1/recommendations", 404),
        ("GET", "/v1/users/99999999999999999999/ratings", 404),
        ("GET", f"/v1/users/{'9' * 300}", 422),
        ("GET", "/v1/users/%00", 404),
        ("GET", "/v1/users/..%2F..%2Fetc%2Fpasswd", 404),
        ("GET", "/v1/movies/-1", 404),
        ("GET", "/v1/movies/nan", 404),
        ("GET", "/v1/movies?k=101", 422),
        ("GET", "/v1/movies?query=" + "a" * 201, 422),
        ("GET", "/v1/movies?year_from=2010&year_to=2000", 422),
        ("GET", "/v1/movies?query=" + "a" * 9000, 414),
        ("GET", "/v1/users/1/recommendations?k=0", 422),
        ("GET", "/v1/users/1/recommendations?k=1e3", 422),
        ("GET", "/v1/users/1/recommendations?colour=red", 422),
        ("GET", "/v1/users/1/recommendations?genres=Opera", 422),
        ("GET", "/v1/users/1/recommendations?praised=", 422),
        ("GET", "/v1/users/1/recommendations?praised=%00", 422),
        ("GET", "/v1/users/1/recommendations?" + "&".join(["praised=music"] * 51), 422),
        ("GET", "/v1/users/1/recommendations?year_from=x", 422),
        ("GET", "/v1/users/1/recommendations?diversity=nan", 422),
        ("GET", "/v1/users/1/ratings?limit=9", 422),
        ("GET", "/v1/movies/318/similar?limit=9", 422),
        ("GET", "/v1/map?limit=9", 422),
        ("DELETE", "/v1/users/1/ratings/318", 404),
        ("PATCH", "/v1/model", 405),
        ("GET", "/v1", 404),
        ("GET", "/page/..%2Fapp.py", 404),
        ("GET", "/.env", 404),
    ],
)
def test_a_bad_path_is_refused(client, method, path, status):
    assert_problem(client.request(method, path), status)


@pytest.mark.parametrize(
    ("method", "path", "text", "detail"),
    [
        ("GET", "/v1/nothing", "", "/v1/nothing is no path of the API; /openapi.json lists them"),
        ("POST", "/v1/model", "", "POST: this path takes GET"),
        ("POST", "/page/app.js", "", "POST: this path takes GET and HEAD"),
        ("PATCH", "/v1/users/1/ratings/318", "", "PATCH: this path takes DELETE and GET and PUT"),
        ("POST", "/v1/recommendations", "ratings", "the body is not JSON (Expecting value at character 0)"),
        ("POST", "/v1/recommendations", "[]", "the body must be a JSON object"),
        ("POST", "/v1/recommendations", "", "the body must be a JSON object"),
    ],
)
def test_the_detail_says_what_the_path_takes(client, method, path, text, detail):
    found = client.request(method, path, **body(text))
    assert found.json()["detail"].startswith(detail)
    assert found.headers.get("allow", "").split(", ") == (detail.split(" takes ")[1:] or [""])[0].split(" and ")


@pytest.mark.parametrize(
    "text",
    [
        '{"rating": true}',
        '{"rating": "3"}',
        '{"rating": 99}',
        '{"rating": null}',
        '{"rating": 3, "user_id": 1}',
        "{}",
        "3",
    ],
)
def test_a_bad_rating_is_not_recorded(client, text):
    assert_problem(client.put("/v1/users/77/ratings/318", **body(text)), 422)
    assert_problem(client.delete("/v1/users/77/ratings/318"), 404)


def test_a_rating_by_a_user_id_beyond_64_bits_is_not_recorded(client):
    assert_problem(client.put(f"/v1/users/{10**30}/ratings/318", json={"rating": 3}), 422, "64 bits")


def test_a_rating_of_an_unknown_movie_is_not_recorded(client):
    assert_problem(client.put("/v1/users/77/ratings/0", json={"rating": 3}), 404, "Movie 0 not found")


def test_control_characters_of_a_request_are_replaced_in_its_error(client):
    found = client.get("/v1/users/%1B%5B31mred%0A")
    assert_problem(found, 404)
    assert "\x1b" not in found.json()["detail"]
    assert "\n" not in found.json()["detail"]


def test_too_many_headers_are_refused(client):
    assert_problem(client.get("/health", headers={"x-long": "a" * 40_000}), 431)


def test_an_unknown_host_header_is_refused(client):
    assert_problem(client.get("/v1/model", headers={"host": "evil.example"}), 421, "Host header is not allowed")
    assert client.get("/v1/model", headers={"host": "127.0.0.1:8000"}).status_code == 200


def test_pages_of_other_origins_are_refused_unless_allowed(client, engine, tmp_path):
    origin = {"origin": "https://example.org"}
    assert "access-control-allow-origin" not in client.get("/v1/model", headers=origin).headers
    with in_service(tmp_path, engine, cors_origins=("https://example.org",), rate_limit="3/hour") as other:
        asked = {**origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
        allowed = other.options("/v1/users/1/ratings/1", headers=asked).headers
        assert allowed["access-control-allow-origin"] == "https://example.org"
        assert "PUT" in allowed["access-control-allow-methods"]
        assert other.get("/v1/model", headers=origin).headers["access-control-allow-origin"] == "https://example.org"


def test_requests_over_the_rate_limit_are_refused(engine, tmp_path):
    with in_service(tmp_path, engine, rate_limit="5/hour") as client:
        found = [client.get("/health") for _ in range(7)]
    assert [one.status_code for one in found] == [200] * 5 + [429] * 2
    assert_problem(found[-1], 429, "Rate limit exceeded; retry later. A client may send 5 requests per hour")
    # As long as the sliding window has some of them: up to two hours.
    assert 1 <= int(found[-1].headers["retry-after"]) <= 7200


def test_requests_need_a_token_once_a_tokens_file_is_given(engine, tmp_path):
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("first-token-of-two\n\nsecond-token-of-two\n")
    with in_service(tmp_path, engine, tokens_file=str(tokens)) as client:
        assert client.get("/health").status_code == 200
        assert_problem(client.get("/v1/model"), 401, "bearer token is required")
        assert client.get("/v1/model").headers["www-authenticate"] == "Bearer"
        for wrong in (
            "Bearer",
            "Bearer first",
            "Basic first-token-of-two",
            "first-token-of-two",
            "Bearer \xff" + "x" * 20,
        ):
            assert_problem(client.get("/v1/model", headers={"authorization": wrong.encode("latin-1")}), 401)
        assert_problem(client.put("/v1/users/1/ratings/1", json={"rating": 3}), 401)
        for right in ("Bearer first-token-of-two", "bearer second-token-of-two"):
            assert client.get("/v1/model", headers={"authorization": right}).status_code == 200


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1/model", "/v1/recommendations", "/v1/recommendations:batch", "/v1/movies", "/v1/movies/318/similar"),
        *("/v1/users/1", "/v1/users/1/ratings", "/v1/users/1/ratings/318", "/v1/users/1/not_interested/318"),
        *("/v1/users/1/recommendations", "/health", "/metrics", "/openapi.json", "/page/app.js"),
    ],
)
def test_a_wrong_method_is_answered_with_all_right_ones(client, path):
    answers = {method: client.request(method, path) for method in METHODS}
    wrong = {method: found for method, found in answers.items() if found.status_code == 405}
    assert wrong
    for found in wrong.values():
        assert set(found.headers["allow"].split(", ")) == set(METHODS) - set(wrong)


def test_the_page_of_the_api_can_be_left_out(engine, tmp_path):
    with in_service(tmp_path, engine, docs=False) as client:
        for path in ("/docs", "/docs/start.js", "/docs/swagger-ui.css"):
            assert_problem(client.get(path), 404, kind="unknown-path")
        assert client.get("/openapi.json").status_code == 200


def test_requests_are_refused_with_retry_after_while_the_queue_is_full(engine, tmp_path):
    with in_service(tmp_path, engine, max_waiting=1) as client, engine.lock:

        async def ask_many():
            transport = httpx2.ASGITransport(client.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as request_user:
                asked = [asyncio.create_task(request_user.get("/v1/users/1/recommendations")) for _ in range(8)]
                done, waiting = await asyncio.wait(asked, timeout=1)
                for task in waiting:
                    task.cancel()
                return [task.result() for task in done]

        refused = asyncio.run(ask_many())
    assert refused
    for one in refused:
        assert_problem(one, 503, "retry later")
        assert one.headers["retry-after"] == "1"


def test_an_internal_error_reveals_no_details(engine, tmp_path):
    scorer = dataclasses.replace(engine.recommender.scorer, params={})
    broken = dataclasses.replace(engine.recommender, scorer=scorer)
    with in_service(tmp_path, engine) as client:
        inside, engine.recommender = engine.recommender, broken
        try:
            found = client.post("/v1/recommendations", json={"ratings": LIKED})
        finally:
            engine.recommender = inside
        assert_problem(found, 500, "has been logged")
        assert client.get("/v1/users/42/recommendations").status_code == 200


# Restarts.


def test_recorded_ratings_survive_a_restart(engine, tmp_path):
    with in_service(tmp_path, engine) as client:
        client.put("/v1/users/42/ratings/318", json={"rating": 1})
        client.put("/v1/users/42/not_interested/1")
        changed = client.get("/v1/users/42/recommendations").json()
    with in_service(tmp_path, engine) as client:
        assert client.get("/v1/users/42/recommendations").json() == changed
        assert movies_of(client.get("/v1/users/42/not_interested")) == [1]


def test_a_log_with_ids_of_another_type_is_refused(engine, tmp_path):
    with contextlib.closing(RatingsLog(tmp_path / FILE_NAME)) as log:
        log.append([Entry("alice", 318, 4.0, 1)])
    with pytest.raises(InputError, match="user ids such as 'alice' are strings"):
        Service(tmp_path, engine, API_CONFIG)
