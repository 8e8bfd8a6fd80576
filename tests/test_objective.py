"""Losses by arithmetic, and shapes that would broadcast into a wrong one."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.model import Encoded
from movierec_jax.objective import embedding_size, squared_error, weighted_mean


def floats(*values):
    return jnp.array(values, jnp.float32)


def without_shape_checks(function):
    """The function as a user's program calls it: in the test run a hook checks annotated shapes and refuses first."""
    return inspect.unwrap(function)


@pytest.mark.parametrize("function", [squared_error, weighted_mean])
@pytest.mark.parametrize("other", [(3, 1), (1,), (), (1, 3), (2,)])
def test_unequal_shapes_are_refused(function, other):
    with pytest.raises(ValueError, match=r"\(3,\).*differ in shape"):
        without_shape_checks(function)(jnp.zeros(3), jnp.zeros(other))


def test_squared_error_is_the_square_of_the_difference():
    np.testing.assert_array_equal(squared_error(floats(3, 4.5, 1), floats(4, 4.5, 3)), [1, 0, 4])


def test_weighted_mean_divides_by_the_sum_of_weights():
    assert weighted_mean(floats(2, 8, 100), floats(1, 0.5, 0)) == (2 * 1 + 8 * 0.5) / (1 + 0.5)


def test_weighted_mean_of_one_value_is_that_value():
    assert weighted_mean(floats(2.5), floats(1)) == 2.5


def test_embedding_size_is_the_sum_of_squared_factors_and_biases_and_leaves_hidden_out():
    user = Encoded(bias=floats(3, 0), factors=floats([1, 2], [0, 0]), hidden=floats([9], [9]))
    movie = Encoded(bias=floats(5, 2), factors=floats([0, 4], [1, 1]), hidden=floats([9], [9]))
    expected = [1**2 + 2**2 + 3**2 + 0**2 + 4**2 + 5**2, 1**2 + 1**2 + 2**2]
    np.testing.assert_array_equal(embedding_size(user, movie), expected)


def test_a_rating_of_weight_0_changes_neither_the_loss_nor_its_gradient():
    def loss(stars, rating, weight):
        return weighted_mean(squared_error(stars, rating), weight)

    plain = jax.value_and_grad(loss)(floats(3, 1), floats(4, 4), floats(1, 1))
    filled = jax.value_and_grad(loss)(floats(3, 1, 5), floats(4, 4, 0.5), floats(1, 1, 0))
    assert plain[0] == filled[0] == (1 + 9) / 2
    np.testing.assert_array_equal(plain[1], [-2 / 2, -6 / 2])
    np.testing.assert_array_equal(filled[1], [-2 / 2, -6 / 2, 0])
