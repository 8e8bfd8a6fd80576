"""Every peer keeps the one contract; those whose library is not installed are skipped."""

import sys

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.config import PEERS
from movierec_jax.benchmark.peer import Peer, find_peer
from movierec_jax.benchmark.with_myfm import history, one_hot
from movierec_jax.data.schema import RATING
from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra

SCALE = (checkerboard.LOW, checkerboard.HIGH)
# Biases alone know nothing of parity.
LEARNERS = [name for name in PEERS if name not in ("biases", "surprise_baseline")]


def installed(name: str) -> Peer:
    """A peer, or the end of the test where its library is not installed."""
    peer = find_peer(name)
    if peer.library:
        pytest.importorskip(peer.library)
    return peer


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_label_of_its_own(name):
    assert [other for other in PEERS if find_peer(other).label == find_peer(name).label] == [name]


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_predicts_every_test_rating_those_of_strangers_too(name):
    board = checkerboard.parts(num_users=40)
    strangers = checkerboard.table([5000, 5000, 1000], [500, 900, 900], [5, 1, 5])
    test = pd.concat([board.test, strangers], ignore_index=True)
    prediction = installed(name).fit_predict(board.train, test, SCALE, 0)
    assert prediction.stars.shape == (len(test),)
    assert np.isfinite(prediction.stars).all()
    assert prediction.fit_seconds > 0
    assert prediction.predict_seconds > 0


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_takes_ids_of_text(name):
    board = checkerboard.parts(num_users=20)
    train, test = (part.astype({"user_id": str, "movie_id": str}) for part in (board.train, board.test))
    assert len(installed(name).fit_predict(train, test, SCALE, 0).stars) == len(test)


@pytest.mark.parametrize("name", [name for name in LEARNERS if not name.startswith("surprise_svd")])
def test_a_peer_that_learns_tells_liked_from_disliked(name):
    board = checkerboard.parts()
    stars = installed(name).fit_predict(board.train, board.test, SCALE, 0).stars
    is_liked = board.test[RATING].to_numpy() == checkerboard.HIGH
    assert stars[is_liked].mean() > checkerboard.MEAN + 1 > checkerboard.MEAN - 1 > stars[~is_liked].mean()


@pytest.mark.parametrize("library", ["surprise", "myfm"])
def test_a_missing_library_is_one_sentence_with_the_command_that_installs_it(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"^{library} cannot be imported .*: pip install 'movierec_jax\[bench\]'$"):
        import_extra(library, "bench")


def test_histories_are_of_length_1_and_strangers_have_none():
    # User 0 rated movies 0 and 1, user 1 rated movie 1.
    user_row, movie_row = np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32)
    half = 1 / np.sqrt(2)
    movies_of_user = history(user_row, movie_row, num_rows=2, num_others=3).toarray()
    assert movies_of_user == pytest.approx(np.array([[half, half, 0], [0, 1, 0], [0, 0, 0]]))
    users_of_movie = history(movie_row, user_row, num_rows=3, num_others=2).toarray()
    assert users_of_movie == pytest.approx(np.array([[1, 0], [half, half], [0, 0], [0, 0]]))


def test_ids_are_one_hot_and_strangers_have_none():
    assert one_hot(2).toarray().tolist() == [[1, 0], [0, 1], [0, 0]]
