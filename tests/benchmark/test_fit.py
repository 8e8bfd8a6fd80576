"""A fit in a process of its own gives what the peer gives, and says why it could not."""

import resource
import sys

import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.fit import FitError, Job, fit_apart, reason, save_parts
from movierec_jax.benchmark.peers import biases
from movierec_jax.config import Config

SCALE = (2.0, 4.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    board = checkerboard.parts(num_users=30)
    save_parts(folder, board.train, board.test)
    return folder


@pytest.fixture(scope="module")
def fit(data):
    return fit_apart(Job("biases", SCALE, 0, Config()), data)


def test_the_stars_are_those_of_the_peer_held_to_the_scale(fit):
    board = checkerboard.parts(num_users=30)
    stars = biases.fit_predict(board.train, board.test, SCALE, 0).stars
    np.testing.assert_array_equal(fit.stars, np.clip(stars, *SCALE))
    assert fit.fit_seconds > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one program")
def test_the_memory_of_whoever_asks_does_not_count(fit):
    # This process has JAX loaded, that of the peer has not.
    ours_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    assert 10 < fit.peak_memory_mb < ours_mb


def test_a_fit_that_fails_says_why_in_one_line(data):
    with pytest.raises(FitError, match=r"^ModuleNotFoundError: No module named 'movierec_jax.benchmark.peers.oracle'$"):
        fit_apart(Job("oracle", SCALE, 0, Config()), data)


@pytest.mark.parametrize(
    ("status", "log", "telling"),
    [
        (-9, "epoch 1\n", "killed by SIGKILL"),
        (1, "epoch 1\nerror: training diverged\n\n", "training diverged"),
        (3, "", "ended with status 3"),
    ],
)
def test_the_reason_is_the_signal_or_the_last_line(status, log, telling):
    assert reason(status, log) == telling
