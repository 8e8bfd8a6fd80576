"""Lists against a sort of every score, whatever the blocks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_scorer import ALL_USERS, BY_HITS, BY_RATING, NUM_MOVIES, NUM_USERS
from hypothesis import given
from hypothesis import strategies as st

from movierec_jax.config import ScoreConfig
from movierec_jax.recommend.lists import ListRequest, SeenMovies, one_ahead
from movierec_jax.recommend.scoring import score_block
from movierec_jax.recommend.top_k import top_k_block, top_k_blocks

NOTHING_SEEN = [set() for _ in range(NUM_USERS)]
ALL_BUT_TWO, ALL = 3, 4


@pytest.fixture(scope="module")
def seen_sets():
    """The movies that each user has seen: a random third, but user 3 all except 5 and 11, and user 4 all."""
    rng = np.random.default_rng(1)
    seen_sets = [set(np.flatnonzero(rng.random(NUM_MOVIES) < 1 / 3).tolist()) for _ in range(NUM_USERS)]
    seen_sets[ALL_BUT_TWO] = set(range(NUM_MOVIES)) - {5, 11}
    seen_sets[ALL] = set(range(NUM_MOVIES))
    return seen_sets


def seen_of(seen_sets) -> SeenMovies:
    pairs = [(user, movie) for user, movies in enumerate(seen_sets) for movie in sorted(movies)]
    user, movie_row = np.array(pairs, np.int64).reshape(-1, 2).T
    return SeenMovies.of(user, movie_row.astype(np.int32), len(seen_sets), NUM_MOVIES)


def first_block(scorer, k, seen_sets, on_host=None, **options):
    """The lists of as many users as `seen_sets` has, from the first one on."""
    request = ListRequest(ALL_USERS[: len(seen_sets)], seen_of(seen_sets), k, **options)
    return next(top_k_blocks(scorer, request, NUM_USERS, on_host))[1]


def lists_of(
    scorer, k, seen_sets, user_row=ALL_USERS, block_users=ScoreConfig.block_users, diversity=0.0, on_host=None
):
    """Movie rows and scores of all users, end to end."""
    request = ListRequest(user_row, seen_of(seen_sets), k, diversity=diversity)
    blocks = list(top_k_blocks(scorer, request, block_users, on_host))
    assert [users.start for users, _ in blocks] == [0, *(users.stop for users, _ in blocks)][:-1]
    return tuple(np.concatenate([getattr(top, name) for _, top in blocks]) for name in ("movie_row", "score"))


def sorted_lists(score, seen_sets, k):
    """Movie rows by a stable sort of each user's scores, the unknown row in empty slots."""
    lists = np.full((NUM_USERS, k), NUM_MOVIES)
    for user, seen in enumerate(seen_sets):
        best = [movie for movie in np.argsort(-score[user, :NUM_MOVIES], kind="stable") if movie not in seen][:k]
        lists[user, : len(best)] = best
    return lists


@pytest.mark.parametrize("k", [1, 5, NUM_MOVIES])
def test_lists_are_those_of_a_sort_of_all_unseen_movies(scorer, ratings, seen_sets, k):
    movie_row, score = lists_of(scorer, k, seen_sets)
    np.testing.assert_array_equal(movie_row, sorted_lists(ratings, seen_sets, k))
    filled = movie_row < NUM_MOVIES
    expected = np.take_along_axis(ratings[:NUM_USERS], movie_row, axis=1)
    np.testing.assert_allclose(score[filled], expected[filled], rtol=1e-4, atol=1e-5)


def test_lists_are_ordered_by_implicit_feedback_score_times_chance_of_relevance(scorer, ratings, seen_sets):
    implicit_score = np.einsum("mud,mvd->muv", scorer.users.implicit_feedback, scorer.movies.implicit_feedback).mean(
        axis=0
    )
    chance = 1 / (1 + np.exp(-(ratings - BY_HITS.relevant_rating) / BY_HITS.width))
    score = np.where(implicit_score > 0, implicit_score * chance, implicit_score)
    by_hits = dataclasses.replace(scorer, order=BY_HITS)
    np.testing.assert_array_equal(lists_of(by_hits, 6, seen_sets)[0], sorted_lists(score, seen_sets, 6))
    top = first_block(by_hits, 6, NOTHING_SEEN[:5])
    for found, expected in ((top.score, score), (top.predicted_rating, ratings)):
        expected = np.take_along_axis(expected[:5], top.movie_row, axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_list_of_the_whole_catalogue_holds_every_movie_once(scorer):
    movie_row, _ = lists_of(scorer, NUM_MOVIES, NOTHING_SEEN)
    np.testing.assert_array_equal(np.sort(movie_row, axis=1), np.tile(np.arange(NUM_MOVIES), (NUM_USERS, 1)))


def test_a_user_who_has_seen_all_but_two_movies_gets_these_two_and_empty_slots(scorer, ratings, seen_sets):
    movie_row, score = (column[ALL_BUT_TWO] for column in lists_of(scorer, 5, seen_sets))
    best_two = [5, 11] if ratings[ALL_BUT_TWO, 5] > ratings[ALL_BUT_TWO, 11] else [11, 5]
    assert movie_row.tolist() == [*best_two, NUM_MOVIES, NUM_MOVIES, NUM_MOVIES]
    assert np.isneginf(score).tolist() == [False, False, True, True, True]


def test_a_user_who_has_seen_every_movie_gets_empty_slots_alone(scorer, seen_sets):
    movie_row, score = (column[ALL] for column in lists_of(scorer, 5, seen_sets))
    assert movie_row.tolist() == [NUM_MOVIES] * 5
    assert np.isneginf(score).all()


def test_movies_of_equal_score_are_in_the_order_of_rows(scorer):
    zeros = jax.tree.map(jnp.zeros_like, scorer)
    movies = dataclasses.replace(zeros.movies, bias=zeros.movies.bias.at[:, 9].set(1))
    movie_row, _ = lists_of(dataclasses.replace(zeros, movies=movies), 4, [{1}] * NUM_USERS)
    assert np.unique(movie_row, axis=0).tolist() == [[9, 0, 2, 3]]


# Lists by predicted rating, by expected hits, and diverse ones.
KINDS = pytest.mark.parametrize(("order", "diversity"), [(BY_RATING, 0.0), (BY_HITS, 0.0), (BY_HITS, 0.4)])


@KINDS
@pytest.mark.parametrize("block_users", [1, 3, 100])
def test_lists_are_the_same_to_the_last_bit_whatever_the_size_of_blocks(
    scorer, seen_sets, block_users, order, diversity
):
    scorer = dataclasses.replace(scorer, order=order)
    one, other = (lists_of(scorer, 5, seen_sets, block_users=size, diversity=diversity) for size in (1000, block_users))
    for column, expected in zip(other, one, strict=True):
        np.testing.assert_array_equal(column, expected)


@KINDS
def test_a_users_list_is_the_same_to_the_last_bit_whoever_else_is_asked_for(scorer, seen_sets, order, diversity):
    scorer = dataclasses.replace(scorer, order=order)
    everybody = lists_of(scorer, 5, seen_sets, diversity=diversity)
    users = np.random.default_rng(2).permutation(NUM_USERS)[:70]
    some = lists_of(scorer, 5, [seen_sets[user] for user in users], ALL_USERS[users], diversity=diversity)
    for column, expected in zip(some, everybody, strict=True):
        np.testing.assert_array_equal(column, expected[users])


def test_an_unknown_user_gets_the_list_of_the_unknown_row(scorer, ratings):
    movie_row, _ = lists_of(scorer, 5, [set()], user_row=np.int32([NUM_USERS]))
    assert movie_row[0].tolist() == np.argsort(-ratings[NUM_USERS, :NUM_MOVIES], kind="stable")[:5].tolist()


def test_no_users_give_one_empty_block(scorer):
    movie_row, score = lists_of(scorer, 5, [], user_row=ALL_USERS[:0])
    assert movie_row.shape == score.shape == (0, 5)


@pytest.mark.parametrize(("on_host", "program"), [(True, score_block), (False, top_k_block)])
def test_all_blocks_share_one_program_and_another_call_needs_none(scorer, seen_sets, on_host, program):
    before = program._cache_size()
    for _ in range(2):
        # In an order that no other test asks for.
        own = dataclasses.replace(scorer, order=dataclasses.replace(BY_RATING, width=0.9))
        lists_of(own, 2, seen_sets, block_users=64, on_host=on_host)
        assert program._cache_size() - before == 1


@pytest.mark.parametrize("order", [BY_RATING, BY_HITS])
@pytest.mark.parametrize("k", [1, 5, NUM_MOVIES])
def test_host_and_device_make_the_same_lists_with_the_same_scores(scorer, seen_sets, order, k):
    scorer = dataclasses.replace(scorer, order=order)
    one, other = (lists_of(scorer, k, seen_sets, block_users=64, on_host=on_host) for on_host in (True, False))
    for column, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(column, expected)


@pytest.mark.parametrize("on_host", [True, False])
def test_movies_that_may_not_be_listed_are_in_no_list(scorer, ratings, on_host):
    is_listed = (np.arange(NUM_MOVIES) % 3 == 1)[None]
    top = first_block(scorer, 4, NOTHING_SEEN[:9], on_host, is_listed=is_listed)
    expected = [[row for row in order if is_listed[0, row]][:4] for order in np.argsort(-ratings[:9, :NUM_MOVIES])]
    assert top.movie_row.tolist() == expected


@pytest.mark.parametrize("on_host", [True, False])
def test_each_user_may_have_a_filter_of_their_own(scorer, ratings, on_host):
    is_listed = np.arange(NUM_MOVIES)[None] % 3 == np.arange(9)[:, None] % 3
    top = first_block(scorer, 4, NOTHING_SEEN[:9], on_host, is_listed=is_listed)
    best = np.argsort(-ratings[:9, :NUM_MOVIES])
    assert top.movie_row.tolist() == [[row for row in best[user] if is_listed[user, row]][:4] for user in range(9)]


def test_minus_1_stands_for_a_user_who_has_rated_nothing():
    rated = seen_of([{1, 4}, set(), {2}])
    some = rated.of_users(np.array([2, -1, 0, 0]))
    assert [some.of_user(user).tolist() for user in range(4)] == [[2], [], [1, 4], [1, 4]]


def test_diverse_lists_are_chosen_from_the_best_unseen_movies_and_keep_their_scores(scorer, seen_sets):
    wide = dict(zip(*(column[7].tolist() for column in lists_of(scorer, NUM_MOVIES, seen_sets)), strict=True))
    request = ListRequest(ALL_USERS[7:8], seen_of(seen_sets[7:8]), 2, diversity=0.8)
    top = next(top_k_blocks(scorer, request))[1]
    assert top.movie_row[0, 0] == next(iter(wide))
    assert set(top.movie_row[0].tolist()) <= set(wide)
    assert top.score[0].tolist() == pytest.approx([wide[row] for row in top.movie_row[0].tolist()], rel=1e-5)


def test_a_shorter_diverse_list_is_the_beginning_of_a_longer_one(scorer, seen_sets):
    short, long = (lists_of(scorer, k, seen_sets, diversity=0.6)[0] for k in (3, 7))
    np.testing.assert_array_equal(short, long[:, :3])


def test_a_diverse_list_longer_than_what_is_left_ends_with_empty_slots(scorer, seen_sets):
    top = first_block(scorer, 4, [seen_sets[ALL_BUT_TWO]], diversity=0.5)
    assert sorted(top.movie_row[0].tolist()) == [5, 11, NUM_MOVIES, NUM_MOVIES]


# What users have seen.


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 6)), max_size=20), st.integers(0, 4), st.integers(1, 4))
def test_a_mask_is_true_at_the_movies_that_each_user_of_a_range_has_rated(rated, first, block):
    num_users, num_movies = 5, 6
    user_row, movie_row = np.array(rated, np.int64).reshape(-1, 2).T
    seen = SeenMovies.of(user_row, movie_row.astype(np.int32), num_users, num_movies)
    stop = min(first + block, num_users)
    expected = np.zeros((block, num_movies), bool)
    for user, movie in rated:
        if first <= user < stop and movie < num_movies:
            expected[user - first, movie] = True
    np.testing.assert_array_equal(seen.mask(slice(first, stop), (block, num_movies)), expected)


def test_each_users_movies_are_consecutive_in_the_order_given():
    seen = SeenMovies.of(np.array([2, 0, -1, 2, 2]), np.int32([4, 1, 3, 0, 5]), num_users=3, num_movies=5)
    assert seen.start.tolist() == [0, 1, 1, 3]
    assert seen.movie_row.tolist() == [1, 4, 0]


# Jobs started ahead.


@pytest.mark.parametrize("num_jobs", [0, 1, 2, 5])
def test_each_job_is_handed_out_in_order_once_the_next_has_been_started(num_jobs):
    started, num_started_when_handed_out = [], []

    def start(job):
        started.append(job)
        return job

    handed_out = []
    for job in one_ahead(start(job) for job in range(num_jobs)):
        handed_out.append(job)
        num_started_when_handed_out.append(len(started))
    assert handed_out == list(range(num_jobs))
    assert num_started_when_handed_out == [min(job + 2, num_jobs) for job in range(num_jobs)]
