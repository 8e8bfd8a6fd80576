"""Lists of many users in one request."""

import re

import pytest
from helpers.api import LIKED, assert_problem, in_service

BATCH = "/v1/recommendations:batch"


def lists_of(client, users, **common):
    response = client.post(BATCH, json={"users": users, **common})
    assert response.status_code == 200, response.text
    return response.json()["lists"]


def test_each_user_gets_the_list_of_a_single_request_in_order(client):
    users = [{"user_id": 42}, {"ratings": LIKED, "watched": [1], "not_interested": [356]}, {"user_id": "7"}]
    known, new, other = lists_of(client, users * 3, k=4, genres=["drama"])[3:6]
    assert known == client.get("/v1/users/42/recommendations?k=4&genres=Drama").json()
    assert other == client.get("/v1/users/7/recommendations?k=4&genres=Drama").json()
    single = client.post("/v1/recommendations", json={**users[1], "k": 4, "genres": ["Drama"]}).json()
    assert new == {"user_id": None, "fallback": False, **single}


def test_options_of_a_user_replace_the_common_ones(client):
    users = [{"user_id": 42}, {"user_id": 42, "k": 3, "explain": True}, {"user_id": 42, "year_from": 2001}]
    common, own, years = lists_of(client, users, k=2, year_to=2000)
    assert [len(one.get("movies", [])) for one in (common, own)] == [2, 3]
    assert all(movie["reasons"] is not None for movie in own["movies"])
    assert years["detail"].endswith("year_from is after year_to")


def test_a_user_without_a_list_has_a_problem_and_changes_nothing_for_the_others(client):
    bad = [
        {"user_id": 70_004},
        {"user_id": 42, "genres": ["Opera"]},
        {"user_id": 42, "ratings": LIKED},
        {"ratings": [{"movie_id": 0, "rating": 3}]},
        {"ratings": [{"movie_id": 318, "rating": 9}]},
        {"user_id": 42, "colour": "red"},
        {"user_id": 42, "k": 21},
        {"user_id": True},
        {},
        "42",
        None,
    ]
    found = lists_of(client, [{"user_id": 42}, *bad, {"user_id": 7}])
    assert [one.get("user_id") for one in (found[0], found[-1])] == [42, 7]
    problems = found[1:-1]
    assert [one["index"] for one in problems] == list(range(1, 1 + len(bad)))
    kinds = ["unknown-user", "unknown-genre", "invalid-request", "unknown-movie", "invalid-request", "invalid-request"]
    kinds += ["over-limit", *["invalid-request"] * 4]
    assert [one["type"].removeprefix("urn:movierec:") for one in problems] == kinds
    assert problems[0]["detail"] == "User 70004 not found. Rate a film to create it."
    assert problems[2]["detail"].endswith("send either user_id or ratings")


def test_unknown_users_get_popular_movies_where_asked_for(client):
    known, unknown = lists_of(client, [{"user_id": 42}, {"user_id": "nobody"}], fallback="popular")
    assert (known["fallback"], unknown["fallback"], unknown["user_id"]) == (False, True, "nobody")


@pytest.mark.parametrize(
    "body", [{}, {"users": []}, {"users": 3}, {"users": [{}], "k": "3"}, {"users": [{}], "user": 1}]
)
def test_a_request_that_is_not_as_described_is_refused_as_a_whole(client, body):
    assert_problem(client.post(BATCH, json=body), 422, kind="invalid-request")


def test_the_limit_of_users_is_in_the_model_info(engine, tmp_path):
    with in_service(tmp_path, engine, max_users=3) as client:
        assert client.get("/v1/model").json()["limits"]["users"] == 3
        assert_problem(client.post(BATCH, json={"users": [{"user_id": 42}] * 4}), 422, "users: 4; must be 3 at most")
    with in_service(tmp_path, engine, max_users=3, max_waiting=2) as client:
        assert client.get("/v1/model").json()["limits"]["users"] == 2


def test_many_lists_are_computed_in_full_batches(engine, tmp_path):
    with in_service(tmp_path, engine) as client:
        lists_of(client, [{"user_id": 42}] * 40)
        metrics = client.get("/metrics").text
    total, count = (re.search(rf"^movierec_batch_lists_{name} (\S+)$", metrics, re.M)[1] for name in ("sum", "count"))
    assert float(total) == 40
    # Two lists each, but perhaps for the first, which does not wait for the others.
    assert float(count) <= 21


def test_a_problem_with_the_whole_of_a_user_has_no_location(client):
    asked = {"users": [{"user_id": 42, "year_from": 2010, "year_to": 2000}]}
    found = client.post("/v1/recommendations:batch", json=asked).json()["lists"]
    assert found[0]["detail"] == "year_from is after year_to"
