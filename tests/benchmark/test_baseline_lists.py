"""Lists of ranking baselines, and how a baseline is tuned."""

import numpy as np
import pytest
import scipy.sparse

from movierec_jax.benchmark.baseline_lists import best_unseen, choose_settings, fit_with_popularity
from movierec_jax.benchmark.baselines.records import RankingBaseline


def test_lists_are_the_best_unseen_movies_with_ties_by_movie_and_empty_slots_when_all_are_seen():
    scores = np.array([[3, 5, 5, 1], [0, 0, 0, 0], [1, 2, 3, 4]], float)
    seen = scipy.sparse.csr_matrix([[0, 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0]])
    lists = best_unseen(lambda likes, row: scores, seen, seen, None, 3)
    assert lists.tolist() == [[1, 2, 0], [0, 2, 3], [3, 4, 4]]


def test_users_without_likes_are_given_what_most_users_like():
    baseline = RankingBaseline("reversed", lambda likes, settings, seed: lambda likes, row: -likes.toarray())
    likes = scipy.sparse.csr_matrix([[1.0, 0, 1], [1, 0, 0], [0, 0, 0]])
    scores = fit_with_popularity(baseline, likes, {}, 0)(likes, None)
    assert scores.tolist() == [[-1, 0, -1], [-1, 0, 0], [2, 0, 1]]


def test_tuning_picks_the_settings_that_find_most_masked_likes():
    def fit(likes, settings, seed):
        return lambda likes, row: settings["sign"] * np.tile([1.0, 2.0, 3.0, 0.0], (likes.shape[0], 1))

    baseline = RankingBaseline("one way or the other", fit, ({"sign": 1}, {"sign": -1}))
    likes = scipy.sparse.csr_matrix([[0, 0, 0, 1], [0, 0, 0, 1.0]])
    masked = scipy.sparse.csr_matrix([[1, 0, 0, 0], [0, 0, 0, 0.0]])
    settings, tried = choose_settings(baseline, likes, likes, masked, 0)
    assert settings == {"sign": -1}
    # Found at the third and at the first rank.
    assert list(tried.values()) == pytest.approx([1 / np.log2(4), 1])
