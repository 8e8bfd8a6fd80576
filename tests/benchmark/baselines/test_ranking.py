"""Every ranking baseline keeps the contract and separates two crowds; those not installed are skipped."""

import numpy as np
import pytest
import scipy.sparse
from helpers.checkerboard import agree, crowds

from movierec_jax.benchmark.baseline_lists import best_unseen
from movierec_jax.benchmark.baselines import baselines_of
from movierec_jax.benchmark.baselines.records import RankingBaseline

NUM_USERS, NUM_MOVIES = 60, 20
BASELINES = {name: one for name, one in baselines_of("ranking").items() if isinstance(one, RankingBaseline)}


def installed(name: str) -> RankingBaseline:
    """Returns a baseline; skips the test if its library is not installed."""
    baseline = BASELINES[name]
    if baseline.library:
        pytest.importorskip(baseline.library)
    return baseline


def likes_of_crowds() -> scipy.sparse.csr_matrix:
    train = crowds(NUM_USERS, NUM_MOVIES).train
    pairs = train["user_id"] - 1000, train["movie_id"] - 500
    return scipy.sparse.csr_matrix((np.ones(len(train)), pairs), shape=(NUM_USERS, NUM_MOVIES))


LIKES = likes_of_crowds()
ALL_USERS = np.arange(NUM_USERS)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_tries_six_settings_or_none(name):
    assert len(BASELINES[name].grid) in (1, 6)


@pytest.mark.filterwarnings("ignore:OpenBLAS")
@pytest.mark.parametrize("name", [name for name in BASELINES if name != "popularity"])
def test_a_baseline_lists_the_unseen_movies_of_the_users_own_crowd_first(name):
    baseline = installed(name)
    # Not all settings suit so small a table.
    lists = [best_unseen(baseline.fit(LIKES, settings, 0), LIKES, LIKES, ALL_USERS, 3) for settings in baseline.grid]
    assert max(agree(np.broadcast_to(ALL_USERS[:, None], one.shape), one).mean() for one in lists) > 0.9


@pytest.mark.filterwarnings("ignore:OpenBLAS")
@pytest.mark.parametrize("name", [name for name in BASELINES if BASELINES[name].can_score_new_users])
def test_a_new_user_gets_the_scores_of_a_trained_user_with_the_same_likes(name):
    baseline = installed(name)
    score = baseline.fit(LIKES, baseline.grid[0], 0)
    np.testing.assert_allclose(score(LIKES[:7], None), score(LIKES, ALL_USERS)[:7], rtol=1e-4, atol=1e-5)


def test_popularity_is_the_number_of_likes():
    scores = BASELINES["popularity"].fit(LIKES, {}, 0)(LIKES[:2], None)
    np.testing.assert_array_equal(scores, np.asarray(LIKES.sum(axis=0)).repeat(2, axis=0))


def test_ease_is_the_least_squares_fit_without_a_diagonal():
    decay = 7.0
    scores = BASELINES["ease"].fit(LIKES, {"decay": decay}, 0)(scipy.sparse.eye_array(NUM_MOVIES, format="csr"), None)
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
    fit = BASELINES["item_knn"].fit
    cosine = fit(likes, {"neighbours": 3, "shrinkage": 0}, 0)(everything, None)
    np.testing.assert_allclose(cosine[0], [0, 2 / np.sqrt(3 * 2), 2 / np.sqrt(3 * 2)])
    shrunk = fit(likes, {"neighbours": 3, "shrinkage": 2}, 0)(everything, None)
    assert shrunk[1, 2] == pytest.approx(1 / (2 + 2))
    # Of the two neighbours of the last movie the first is the nearer.
    nearest = fit(likes, {"neighbours": 1, "shrinkage": 0}, 0)(everything, None)
    np.testing.assert_allclose(nearest[:, 2], [2 / np.sqrt(3 * 2), 0, 0])
