"""How much movies are alike: the cosine of their vectors. Lists of similar movies, and lists made more diverse."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Int64

from movierec_jax.model.two_tower import Encoded
from movierec_jax.recommend.partial_sort import top_k_of_scores

# Ratings of similarity 0 that each movie is given beside its own when similar movies are looked for.
SIMILAR_DAMPING = 2.0

# Keeps a movie without factors unlike every other.
SMALLEST_NORM = 1e-12


def movie_vectors(movies: Encoded, *, has_ratings: bool) -> Float[Array, "movies features"]:
    """Returns the factors of each movie, the members' side by side.

    has_ratings: whether the model has learnt from ratings; if not, factors tell nothing, and the vectors of the
        implicit-feedback score take their place.
    """
    return jnp.concatenate(list(movies.factors if has_ratings else movies.implicit_feedback[..., :-1]), axis=1)


def directions(movies: Encoded, *, has_ratings: bool = True) -> Float[Array, "movies features"]:
    """Returns the vector of each movie, as `movie_vectors`, scaled to length 1: a dot product is a cosine.

    A movie without a vector has zeros.
    """
    vectors = movie_vectors(movies, has_ratings=has_ratings)
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), SMALLEST_NORM)


def most_similar(
    direction: Float32[np.ndarray, "movies features"],
    num_ratings: Int64[np.ndarray, " movies"],
    movie_row: int,
    k: int,
) -> tuple[Int32[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    """Returns the rows of the k movies most similar to one, best first, and their similarities.

    Similarity is the cosine times n / (n + SIMILAR_DAMPING) for a movie of n ratings: few ratings give a poor cosine.
    """
    # The threads of a BLAS product take longer to begin than this takes in all.
    cosine = np.einsum("mf,f->m", direction, direction[movie_row])
    count = num_ratings.astype(np.float32)
    similarity = (cosine * count / (count + SIMILAR_DAMPING)).astype(np.float32)
    best = top_k_of_scores(similarity[None], [np.array([movie_row], np.int32)], k)[0]
    return best, similarity[best]


def diversify(
    score: Float[Array, "users candidates"],
    direction: Float[Array, "users candidates features"],
    diversity: Float[Array, ""],
    k: int,
) -> Int32[Array, "users k"]:
    """Returns the columns of k candidates by maximal marginal relevance (Carbonell & Goldstein 1998), in their order.

    Each next one maximises (1 - diversity) * score / highest score - diversity * (highest cosine with one chosen
    before). Candidates of score -inf come last.
    """
    best = jnp.max(score, axis=1, keepdims=True)
    # The lowest finite number ranks what may not be listed below all else, but above what is chosen already (-inf).
    share = jnp.where(jnp.isneginf(score), jnp.finfo(score.dtype).min, score / jnp.where(best > 0, best, 1))

    def choose(carry, _):
        open_share, nearest = carry
        column = jnp.argmax((1 - diversity) * open_share - diversity * nearest, axis=1)
        is_chosen = jnp.arange(score.shape[1])[None] == column[:, None]
        chosen_direction = jnp.take_along_axis(direction, column[:, None, None], axis=1)[:, 0]
        cosine = jnp.einsum("ucf,uf->uc", direction, chosen_direction)
        return (jnp.where(is_chosen, -jnp.inf, open_share), jnp.maximum(nearest, cosine)), column.astype(jnp.int32)

    _, columns = jax.lax.scan(choose, (share, jnp.zeros_like(share)), length=k)
    return columns.T
