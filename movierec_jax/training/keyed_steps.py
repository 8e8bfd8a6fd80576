"""The step that predicts each rating, computed on the devices from its number, where there are too many to keep."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, UInt32

from movierec_jax.training.batches import num_steps
from movierec_jax.training.random_order import permute


class KeyedSteps(NamedTuple):
    """The keys of the order of an epoch, and of that whose first `num_held_out` ratings are held out."""

    keys: UInt32[Any, " rounds"]
    held_out_keys: UInt32[Any, " rounds"]
    num_held_out: Int32[Any, ""]


def keyed_steps(
    steps: KeyedSteps, link: Int32[Array, "length segments"], num_ratings: int, batch_size: int
) -> Int[Array, "length segments"]:
    """Returns the step of each link, as `step_of_links` does, in the smallest dtype that holds a step after all."""
    dtype = np.min_scalar_type(-num_steps(num_ratings, batch_size) - 1)
    step = (positions(link, num_ratings, steps.keys) // batch_size).astype(dtype)
    step = jnp.where(is_held_out(steps.held_out_keys, steps.num_held_out, link, num_ratings), -1, step)
    return jnp.where(link < 0, -1, jnp.where(link < num_ratings, step, jnp.iinfo(dtype).max)).astype(dtype)


def is_held_out(
    keys: UInt32[Array, " rounds"], number: Int32[Array, ""], link: Int32[Array, "*n"], num_ratings: int
) -> Bool[Array, "*n"]:
    """Returns which ratings are among the first `number` of an order."""
    return (link < num_ratings) & (positions(link, num_ratings, keys) < number.astype(jnp.uint32))


def positions(number: Int32[Array, "*n"], length: int, keys: UInt32[Array, " rounds"]) -> UInt32[Array, "*n"]:
    """Returns what `RandomOrder.permuted` returns for numbers of ratings; anything for other numbers."""
    first = jnp.clip(number, 0, length - 1).astype(jnp.uint32)
    return jax.lax.while_loop(
        lambda found: jnp.any(found >= length),
        lambda found: jnp.where(found >= length, permute(found, length, keys), found),
        permute(first, length, keys),
    )
