"""Every rating baseline keeps the contract; those whose library is not installed are skipped."""

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.baselines import baselines_of
from movierec_jax.benchmark.baselines.rating.myfm import history, one_hot
from movierec_jax.benchmark.baselines.records import RatingBaseline
from movierec_jax.data.schema import RATING

SCALE = (checkerboard.LOW, checkerboard.HIGH)
BASELINES = baselines_of("rating")
# Biases cannot represent parity.
LEARNERS = [name for name in BASELINES if name not in ("biases", "surprise_baseline")]


def installed(name: str) -> RatingBaseline:
    """Returns a baseline; skips the test if its library is not installed."""
    baseline = BASELINES[name]
    if baseline.library:
        pytest.importorskip(baseline.library)
    return baseline


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_predicts_every_test_rating_also_of_ids_absent_from_train(name):
    board = checkerboard.parts(num_users=40)
    absent = checkerboard.table([5000, 5000, 1000], [500, 900, 900], [5, 1, 5])
    test = pd.concat([board.test, absent], ignore_index=True)
    prediction = installed(name).fit_predict(board.train, test, SCALE, 0)
    assert prediction.rating.shape == (len(test),)
    assert np.isfinite(prediction.rating).all()
    assert prediction.fit_seconds > 0
    assert prediction.predict_seconds > 0


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_accepts_ids_that_are_strings(name):
    board = checkerboard.parts(num_users=20)
    train, test = (part.astype({"user_id": str, "movie_id": str}) for part in (board.train, board.test))
    assert len(installed(name).fit_predict(train, test, SCALE, 0).rating) == len(test)


@pytest.mark.parametrize("name", [name for name in LEARNERS if not name.startswith("surprise_svd")])
def test_a_baseline_that_learns_separates_liked_from_disliked(name):
    board = checkerboard.parts()
    rating = installed(name).fit_predict(board.train, board.test, SCALE, 0).rating
    is_liked = board.test[RATING].to_numpy() == checkerboard.HIGH
    assert rating[is_liked].mean() > checkerboard.MEAN + 1 > checkerboard.MEAN - 1 > rating[~is_liked].mean()


def test_histories_have_length_1_and_ids_absent_from_train_have_none():
    # User 0 rated movies 0 and 1, user 1 rated movie 1.
    user_row, movie_row = np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32)
    half = 1 / np.sqrt(2)
    movies_of_user = history(user_row, movie_row, num_rows=2, num_others=3).toarray()
    assert movies_of_user == pytest.approx(np.array([[half, half, 0], [0, 1, 0], [0, 0, 0]]))
    users_of_movie = history(movie_row, user_row, num_rows=3, num_others=2).toarray()
    assert users_of_movie == pytest.approx(np.array([[1, 0], [half, half], [0, 0], [0, 0]]))


def test_ids_are_one_hot_and_ids_absent_from_train_have_none():
    assert one_hot(2).toarray().tolist() == [[1, 0], [0, 1], [0, 0]]
