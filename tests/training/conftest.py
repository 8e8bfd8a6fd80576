"""Training runs that several files of this folder share."""

import pytest
from helpers.small_runs import NO_DROPOUT, PARTS, epochs_of, run_of

from movierec_jax.data.vocab import ratings_by_row


@pytest.fixture(scope="session")
def unbroken():
    """A run of four epochs and two members."""
    run, train, valid = run_of(ensemble_size=2)
    return run, train, valid, epochs_of(run, train, valid)


@pytest.fixture(scope="session")
def without_dropout():
    """A run of 25 epochs without dropout, and its test part by row."""
    run, train, valid = run_of(NO_DROPOUT, epochs=25)
    return run, train, epochs_of(run, train, valid), ratings_by_row(PARTS.test, run.users, run.movies)
