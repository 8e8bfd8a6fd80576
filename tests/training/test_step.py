"""One step, one epoch as one program, and epochs one after another: the same bits whichever way they are taken."""

import dataclasses
import functools
import itertools
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import Ratings
from movierec_jax.data.vocab import ratings_by_row
from movierec_jax.errors import InputError
from movierec_jax.evaluation import metrics
from movierec_jax.model.history import tower_inputs
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions
from movierec_jax.model.two_tower import encode
from movierec_jax.recommend.scoring import Scorer, predict_ratings
from movierec_jax.runs.prepare import new_run
from movierec_jax.training import batches
from movierec_jax.training.loop import epoch_steps, fit, initial_state, train_from
from movierec_jax.training.progress import Progress
from movierec_jax.training.state import member_keys, new_state
from movierec_jax.training.step import EpochSteps, batch_squared_errors, step_of_links, train_steps

PARTS = checkerboard.parts(num_users=36, num_movies=18)
DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=5, dropout=0.3)
NO_DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=0, dropout=0.0)
SMALLEST = ModelConfig(embedding_dim=3, hidden_dims=(), implicit_feedback_dim=0)
BATCH_SIZE = 100
NOTHING = np.zeros(1, np.int32)
COMPILED = (new_state, train_steps, batch_squared_errors)


# Few different runs in this file: each compiles programs of its own.


def run_of(model=DROPOUT, **train):
    """A run on the checkerboard, and its train and validation part by row."""
    settings = TrainConfig(**{"epochs": 4, "batch_size": BATCH_SIZE, "learning_rate": 0.05, **train})
    run = new_run(Config(model=model, train=settings), checkerboard.clean_data(PARTS), PARTS)
    return run, *(ratings_by_row(part, run.users, run.movies) for part in (PARTS.train, PARTS.valid))


def first(ratings: Ratings, count: int) -> Ratings:
    return Ratings(**{name: column[:count] for name, column in vars(ratings).items()})


def known_by(run, train: Ratings) -> Interactions:
    """What the towers of a run see where these are all ratings."""
    return build_interactions(train, run.users.unknown, run.movies.unknown, run.user_content, run.movie_content)


def input_of(run, train: Ratings):
    """The input of the first epoch and the user batches, as `fit` makes them."""
    user_batches = run.setup.user_batches(train)
    return next(epoch_steps(train, user_batches, 0, run.setup)), user_batches


def one_epoch(run, train: Ratings, interactions=None):
    """The state after the first epoch, and its errors."""
    epoch, user_batches = input_of(run, train)
    return train_steps(
        new_state(run.setup), epoch, interactions or jax.device_put(run.interactions), user_batches, setup=run.setup
    )


def one_step(state, epoch, place, interactions, setup):
    """The state after the step at a place of the epoch and its errors, as an epoch of this step alone."""
    whole, user_batches = epoch
    batch, user_batch = jax.tree.map(lambda column: column[place : place + 1], (whole.batches, whole.user_batch))
    # This step is the first one now, and the others are later ones.
    step = whole.step_of_rating
    step_of_rating = np.where(step < 0, -1, np.where(step == place, 0, 1)).astype(step.dtype)
    state, errors = train_steps(
        kept(state), one_of_epoch(batch, step_of_rating, user_batch), interactions, user_batches, setup=setup
    )
    return state, jax.tree.map(lambda error: error[0], errors)


def one_of_epoch(batch, step_of_rating, user_batch=NOTHING) -> EpochSteps:
    """The only step of an epoch."""
    return EpochSteps(np.int32(1), NOTHING, batch, step_of_rating, user_batch)


def kept(tree):
    """A copy that outlives the state it was taken from."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def epochs_of(run, train, valid, state=None):
    """States and records after each epoch."""
    state = new_state(run.setup) if state is None else state
    return [(kept(state), record) for state, record in fit(state, train, valid, run.interactions, setup=run.setup)]


def stars_of(run, params, ratings: Ratings):
    scorer = Scorer.of(run.setup, params, *encode(params, run.interactions, model=run.model))
    return predict_ratings(scorer, ratings.user_row, ratings.movie_row, run.rating_scale)[0]


def require_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def require_close(one, other, tolerance=1e-4):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance / 10), one, other)


def rmses(epochs):
    return [(record.train_rmse, record.valid_rmse) for _, record in epochs]


@pytest.fixture(scope="module")
def unbroken():
    """A run of four epochs and two members."""
    run, train, valid = run_of(ensemble_size=2)
    return run, train, valid, epochs_of(run, train, valid)


@pytest.fixture(scope="module")
def without_dropout():
    """A run of 25 epochs without dropout, and its test part by row."""
    run, train, valid = run_of(NO_DROPOUT, epochs=25)
    return run, train, epochs_of(run, train, valid), ratings_by_row(PARTS.test, run.users, run.movies)


@pytest.mark.parametrize("ensemble_size", [1, 2])
def test_several_epochs_compile_one_program_and_a_second_run_of_the_same_settings_none(ensemble_size):
    before = [function._cache_size() for function in COMPILED]
    for _ in range(2):
        run, train, valid = run_of(SMALLEST, ensemble_size=ensemble_size)
        epochs_of(run, train, valid)
        assert [function._cache_size() - size for function, size in zip(COMPILED, before, strict=True)] == [1, 1, 1]


def test_the_first_state_is_a_function_of_the_seed():
    one, same, other = (new_state(run_of(SMALLEST, seed=seed)[0].setup) for seed in (0, 0, 1))
    require_equal(one, same)
    assert (one.params["user_tower"]["embedding"] != other.params["user_tower"]["embedding"]).any()
    assert one.step == 0
    assert one.step.dtype == jnp.int32
    assert not one.step.weak_type


def test_there_is_an_embedding_for_each_user_and_movie_of_train_and_a_row_for_each_feature():
    run, *_ = run_of(SMALLEST)
    params = new_state(run.setup).params
    shapes = jax.tree.map(jnp.shape, {name: params[name] for name in ("user_tower", "movie_tower")})
    rows = {"embedding": (1, 36, 3), "bias": (1, 36, 1), "explicit": (1, 18, 4), "implicit": (1, 18, 4)}
    of_movie = {"embedding": (1, 18, 3), "bias": (1, 18, 1), "explicit": (1, 36, 4), "implicit": (1, 36, 4)}
    assert run.movie_content.names == ("genre=Drama", "genre=Even", "genre=Odd", "year~1995", "year~2000")
    assert shapes == {"user_tower": rows, "movie_tower": {**of_movie, "features": (1, 5, 4)}}


def test_an_epoch_in_one_scan_equals_a_loop_of_steps(unbroken):
    run, train, _, _ = unbroken
    epoch, interactions = input_of(run, train), jax.device_put(run.interactions)
    state, errors = new_state(run.setup), []
    for place in range(epoch[0].num_steps):
        state, error = one_step(state, epoch, place, interactions, run.setup)
        errors.append(error)
    scanned, scanned_errors = one_epoch(run, train)
    # Two programs, so sums may be taken in another order.
    require_close(scanned, state, tolerance=1e-5)
    np.testing.assert_allclose(np.transpose(scanned_errors), errors, rtol=1e-5)
    assert state.step == len(errors) == 4


@pytest.mark.parametrize("ratings_at_once", [1, pytest.param(2 * BATCH_SIZE, marks=pytest.mark.slow), 3 * BATCH_SIZE])
def test_an_epoch_whose_steps_come_some_at_a_time_equals_one_of_all_steps(unbroken, ratings_at_once):
    run, train, valid, epochs = unbroken
    setup = some_at_once(run.setup, ratings_at_once)
    parts = list(epoch_steps(train, setup.user_batches(train), 0, setup))
    at_once = -(-ratings_at_once // BATCH_SIZE)
    assert {len(steps.index) for steps in parts} == {at_once}
    assert sum(int(steps.num_steps) for steps in parts) == 4
    moments = train_from(new_state(setup), Progress(), train, valid, run.interactions, setup=setup)
    *within, (state, progress) = itertools.islice(moments, len(parts))
    assert [time_features.step for _, time_features in within] == [
        at_once * position for position in range(1, len(parts))
    ]
    require_close(state, epochs[0][0], tolerance=1e-5)
    [record], expected = progress.records, epochs[0][1]
    for name in ("epoch", "step", "train_rmse", "catalogue_error", "valid_rmse"):
        assert getattr(record, name) == pytest.approx(getattr(expected, name), rel=1e-5)


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_going_on_within_an_epoch_equals_never_having_stopped_bit_for_bit(unbroken, stop_after):
    run, train, valid, _ = unbroken
    setup = some_at_once(run.setup, BATCH_SIZE)
    moments = [
        (kept(state), progress)
        for state, progress in train_from(new_state(setup), Progress(), train, valid, run.interactions, setup=setup)
    ]
    state, progress = moments[stop_after - 1]
    assert int(state.step) == progress.step == stop_after
    *_, (end, whole) = train_from(kept(state), progress, train, valid, run.interactions, setup=setup)
    require_equal(end, moments[-1][0])
    assert without_seconds(whole) == without_seconds(moments[-1][1])


def some_at_once(setup, ratings_at_once: int):
    """The recipe with so many ratings given to the device at once."""
    return dataclasses.replace(setup, config=dataclasses.replace(setup.config, ratings_at_once=ratings_at_once))


def without_seconds(progress: Progress) -> list:
    return [dataclasses.replace(record, seconds=0.0) for record in progress.records]


# A rating is predicted from what is known without it.


def with_values(interactions: Interactions, ratings: np.ndarray, value: float) -> Interactions:
    """The same with another value of some ratings, both to their users and to their movies."""

    def changed(links):
        is_one = np.isin(links.link, ratings)
        return links._replace(values=tuple(np.where(is_one, np.float32(value), old) for old in links.values))

    return interactions._replace(by_user=changed(interactions.by_user), by_movie=changed(interactions.by_movie))


def test_what_histories_say_of_the_ratings_of_a_batch_changes_no_bit_of_its_step(unbroken):
    run, train, _, epochs = unbroken
    epoch = input_of(run, train)
    step_of_rating = epoch[0].step_of_rating[:-1]

    def step_with(interactions):
        return one_step(epochs[-1][0], epoch, 0, jax.device_put(interactions), run.setup)

    in_batch, apart = np.flatnonzero(step_of_rating == 0), np.flatnonzero(step_of_rating == 1)[:1]
    require_equal(step_with(run.interactions), step_with(with_values(run.interactions, in_batch, 99.0)))
    assert step_with(run.interactions)[1] != step_with(with_values(run.interactions, apart, 99.0))[1]


def test_predictions_of_a_step_do_not_depend_on_the_stars_they_predict(unbroken):
    run, train, _, epochs = unbroken
    params = epochs[-1][0].params
    step_of_rating = input_of(run, train)[0].step_of_rating
    rated = set(zip(train.user_row.tolist(), train.movie_row.tolist(), strict=True))
    in_batch = np.flatnonzero(step_of_rating[:-1] == 0)
    one = in_batch[0]
    # Another one whose user and movie have no rating with the movie and user of the first, nor are they the same.
    other = next(
        number
        for number in in_batch
        if not {(train.user_row[one], train.movie_row[number]), (train.user_row[number], train.movie_row[one])} & rated
    )

    def predicted(train):
        interactions = jax.device_put(known_by(run, train))
        is_seen = (
            (links.link >= 0) & (step_of_rating[links.link] != 0)
            for links in (interactions.by_user, interactions.by_movie)
        )
        pairs = jnp.asarray(train.user_row[[one, other]]), jnp.asarray(train.movie_row[[one, other]])
        member = jax.tree.map(lambda leaf: leaf[0], params)
        stars, user, movie = run.model.apply(
            {"params": member}, *tower_inputs(interactions, *is_seen), *pairs, jnp.zeros((2, 0), jnp.int32)
        )
        return stars, user.factors, movie.factors

    # One up, one down: the mean of all stays.
    noise = np.zeros(len(train), np.float32)
    noise[[one, other]] = 7, -7
    require_close(predicted(train), predicted(dataclasses.replace(train, rating=train.rating + noise)))


# Batches and errors.


def test_places_that_fill_up_a_batch_change_nothing_whatever_stands_in_them():
    run, train, _ = run_of(SMALLEST)
    five, order = first(train, 5), np.arange(5)
    plain, filled = (batches.stack_batches(five, order, size) for size in (5, 8))
    assert filled.weight.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    filled.user_row[:, 5:], filled.rating[:, 5:] = 30, -9
    interactions, step_of_rating = known_by(run, five), batches.step_of_ratings(order, 5)
    (state, error), (state_filled, error_filled) = (
        train_steps(
            new_state(run.setup),
            one_of_epoch(stacked, step_of_rating),
            interactions,
            None,
            setup=run.setup,
        )
        for stacked in (plain, filled)
    )
    require_close(state, state_filled)
    require_close(error, error_filled)


def test_links_that_are_no_ratings_are_left_out_in_no_step():
    step_of_rating = batches.step_of_ratings(np.array([1, 0, 2]), 2)
    link = jnp.array([[0, 1, 2, 3, 9, -1]], jnp.int32)
    step = step_of_links(jnp.asarray(step_of_rating), link)
    assert step[0, [0, 1, 2, 5]].tolist() == [0, 0, 1, -1]
    assert min(step[0, [3, 4]].tolist()) >= batches.num_steps(3, 2)


def test_what_users_wrote_reaches_the_gradient_in_every_step():
    run, train, _ = run_of(SMALLEST)
    from_reviews = first(dataclasses.replace(train, rating=5 - train.rating), 7)
    epoch = next(epoch_steps(train, None, 0, run.setup))
    without, beside = (
        build_interactions(
            train, run.users.unknown, run.movies.unknown, run.user_content, run.movie_content, from_reviews=more
        )
        for more in (None, from_reviews)
    )
    (plain, _), (state, _) = (
        train_steps(new_state(run.setup), epoch, interactions, None, setup=run.setup)
        for interactions in (without, beside)
    )
    assert not np.allclose(*(jax.tree.leaves(one.params)[0] for one in (plain, state)), atol=1e-6)


def test_the_error_of_a_step_is_the_one_before_it(unbroken):
    run, train, _, _ = unbroken
    # Before training every star is the mean, give or take a hundredth; half of the ratings are 2 above it.
    errors = one_epoch(run, train)[1].rating
    assert errors.shape == (4,)
    assert errors[0] == pytest.approx(2**2, rel=0.01)


def test_what_is_dropped_is_a_function_of_the_step_and_differs_from_step_to_step(unbroken):
    run, train, _, epochs = unbroken
    state, _ = epochs[-1]
    later = dataclasses.replace(state, step=state.step + 1)
    epoch, interactions = input_of(run, train), jax.device_put(run.interactions)
    errors = [float(one_step(one, epoch, 0, interactions, run.setup)[1].rating) for one in (state, state, later)]
    assert errors[0] == errors[1] != errors[2]


@pytest.mark.slow
@pytest.mark.parametrize(("cold_start_fraction", "is_other"), [(0.5, True), (0.0, False)])
def test_a_share_of_the_movies_with_content_is_cold_and_another_one_in_each_step(cold_start_fraction, is_other):
    # Without hidden layers nothing else is left to chance.
    run, train, _ = run_of(SMALLEST, cold_start_fraction=cold_start_fraction)
    state = new_state(run_of(SMALLEST)[0].setup)
    scaled = jax.tree.map(lambda leaf: 100 * leaf, state.params)
    epoch, interactions = input_of(run, train), jax.device_put(run.interactions)
    states = [dataclasses.replace(state, params=scaled, step=jnp.int32(step)) for step in (0, 1)]
    errors = [float(one_step(state, epoch, 0, interactions, run.setup)[1].rating) for state in states]
    assert (errors[0] != errors[1]) == is_other


# Beginning.


def test_beginning_gives_the_new_state_and_leaves_the_epoch_compiled(caplog):
    # A model of its own, that no other test has compiled.
    run, train, valid = run_of(ModelConfig(embedding_dim=5, hidden_dims=(), implicit_feedback_dim=2))
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        state = initial_state(train, run.interactions, setup=run.setup)
        require_equal(state, new_state(run.setup))
        next(fit(state, train, valid, run.interactions, setup=run.setup))
    # What this thread has compiled; the epoch was compiled by another.
    compiled = " ".join(record.getMessage() for record in caplog.records if "Compiling" in record.getMessage())
    assert "jit(batch_squared_errors)" in compiled
    assert "jit(train_steps)" not in compiled


# Ensembles.


def test_members_start_and_end_apart_and_are_trained_by_the_same_steps(unbroken):
    run, _, _, epochs = unbroken
    for state in (new_state(run.setup), epochs[-1][0]):
        for tower in ("user_tower", "movie_tower"):
            for name in ("embedding", "explicit", "implicit"):
                one, other = state.params[tower][name]
                assert (one != other).all()
        assert state.step.shape == ()
    assert {len(leaf) for leaf in jax.tree.leaves(epochs[-1][0].params)} == {2}


def test_more_members_change_nothing_of_the_first_ones():
    keys = [jax.random.key_data(member_keys(TrainConfig(ensemble_size=size))) for size in (1, 2, 5)]
    np.testing.assert_array_equal(keys[0], keys[1][:1])
    np.testing.assert_array_equal(keys[1], keys[2][:2])


def test_a_member_learns_what_it_would_alone():
    states = []
    for ensemble_size in (1, 2):
        run, train, _ = run_of(SMALLEST, ensemble_size=ensemble_size)
        states.append(one_epoch(run, train)[0])
    alone, together = states
    require_close(jax.tree.map(lambda leaf: leaf[:1], together.params), alone.params, tolerance=1e-3)


# Epoch after epoch.


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
    _, record = next(fit(new_state(run.setup), train, first(valid, 0), run.interactions, setup=run.setup))
    assert record.valid_rmse is None
    assert record.train_rmse == epochs[0][1].train_rmse


def test_an_epoch_of_one_rating_is_one_step():
    run, train, valid = run_of(SMALLEST)
    one = first(train, 1)
    state, record = next(fit(new_state(run.setup), one, first(valid, 1), known_by(run, one), setup=run.setup))
    assert (int(state.step), record.step) == (1, 1)
    assert record.train_rmse == pytest.approx(abs(run.model.rating_mean - one.rating[0]), abs=0.1)


def test_the_checkerboard_is_learnt(without_dropout):
    run, _, epochs, test = without_dropout
    assert metrics.rmse(stars_of(run, epochs[-1][0].params, test), test.rating) < 0.3


def test_sums_of_squared_errors_hold_predictions_to_the_scale_and_leave_filling_out(unbroken):
    run, train, _, _ = unbroken
    params = jax.tree.map(jnp.zeros_like, new_state(run.setup).params)
    # Stars are 9 everywhere, which the scale of 1 to 5 holds to 5.
    params["head"]["mean"] = jnp.full(2, jnp.float32(9))
    ratings = dataclasses.replace(first(train, 3), rating=np.float32([5, 4, 2]))
    stacked = batches.stack_batches(ratings, np.arange(3), 2)
    sums = batch_squared_errors(params, stacked, run.interactions, setup=run.setup)
    np.testing.assert_array_equal(sums, [0**2 + 1**2, 3**2])


def test_the_mean_of_the_members_is_held_to_the_scale_and_not_each_member(unbroken):
    run, train, _, _ = unbroken
    params = jax.tree.map(jnp.zeros_like, new_state(run.setup).params)
    params["head"]["mean"] = jnp.float32([1, 9])
    ratings = dataclasses.replace(first(train, 1), rating=np.float32([2]))
    stacked = batches.stack_batches(ratings, np.arange(1), 1)
    # Held to 5, the second would make the mean 3.
    np.testing.assert_array_equal(
        batch_squared_errors(params, stacked, run.interactions, setup=run.setup), [(5 - 2) ** 2]
    )


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
    # Wide enough that some product is an infinity less another.
    model = ModelConfig(embedding_dim=16, hidden_dims=(), implicit_feedback_dim=0)
    run, train, valid = run_of(model, learning_rate=1e30, warmup_fraction=0.0, batch_size=batch_size, epochs=epochs)
    with pytest.raises(InputError, match=message):
        epochs_of(run, train, valid)
