"""What training makes small: the squared error of the stars, and the size of the embeddings.

Means are weighted, so the places that fill up a last batch (weight 0) change nothing.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from movierec_jax.model import Encoded


def weighted_mean(value: Float[Array, " batch"], weight: Float[Array, " batch"]) -> Float[Array, ""]:
    """The mean with weights. Raises ValueError for unequal shapes, which would broadcast into a wrong mean."""
    if value.shape != weight.shape:
        raise ValueError(f"values {value.shape} and weights {weight.shape} differ in shape")
    return jnp.sum(value * weight) / jnp.sum(weight)


def squared_error(stars: Float[Array, " batch"], rating: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Squared error of each prediction, in squared stars. Raises ValueError for unequal shapes."""
    if stars.shape != rating.shape:
        raise ValueError(f"predictions {stars.shape} and ratings {rating.shape} differ in shape")
    return jnp.square(stars - rating)


def embedding_size(user: Encoded, movie: Encoded) -> Float[Array, " batch"]:
    """Squared size of the embedding and bias of each rating's user and movie.

    Summed over ratings this weighs a row by its number of ratings, the usual penalty of matrix factorisation (Koren,
    Bell, Volinsky 2009, equation 5); a step needs only the rows of its batch.
    """
    vectors = (user.factors, user.bias[..., None], movie.factors, movie.bias[..., None])
    return jax.tree.reduce(jnp.add, [jnp.sum(jnp.square(vector), axis=-1) for vector in vectors])
