"""A fit in a process of its own returns what the baseline predicts, or says why it failed."""

import resource
import sys

import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.baselines.rating import biases
from movierec_jax.benchmark.process import FitError
from movierec_jax.benchmark.rating_job import RatingJob, predict_apart, save_parts
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
    return predict_apart(RatingJob("biases", SCALE, 0, Config()), data)


def test_ratings_are_those_of_the_baseline_clipped_to_the_scale(fit):
    board = checkerboard.parts(num_users=30)
    rating = biases.fit_predict(board.train, board.test, SCALE, 0).rating
    np.testing.assert_array_equal(fit.rating, np.clip(rating, *SCALE))
    assert fit.fit_seconds > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the peak of one process")
def test_the_memory_of_the_parent_process_does_not_count(fit):
    # This process has loaded JAX, the process of the baseline has not.
    parent_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    assert 10 < fit.peak_memory_mb < parent_mb


def test_a_fit_that_fails_says_why_in_one_line(data):
    with pytest.raises(FitError, match=r"^KeyError: 'oracle'$"):
        predict_apart(RatingJob("oracle", SCALE, 0, Config()), data)
