"""Two towers and one head: what is known of a user, of a movie, and the stars the one would give the other.

    user row,  movies rated and how,    features -> user tower  -> Encoded ─┐
                                                                            ├─ head -> stars
    movie row, users who rated and how, features -> movie tower -> Encoded ─┘

    stars = mean + user bias + movie bias + <user factors, movie factors> + dense(user hidden + movie hidden)

A tower adds up the embedding of its row, its content, which is the sum of value x row over its features, and its
history, which is the sum over its n ratings of

    (value of the rating x explicit row of the other side + implicit row of the other side) / sqrt(n)

which is SVD++ (Koren 2008) on both sides ("flipped", Rendle, Zhang, Koren 2019), with how a movie was rated beside that
it was rated. Factors and bias have all three parts. The dense layers add what the product cannot express (He et al.
2017, but as a residual that starts from zero). `dense` begins with a layer on both vectors side by side; that layer is
a sum of a user part and a movie part, so each tower computes its part once per user or movie and the head only adds
them. The head broadcasts: `[batch]` with `[batch]` gives pairs `[batch]`, and `[users, 1]` with `[1, movies]` gives
every combination `[users, movies]`.
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
from movierec_jax.schema import Known, Links

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


class Seen(NamedTuple):
    """What a tower sees of its owners besides their rows.

    ratings: links to the other side, weighted by the value of each rating and by 1; num_ratings: of each owner.
    content: links to features, weighted by their values.
    is_shown: 0 for owners of whom only the content counts, else 1.
    """

    ratings: BothWays
    num_ratings: Float[Array, " owners"]
    content: BothWays
    is_shown: Float[Array, " owners"]


def seen(
    known: Known, by_user: Bool[Array, "length user_pieces"], by_movie: Bool[Array, "length movie_pieces"]
) -> tuple[Seen, Seen]:
    """What the towers see of all users and of all movies, by those ratings that count as either layout says."""
    user, movie = by_user.astype(jnp.float32), by_movie.astype(jnp.float32)

    def weighted(links: Links, counts: Float[Array, "length pieces"], value: int) -> Weighted:
        return Weighted(links.owner, links.other, (counts * links.values[value], counts))

    def content(by_row: Links, by_feature: Links) -> BothWays:
        return BothWays(*(Weighted(links.owner, links.other, links.values) for links in (by_row, by_feature)))

    return (
        Seen(
            ratings=BothWays(weighted(known.by_user, user, 0), weighted(known.by_movie, movie, 0)),
            num_ratings=over_owners(user.sum(axis=0), known.by_user.owner, len(known.user_count)),
            content=content(known.user_features, known.by_user_feature),
            is_shown=jnp.ones_like(known.user_count),
        ),
        Seen(
            ratings=BothWays(weighted(known.by_movie, movie, 1), weighted(known.by_user, user, 1)),
            num_ratings=over_owners(movie.sum(axis=0), known.by_movie.owner, len(known.movie_count)),
            content=content(known.movie_features, known.by_movie_feature),
            is_shown=jnp.ones_like(known.movie_count),
        ),
    )


def hide(seen: Seen, share: float, key: Array) -> Seen:
    """The same with a share of the owners, drawn by chance, known by their content alone."""
    return seen._replace(is_shown=jax.random.bernoulli(key, 1 - share, seen.is_shown.shape).astype(jnp.float32))


class Tower(nn.Module):
    """Rows and what is seen of them -> Encoded: the sum of an embedding, the history and the content.

    Rows from `num_rows` on have no embedding: of those users or movies train has no rating. One of whom nothing at all
    is seen is zero, the value to which decay pulls all rows: an average one.
    """

    num_rows: int
    num_others: int
    num_features: int
    has_history: bool
    config: ModelConfig

    @nn.compact
    def __call__(self, row: Int32[Array, " n"], seen: Seen) -> Encoded:
        config = self.config
        width = config.embedding_dim
        bias = self.param("bias", nn.initializers.zeros, (self.num_rows, 1))
        embedding = self.param("embedding", small_normal, (self.num_rows, width))
        # The last column is the bias, here and below.
        vector = jnp.concatenate([embedding, bias], axis=1).at[row].get(mode="fill", fill_value=0)
        if self.has_history:
            shape = (self.num_others, width + 1)
            explicit, implicit = (self.param(name, small_normal, shape) for name in ("explicit", "implicit"))
            history = pool((explicit, implicit), seen.ratings, len(row))
            vector = vector + history / jnp.sqrt(jnp.maximum(seen.num_ratings, 1))[:, None]
        vector = vector * seen.is_shown[:, None]
        if self.num_features:
            features = self.param("features", small_normal, (self.num_features, width + 1))
            vector = vector + pool((features,), seen.content, len(row))
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

    num_users, num_movies: those of train.
    rating_mean: mean rating of the train part in stars, from which training starts.
    """

    num_users: int
    num_movies: int
    num_user_features: int
    num_movie_features: int
    config: ModelConfig
    rating_mean: float = 0.0

    def setup(self) -> None:
        def tower(num_rows, num_others, num_features, side):
            return Tower(num_rows, num_others, num_features, side in self.config.history, self.config)

        self.user_tower = tower(self.num_users, self.num_movies, self.num_user_features, "user")
        self.movie_tower = tower(self.num_movies, self.num_users, self.num_movie_features, "movie")
        self.head = Head(self.rating_mean, self.config)

    def __call__(
        self,
        users: Seen,
        movies: Seen,
        user_row: Int32[Array, " batch"],
        movie_row: Int32[Array, " batch"],
        *,
        is_training: bool = False,
    ) -> tuple[Float[Array, " batch"], Encoded, Encoded]:
        """Stars of each pair, with the encoded users and movies they come from."""
        user, movie = self.encode_users(users)[user_row], self.encode_movies(movies)[movie_row]
        return self.head(user, movie, is_training=is_training), user, movie

    def encode_users(self, users: Seen) -> Encoded:
        """Every user in the order of rows, those without ratings last."""
        return self.user_tower(jnp.arange(len(users.num_ratings), dtype=jnp.int32), users)

    def encode_movies(self, movies: Seen) -> Encoded:
        """Every movie in the order of rows, those without ratings last."""
        return self.movie_tower(jnp.arange(len(movies.num_ratings), dtype=jnp.int32), movies)

    def encode_new_users(self, users: Seen) -> Encoded:
        """Users who have no row."""
        return self.user_tower(jnp.full(len(users.num_ratings), self.num_users, jnp.int32), users)

    def stars(self, user: Encoded, movie: Encoded) -> Float[Array, "*pairs"]:
        return self.head(user, movie)


@functools.partial(jax.jit, static_argnames="model")
def encode(params: Members, known: Known, *, model: TwoTowers) -> tuple[Encoded, Encoded]:
    """All users and all movies with their whole histories, as each member sees them: `[members, rows, ...]`."""
    users, movies = seen(known, known.by_user.link >= 0, known.by_movie.link >= 0)
    return (
        jax.vmap(lambda member: model.apply({"params": member}, users, method="encode_users"))(params),
        jax.vmap(lambda member: model.apply({"params": member}, movies, method="encode_movies"))(params),
    )


@functools.partial(jax.jit, static_argnames=("model", "num_users"))
def encode_new_users(params: Members, links: Links, num_users: int, *, model: TwoTowers) -> Encoded:
    """Users who are not in train, from their ratings of movies that are: `[members, users, ...]`."""
    counts = (links.link >= 0).astype(jnp.float32)
    ratings = Weighted(links.owner, links.other, (links.values[0], counts))
    nothing = Weighted(jnp.zeros(0, jnp.int32), jnp.zeros((1, 0), jnp.int32), (jnp.zeros((1, 0)),))
    users = Seen(
        ratings=BothWays(ratings, ratings),
        num_ratings=over_owners(counts.sum(axis=0), links.owner, num_users),
        content=BothWays(nothing, nothing),
        is_shown=jnp.ones(num_users),
    )
    return jax.vmap(lambda member: model.apply({"params": member}, users, method="encode_new_users"))(params)


def member_stars(
    params: Members, users: Encoded, movies: Encoded, *, model: TwoTowers
) -> Float[Array, "members *pairs"]:
    """What each member says of encoded users and movies, of shapes that broadcast."""
    return jax.vmap(lambda *args: model.apply({"params": args[0]}, *args[1:], method="stars"))(params, users, movies)


def mean_stars(params: Members, users: Encoded, movies: Encoded, *, model: TwoTowers) -> Float[Array, "*pairs"]:
    """The mean over the members of the stars of encoded users and movies, of shapes that broadcast."""
    return jnp.mean(member_stars(params, users, movies, model=model), axis=0)


def small_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Float[Array, "rows features"]:
    """Normal initial values whose products have a spread of INITIAL_SPREAD."""
    return (INITIAL_SPREAD**0.5 / shape[1] ** 0.25) * jax.random.normal(key, shape, dtype)
