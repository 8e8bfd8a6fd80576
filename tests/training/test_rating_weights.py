"""A rating of weight n counts as n ratings, and a movie watched but not rated as none."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.small_runs import NO_DROPOUT, SMALLEST, epochs_of, first, interactions_of, require_close, run_of

from movierec_jax.data.schema import Ratings
from movierec_jax.model.history import tower_inputs
from movierec_jax.model.inputs import WATCHED
from movierec_jax.training import batches
from movierec_jax.training.losses import ratings_of_rows
from movierec_jax.training.progress import ErrorTotals, record_of
from movierec_jax.training.state import new_state
from movierec_jax.training.step import objective
from movierec_jax.training.strengths import wanted_growth

NUM_RATED = 40


def taken(ratings: Ratings, index, **columns) -> Ratings:
    """The ratings at these positions, with other columns in place of some."""
    found = {name: column[index] for name, column in vars(ratings).items() if column is not None}
    return Ratings(**(found | columns))


def with_config(run, train: Ratings):
    """The run's setup for these train ratings."""
    config = dataclasses.replace(run.setup.config, num_ratings=len(train), rating_weight=train.total_weight())
    return dataclasses.replace(run.setup, config=config)


def loss_and_gradient(run, train: Ratings, batch_of=None, *, is_sparse=False):
    """The objective of a batch, of all train ratings by default, and its gradient for random parameters."""
    setup, interactions = with_config(run, train), jax.device_put(interactions_of(run, train))
    ratings = train if batch_of is None else batch_of
    stacked = batches.stack_batches(ratings, np.arange(len(ratings)), len(ratings))
    batch = jax.device_put(jax.tree.map(lambda column: column[0], stacked))
    inputs = tower_inputs(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0)
    params = jax.tree.map(
        lambda leaf: leaf[0] + 0.1 * jnp.cos(jnp.arange(leaf[0].size)).reshape(leaf[0].shape),
        new_state(run.setup).params,
    )
    value = jax.value_and_grad(objective, has_aux=True)(
        params,
        jax.random.key(0),
        jnp.zeros(3),
        batch=batch,
        users=inputs[0],
        movies=inputs[1],
        targets=None,
        interactions=interactions,
        setup=setup,
        batch_counts=ratings_of_rows(batch, interactions) if is_sparse else None,
    )
    return value


@pytest.mark.parametrize("is_sparse", [False, True], ids=["all rows", "rows of the batch"])
def test_a_rating_of_weight_n_has_the_loss_and_gradient_of_n_ratings(is_sparse):
    run, train, _ = run_of(dataclasses.replace(NO_DROPOUT, history=()))
    counts = np.random.default_rng(0).integers(1, 4, NUM_RATED)
    weighted = taken(train, np.arange(NUM_RATED), weight=counts.astype(np.float32))
    repeated = taken(train, np.repeat(np.arange(NUM_RATED), counts))
    require_close(*(loss_and_gradient(run, ratings, is_sparse=is_sparse) for ratings in (weighted, repeated)))


def test_weights_of_a_half_change_the_loss_of_no_batch_but_for_the_priors():
    # Means are over the sum of weights, also where that is below 1.
    run, train, _ = run_of(dataclasses.replace(NO_DROPOUT, history=()))
    (_, whole), _ = loss_and_gradient(run, first(train, NUM_RATED))
    light = taken(train, np.arange(NUM_RATED), weight=np.full(NUM_RATED, 1e-3, np.float32))
    (_, errors), _ = loss_and_gradient(run, light)
    np.testing.assert_allclose(errors.rating, whole.rating, rtol=1e-5)


def with_watched(train: Ratings) -> Ratings:
    """The first ratings, all of weight 1, and after each of them a movie watched but not rated."""
    index = np.arange(2 * NUM_RATED)
    is_rated = index % 2 == 0
    rating = np.where(is_rated, train.rating[index], np.float32(np.nan))
    return taken(train, index, rating=rating, weight=is_rated.astype(np.float32))


def test_movies_watched_but_not_rated_change_neither_loss_nor_gradient_of_the_rating():
    run, train, _ = run_of(NO_DROPOUT)
    both = with_watched(train)
    assert np.isnan(both.rating).sum() == NUM_RATED
    require_close(loss_and_gradient(run, both), loss_and_gradient(run, taken(both.rated(), slice(None), weight=None)))


def test_only_the_implicit_feedback_score_sees_a_link_to_a_movie_watched_but_not_rated():
    run, train, _ = run_of()
    both = with_watched(train)
    interactions = interactions_of(run, both)
    for links in (interactions.by_user, interactions.by_movie):
        assert np.sum(links.link == WATCHED) == NUM_RATED
        assert sorted(links.link[links.link >= 0]) == list(range(0, 2 * NUM_RATED, 2))
        assert all(np.isfinite(value).all() for value in links.values)
        assert not any(value[links.link < 0].any() for value in links.values[:2])
    assert interactions.user_count.sum() == 2 * NUM_RATED
    assert interactions.user_weight.sum() == interactions.movie_weight.sum() == NUM_RATED


def test_the_wanted_growth_counts_errors_by_their_weights():
    rng = np.random.default_rng(0)
    slopes, errors = rng.normal(0, 10, (6, 2)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    errors -= np.float32(0.3) * slopes[:, 0]
    weight = np.array([30, 10, 0, 20, 10, 0])
    repeated = (np.repeat(column, weight, axis=0) for column in (errors, slopes))
    found = wanted_growth(jnp.array(errors), jnp.array(slopes), jnp.float32(weight))
    assert np.abs(found).max() > 0.01
    np.testing.assert_allclose(found, wanted_growth(*map(jnp.array, repeated), jnp.ones(weight.sum())), rtol=1e-4)


def test_the_validation_error_counts_ratings_by_their_weights():
    run, train, valid = run_of(SMALLEST, epochs=1)
    counts = np.arange(len(valid)) % 3
    weighted = taken(
        valid, slice(None), rating=np.where(counts, valid.rating, np.float32(np.nan)), weight=counts.astype(np.float32)
    )
    repeated = taken(valid, np.repeat(np.arange(len(valid)), counts))
    rmse = [epochs_of(run, train, part)[-1][1].valid_rmse for part in (weighted, repeated)]
    assert rmse[0] == pytest.approx(rmse[1], rel=1e-5)


def test_an_epoch_without_ratings_has_an_error_over_the_catalogue_alone():
    record = record_of(ErrorTotals(num_steps=4, catalogue_error=8.0), 1, 4, valid_rmse=None, valid_ndcg_at_10=None)
    assert (record.train_rmse, record.catalogue_error) == (None, 2)
