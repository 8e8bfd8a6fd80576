"""Strengths of decays: what held-out ratings ask for, and that training does not see them before its last epochs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import checkerboard
from helpers.small_runs import SMALLEST, input_of, one_epoch, require_equal, run_of

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import CleanData
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.model.tables import LEARNT_TABLES
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state
from movierec_jax.training.strengths import PRIOR_FRACTION, wanted_growth


def held_out_run(**settings):
    """The smallest run, of whose ratings 144 are held out in the first of two epochs."""
    return run_of(SMALLEST, epochs=2, held_out_fraction=0.4, **settings)


def test_the_wanted_growth_is_the_ridge_solution_less_the_share_of_chance():
    slopes = np.zeros((8, 2), np.float32)
    slopes[:4, 0], slopes[4:, 1] = 10, 10
    # The first table should be a tenth larger and the second a fifth smaller; a part of 1 is not theirs.
    errors = -0.1 * slopes[:, 0] + 0.2 * slopes[:, 1] + np.float32([1, -1] * 4)
    variance = np.mean(errors**2)
    ridge = np.array([0.1, -0.2]) * 400 / (400 + variance / PRIOR_FRACTION**2)
    explained = (ridge @ [0.1 * 400, -0.2 * 400]) / variance
    assert explained > 1
    np.testing.assert_allclose(
        wanted_growth(jnp.array(errors), jnp.array(slopes), jnp.ones(8)), ridge * (1 - 1 / explained), rtol=1e-4
    )


@pytest.mark.parametrize(("error", "slope"), [(1, 0.01), (0, 1), (0, 0)], ids=["chance", "no errors", "no rows"])
def test_what_chance_explains_changes_nothing(error, slope):
    errors, slopes = jnp.full(4, float(error)), jnp.full((4, 3), float(slope))
    np.testing.assert_array_equal(wanted_growth(errors, slopes, jnp.ones(4)), 0)


def test_held_out_ratings_leave_no_trace_in_the_epochs_that_hold_them_out():
    run, train, _ = held_out_run()
    held_out = run.setup.held_out
    assert len(held_out) == 144
    changed = train.rating.copy()
    changed[held_out] += 1
    interactions = run.interactions

    def shifted(links):
        is_held_out = np.isin(links.link, held_out)
        return links._replace(values=tuple(value + is_held_out for value in links.values))

    other = interactions._replace(by_user=shifted(interactions.by_user), by_movie=shifted(interactions.by_movie))
    one, _ = one_epoch(run, train, jax.device_put(interactions))
    same, _ = one_epoch(run, dataclasses.replace(train, rating=changed), jax.device_put(other))
    require_equal(one, same)


def test_the_last_epochs_train_on_all_ratings():
    run, train, _ = held_out_run()
    first, last = (next(epoch_steps(train, None, epoch, run.setup)) for epoch in range(2))
    assert first.batches.weight.sum() == len(train) - len(run.setup.held_out)
    assert last.batches.weight.sum() == len(train)
    assert (first.step_of_rating < 0).sum() == len(run.setup.held_out)
    assert (last.step_of_rating >= 0).all()


@pytest.mark.parametrize(
    ("model", "fraction"),
    [(SMALLEST, 0.0), (dataclasses.replace(SMALLEST, history=()), 0.4)],
    ids=["no fraction", "no history"],
)
def test_nothing_is_held_out_without_a_fraction_or_histories(model, fraction):
    run, train, _ = run_of(model, epochs=2, held_out_fraction=fraction)
    assert len(run.setup.held_out) == 0
    assert input_of(run, train)[0].batches.weight.sum() == len(train)


def strengths_learnt_from(rating: np.ndarray, user: np.ndarray, movie: np.ndarray) -> np.ndarray:
    """Factors on the decays, by table, after training on these ratings."""
    table = checkerboard.table(1000 + user, 500 + movie, rating)
    movies = checkerboard.movie_table(table.movie_id.drop_duplicates().sort_values())
    config = Config(
        data=DataConfig(content=()),
        model=ModelConfig(embedding_dim=4, hidden_dims=(), implicit_feedback_dim=0),
        train=TrainConfig(
            epochs=12, learning_rate=0.02, held_out_fraction=0.1, history_implicit_decay=0.3, embedding_decay=10.0
        ),
    )
    parts = Split.of(train=table, valid=table[:0], test=table[:0])
    run = new_run(config, CleanData(table, movies, (-9.0, 9.0), "made", {}), parts)
    *_, (state, _) = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    return np.exp(np.asarray(state.log_strength[0]))


def test_noise_asks_for_stronger_decays_than_taste():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((200, 80)) < 0.3)
    tastes = [rng.normal(0, 1, (number, 2)) for number in (200, 80)]
    noise = rng.normal(0, 1, len(user))
    of_taste = np.sum(tastes[0][user] * tastes[1][movie], axis=1) + 0.3 * noise
    from_noise, from_taste = (
        dict(zip(LEARNT_TABLES, strengths_learnt_from(rating.astype(np.float32), user, movie), strict=True))
        for rating in (noise, of_taste)
    )
    assert from_noise["implicit"] > 2
    assert from_taste["embedding"] < 0.5 < 1 < from_noise["embedding"]
