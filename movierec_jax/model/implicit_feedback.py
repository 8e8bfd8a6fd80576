"""Which movies a user comes to rate at all, whatever the stars.

A product of two vectors, learnt over every pair of a user and a movie of the catalogue, as EASE, iALS and the linear
autoencoders are (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"):

    user  = sum over the movies they have rated of weight x a row of the movie / sqrt(sum of weight^2)
    movie = another row of the movie
    exposure = <user, movie> + bias of the movie

A weight is 1, or less the longer ago the rating was where the next ones are to be told (`recency_weight`). A user has no
row of their own here, so that somebody new is known as well as anybody with as many ratings. Ratings that are hidden
from the user's vector are those that it has to tell.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from movierec_jax.model.embedding_bag import BothWays, embedding_bag, sum_of_squares
from movierec_jax.model.sharding import zero_pad_init

# Spread of initial rows.
INITIAL_SPREAD = 0.05

# Keeps the vector of a user without ratings zero.
SMALLEST_WEIGHT = 1e-12


class ImplicitFeedback(nn.Module):
    """Vectors of users and of movies whose product is the exposure.

    The last number of a movie's vector is its bias, that of a user's vector 1.

    movie_rows: those of the tables, of which all but the first `num_movies` are filling.
    """

    num_movies: int
    movie_rows: int
    dim: int

    def setup(self) -> None:
        rows = zero_pad_init(nn.initializers.normal(INITIAL_SPREAD), self.num_movies)
        self.rated = self.param("rated", rows, (self.movie_rows, self.dim))
        self.movie = self.param("movie", rows, (self.movie_rows, self.dim))
        self.bias = self.param("bias", nn.initializers.zeros, (self.movie_rows, 1))

    def users(self, rated: BothWays, num_users: int) -> Float[Array, "users dim"]:
        """Users by the weighted links to the movies they have rated."""
        return user_vectors(embedding_bag((self.rated,), rated, num_users), sum_of_squares(rated.forward, num_users))

    def movies(self, num_rows: int) -> Float[Array, "movie_rows dim"]:
        """Movies in the order of rows, zero for those that train does not have."""
        vectors = jnp.concatenate([self.movie, self.bias], axis=1)
        return jnp.pad(vectors, ((0, num_rows - self.movie_rows), (0, 0)))

    def catalogue(self, rated: Float[Array, "users movies"]) -> Float[Array, "users movies"]:
        """The exposure to every movie of users known by a table of the weights of what they have rated, 0 elsewhere."""
        users = user_vectors(rated @ self.rated, jnp.sum(jnp.square(rated), axis=1))
        return users @ self.movies(self.movie_rows).T


def user_vectors(total: Float[Array, "users features"], squares: Float[Array, " users"]) -> Float[Array, "users dim"]:
    """Users from the weighted sums over what they have rated and the sums of the squared weights."""
    scaled = total * jax.lax.rsqrt(jnp.maximum(squares, SMALLEST_WEIGHT))[:, None]
    return jnp.pad(scaled, ((0, 0), (0, 1)), constant_values=1.0)
