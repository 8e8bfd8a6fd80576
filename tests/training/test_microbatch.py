"""Sums over pairs and their gradients, some pairs at a time: the same as of all pairs at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.training.microbatch import sum_over_microbatches

NUM_PAIRS = 10
RNG = np.random.default_rng(0)
PARAMS = {"slope": jnp.float32([2.0, -1.0])}
TABLES = tuple(jnp.asarray(RNG.normal(size=(rows, 2)), jnp.float32) for rows in (4, 5))
ROWS = tuple(jnp.asarray(RNG.integers(rows, size=NUM_PAIRS), jnp.int32) for rows in (4, 5))
COLUMNS = {
    "stars": jnp.asarray(RNG.normal(size=NUM_PAIRS), jnp.float32),
    "weight": jnp.ones(NUM_PAIRS),
    "number": jnp.arange(NUM_PAIRS),
}


def loss(params, user, movie, columns, key):
    """Weighted squared errors, and their number."""
    del key
    error = user @ params["slope"] + jnp.sum(user * movie, axis=1) - columns["stars"]
    return jnp.sum(columns["weight"] * jnp.square(error)), jnp.sum(columns["weight"])


def noisy(params, user, movie, columns, key):
    """The same with something left to chance."""
    noise = jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number)))(columns["number"])
    return loss(params, user + noise[:, None], movie, columns, key)


def all_at_once(params, tables, columns=COLUMNS):
    return loss(params, tables[0][ROWS[0]], tables[1][ROWS[1]], columns, None)


def summed(at_once, params, tables, columns=COLUMNS, loss=loss, key=0):
    return sum_over_microbatches(loss, at_once, None, params, tables, ROWS, columns, jax.random.key(key))


def gradients(function):
    return jax.value_and_grad(function, argnums=(0, 1), has_aux=True)(PARAMS, TABLES)


@pytest.mark.parametrize("at_once", [1, 3, NUM_PAIRS, NUM_PAIRS + 1])
def test_sums_and_gradients_are_those_of_all_pairs_at_once(at_once):
    one, other = gradients(functools.partial(summed, at_once)), gradients(all_at_once)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), one, other)


def test_the_gradient_is_that_of_the_first_sum_times_what_follows():
    def twice(params, tables):
        error, count = summed(3, params, tables)
        return 2 * error + 7 * count, None

    doubled = jax.tree.map(lambda gradient: 2 * gradient, gradients(all_at_once)[1])
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), gradients(twice)[1], doubled)


def test_pairs_without_weight_change_nothing():
    weight = jnp.float32([1, 0] * 5)
    ten = gradients(lambda params, tables: summed(4, params, tables, COLUMNS | {"weight": weight}))
    five = gradients(lambda params, tables: all_at_once(params, tables, COLUMNS | {"weight": weight}))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), ten, five)
    assert ten[0][1] == 5


@pytest.mark.parametrize("at_once", [1, 3])
def test_chance_is_a_function_of_the_key_and_of_the_pair_whichever_are_taken_together(at_once):
    def error(at_once, key):
        return float(summed(at_once, PARAMS, TABLES, COLUMNS, noisy, key)[0])

    assert error(at_once, 0) == pytest.approx(error(NUM_PAIRS, 0), rel=1e-5)
    assert error(at_once, 0) != pytest.approx(error(at_once, 1), rel=1e-3)


def test_members_have_sums_of_their_own():
    members = jax.tree.map(lambda leaf: jnp.stack([leaf, 3 * leaf]), PARAMS)
    together = jax.vmap(lambda params: summed(4, params, TABLES))(members)
    apart = [summed(4, jax.tree.map(lambda leaf, member=member: leaf[member], members), TABLES) for member in (0, 1)]
    np.testing.assert_allclose(np.transpose(together), apart, rtol=1e-5)
