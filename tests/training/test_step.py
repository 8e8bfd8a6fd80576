"""One step, and an epoch of steps as one program."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.small_runs import (
    SMALLEST,
    first,
    input_of,
    interactions_of,
    one_epoch,
    one_of_epoch,
    one_step,
    require_close,
    require_equal,
    run_of,
)

from movierec_jax.config import TrainConfig
from movierec_jax.model.history import tower_inputs
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions
from movierec_jax.model.tables import LEARNT_TABLES
from movierec_jax.training import batches
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.state import member_keys, new_state
from movierec_jax.training.step import batch_squared_errors, objective, step_of_links, train_steps


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
    for index in range(epoch[0].num_steps):
        state, error = one_step(state, epoch, index, interactions, run.setup)
        errors.append(error)
    scanned, scanned_errors = one_epoch(run, train)
    # Two programs, so sums may be taken in another order.
    require_close(scanned, state, tolerance=1e-5)
    np.testing.assert_allclose(np.transpose(scanned_errors), errors, rtol=1e-5)
    assert state.step == len(errors) == 4


# A rating is left out of what predicts it.


def with_values(interactions: Interactions, ratings: np.ndarray, value: float) -> Interactions:
    """The same with another value of some ratings, both to their users and to their movies."""

    def changed(links):
        is_one = np.isin(links.link, ratings)
        return links._replace(values=tuple(np.where(is_one, np.float32(value), old) for old in links.values))

    return interactions._replace(by_user=changed(interactions.by_user), by_movie=changed(interactions.by_movie))


def test_the_ratings_of_a_batch_are_left_out_of_all_histories_in_its_step(unbroken):
    run, train, _, epochs = unbroken
    epoch = input_of(run, train)
    step_of_rating = epoch[0].step_of_rating[:-1]

    def step_with(interactions):
        return one_step(epochs[-1][0], epoch, 0, jax.device_put(interactions), run.setup)

    in_batch, apart = np.flatnonzero(step_of_rating == 0), np.flatnonzero(step_of_rating == 1)[:1]
    require_equal(step_with(run.interactions), step_with(with_values(run.interactions, in_batch, 99.0)))
    assert step_with(run.interactions)[1] != step_with(with_values(run.interactions, apart, 99.0))[1]


def test_predictions_of_a_step_do_not_depend_on_the_ratings_they_predict(unbroken):
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
        interactions = jax.device_put(interactions_of(run, train))
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


def test_filling_of_a_batch_changes_nothing_whatever_its_values():
    run, train, _ = run_of(SMALLEST)
    five, order = first(train, 5), np.arange(5)
    plain, filled = (batches.stack_batches(five, order, size) for size in (5, 8))
    assert filled.weight.tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    filled.user_row[:, 5:], filled.rating[:, 5:] = 30, -9
    interactions, step_of_rating = interactions_of(run, five), batches.step_of_ratings(order, 5)
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


def test_links_from_reviews_are_left_out_in_no_step():
    step_of_rating = batches.step_of_ratings(np.array([1, 0, 2]), 2)
    link = jnp.array([[0, 1, 2, 3, 9, -1]], jnp.int32)
    step = step_of_links(jnp.asarray(step_of_rating), link, TrainConfig(batch_size=2).for_ratings(3, "any"))
    assert step[0, [0, 1, 2, 5]].tolist() == [0, 0, 1, -1]
    assert min(step[0, [3, 4]].tolist()) >= batches.num_steps(3, 2)


@pytest.mark.slow
def test_ratings_from_reviews_reach_the_gradient():
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


def test_the_error_of_a_step_is_the_one_before_it():
    run, train, _ = run_of(dataclasses.replace(SMALLEST, history=()))
    # Without histories every star is the mean before training, give or take a hundredth; half of the ratings are 2
    # above it.
    errors = one_epoch(run, train)[1].rating
    assert errors.shape == (4,)
    assert errors[0] == pytest.approx(2**2, rel=0.01)


def test_the_objective_is_of_standardised_errors_and_the_errors_of_a_step_are_in_stars():
    run, train, _ = run_of(SMALLEST)
    setup = dataclasses.replace(run.setup, model=run.model.clone(rating_mean=1.0, rating_spread=4.0))
    params = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), new_state(setup).params)
    params["head"]["offset"] = jnp.float32(0.5)
    interactions = jax.device_put(run.interactions)
    users, movies = tower_inputs(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0)
    batch = batches.stack_batches(dataclasses.replace(first(train, 3), rating=np.float32([5, 4, 2])), np.arange(3), 3)
    loss, errors = objective(
        params,
        jax.random.key(0),
        jnp.zeros(len(LEARNT_TABLES)),
        batch=jax.tree.map(lambda column: jnp.asarray(column[0]), batch),
        users=users,
        movies=movies,
        targets=None,
        interactions=interactions,
        setup=setup,
        batch_counts=None,
    )
    # Every prediction is 1 + 4 * 0.5 = 3 stars.
    assert errors.rating == (2**2 + 1**2 + 1**2) / 3
    assert loss == errors.rating / 4**2


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


def test_sums_of_squared_errors_clip_predictions_to_the_scale_and_leave_filling_out(unbroken):
    run, train, _, _ = unbroken
    params = jax.tree.map(jnp.zeros_like, new_state(run.setup).params)
    # Stars are 9 everywhere, 3 spreads of 2 above a mean of 3, which the scale of 1 to 5 holds to 5.
    params["head"]["offset"] = jnp.full(2, jnp.float32(3))
    ratings = dataclasses.replace(first(train, 3), rating=np.float32([5, 4, 2]))
    stacked = batches.stack_batches(ratings, np.arange(3), 2)
    sums = batch_squared_errors(params, stacked, run.interactions, setup=run.setup)
    np.testing.assert_array_equal(sums, [0**2 + 1**2, 3**2])


def test_the_mean_of_the_members_is_clipped_to_the_scale_and_not_each_member(unbroken):
    run, train, _, _ = unbroken
    params = jax.tree.map(jnp.zeros_like, new_state(run.setup).params)
    # A star, and 11.
    params["head"]["offset"] = jnp.float32([-1, 4])
    ratings = dataclasses.replace(first(train, 1), rating=np.float32([2]))
    stacked = batches.stack_batches(ratings, np.arange(1), 1)
    # Held to 5, the second would make the mean 3.
    np.testing.assert_array_equal(
        batch_squared_errors(params, stacked, run.interactions, setup=run.setup), [(5 - 2) ** 2]
    )
