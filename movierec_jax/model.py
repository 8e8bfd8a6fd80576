"""Two towers and one head: what is known of a user, of a movie, and the stars the one would give the other.

    user row  -> user tower  -> Encoded ─┐
                                         ├─ head -> stars
    movie row -> movie tower -> Encoded ─┘

    stars = mean + user bias + movie bias + <user factors, movie factors> + dense(user hidden + movie hidden)

The first three terms and the product are biased matrix factorisation (Koren, Bell, Volinsky 2009); the dense layers add
what the product cannot express (He et al. 2017, but as a residual that starts from zero). `dense` begins with a layer
on both vectors side by side; that layer is a sum of a user part and a movie part, so each tower computes its part once
per user or movie and the head only adds them. The head broadcasts: `[batch]` with `[batch]` gives pairs `[batch]`, and
`[users, 1]` with `[1, movies]` gives every combination `[users, movies]`.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from movierec_jax.config import ModelConfig


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


class Tower(nn.Module):
    """Rows -> Encoded, from an embedding per row.

    The last row stands for every unknown id. It is zero and stays zero, the value to which decay pulls all rows: an
    unknown user is an average one.
    """

    num_rows: int
    config: ModelConfig

    @nn.compact
    def __call__(self, row: Int32[Array, "*n"]) -> Encoded:
        config = self.config
        bias = self.param("bias", nn.initializers.zeros, (self.num_rows + 1, 1))
        embedding = self.param("embedding", normal_but_last, (self.num_rows + 1, config.embedding_dim))
        factors = embedding[row]
        if config.hidden_dims:
            hidden = nn.Dense(config.hidden_dims[0], dtype=config.precision, name="hidden")(factors)
        else:
            hidden = factors[..., :0]
        return Encoded(bias=bias[row, 0], factors=factors, hidden=hidden)


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
    """Stars for pairs of rows, and its three parts for those who combine them otherwise.

    rating_mean: mean rating of the train part in stars, from which training starts.
    """

    num_users: int
    num_movies: int
    config: ModelConfig
    rating_mean: float = 0.0

    def setup(self) -> None:
        self.user_tower = Tower(self.num_users, self.config)
        self.movie_tower = Tower(self.num_movies, self.config)
        self.head = Head(self.rating_mean, self.config)

    def __call__(
        self, user_row: Int32[Array, " batch"], movie_row: Int32[Array, " batch"], *, is_training: bool = False
    ) -> tuple[Float[Array, " batch"], Encoded, Encoded]:
        """Stars of each pair, with the encoded users and movies they come from."""
        user, movie = self.user_tower(user_row), self.movie_tower(movie_row)
        return self.head(user, movie, is_training=is_training), user, movie

    def encode_users(self, row: Int32[Array, "*n"]) -> Encoded:
        return self.user_tower(row)

    def encode_movies(self, row: Int32[Array, "*n"]) -> Encoded:
        return self.movie_tower(row)

    def stars(self, user: Encoded, movie: Encoded) -> Float[Array, "*pairs"]:
        return self.head(user, movie)


def normal_but_last(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Float[Array, "rows features"]:
    """Normal initial values whose products have a spread of 0.01 stars; the last row zero."""
    spread = 0.1 / shape[1] ** 0.25
    return (spread * jax.random.normal(key, shape, dtype)).at[-1].set(0)
