"""Pages, candidates, exclusions, names and the fallback of lists."""

import pytest
from helpers.api import LIKED, assert_problem, movies_of

USER_42 = "/v1/users/42/recommendations"


def page_of(client, options):
    return client.get(f"{USER_42}?{options}").json()["movies"]


@pytest.mark.parametrize("options", ["", "diversity=0.6", "genres=Comedy", "include_seen=true"])
def test_pages_in_order_are_the_longer_list(client, options):
    whole = page_of(client, f"k=20&{options}")
    pages = [page_of(client, f"k=10&offset={offset}&{options}") for offset in (0, 10)]
    assert [len(page) for page in pages] == [10, 10]
    found = [(movie["rank"], movie["movie_id"]) for page in pages for movie in page]
    assert found == [(movie["rank"], movie["movie_id"]) for movie in whole]


def test_a_page_has_the_reasons_of_its_movies(client):
    asked = {"ratings": LIKED, "explain": True}
    whole = client.post("/v1/recommendations", json={**asked, "k": 6}).json()["movies"]
    page = client.post("/v1/recommendations", json={**asked, "k": 3, "offset": 3}).json()["movies"]
    assert [movie["reasons"] for movie in page] == [movie["reasons"] for movie in whole[3:]]


def test_the_last_page_is_as_long_as_the_limit_allows(client):
    assert [movie["rank"] for movie in page_of(client, "offset=18")] == [19, 20]


@pytest.mark.parametrize("options", ["k=11&offset=10", "offset=20", "offset=99999999999", "k=21"])
def test_ranks_beyond_the_limit_are_refused(client, options):
    assert_problem(client.get(f"{USER_42}?{options}"), 422, "lists end at rank 20", kind="over-limit")


def test_a_page_after_the_last_movie_is_empty(client):
    assert movies_of(client.get(f"{USER_42}?offset=5&movies=318&movies=296&include_seen=true")) == []


def test_excluded_movies_are_not_listed(client):
    before = movies_of(client.get(f"{USER_42}?k=5"))
    found = movies_of(client.get(f"{USER_42}?k=3&exclude_movies={before[0]}&exclude_movies={before[2]}"))
    assert found == [before[1], *before[3:]]
    asked = {"ratings": LIKED, "k": 5}
    before = movies_of(client.post("/v1/recommendations", json=asked))
    found = movies_of(client.post("/v1/recommendations", json={**asked, "k": 4, "exclude_movies": [before[0]]}))
    assert found == before[1:]


def test_only_candidates_are_ranked(client, films):
    ranked = movies_of(client.get(f"{USER_42}?k=20"))
    cold = int(films.run.movies.ids[len(films.run.movies)])
    asked = client.get(USER_42, params={"movies": [ranked[7], cold, ranked[2], ranked[15], 318]})
    assert movies_of(asked) == [ranked[2], ranked[7], ranked[15]]
    assert asked.json()["ignored_movies"] == [cold]
    seen = movies_of(client.get(f"{USER_42}?movies=318&include_seen=true"))
    assert seen == [318]
    assert movies_of(client.post("/v1/recommendations", json={"ratings": LIKED, "movies": []})) == []


def test_candidates_pass_filters_too(client):
    comedies = movies_of(client.get(f"{USER_42}?k=3&genres=Comedy"))
    dramas = movies_of(client.get(f"{USER_42}?k=3&genres=Film-Noir"))
    found = movies_of(client.get(USER_42, params={"movies": [*dramas, *comedies], "genres": "Comedy"}))
    assert found == comedies


@pytest.mark.parametrize("field", ["movies", "exclude_movies"])
def test_an_unknown_candidate_or_exclusion_is_refused(client, field):
    assert_problem(client.get(f"{USER_42}?{field}=0"), 422, "Movie 0 not found", kind="unknown-movie")
    asked = {"ratings": [], field: [318, "three"]}
    assert_problem(client.post("/v1/recommendations", json=asked), 422, "the ids of this data are integers")


def test_genres_match_in_any_case(client):
    assert page_of(client, "genres=film-NOIR&genres=war") == page_of(client, "genres=War&genres=Film-Noir")


def test_an_unknown_genre_is_refused_with_the_valid_ones(client):
    words = "Unknown genre 'comdy'. Valid genres: Action, Adventure, Animation, Children, Comedy"
    assert_problem(client.get(f"{USER_42}?genres=comdy"), 422, words, kind="unknown-genre")


@pytest.mark.parametrize("user", ["70003", "nobody"])
def test_an_unknown_user_gets_popular_movies_where_asked_for(client, films, user):
    path = f"/v1/users/{user}/recommendations"
    assert_problem(client.get(path), 404, kind="unknown-user")
    found = client.get(f"{path}?fallback=popular&genres=Comedy&k=5&explain=true").json()
    count = films.run.movie_count[: len(films.run.movies)]
    counts = [count[films.run.movies.rows([movie["movie_id"]])[0]] for movie in found["movies"]]
    assert counts == sorted(count[films.run.genres["Comedy"]].tolist(), reverse=True)[:5]
    assert {movie["score"] for movie in found["movies"]} == {None}
    assert found["fallback"]
    assert str(found["user_id"]) == user
    second = client.get(f"{path}?fallback=popular&genres=Comedy&k=2&offset=3").json()["movies"]
    assert second == found["movies"][3:]
    assert_problem(client.get(f"{path}?fallback=random"), 422, "fallback", kind="invalid-request")


def test_a_known_user_gets_their_own_list_whatever_the_fallback(client):
    found = client.get(f"{USER_42}?fallback=popular").json()
    assert found == client.get(USER_42).json()
    assert found["fallback"] is False
