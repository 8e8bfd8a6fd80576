import jax
import numpy as np
import pytest
from helpers.recommenders import random_recommender

from movierec_jax.recommend import candidates as likely
from movierec_jax.recommend.candidates import candidate_top_k, settles
from movierec_jax.recommend.filters import ListFilter, filter_movies
from movierec_jax.recommend.top_k import Order, top_k_blocks

PLACES = np.arange(0, 600, 25)


def both_of(recommender, places, k, is_listed=None):
    """Lists by a close look, which of them are settled, and lists by all movies."""
    run, (users, _) = recommender, recommender.on_host[1]
    rows = run.users.rows(run.user_ids()[places])
    some, seen = users[:, rows], run.rated.of_users(places)
    listed = [None if is_listed is None else np.flatnonzero(is_listed)] * len(places)
    parts = run.run.model, run.order, run.params
    of_users = [seen.of_user(place) for place in range(len(places))]
    top, is_settled = candidate_top_k(*parts, some, run.encoded[1], of_users, k, listed)
    mask = None if is_listed is None else is_listed[None]
    blocks = top_k_blocks(*parts, some, run.encoded[1], np.arange(len(places), dtype=np.int32), seen, k, is_listed=mask)
    return top, is_settled, [whole for _, whole in blocks]


def assert_same(top, is_settled, wholes):
    first = 0
    for whole in wholes:
        mine = slice(first, first := first + len(whole.movie_row))
        keep = is_settled[mine]
        np.testing.assert_array_equal(top.movie_row[mine][keep], whole.movie_row[keep])
        for name in ("score", "stars"):
            found, expected = (getattr(one, name)[keep] for one in (top, whole))
            is_filled = whole.movie_row[keep] < 10**9
            np.testing.assert_allclose(found[is_filled], expected[is_filled], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_settled_lists_are_those_of_the_whole_catalogue(films, k):
    top, is_settled, wholes = both_of(films, PLACES, k)
    assert_same(top, is_settled, wholes)
    assert is_settled.mean() > 0.5 or k == 100


def test_what_few_movies_cannot_settle_is_told(films, monkeypatch):
    monkeypatch.setattr(likely, "CANDIDATES", 12)
    top, is_settled, wholes = both_of(films, PLACES, 6)
    assert_same(top, is_settled, wholes)
    assert not is_settled.all()


def test_lists_hold_what_is_listed_alone(films):
    is_listed = filter_movies(films.run, ListFilter(genres=("Film-Noir",)))
    top, is_settled, wholes = both_of(films, PLACES, 10, is_listed)
    assert is_listed[top.movie_row].all()
    assert is_settled.all()
    assert_same(top, is_settled, wholes)


def test_places_that_no_movie_is_left_for_stay_empty(films):
    is_listed = np.zeros(len(films.run.movies), bool)
    is_listed[[3, 5]] = True
    top, is_settled, _ = both_of(films, PLACES[:2], 4, is_listed)
    assert is_settled.all()
    assert (top.movie_row[:, 2:] == len(films.run.movies)).all()
    assert np.isneginf(top.score[:, 2:]).all()


def test_a_catalogue_of_few_movies_is_looked_at_whole():
    board = random_recommender("the default's parts")
    top, is_settled, wholes = both_of(board, np.arange(20), 5)
    assert is_settled.all()
    assert_same(top, is_settled, wholes)


def test_equal_scores_stand_by_row(films):
    movies = films.encoded[1]
    flat = jax.tree.map(np.zeros_like, jax.device_get(movies))
    nobody = jax.tree.map(np.zeros_like, films.on_host[1][0][:, :1])
    model, params = films.run.model, films.params
    top, _ = candidate_top_k(model, films.order, params, nobody, flat, [np.int32([0, 2])], 4, [None])
    assert top.movie_row.tolist() == [[1, 3, 4, 5]]


@pytest.mark.parametrize(
    ("by", "k", "expected"), [("stars", 1, False), ("expected_hits", 10, True), ("expected_hits", 257, False)]
)
def test_a_close_look_is_of_use_where_exposure_bounds_scores(by, k, expected):
    assert settles(Order(by, 4.0, 1.0), k) == expected
