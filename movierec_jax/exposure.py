"""Which movies a user comes to rate at all, whatever the stars.

A product of two vectors, learnt over every pair of a user and a movie of the catalogue, as EASE, iALS and the linear
autoencoders are (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"):

    user  = sum over the n movies they have rated of a row of the movie / sqrt(n)
    movie = another row of the movie
    exposure = <user, movie> + bias of the movie

A user has no row of their own here, so that somebody new is known as well as anybody with as many ratings. Ratings that
are hidden from the user's vector are those that it has to tell.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from movierec_jax.pooling import BothWays, pool

# Spread of initial rows.
INITIAL_SPREAD = 0.05


class Exposure(nn.Module):
    """Vectors of users and of movies whose product is the exposure.

    The last number of a movie's vector is its bias, that of a user's vector 1.
    """

    num_movies: int
    dim: int

    def setup(self) -> None:
        rows = nn.initializers.normal(INITIAL_SPREAD)
        self.rated = self.param("rated", rows, (self.num_movies, self.dim))
        self.movie = self.param("movie", rows, (self.num_movies, self.dim))
        self.bias = self.param("bias", nn.initializers.zeros, (self.num_movies, 1))

    def users(self, rated: BothWays, num_rated: Float[Array, " users"]) -> Float[Array, "users exposure"]:
        """Users by the links to the movies they have rated, each of weight 1, and the number of these."""
        return user_vectors(pool((self.rated,), rated, len(num_rated)), num_rated)

    def movies(self, num_rows: int) -> Float[Array, "movie_rows exposure"]:
        """Movies in the order of rows, zero for those that train does not have."""
        vectors = jnp.concatenate([self.movie, self.bias], axis=1)
        return jnp.pad(vectors, ((0, num_rows - self.num_movies), (0, 0)))

    def catalogue(self, is_rated: Float[Array, "users movies"]) -> Float[Array, "users movies"]:
        """The exposure to every movie of users known by a table of what they have rated, 1 there and else 0."""
        users = user_vectors(is_rated @ self.rated, jnp.sum(is_rated, axis=1))
        return users @ self.movies(self.num_movies).T


def user_vectors(
    total: Float[Array, "users features"], num_rated: Float[Array, " users"]
) -> Float[Array, "users exposure"]:
    """Users from the sums over what they have rated."""
    scaled = total * jax.lax.rsqrt(jnp.maximum(num_rated, 1))[:, None]
    return jnp.pad(scaled, ((0, 0), (0, 1)), constant_values=1.0)
