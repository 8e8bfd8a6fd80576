"""Two towers and one head: what is known of a user, of a movie, and the stars the one would give the other.

    user row,  movies rated and how -> user tower  -> Encoded ─┐
                                                               ├─ head -> stars
    movie row, users who rated and how -> movie tower -> Encoded ─┘

    stars = mean + user bias + movie bias + <user factors, movie factors> + dense(user hidden + movie hidden)

A tower adds up the embedding of its row and its history, the sum over its n ratings of

    (value of the rating x explicit row of the other side + implicit row of the other side) / sqrt(n)

which is SVD++ (Koren 2008) on both sides ("flipped", Rendle, Zhang, Koren 2019), with how a movie was rated beside that
it was rated. Factors and bias have both parts. The dense layers add what the product cannot express (He et al. 2017,
but as a residual that starts from zero). `dense` begins with a layer on both vectors side by side; that layer is a sum
of a user part and a movie part, so each tower computes its part once per user or movie and the head only adds them. The
head broadcasts: `[batch]` with `[batch]` gives pairs `[batch]`, and `[users, 1]` with `[1, movies]` gives every
combination `[users, movies]`.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from movierec_jax.config import ModelConfig
from movierec_jax.pooling import BothWays, Weighted, over_owners, pool
from movierec_jax.schema import History

# Parameters of all members of an ensemble, stacked along a first axis.
Members = Any

# Spread of the products of initial embeddings, in stars.
INITIAL_SPREAD = 0.001


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoded:
    """What a tower says of users or movies: all that the head needs of them."""

    bias: Float[Array, "*n"]
    factors: Float[Array, "*n features"]
    hidden: Float[Array, "*n hidden"]

    def __getitem__(self, index) -> "Encoded":
        """The same of a part, or with new axes: `users[:, None]` for broadcasting."""
        return jax.tree.map(lambda array: array[index], self)


class Rated(NamedTuple):
    """The histories of one side: links to the other side weighted by the value of each rating and by 1, and counts."""

    links: BothWays
    count: Float[Array, " owners"]


def rated(
    history: History, counts_by_user: Bool[Array, "length pieces"], counts_by_movie: Bool[Array, "length pieces"]
) -> tuple[Rated, Rated]:
    """The histories of all users and of all movies, of those ratings that count, as either layout of them says."""
    by_user, by_movie = history.by_user, history.by_movie
    user, movie = counts_by_user.astype(jnp.float32), counts_by_movie.astype(jnp.float32)
    of_users = BothWays(
        Weighted(by_user.owner, by_user.other, (user * by_user.user_value, user)),
        Weighted(by_movie.owner, by_movie.other, (movie * by_movie.user_value, movie)),
    )
    of_movies = BothWays(
        Weighted(by_movie.owner, by_movie.other, (movie * by_movie.movie_value, movie)),
        Weighted(by_user.owner, by_user.other, (user * by_user.movie_value, user)),
    )
    return (
        Rated(of_users, over_owners(user.sum(axis=0), by_user.owner, len(history.user_count))),
        Rated(of_movies, over_owners(movie.sum(axis=0), by_movie.owner, len(history.movie_count))),
    )


def nothing_rated(num_owners: int) -> Rated:
    """The histories of users or movies without ratings."""
    nothing = jnp.zeros((1, 0))
    no_links = Weighted(jnp.zeros(0, jnp.int32), jnp.zeros((1, 0), jnp.int32), (nothing, nothing))
    return Rated(BothWays(no_links, no_links), jnp.zeros(num_owners))


class Tower(nn.Module):
    """Rows and their histories -> Encoded, from an embedding per row and two per row of the other side.

    The last row stands for every unknown id. Its embedding is zero and stays zero, the value to which decay pulls all
    rows: a user of whom nothing is known is an average one.
    """

    num_rows: int
    num_others: int
    has_history: bool
    config: ModelConfig

    @nn.compact
    def __call__(self, row: Int32[Array, " n"], rated: Rated) -> Encoded:
        config = self.config
        width = config.embedding_dim
        bias = self.param("bias", nn.initializers.zeros, (self.num_rows + 1, 1))
        embedding = self.param("embedding", small_normal, (self.num_rows + 1, width)).at[-1].set(0)
        vector = jnp.concatenate([embedding, bias], axis=1)[row]
        if self.has_history:
            # The last column is the bias.
            tables = tuple(
                self.param(name, small_normal, (self.num_others, width + 1)) for name in ("explicit", "implicit")
            )
            pooled = pool(tables, rated.links, len(row))
            vector = vector + pooled / jnp.sqrt(jnp.maximum(rated.count, 1))[:, None]
        factors = vector[:, :-1]
        if config.hidden_dims:
            hidden = nn.Dense(config.hidden_dims[0], dtype=config.precision, name="hidden")(factors)
        else:
            hidden = factors[:, :0]
        return Encoded(bias=vector[:, -1], factors=factors, hidden=hidden)


class Head(nn.Module):
    """Encoded users and movies, of shapes that broadcast -> stars, float32, not yet held to the rating scale."""

    rating_mean: float
    config: ModelConfig

    @nn.compact
    def __call__(self, user: Encoded, movie: Encoded, *, is_training: bool = False) -> Float[Array, "*pairs"]:
        config = self.config
        dropout = nn.Dropout(config.dropout, deterministic=not is_training)
        mean = self.param("mean", nn.initializers.constant(self.rating_mean), ())
        product = jnp.einsum(
            "...d,...d->...",
            user.factors.astype(config.precision),
            movie.factors.astype(config.precision),
            preferred_element_type=jnp.float32,
        )
        stars = mean + user.bias + movie.bias + product
        if not config.hidden_dims:
            return stars
        hidden = dropout(nn.relu(user.hidden + movie.hidden))
        for width in config.hidden_dims[1:]:
            hidden = dropout(nn.relu(nn.Dense(width, dtype=config.precision)(hidden)))
        residual = nn.Dense(1, dtype=jnp.float32, kernel_init=nn.initializers.zeros, name="residual")(hidden)
        return stars + residual[..., 0]


class TwoTowers(nn.Module):
    """Users and movies encoded, and the stars of those that are put together.

    rating_mean: mean rating of the train part in stars, from which training starts.
    """

    num_users: int
    num_movies: int
    config: ModelConfig
    rating_mean: float = 0.0

    def setup(self) -> None:
        history = self.config.history
        self.user_tower = Tower(self.num_users, self.num_movies, "user" in history, self.config)
        self.movie_tower = Tower(self.num_movies, self.num_users, "movie" in history, self.config)
        self.head = Head(self.rating_mean, self.config)

    def __call__(
        self,
        users: Rated,
        movies: Rated,
        user_row: Int32[Array, " batch"],
        movie_row: Int32[Array, " batch"],
        *,
        is_training: bool = False,
    ) -> tuple[Float[Array, " batch"], Encoded, Encoded]:
        """Stars of each pair, with the encoded users and movies they come from."""
        user, movie = self.encode_users(users)[user_row], self.encode_movies(movies)[movie_row]
        return self.head(user, movie, is_training=is_training), user, movie

    def encode_users(self, users: Rated) -> Encoded:
        """Every user in the order of rows, the unknown one last."""
        return self.user_tower(jnp.arange(self.num_users + 1, dtype=jnp.int32), users)

    def encode_movies(self, movies: Rated) -> Encoded:
        """Every movie in the order of rows, the unknown one last."""
        return self.movie_tower(jnp.arange(self.num_movies + 1, dtype=jnp.int32), movies)

    def encode_new_users(self, users: Rated) -> Encoded:
        """Users who are known by their history alone."""
        return self.user_tower(jnp.full(len(users.count), self.num_users, jnp.int32), users)

    def stars(self, user: Encoded, movie: Encoded) -> Float[Array, "*pairs"]:
        return self.head(user, movie)


@functools.partial(jax.jit, static_argnames="model")
def encode(params: Members, history: History, *, model: TwoTowers) -> tuple[Encoded, Encoded]:
    """All users and all movies with their whole histories, as each member sees them: `[members, rows, ...]`."""
    users, movies = rated(history, history.by_user.rating >= 0, history.by_movie.rating >= 0)
    return (
        jax.vmap(lambda member: model.apply({"params": member}, users, method="encode_users"))(params),
        jax.vmap(lambda member: model.apply({"params": member}, movies, method="encode_movies"))(params),
    )


def mean_stars(params: Members, users: Encoded, movies: Encoded, *, model: TwoTowers) -> Float[Array, "*pairs"]:
    """The mean over the members of the stars of encoded users and movies, of shapes that broadcast."""

    def member_stars(member, user, movie):
        return model.apply({"params": member}, user, movie, method="stars")

    return jnp.mean(jax.vmap(member_stars)(params, users, movies), axis=0)


def small_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Float[Array, "rows features"]:
    """Normal initial values whose products have a spread of INITIAL_SPREAD."""
    return (INITIAL_SPREAD**0.5 / shape[1] ** 0.25) * jax.random.normal(key, shape, dtype)
