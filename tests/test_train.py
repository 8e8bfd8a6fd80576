"""One step, one epoch as one program, and epochs one after another: the same bits whichever way they are taken."""

import dataclasses
import functools
import itertools

import checkerboard
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax import metrics
from movierec_jax.batches import epoch_batches, stack_batches
from movierec_jax.checkpoint import new_run
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.recommend import predict_stars
from movierec_jax.schema import InputError, Ratings
from movierec_jax.train import (
    EpochRecord,
    best_record,
    fit,
    is_finished,
    new_state,
    require_finite,
    squared_errors,
    train_epoch,
    train_step,
)
from movierec_jax.vocab import to_rows

PARTS = checkerboard.parts(num_users=36, num_movies=18)
DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), dropout=0.3)
NO_DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), dropout=0.0)
STEP = jax.jit(train_step, static_argnames="recipe")
COMPILED = (new_state, train_epoch, squared_errors)


# Few different runs in this file: each compiles programs of its own.


def run_of(model=DROPOUT, **train):
    """A run on the checkerboard, and its train and validation part by row."""
    settings = TrainConfig(**{"epochs": 4, "batch_size": 100, "learning_rate": 0.05, **train})
    run = new_run(Config(model=model, train=settings), checkerboard.clean_data(PARTS), PARTS)
    return run, *(to_rows(part, run.users, run.movies) for part in (PARTS.train, PARTS.valid))


def first(ratings: Ratings, count: int) -> Ratings:
    return Ratings(**{name: column[:count] for name, column in vars(ratings).items()})


def kept(tree):
    """A copy that outlives the state it was taken from."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def epochs_of(run, train, valid, state=None):
    """States and records after each epoch."""
    state = new_state(run.recipe) if state is None else state
    return [(kept(state), record) for state, record in fit(state, train, valid, recipe=run.recipe)]


def require_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def require_close(one, other):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), one, other)


def rmses(epochs):
    return [(record.train_rmse, record.valid_rmse) for _, record in epochs]


@pytest.fixture(scope="module")
def unbroken():
    """A run of four epochs."""
    run, train, valid = run_of()
    return run, train, valid, epochs_of(run, train, valid)


@pytest.fixture(scope="module")
def without_dropout():
    """A run of 25 epochs without dropout, and its test part by row."""
    run, train, valid = run_of(NO_DROPOUT, epochs=25)
    return run, train, epochs_of(run, train, valid), to_rows(PARTS.test, run.users, run.movies)


def test_several_epochs_compile_one_program_and_a_second_run_of_the_same_settings_none():
    before = [function._cache_size() for function in COMPILED]
    for _ in range(2):
        run, train, valid = run_of(ModelConfig(embedding_dim=3, hidden_dims=()))
        epochs_of(run, train, valid)
        assert [function._cache_size() - size for function, size in zip(COMPILED, before, strict=True)] == [1, 1, 1]


def test_the_first_state_is_a_function_of_the_seed():
    model = ModelConfig(embedding_dim=3, hidden_dims=())
    one, same, other = (new_state(run_of(model, seed=seed)[0].recipe) for seed in (0, 0, 1))
    require_equal(one, same)
    assert (one.params["user_tower"]["embedding"] != other.params["user_tower"]["embedding"]).any()
    assert one.step == 0
    assert one.step.dtype == jnp.int32
    assert not one.step.weak_type


def test_an_epoch_in_one_scan_equals_a_loop_of_steps_bit_for_bit(unbroken):
    run, train, _, _ = unbroken
    batches = epoch_batches(train, 100, seed=0, epoch=0)
    state, errors = new_state(run.recipe), []
    for step in range(len(batches.rating)):
        state, error = STEP(state, jax.tree.map(lambda column, step=step: column[step], batches), recipe=run.recipe)
        errors.append(error)
    scanned, scanned_errors = train_epoch(new_state(run.recipe), batches, recipe=run.recipe)
    require_equal(scanned, state)
    np.testing.assert_array_equal(scanned_errors, errors)
    assert state.step == len(errors) == 4


def test_places_that_fill_up_a_batch_change_nothing_whatever_stands_in_them(without_dropout):
    run, train, _, _ = without_dropout
    plain, filled = (stack_batches(first(train, 5), np.arange(5), size) for size in (5, 8))
    assert filled.weight.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    filled.user_row[:, 5:], filled.rating[:, 5:] = 30, -9
    (state, error), (state_filled, error_filled) = (
        train_epoch(new_state(run.recipe), batches, recipe=run.recipe) for batches in (plain, filled)
    )
    require_close(state, state_filled)
    require_close(error, error_filled)


def test_the_error_of_a_step_is_the_one_before_it(unbroken):
    run, train, _, _ = unbroken
    # Before training every star is the mean, give or take products of about 0.01; half of the ratings are 2 above it.
    _, errors = train_epoch(new_state(run.recipe), epoch_batches(train, 100, seed=0, epoch=0), recipe=run.recipe)
    assert errors.shape == (4,)
    assert errors[0] == pytest.approx(2**2, rel=0.01)


def test_dropout_differs_from_step_to_step(unbroken):
    run, train, _, epochs = unbroken
    state, _ = epochs[-1]
    batch = jax.tree.map(lambda column: column[0], epoch_batches(train, 100, seed=0, epoch=0))
    later = dataclasses.replace(state, step=state.step + 1)
    errors = [float(STEP(one, batch, recipe=run.recipe)[1]) for one in (state, state, later)]
    assert errors[0] == errors[1] != errors[2]


@pytest.mark.parametrize("epochs_before", [1, 2, 3])
def test_going_on_from_an_epoch_equals_never_having_stopped_bit_for_bit(unbroken, epochs_before):
    run, train, valid, epochs = unbroken
    resumed = epochs_of(run, train, valid, state=kept(epochs[epochs_before - 1][0]))
    require_equal(resumed[-1][0], epochs[-1][0])
    assert rmses(resumed) == rmses(epochs)[epochs_before:]
    assert [record.epoch for _, record in resumed] == list(range(epochs_before + 1, 5))


def test_after_the_last_epoch_there_is_nothing_to_go_on_with(unbroken):
    run, train, valid, epochs = unbroken
    assert epochs_of(run, train, valid, state=kept(epochs[-1][0])) == []


def test_records_count_epochs_and_steps_from_1(unbroken):
    *_, epochs = unbroken
    assert [(record.epoch, record.step) for _, record in epochs] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    assert [int(state.step) for state, _ in epochs] == [4, 8, 12, 16]


def test_the_validation_rmse_is_that_of_the_predictions(unbroken):
    run, _, valid, epochs = unbroken
    for state, record in epochs:
        stars = predict_stars(run.model, state.params, valid.user_row, valid.movie_row, run.rating_scale)
        assert record.valid_rmse == pytest.approx(metrics.rmse(stars, valid.rating), rel=1e-5)


def test_the_train_rmse_is_over_all_ratings_of_the_epoch_and_not_over_what_fills_its_last_batch(unbroken):
    run, train, valid, _ = unbroken
    recipe = dataclasses.replace(run.recipe, config=dataclasses.replace(run.config.train, batch_size=8))
    nine = first(train, 9)
    _, errors = train_epoch(new_state(recipe), epoch_batches(nine, 8, recipe.config.seed, 0), recipe=recipe)
    _, record = next(fit(new_state(recipe), nine, valid, recipe=recipe))
    assert record.train_rmse == pytest.approx(np.sqrt((8 * errors[0] + 1 * errors[1]) / 9), rel=1e-6)


def test_without_a_validation_part_there_is_no_validation_rmse(unbroken):
    run, train, valid, epochs = unbroken
    _, record = next(fit(new_state(run.recipe), train, first(valid, 0), recipe=run.recipe))
    assert record.valid_rmse is None
    assert record.train_rmse == epochs[0][1].train_rmse


def test_an_epoch_of_one_rating_is_one_step(unbroken):
    run, train, valid, _ = unbroken
    state, record = next(fit(new_state(run.recipe), first(train, 1), first(valid, 1), recipe=run.recipe))
    assert (int(state.step), record.step) == (1, 1)
    assert record.train_rmse == pytest.approx(2, abs=0.1)


def test_unknown_rows_stay_zero(unbroken):
    *_, epochs = unbroken
    params = epochs[-1][0].params
    for tower in ("user_tower", "movie_tower"):
        assert not params[tower]["embedding"][-1].any()
        assert not params[tower]["bias"][-1].any()
        assert params[tower]["bias"][:-1].all()


def test_the_checkerboard_is_learnt(without_dropout):
    run, _, epochs, test = without_dropout
    state, _ = epochs[-1]
    stars = predict_stars(run.model, state.params, test.user_row, test.movie_row, run.rating_scale)
    assert metrics.rmse(stars, test.rating) < 0.3


def test_sums_of_squared_errors_hold_predictions_to_the_scale_and_leave_filling_out(unbroken):
    run, train, _, _ = unbroken
    params = jax.tree.map(jnp.zeros_like, new_state(run.recipe).params)
    # Stars are 9 everywhere, which the scale of 1 to 5 holds to 5.
    params["head"]["mean"] = jnp.float32(9)
    ratings = dataclasses.replace(first(train, 3), rating=np.float32([5, 4, 2]))
    sums = squared_errors(params, stack_batches(ratings, np.arange(3), 2), recipe=run.recipe)
    np.testing.assert_array_equal(sums, [0**2 + 1**2, 3**2])


# What goes wrong.


@pytest.mark.parametrize(
    ("batch_size", "epochs", "message"),
    [
        # The first step's error is of the initial values; the step throws them beyond what a square can hold.
        (100, 4, r"the error at step 1 is (inf|nan); lower --learning_rate"),
        # One step for each epoch: what the last one did shows in validation alone.
        (1000, 1, r"the validation RMSE after epoch 1 is (inf|nan); lower --learning_rate"),
    ],
)
def test_a_run_that_diverges_stops_and_says_where(batch_size, epochs, message):
    no_layers = ModelConfig(embedding_dim=16, hidden_dims=())
    run, train, valid = run_of(no_layers, learning_rate=1e30, warmup_fraction=0.0, batch_size=batch_size, epochs=epochs)
    with pytest.raises(InputError, match=message):
        epochs_of(run, train, valid)


def test_the_first_bad_value_is_named_counting_from_the_start_of_the_run():
    require_finite(np.float32([1, 2]), "error at step", first=10)
    with pytest.raises(InputError, match="the error at step 11 is nan"):
        require_finite(np.float32([1, np.nan, np.inf]), "error at step", first=10)


# When to stop.


def records_of(*valid_rmses):
    return [EpochRecord(n, 10 * n, 1.0, valid_rmse, 0.1) for n, valid_rmse in enumerate(valid_rmses, start=1)]


@pytest.mark.parametrize(
    ("valid_rmses", "best_epoch"),
    [([0.9], 1), ([0.9, 0.8, 0.85], 2), ([0.9, 0.8, 0.8], 2), ([0.7, 0.8, 0.9], 1), ([None, None, None], 3)],
)
def test_the_best_epoch_has_the_lowest_validation_rmse_the_earliest_of_equals(valid_rmses, best_epoch):
    assert best_record(records_of(*valid_rmses)).epoch == best_epoch


@pytest.mark.parametrize(
    ("valid_rmses", "patience", "expected"),
    [
        ([], 1, False),
        ([0.9], 1, False),
        ([0.9, 0.8], 1, False),
        ([0.9, 0.9], 1, True),
        ([0.8, 0.9], 2, False),
        ([0.8, 0.9, 0.85], 2, True),
        ([0.8, 0.9, 0.7], 2, False),
        ([0.7, 0.8, 0.9, 1.0], 0, False),
        ([0.9, 0.8, 0.7, 0.6, 0.5], 0, True),
        ([None, None, None, None], 1, False),
        ([None, None, None, None, None], 1, True),
    ],
)
def test_a_run_of_five_epochs_ends_at_the_last_or_after_patience_epochs_without_a_better_one(
    valid_rmses, patience, expected
):
    assert is_finished(records_of(*valid_rmses), TrainConfig(epochs=5, patience=patience)) is expected


def test_every_prefix_of_a_falling_curve_goes_on():
    falling = [1 / n for n in range(1, 5)]
    prefixes = itertools.accumulate(falling, lambda curve, rmse: [*curve, rmse], initial=[])
    assert not any(is_finished(records_of(*curve), TrainConfig(epochs=5, patience=1)) for curve in prefixes)
