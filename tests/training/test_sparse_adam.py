"""Steps on the rows of a batch alone: what dense Adam does, and nothing lost on the way."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import checkerboard

from movierec_jax.config import Config
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.sparse_adam import AdamRows, skip_gradients
from movierec_jax.training.state import B1, B2, EPS, TrainingSetup, new_state
from movierec_jax.training.step import train_steps

PARTS = checkerboard.parts(num_users=36, num_movies=18)
IDS_ALONE = {"history": (), "implicit_feedback_dim": 0}
NO_DECAY = {"embedding_decay": 0.0, "bias_decay": 0.0, "shrinkage": 0.0}


def run_of(**settings):
    """A run on the checkerboard that knows nothing but ids, in small batches."""
    settings = {"embedding_dim": 4, "hidden_dims": (4,), "epochs": 6, "batch_size": 20, "content": ()} | settings
    return new_run(Config().replace(**IDS_ALONE, **settings), checkerboard.clean_data(PARTS), PARTS)


def last_epoch(run):
    *_, (state, record) = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    return state, record


def both_ways(monkeypatch, **settings):
    """The last epochs of two runs of the same settings, by rows and with all rows."""
    ends = []
    for ratings_per_row, uses_sparse_adam in ((1e9, True), (0.0, False)):
        monkeypatch.setattr("movierec_jax.training.state.RATINGS_PER_ROW", ratings_per_row)
        run = run_of(**settings)
        assert run.setup.uses_sparse_adam == uses_sparse_adam
        # The program depends on the number as well, which is no argument of it.
        train_steps.clear_cache()
        ends.append(last_epoch(run))
    train_steps.clear_cache()
    return ends


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"ensemble_size": 2}, marks=pytest.mark.slow),
        {"hidden_dims": (), "batch_size": 7},
    ],
)
def test_without_decay_an_epoch_by_rows_ends_where_dense_adam_ends(monkeypatch, settings):
    # With decay as well the two agree in the mean alone. No dropout: other pairs would be dropped.
    one, other = both_ways(monkeypatch, dropout=0.0, weight_decay=0.0, **NO_DECAY, **settings)
    assert one[1].valid_rmse == pytest.approx(other[1].valid_rmse, abs=0.01)
    assert one[1].train_rmse == pytest.approx(other[1].train_rmse, abs=0.01)
    compare = functools.partial(np.testing.assert_allclose, rtol=0.02, atol=0.01)
    jax.tree.map(compare, one[0].params, other[0].params)


@pytest.mark.slow
def test_with_decay_it_learns_as_well_as_dense_adam(monkeypatch):
    settings = {"epochs": 40, "learning_rate": 0.02, "dropout": 0.0, "embedding_decay": 1.0}
    one, other = (record.valid_rmse for _, record in both_ways(monkeypatch, **settings))
    assert one < other + 0.05
    assert one < 1


def test_rows_that_no_batch_holds_keep_their_values_bit_for_bit():
    run = run_of()
    setup = dataclasses.replace(run.setup, model=run.model.clone(num_users=50))
    state = new_state(setup)
    before = np.array(state.params["user_tower"]["embedding"])
    epoch = next(epoch_steps(run.train, None, 0, setup))
    assert epoch.batch_rows.user.max() >= 50  # The rows that fill up.
    state, _ = train_steps(state, epoch, run.interactions, None, setup=setup)
    after = np.asarray(state.params["user_tower"]["embedding"])
    assert (after[:, :36] != before[:, :36]).any(axis=(0, 2)).all()
    np.testing.assert_array_equal(after[:, 36:], before[:, 36:])
    assert jax.tree.all(jax.tree.map(lambda leaf: bool(np.isfinite(leaf).all()), state))


@pytest.mark.parametrize(
    ("settings", "uses_sparse_adam"),
    [
        ({}, True),
        ({"batch_size": (36 + 18) // 2}, True),
        ({"batch_size": (36 + 18) // 2 + 1}, False),
        ({"implicit_feedback_dim": 3}, False),
        ({"history": ("user",)}, False),
    ],
)
def test_adam_is_sparse_where_only_ids_are_seen_and_a_batch_holds_few_rows(settings, uses_sparse_adam):
    config = Config().replace(**{**IDS_ALONE, "batch_size": 20, **settings})
    model = TwoTowers(36, 18, 0, 0, config.model)
    setup = TrainingSetup(model, config.train.for_ratings(100, "any"), 10, (1.0, 5.0), 4.0)
    assert setup.uses_sparse_adam == uses_sparse_adam
    with_content = dataclasses.replace(setup, model=model.clone(num_movie_features=2))
    assert not with_content.uses_sparse_adam


# Rows that no gradient reaches.


def steps_of_adam(num_steps, gradients, rate=0.01):
    """A parameter of 1 and its means after steps of optax's Adam, by the gradients and then without any."""
    optimizer = optax.adam(rate, b1=B1, b2=B2, eps=EPS)
    param = jnp.float32([[1.0, -1.0]])
    state = optimizer.init(param)
    for gradient in [*gradients, *[0.0] * (num_steps - len(gradients))]:
        updates, state = optimizer.update(gradient * jnp.float32([[1.0, -2.0]]), state)
        param = optax.apply_updates(param, updates)
    return AdamRows(param, *(optax.tree_utils.tree_get(state, name) for name in ("mu", "nu")))


@pytest.mark.parametrize(
    "num_steps", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow), 100]
)
def test_steps_without_gradient_at_once_are_steps_of_adam_one_after_another(num_steps):
    # Late enough that the means need no more correction.
    gradients = np.sin(np.arange(3000))
    before, after = (steps_of_adam(3000 + more, gradients) for more in (0, num_steps))
    found = skip_gradients(before, jnp.int32([3000]), jnp.int32([num_steps]), lambda step: 0.01)
    for one, other in zip(found, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-12)


def test_rows_that_never_had_a_gradient_stay_where_they_are():
    zeros = jnp.zeros((2, 3))
    rows = AdamRows(jnp.ones((2, 3)), zeros, zeros)
    found = skip_gradients(rows, jnp.int32([0, 5]), jnp.int32([9, 0]), lambda step: 0.1 * step)
    jax.tree.map(np.testing.assert_array_equal, found, rows)
