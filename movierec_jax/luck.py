"""Random numbers at single places of an array that is never made whole, so that each device makes those it needs."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p
from jaxtyping import Array, Float32, Int32

# A float32 from 1 to 2 has these bits before the 23 of its fraction.
BITS_OF_ONE, FRACTION_BITS = np.uint32(0x3F800000), 23


def uniform_at(key: Array, place: Int32[Array, "*n"]) -> Float32[Array, "*n"]:
    """What `jax.random.uniform(key, (length,))` has at these places, whatever the length.

    A negative place is one of an array of 2^32 numbers, counted from its end. The key is one of JAX's usual kind, of
    which each number is a function of its place (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
    """
    halves = jax.random.key_data(key)
    place = place.astype(jnp.uint32)
    one, other = threefry2x32_p.bind(halves[0], halves[1], jnp.zeros_like(place), place)
    fraction = (one ^ other) >> (32 - FRACTION_BITS)
    return jax.lax.bitcast_convert_type(fraction | BITS_OF_ONE, jnp.float32) - 1
