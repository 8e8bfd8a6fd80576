"""What each rated movie and each feature adds to the exposure and the stars of a movie: parts of the model's own sums.

Both are linear in the user's history up to the dense layers, which are left out, so the parts are exact. All arrays are
NumPy's: to ask for a few numbers of every size would have JAX compile more than it works out.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int32

from movierec_jax.model.two_tower import Encoded, Members, history_scale


def history_parts(
    params: Members,
    rated_row: Int32[np.ndarray, " rated"],
    value: Float32[np.ndarray, " rated"],
    counts: Float32[np.ndarray, " rated"],
    movies: Encoded,
) -> tuple[Float32[np.ndarray, "movies rated"], Float32[np.ndarray, "movies rated"]]:
    """What each movie that a user has rated adds to the exposure and to the stars of encoded movies.

    value: what the rating of each tells the user's tower; counts: how much it counts in the user's exposure. Means over
    the members; 0 where the model has no such part.
    """
    implicit_score = stars = np.zeros((movies.bias.shape[1], len(rated_row)), np.float32)
    if "exposure" in params:
        rows = counts[:, None] * params["exposure"]["rated"][:, rated_row]
        implicit_score = mean_product(np.asarray(movies.implicit_feedback)[..., :-1], rows / np.linalg.norm(counts))
    tower = params["user_tower"]
    if "explicit" in tower:
        rows = value[:, None] * tower["explicit"][:, rated_row] + tower["implicit"][:, rated_row]
        rows = rows * np.asarray(history_scale(jnp.array([len(rated_row)], jnp.float32), rows.shape[-1]))
        stars = mean_product(np.asarray(movies.factors), rows[..., :-1]) + rows[..., -1].mean(axis=0)
    return implicit_score, stars


def mean_product(
    movies: Float32[np.ndarray, "members movies features"], rows: Float32[np.ndarray, "members rated features"]
) -> Float32[np.ndarray, "movies rated"]:
    """The mean over the members of the product of each movie with each row."""
    return (movies @ rows.swapaxes(1, 2)).mean(axis=0)


def content_part(
    params: Members, feature: Int32[np.ndarray, " features"], value: Float32[np.ndarray, " features"], user: Encoded
) -> Float32[np.ndarray, " features"]:
    """What each feature of a movie, with its value, adds to the stars that an encoded user would give it."""
    rows = value[:, None] * params["movie_tower"]["features"][:, feature]
    return (rows[..., :-1] @ user.factors[..., None] + rows[..., -1:])[..., 0].mean(axis=0)
