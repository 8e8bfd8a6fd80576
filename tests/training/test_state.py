"""Tables or sums by their cost, the learning rate at given steps, and which parameters decay how much."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from movierec_jax.config import ModelConfig, TrainConfig
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training.state import TABLE_NUMBERS, TrainingSetup, adam, learning_rate

PARAMS = {
    "tower": {"embedding": jnp.float32([[3.0]]), "bias": jnp.float32([-2.0]), "hidden": {"kernel": jnp.float32([5.0])}},
    "head": {"offset": jnp.float32(4.0), "residual": {"kernel": jnp.float32([-7.0]), "bias": jnp.float32([1.0])}},
}


def config_of(**settings) -> TrainConfig:
    return TrainConfig(**{"learning_rate": 0.5, "warmup_fraction": 0.1, **settings})


@pytest.mark.parametrize(
    ("num_users", "num_movies", "ratings_per_user", "platform", "has_tables"),
    [
        # A few users' tables cost less than the square of the movies' vectors.
        (6, 20_000, 100, "cpu", True),
        # Sums cost by the ratings, tables whatever is in them.
        (6_000, 2_000, 20, "cpu", False),
        (6_000, 2_000, 200, "cpu", True),
        (6_000, 2_000, 20, "gpu", True),
        # No table is larger than memory allows.
        (2**10, TABLE_NUMBERS // 2**10, 20_000, "cpu", True),
        (2**10, TABLE_NUMBERS // 2**10 + 1, 20_000, "cpu", False),
        (2**10, TABLE_NUMBERS // 2**10, 20, "gpu", True),
        (2**10, TABLE_NUMBERS // 2**10 + 1, 20, "gpu", False),
    ],
)
def test_a_step_makes_tables_where_they_fit_memory_and_on_a_cpu_cost_less(
    num_users, num_movies, ratings_per_user, platform, has_tables
):
    model = TwoTowers(10 * num_users, num_movies, 0, 0, ModelConfig(implicit_feedback_dim=64))
    config = TrainConfig(users_per_step=num_users).for_ratings(10 * num_users * ratings_per_user, "any")
    assert TrainingSetup(model, config, 1, (1.0, 5.0), 4.0, platform).has_tables == has_tables


@pytest.mark.parametrize(
    ("batch_size", "sequence_batch_size", "passes", "num_movies", "steps"),
    [
        (50, 10, 1, 10, (20, 5)),
        (50, 10, 2, 10, (20, 10)),
        (50, 11, 1, 10, (20, 5)),
        # A step of the towers has a step of the encoder at least.
        (1, 10, 1, 10, (1000, 1)),
        (1000, None, 100, 10, (1, 49)),
        # Steps are fewer where each changes the rows of very many movies.
        (1000, None, 100, 640_000, (1, 10)),
    ],
)
def test_the_encoder_takes_the_steps_of_its_passes_over_the_ratings(
    batch_size, sequence_batch_size, passes, num_movies, steps
):
    config = TrainConfig(
        batch_size=batch_size, sequence_batch_size=sequence_batch_size, sequence_passes=passes
    ).for_ratings(1000, "sequence")
    model = TwoTowers(5, num_movies, 0, 0, ModelConfig(), reads_sequences=True)
    assert TrainingSetup(model, config, 1, (1.0, 5.0), 4.0).sequence_steps == steps


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (5, 0.5 * 5 / 10),
        (10, 0.5),
        (40, 0.5 * (1 + np.cos(np.pi * 30 / 90)) / 2),
        (55, 0.5 / 2),
        (100, 0.0),
        (101, 0.0),
    ],
)
def test_the_rate_rises_over_a_tenth_of_100_steps_then_falls_by_half_a_cosine(step, expected):
    assert learning_rate(config_of(), total_steps=100)(step) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("total_steps", [1, 9, 10, 100])
def test_without_warm_up_the_first_step_has_the_highest_rate(total_steps):
    assert learning_rate(config_of(warmup_fraction=0.0), total_steps)(0) == 0.5


@pytest.mark.parametrize("total_steps", [1, 9])
def test_a_warm_up_shorter_than_a_step_is_none(total_steps):
    assert learning_rate(config_of(), total_steps)(0) == 0.5


@pytest.mark.parametrize("warmup_fraction", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("total_steps", [1, 2, 100])
def test_some_step_of_every_run_learns(total_steps, warmup_fraction):
    schedule = learning_rate(config_of(warmup_fraction=warmup_fraction), total_steps)
    assert max(float(schedule(step)) for step in range(total_steps)) > 0


def test_with_a_gradient_of_zero_only_kernels_shrink():
    optimizer = adam(config_of(weight_decay=0.01, warmup_fraction=0.0), total_steps=10)
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = optimizer.update(zeros, optimizer.init(PARAMS), PARAMS)
    moved = jax.tree.map(lambda update: float(np.sign(update).item()), updates)
    assert moved == {
        "tower": {"embedding": 0.0, "bias": 0.0, "hidden": {"kernel": -1.0}},
        "head": {"offset": 0.0, "residual": {"kernel": 1.0, "bias": 0.0}},
    }


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_adam_on_an_objective_with_the_squared_kernels(weight_decay):
    config = config_of(weight_decay=weight_decay, warmup_fraction=0.0)

    def error(params):
        return sum(jnp.sum(jnp.square(leaf - 2.0)) for leaf in jax.tree.leaves(params))

    def error_and_kernels(params):
        kernels = (params["tower"]["hidden"]["kernel"], params["head"]["residual"]["kernel"])
        return error(params) + weight_decay * sum(jnp.sum(jnp.square(kernel)) for kernel in kernels)

    def walk(optimizer, objective):
        params, state = PARAMS, optimizer.init(PARAMS)
        for _ in range(3):
            updates, state = optimizer.update(jax.grad(objective)(params), state, params)
            params = optax.apply_updates(params, updates)
        return params

    ours = walk(adam(config, total_steps=10), error)
    theirs = walk(optax.adam(learning_rate(config, total_steps=10)), error_and_kernels)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), ours, theirs)
