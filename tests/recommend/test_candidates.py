import dataclasses

import jax
import numpy as np
import pytest
from helpers.recommenders import random_recommender

from movierec_jax.recommend import candidates
from movierec_jax.recommend.candidates import can_settle, candidate_top_k
from movierec_jax.recommend.filters import ListFilter, filter_movies
from movierec_jax.recommend.lists import ListRequest, TopK
from movierec_jax.recommend.scoring import Order
from movierec_jax.recommend.top_k import top_k_blocks

INDICES = np.arange(0, 600, 25)


def both_of(recommender, indices, k, is_listed=None):
    """Lists from candidates, which of them are settled, and lists from the whole catalogue."""
    users = recommender.scorer.encode_on_host(recommender.users.rows(recommender.user_ids()[indices]))
    scorer = recommender.scorer.with_encoded(users)
    seen = recommender.seen.of_users(indices)
    listed = [None if is_listed is None else np.flatnonzero(is_listed)] * len(indices)
    top, is_settled = candidate_top_k(scorer, [seen.of_user(n) for n in range(len(indices))], k, listed)
    mask = None if is_listed is None else is_listed[None]
    request = ListRequest(np.arange(len(indices), dtype=np.int32), seen, k, is_listed=mask)
    return top, is_settled, [whole for _, whole in top_k_blocks(scorer, request)]


def assert_same(top, is_settled, wholes):
    first = 0
    for whole in wholes:
        mine = slice(first, first := first + len(whole.movie_row))
        keep = is_settled[mine]
        np.testing.assert_array_equal(top.movie_row[mine][keep], whole.movie_row[keep])
        for name in ("score", "predicted_rating"):
            found, expected = (getattr(one, name)[keep] for one in (top, whole))
            is_filled = whole.movie_row[keep] < 10**9
            np.testing.assert_allclose(found[is_filled], expected[is_filled], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_settled_lists_are_those_of_the_whole_catalogue(films, k):
    top, is_settled, wholes = both_of(films, INDICES, k)
    assert_same(top, is_settled, wholes)
    assert is_settled.mean() > 0.5 or k == 100


def test_lists_that_few_candidates_cannot_settle_are_marked(films, monkeypatch):
    monkeypatch.setattr(candidates, "NUM_CANDIDATES", 12)
    top, is_settled, wholes = both_of(films, INDICES, 6)
    assert_same(top, is_settled, wholes)
    assert not is_settled.all()


def test_lists_hold_listed_movies_alone(films):
    is_listed = filter_movies(films.run, ListFilter(genres=("Film-Noir",)))
    top, is_settled, wholes = both_of(films, INDICES, 10, is_listed)
    assert is_listed[top.movie_row].all()
    assert is_settled.all()
    assert_same(top, is_settled, wholes)


def test_slots_that_no_movie_is_left_for_stay_empty(films):
    is_listed = np.zeros(len(films.run.movies), bool)
    is_listed[[3, 5]] = True
    top, is_settled, _ = both_of(films, INDICES[:2], 4, is_listed)
    assert is_settled.all()
    assert (top.movie_row[:, 2:] == len(films.run.movies)).all()
    assert np.isneginf(top.score[:, 2:]).all()


def test_a_catalogue_no_larger_than_the_candidates_is_settled():
    board = random_recommender("the default's parts")
    top, is_settled, wholes = both_of(board, np.arange(20), 5)
    assert is_settled.all()
    assert_same(top, is_settled, wholes)


def test_equal_scores_stand_by_row(films):
    movies = films.scorer.movies
    flat = jax.tree.map(np.zeros_like, jax.device_get(movies))
    nobody = jax.tree.map(np.zeros_like, films.scorer.encode_on_host(np.array([0])))
    scorer = dataclasses.replace(films.scorer.with_encoded(nobody), movies=flat)
    top, _ = candidate_top_k(scorer, [np.int32([0, 2])], 4, [None])
    assert top.movie_row.tolist() == [[1, 3, 4, 5]]


@pytest.mark.parametrize("is_filtered", [False, True])
def test_lists_of_many_users_are_settled_by_more_candidates_where_few_do_not(films, monkeypatch, is_filtered):
    indices = np.arange(0, 600, 12)
    seen, rows = films.seen.of_users(indices), films.users.rows(films.user_ids()[indices])
    is_listed = filter_movies(films.run, ListFilter(genres=("Film-Noir",)))[None] if is_filtered else None
    request = ListRequest(rows, seen, 6, is_listed)
    whole = [top for _, top in top_k_blocks(films.scorer, request, on_host=True)]
    monkeypatch.setattr(candidates, "NUM_CANDIDATES", 12)
    found = [top for _, top in candidates.top_k_from_candidates(films.scorer, request, 32)]
    every = np.ones(len(indices), bool)
    assert_same(join_lists(found), every, [join_lists(whole)])


def join_lists(blocks) -> TopK:
    return TopK(*(np.concatenate([getattr(top, name) for top in blocks]) for name in vars(blocks[0])))


def test_a_users_list_is_the_same_to_the_last_bit_whoever_else_is_asked_for(films):
    rows = films.users.rows(films.user_ids()[:70])
    every = join_lists([top for _, top in top_k_blocks(films.scorer, request_of(films, np.arange(70), rows), 64)])
    few = np.array([3, 40, 69])
    for block_users in (1, 256):
        blocks = top_k_blocks(films.scorer, request_of(films, few, rows[few]), block_users)
        alone = join_lists([top for _, top in blocks])
        for name, table in vars(alone).items():
            np.testing.assert_array_equal(table, getattr(every, name)[few])


def request_of(recommender, indices, rows) -> ListRequest:
    return ListRequest(rows, recommender.seen.of_users(indices), 100)


@pytest.mark.parametrize(
    ("by", "k", "expected"),
    [("predicted_rating", 1, False), ("expected_hits", 10, True), ("expected_hits", 257, False)],
)
def test_candidates_are_of_use_where_the_implicit_feedback_score_bounds_scores(by, k, expected):
    assert can_settle(Order(by, 4.0, 1.0), k) == expected
