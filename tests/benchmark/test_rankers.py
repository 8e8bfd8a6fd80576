"""Every ranker keeps the one contract, and tells two crowds apart; those whose library is not installed are skipped."""

import numpy as np
import pytest
import scipy.sparse
from helpers.checkerboard import agree, crowds

from movierec_jax.benchmark.config import RANKERS
from movierec_jax.benchmark.ranker import Ranker, best_unseen, find_ranker, fit_ranker, tune

NUM_USERS, NUM_MOVIES = 60, 20


def installed(name: str) -> Ranker:
    ranker = find_ranker(name)
    if ranker.library:
        pytest.importorskip(ranker.library)
    return ranker


def likes_of_crowds() -> scipy.sparse.csr_matrix:
    train = crowds(NUM_USERS, NUM_MOVIES).train
    places = train["user_id"] - 1000, train["movie_id"] - 500
    return scipy.sparse.csr_matrix((np.ones(len(train)), places), shape=(NUM_USERS, NUM_MOVIES))


LIKES = likes_of_crowds()
EVERYBODY = np.arange(NUM_USERS)


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_has_a_label_of_its_own_and_a_budget_of_six_trials_or_nothing_to_try(name):
    ranker = find_ranker(name)
    assert [other for other in RANKERS if find_ranker(other).label == ranker.label] == [name]
    assert len(ranker.grid) in (1, 6)


@pytest.mark.filterwarnings("ignore:OpenBLAS")
@pytest.mark.parametrize("name", [name for name in RANKERS if name != "popularity"])
def test_a_ranker_lists_the_unseen_movies_of_ones_own_crowd_first(name):
    ranker = installed(name)
    # Not all settings suit so small a table.
    lists = [best_unseen(ranker.fit(LIKES, settings, 0), LIKES, LIKES, EVERYBODY, 3) for settings in ranker.grid]
    assert max(agree(np.broadcast_to(EVERYBODY[:, None], one.shape), one).mean() for one in lists) > 0.9


@pytest.mark.filterwarnings("ignore:OpenBLAS")
@pytest.mark.parametrize("name", [name for name in RANKERS if find_ranker(name).knows_new_users])
def test_who_comes_after_training_gets_the_scores_of_those_who_like_the_same(name):
    ranker = installed(name)
    scores = ranker.fit(LIKES, ranker.grid[0], 0)
    np.testing.assert_allclose(scores(LIKES[:7], None), scores(LIKES, EVERYBODY)[:7], rtol=1e-4, atol=1e-5)


def test_popularity_is_the_number_of_likes():
    scores = find_ranker("popularity").fit(LIKES, {}, 0)(LIKES[:2], None)
    np.testing.assert_array_equal(scores, np.asarray(LIKES.sum(axis=0)).repeat(2, axis=0))


def test_ease_is_the_least_squares_fit_without_a_diagonal():
    decay = 7.0
    scores = find_ranker("ease").fit(LIKES, {"decay": decay}, 0)(scipy.sparse.eye_array(NUM_MOVIES, format="csr"), None)
    table = LIKES.toarray()
    assert not np.diagonal(scores).any()
    for movie in (0, 3, 11):
        others = np.arange(NUM_MOVIES) != movie
        gram = table[:, others].T @ table[:, others] + decay * np.eye(NUM_MOVIES - 1)
        expected = np.linalg.solve(gram, table[:, others].T @ table[:, movie])
        np.testing.assert_allclose(scores[others, movie], expected, atol=1e-9)


def test_neighbours_are_shrunk_cosines_of_the_most_similar_movies():
    likes = scipy.sparse.csr_matrix([[1, 1, 0], [1, 1, 1], [1, 0, 1.0]])
    everything = scipy.sparse.eye_array(3, format="csr")
    fit = find_ranker("item_knn").fit
    cosine = fit(likes, {"neighbours": 3, "shrinkage": 0}, 0)(everything, None)
    np.testing.assert_allclose(cosine[0], [0, 2 / np.sqrt(3 * 2), 2 / np.sqrt(3 * 2)])
    shrunk = fit(likes, {"neighbours": 3, "shrinkage": 2}, 0)(everything, None)
    assert shrunk[1, 2] == pytest.approx(1 / (2 + 2))
    # Of the two neighbours of the last movie the first is the nearer.
    nearest = fit(likes, {"neighbours": 1, "shrinkage": 0}, 0)(everything, None)
    np.testing.assert_allclose(nearest[:, 2], [2 / np.sqrt(3 * 2), 0, 0])


def test_lists_are_the_best_unseen_movies_equal_ones_by_movie_and_empty_where_all_are_seen():
    scores = np.array([[3, 5, 5, 1], [0, 0, 0, 0], [1, 2, 3, 4]], float)
    seen = scipy.sparse.csr_matrix([[0, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0]])
    lists = best_unseen(lambda likes, row: scores, seen, seen, None, 3)
    assert lists.tolist() == [[1, 2, 0], [0, 2, 3], [3, 4, 4]]


@pytest.mark.parametrize("name", ["ease", "item_knn"])
def test_users_without_likes_are_given_what_most_people_like(name):
    ranker = find_ranker(name)
    scores = fit_ranker(ranker, LIKES, ranker.grid[0], 0)
    likes = scipy.sparse.vstack([LIKES[:2], scipy.sparse.csr_matrix((1, NUM_MOVIES))], format="csr")
    found = scores(likes, None)
    np.testing.assert_array_equal(found[2], LIKES.toarray().sum(axis=0))
    np.testing.assert_allclose(found[:2], ranker.fit(LIKES, ranker.grid[0], 0)(LIKES[:2], None))


def test_settings_are_those_that_find_most_of_what_is_hidden():
    def fit(likes, settings, seed):
        return lambda likes, row: settings["sign"] * np.tile([1.0, 2.0, 3.0, 0.0], (likes.shape[0], 1))

    ranker = Ranker("one way or the other", fit, ({"sign": 1}, {"sign": -1}))
    likes = scipy.sparse.csr_matrix([[0, 0, 0, 1], [0, 0, 0, 1.0]])
    hidden = scipy.sparse.csr_matrix([[1, 0, 0, 0], [0, 0, 0, 0.0]])
    settings, tried = tune(ranker, likes, likes, hidden, 0)
    assert settings == {"sign": -1}
    # Found at the third and at the first rank.
    assert list(tried.values()) == pytest.approx([1 / np.log2(4), 1])
