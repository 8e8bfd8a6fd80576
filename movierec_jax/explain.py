"""What each rated movie and each feature adds to the exposure and the stars of a movie: parts of the model's own sums.

Both are linear in the user's history up to the dense layers, which are left out, so the parts are exact.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from movierec_jax.model import Encoded, Members, history_scale


def history_parts(
    params: Members,
    rated_row: Int32[np.ndarray, " rated"],
    value: Float32[np.ndarray, " rated"],
    counts: Float32[np.ndarray, " rated"],
    movies: Encoded,
) -> tuple[Float[Array, "movies rated"], Float[Array, "movies rated"]]:
    """What each movie that a user has rated adds to the exposure and to the stars of encoded movies.

    value: what the rating of each tells the user's tower; counts: how much it counts in the user's exposure. Means over
    the members; 0 where the model has no such part.
    """
    num_rated = jnp.float32(len(rated_row))

    def of_member(params, movie: Encoded):
        nothing = jnp.zeros((len(movie.bias), len(rated_row)))
        exposure = stars = nothing
        if "exposure" in params:
            rows = counts[:, None] * params["exposure"]["rated"][rated_row]
            exposure = movie.exposure[:, :-1] @ (rows / jnp.linalg.norm(counts)).T
        tower = params["user_tower"]
        if "explicit" in tower:
            rows = value[:, None] * tower["explicit"][rated_row] + tower["implicit"][rated_row]
            rows = rows * history_scale(num_rated[None], rows.shape[1])
            stars = movie.factors @ rows[:, :-1].T + rows[:, -1][None]
        return exposure, stars

    parts = jax.vmap(of_member)(params, movies)
    return parts[0].mean(axis=0), parts[1].mean(axis=0)


def content_part(
    params: Members, feature: Int32[np.ndarray, " features"], value: Float32[np.ndarray, " features"], user: Encoded
) -> Float[Array, " features"]:
    """What each feature of a movie, with its value, adds to the stars that an encoded user would give it."""

    def of_member(params, user: Encoded):
        rows = value[:, None] * params["movie_tower"]["features"][feature]
        return rows[:, :-1] @ user.factors + rows[:, -1]

    return jax.vmap(of_member)(params, user).mean(axis=0)
