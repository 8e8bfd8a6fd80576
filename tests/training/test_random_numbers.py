"""The numbers of single places are those of the whole array."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.training.masking import uniform_at


@pytest.mark.parametrize("seed", [0, 1, 2**31])
@pytest.mark.parametrize("length", [1, 2, 1000, 1001])
def test_every_place_has_the_number_of_the_whole_array(seed, length):
    key = jax.random.key(seed)
    expected = jax.random.uniform(key, (length,))
    np.testing.assert_array_equal(uniform_at(key, jnp.arange(length)), expected)
    places = jnp.array([[length - 1, 0], [length // 2, length - 1]])
    np.testing.assert_array_equal(jax.jit(uniform_at)(key, places), expected[places])


def test_a_place_before_the_first_has_a_number_as_well():
    found = uniform_at(jax.random.key(0), jnp.array([-1, -2, 2**31 - 1]))
    assert ((found >= 0) & (found < 1)).all()
    assert len(set(found.tolist())) == 3
