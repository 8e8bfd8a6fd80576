"""Epochs one after another: the same bits whichever way they are taken, and records of how they went."""

import dataclasses
import itertools
import logging

import jax
import numpy as np
import pytest
from helpers.small_runs import (
    BATCH_SIZE,
    SMALLEST,
    epochs_of,
    first,
    interactions_of,
    kept,
    one_epoch,
    require_close,
    require_equal,
    rmses,
    run_of,
    stars_of,
)

from movierec_jax.config import ModelConfig
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.loop import initial_state, train_epochs, train_from
from movierec_jax.training.progress import Progress
from movierec_jax.training.state import new_state
from movierec_jax.training.step import batch_squared_errors, train_steps

COMPILED = (new_state, train_steps, batch_squared_errors)


@pytest.mark.parametrize("ensemble_size", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_several_epochs_compile_one_program_and_a_second_run_of_the_same_settings_none(ensemble_size):
    sizes = [[function._cache_size() for function in COMPILED]]
    for _ in range(2):
        run, train, valid = run_of(SMALLEST, ensemble_size=ensemble_size)
        epochs_of(run, train, valid)
        sizes.append([function._cache_size() for function in COMPILED])
    # None where another test has compiled it.
    assert all(after - before <= 1 for before, after in zip(sizes[0], sizes[1], strict=True))
    assert sizes[2] == sizes[1]


@pytest.mark.parametrize(
    "ratings_at_once",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(2 * BATCH_SIZE, marks=pytest.mark.slow), 3 * BATCH_SIZE],
)
def test_an_epoch_whose_steps_come_some_at_a_time_equals_one_of_all_steps(unbroken, ratings_at_once):
    run, train, valid, epochs = unbroken
    setup = some_at_once(run.setup, ratings_at_once)
    parts = list(epoch_steps(train, setup.user_batches(train), 0, setup))
    at_once = -(-ratings_at_once // BATCH_SIZE)
    assert {len(steps.index) for steps in parts} == {at_once}
    assert sum(int(steps.num_steps) for steps in parts) == 4
    yields = train_from(new_state(setup), Progress(), train, valid, run.interactions, setup=setup)
    *within, (state, progress) = itertools.islice(yields, len(parts))
    assert [time_features.step for _, time_features in within] == [
        at_once * position for position in range(1, len(parts))
    ]
    require_close(state, epochs[0][0], tolerance=1e-5)
    [record], expected = progress.records, epochs[0][1]
    for name in ("epoch", "step", "train_rmse", "catalogue_error", "valid_rmse"):
        assert getattr(record, name) == pytest.approx(getattr(expected, name), rel=1e-5)


def test_what_ranks_lists_is_given_the_parameters_after_the_epoch_and_changes_nothing(unbroken):
    run, train, valid, epochs = unbroken
    given = []

    def rank(params, interactions):
        given.append(kept(params))
        return 0.25

    yields = train_from(new_state(run.setup), Progress(), train, valid, run.interactions, setup=run.setup, rank=rank)
    state, progress = next(yields)
    require_equal(given, [state.params])
    require_equal(state, epochs[0][0])
    assert progress.records[0].valid_ndcg_at_10 == 0.25


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_resuming_within_an_epoch_equals_never_having_stopped_bit_for_bit(unbroken, stop_after):
    run, train, valid, _ = unbroken
    setup = some_at_once(run.setup, BATCH_SIZE)
    yields = [
        (kept(state), progress)
        for state, progress in train_from(new_state(setup), Progress(), train, valid, run.interactions, setup=setup)
    ]
    state, progress = yields[stop_after - 1]
    assert int(state.step) == progress.step == stop_after
    *_, (end, whole) = train_from(kept(state), progress, train, valid, run.interactions, setup=setup)
    require_equal(end, yields[-1][0])
    assert without_seconds(whole) == without_seconds(yields[-1][1])


def some_at_once(setup, ratings_at_once: int):
    """The setup with so many ratings on the device at once."""
    return dataclasses.replace(setup, config=dataclasses.replace(setup.config, ratings_at_once=ratings_at_once))


def without_seconds(progress: Progress) -> list:
    return [dataclasses.replace(record, seconds=0.0) for record in progress.records]


@pytest.mark.slow
def test_the_initial_state_is_the_new_state_and_leaves_the_steps_compiled(caplog):
    # A model of its own, that no other test has compiled.
    run, train, valid = run_of(ModelConfig(embedding_dim=5, hidden_dims=(), implicit_feedback_dim=2))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        state = initial_state(train, run.interactions, setup=run.setup)
        require_equal(state, new_state(run.setup))
        next(train_epochs(state, train, valid, run.interactions, setup=run.setup))
    # What this thread has compiled; the epoch was compiled by another.
    compiled = " ".join(record.getMessage() for record in caplog.records if "Compiling" in record.getMessage())
    assert "jit(batch_squared_errors)" in compiled
    assert "jit(train_steps)" not in compiled


@pytest.mark.parametrize("epochs_before", [1, 2, 3])
def test_resuming_from_an_epoch_equals_never_having_stopped_bit_for_bit(unbroken, epochs_before):
    run, train, valid, epochs = unbroken
    resumed = epochs_of(run, train, valid, state=kept(epochs[epochs_before - 1][0]))
    require_equal(resumed[-1][0], epochs[-1][0])
    assert rmses(resumed) == rmses(epochs)[epochs_before:]
    assert [record.epoch for _, record in resumed] == list(range(epochs_before + 1, 5))


def test_after_the_last_epoch_nothing_is_yielded(unbroken):
    run, train, valid, epochs = unbroken
    assert epochs_of(run, train, valid, state=kept(epochs[-1][0])) == []


def test_records_count_epochs_and_steps_from_1(unbroken):
    *_, epochs = unbroken
    assert [(record.epoch, record.step) for _, record in epochs] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    assert [int(state.step) for state, _ in epochs] == [4, 8, 12, 16]


def test_the_validation_rmse_is_that_of_the_predictions(unbroken):
    run, _, valid, epochs = unbroken
    for state, record in epochs:
        stars = stars_of(run, state.params, valid)
        assert record.valid_rmse == pytest.approx(metrics.rmse(stars, valid.rating), rel=1e-5)


def test_the_train_rmse_is_over_all_ratings_of_the_epoch_and_not_over_what_fills_its_last_batch(unbroken):
    run, train, _, epochs = unbroken
    errors = one_epoch(run, train)[1].rating
    last = len(train) % BATCH_SIZE
    assert last
    expected = np.sqrt(np.average(np.float64(errors), weights=[BATCH_SIZE] * 3 + [last]))
    assert epochs[0][1].train_rmse == pytest.approx(expected, rel=1e-6)


def test_without_a_validation_part_there_is_no_validation_rmse(unbroken):
    run, train, valid, epochs = unbroken
    _, record = next(train_epochs(new_state(run.setup), train, first(valid, 0), run.interactions, setup=run.setup))
    assert record.valid_rmse is None
    assert record.train_rmse == epochs[0][1].train_rmse


def test_an_epoch_of_one_rating_is_one_step():
    run, train, valid = run_of(SMALLEST)
    one = first(train, 1)
    state, record = next(
        train_epochs(new_state(run.setup), one, first(valid, 1), interactions_of(run, one), setup=run.setup)
    )
    assert (int(state.step), record.step) == (1, 1)
    assert record.train_rmse == pytest.approx(abs(run.model.rating_mean - one.rating[0]), abs=0.1)


def test_the_checkerboard_is_learnt(without_dropout):
    run, _, epochs, test = without_dropout
    assert metrics.rmse(stars_of(run, epochs[-1][0].params, test), test.rating) < 0.3


@pytest.mark.parametrize(
    ("batch_size", "epochs", "message"),
    [
        # The first step's error is of the initial values; the step throws them beyond what a square can hold.
        (100, 4, r"the error at step 1 is (inf|nan); lower --learning_rate"),
        # One step for each epoch: what the last one did shows in validation alone.
        pytest.param(
            1000, 1, r"the validation RMSE after epoch 1 is (inf|nan); lower --learning_rate", marks=pytest.mark.slow
        ),
    ],
)
def test_a_run_that_diverges_stops_and_says_where(batch_size, epochs, message):
    # Wide enough that some product is an infinity less another.
    model = ModelConfig(embedding_dim=16, hidden_dims=(), implicit_feedback_dim=0)
    run, train, valid = run_of(model, learning_rate=1e30, warmup_fraction=0.0, batch_size=batch_size, epochs=epochs)
    with pytest.raises(InputError, match=message):
        epochs_of(run, train, valid)
