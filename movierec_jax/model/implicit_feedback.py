"""The implicit-feedback score: will the user come to rate the movie at all, whatever the stars?

A product of two vectors, trained on every pair of a user and a movie of the catalogue, as iALS (Hu, Koren, Volinsky
2008, "Collaborative filtering for implicit feedback datasets") and EASE (Steck 2019, "Embarrassingly shallow
autoencoders for sparse data") are:

    user  = sum over the movies they rated of weight x a row of the movie / sqrt(sum of weight^2)
    movie = another row of the movie
    implicit-feedback score = <user, movie> + bias of the movie

A weight grows with the rating (`liking_weight`), so that a movie disliked brings no others like it; where the model
learns what users rate next, it falls with the rating's age (`recency_weight`). A user has no row of their own here, so
a new user is encoded as well as anybody with as many ratings. The tables are the module's own: what brings people to a
movie is not what makes them like it. Training masks some of a user's ratings, and the others predict which they are
(`training/masking.py`).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from movierec_jax.model.embedding_bag import BothWays, embedding_bag, sum_of_squares
from movierec_jax.model.sharding import zero_pad_init

# Standard deviation of initial rows.
ROW_SPREAD = 0.05

# Least sum of squared weights that a user's vector is scaled by, so that a single movie disliked does not count as much
# as one liked.
LEAST_SQUARES = 1.0

# By how much a movie's weight grows with each standard deviation of its rating, and the most that it reaches.
LIKING_SLOPE, MAX_LIKING_WEIGHT = 0.5, 2.0

# How much more trends count than the score of the average user does. Measured on the validation parts of three data
# sets, where 2 to 8 are about equally good.
TREND_WEIGHT = 3.0


class ImplicitFeedback(nn.Module):
    """Vectors of users and of movies whose product is the implicit-feedback score.

    The last number of a movie's vector is its bias, that of a user's vector 1.

    movie_rows: rows of the tables; those from `num_movies` on are filling.
    """

    num_movies: int
    movie_rows: int
    dim: int

    def setup(self) -> None:
        init = zero_pad_init(nn.initializers.normal(ROW_SPREAD), self.num_movies)
        self.rated = self.param("rated", init, (self.movie_rows, self.dim))
        self.movie = self.param("movie", init, (self.movie_rows, self.dim))
        self.bias = self.param("bias", nn.initializers.zeros, (self.movie_rows, 1))

    def users(self, rated: BothWays, num_users: int) -> Float[Array, "users dim"]:
        """Encodes users from the weighted links to the movies they rated."""
        return user_vectors(embedding_bag((self.rated,), rated, num_users), sum_of_squares(rated.forward, num_users))

    def movies(self, num_rows: int) -> Float[Array, "movie_rows dim"]:
        """Encodes movies in the order of rows; zero for those without a rating in train."""
        vectors = jnp.concatenate([self.movie, self.bias], axis=1)
        return jnp.pad(vectors, ((0, num_rows - self.movie_rows), (0, 0)))

    def score_catalogue(self, rated: Float[Array, "users movies"]) -> Float[Array, "users movies"]:
        """Scores every movie for users given by a dense table: the weight of each movie they rated, 0 elsewhere."""
        users = user_vectors(rated @ self.rated, jnp.sum(jnp.square(rated), axis=1))
        return users @ self.movies(self.movie_rows).T


def liking_weight(deviation):
    """Returns the weight of a rating: 1 at the movie's level, 2 from two standard deviations above, 0 from two below.

    deviation: of the rating from the movie's level, in standard deviations of ratings; 0 for a movie watched but not
        rated.
    """
    return (1 + LIKING_SLOPE * deviation).clip(0, MAX_LIKING_WEIGHT)


def user_vectors(total: Float[Array, "users features"], squares: Float[Array, " users"]) -> Float[Array, "users dim"]:
    """Scales each user's weighted sum by the root of the summed squared weights, and appends 1 for the movie's bias."""
    scaled = total * jax.lax.rsqrt(jnp.maximum(squares, LEAST_SQUARES))[:, None]
    return jnp.pad(scaled, ((0, 0), (0, 1)), constant_values=1.0)


@jax.jit
def add_trend(
    mean_user: Float[Array, "members dim"],
    movies: Float[Array, "members movie_rows dim"],
    trend: Float[Array, " movie_rows"],
) -> Float[Array, "members movie_rows dim"]:
    """Returns the movies' vectors with each one's share of what people rate lately added to its bias.

    The shares count in the units of the score: TREND_WEIGHT x the factor with which they come closest to the score that
    the movies have for the average of the users of train.
    """
    score = jnp.einsum("ed,emd->em", mean_user, movies)
    scale = score @ trend / jnp.sum(jnp.square(trend))
    bias = TREND_WEIGHT * jnp.maximum(scale, 0)[:, None] * trend[None]
    return movies.at[:, :, -1].add(bias)
