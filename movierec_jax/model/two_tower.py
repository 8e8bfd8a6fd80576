"""Two towers and one head: what is known of a user, of a movie, and the stars the one would give the other.

    user row,  movies rated and how,    features -> user tower  -> Encoded ─┐
                                                                            ├─ head -> stars
    movie row, users who rated and how, features -> movie tower -> Encoded ─┘

    stars = mean + user bias + movie bias + <user factors, movie factors> + dense(user hidden + movie hidden)
    implicit-feedback score = <user vector, movie vector> + movie bias

A tower adds up the embedding of its row, its content, which is the sum of value x row over its features, and its
history, which is the sum over its n ratings of

    (value of the rating x explicit row of the other side + implicit row of the other side) / sqrt(n)

which is SVD++ (Koren 2008) on both sides ("flipped", Rendle, Zhang, Koren 2019), with how a movie was rated beside that
it was rated. Factors and bias have all three parts; the bias has 1 / (n + constant) in place of 1 / sqrt(n). Where the
time of a rating counts, rows of its date and the like are added to both vectors. The dense layers add what the product
cannot express (He et al. 2017, but as a residual that starts from zero). `dense` begins with a layer on both vectors
side by side; that layer is a sum of a user part and a movie part, so each tower computes its part once per user or
movie and the head only adds them. The head broadcasts: `[batch]` with `[batch]` gives pairs `[batch]`, and `[users, 1]`
with `[1, movies]` gives every combination `[users, movies]`.

The implicit-feedback score says whether the user comes to rate the movie at all (`implicit_feedback.py`). It has
tables of its own: what brings people to a movie is not what makes them like it.
"""

import dataclasses
import functools
import typing
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int32

from movierec_jax.config import ModelConfig
from movierec_jax.model.embedding_bag import BothWays, WeightedLinks, embedding_bag, num_links
from movierec_jax.model.history import TowerInputs, seen
from movierec_jax.model.implicit_feedback import ImplicitFeedback
from movierec_jax.model.inputs import Interactions, PaddedLinks
from movierec_jax.model.sharding import held, zero_pad_init

# Parameters of all members of an ensemble, stacked along a first axis.
Members = Any

# The bias by history is BIAS_GAIN / (n + BIAS_DAMPING) times the sum over n ratings.
BIAS_GAIN = 15.0

BIAS_DAMPING = 10.0

# Spread of the products of initial embeddings, in stars.
INITIAL_SPREAD = 0.001


@typing.no_type_check  # JAX also makes trees of it with other things in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoded:
    """What a tower says of users or movies: all that the head needs of them.

    hidden: the part of the first dense layer; of no width where there are no dense layers, or before it is worked out.
    implicit_feedback: of no width where it is not asked for.
    """

    bias: Float[Array, "*n"]
    factors: Float[Array, "*n features"]
    hidden: Float[Array, "*n hidden"]
    implicit_feedback: Float[Array, "*n dim"]

    def __getitem__(self, index) -> "Encoded":
        """The same of a part, or with new axes: `users[:, None]` for broadcasting."""
        return jax.tree.map(lambda array: array[index], self)


class Tower(nn.Module):
    """Rows and what is seen of them -> Encoded: the sum of an embedding, the history and the content.

    Rows from `num_rows` on have no embedding: of those users or movies train has no rating. One of whom nothing at all
    is seen is zero, the value to which decay pulls all rows: an average one.

    num_rows, num_others: owners and others that are known by rows. table_rows: of the tables of either.
    """

    num_rows: int
    num_others: int
    table_rows: tuple[int, int]
    num_features: int
    num_time_features: int
    has_history: bool
    config: ModelConfig

    def setup(self) -> None:
        config = self.config
        own_rows, other_rows = self.table_rows
        own, other = (zero_pad_init(small_normal, num_rows) for num_rows in (self.num_rows, self.num_others))
        self.bias = self.param("bias", nn.initializers.zeros, (own_rows, 1))
        self.embedding = self.param("embedding", own, (own_rows, config.embedding_dim))
        # The last column of these is the bias.
        width = config.embedding_dim + 1
        if self.has_history:
            self.explicit = self.param("explicit", other, (other_rows, width))
            self.implicit = self.param("implicit", other, (other_rows, width))
        if self.num_features:
            self.features = self.param("features", small_normal, (self.num_features, width))
        if self.num_time_features:
            self.time_features = self.param("time_features", small_normal, (self.num_time_features, width))

    def __call__(self, seen: TowerInputs, own: Float[Array, "owners width"] | None = None) -> Encoded:
        """Owners in the order of rows; or any others, whose row and content are given as `of_rows` gives them."""
        vector = self.of_rows(seen) if own is None else own
        if self.has_history:
            history = embedding_bag((self.explicit, self.implicit), seen.ratings, len(vector))
            vector = vector + history * history_scale(seen.num_ratings, history.shape[1])
        factors, nothing = vector[:, :-1], vector[:, :0]
        return Encoded(bias=vector[:, -1], factors=factors, hidden=nothing, implicit_feedback=nothing)

    def of_rows(self, seen: TowerInputs) -> Float[Array, "owners width"]:
        """What is known of owners besides their ratings, in the order of rows: the embedding, the bias, the content."""
        num_owners = len(seen.num_ratings)
        table = jnp.concatenate([self.embedding, self.bias], axis=1)
        vector = jnp.pad(table, ((0, num_owners - len(table)), (0, 0))) * seen.has_row[:, None]
        if self.num_features:
            vector = vector + embedding_bag((self.features,), seen.content, num_owners)
        return vector

    def at(self, encoded: Encoded, time_features: Int32[Array, "*n time_features"]) -> Encoded:
        """The same ones at moments of theirs; rows from `num_time_features` on change nothing. Dense layers know no time."""
        shift = jnp.sum(self.time_features.at[time_features].get(mode="fill", fill_value=0), axis=-2)
        return dataclasses.replace(
            encoded, bias=encoded.bias + shift[..., -1], factors=encoded.factors + shift[..., :-1]
        )


def history_scale(num_ratings: Float[Array, " n"], width: int) -> Float[Array, "n width"]:
    """What the sums over the ratings of each owner are multiplied with: the factors by 1 / sqrt(n), the bias as a mean.

    The last column is the bias: a mean pulled to zero where ratings are few, as means are for users who are new.
    """
    factors = jax.lax.rsqrt(jnp.maximum(num_ratings, 1))[:, None]
    bias = (BIAS_GAIN / (num_ratings + BIAS_DAMPING))[:, None]
    return jnp.where(jnp.arange(width)[None, :] == width - 1, bias, factors)


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
    num_time_features, num_shared_time_features: features of the time of a rating, and how many of them, the first ones, tell of no
        single user: those the movie's vector also moves with.
    mesh: the devices that the arrays are spread over; None for one device.
    num_rows: of users and of movies known of on a mesh, filled up as `Grid.padded` says. So many have their tables; on
        one device, those of train alone.
    rating_mean: mean rating of the train part in stars, from which training starts.
    """

    num_users: int
    num_movies: int
    num_user_features: int
    num_movie_features: int
    config: ModelConfig
    rating_mean: float = 0.0
    num_time_features: int = 0
    num_shared_time_features: int = 0
    mesh: Mesh | None = None
    num_rows: tuple[int, int] | None = None

    @property
    def table_rows(self) -> tuple[int, int]:
        """Rows of the tables of users and of movies."""
        return self.num_rows or (self.num_users, self.num_movies)

    def setup(self) -> None:
        users, movies, history, rows = self.num_users, self.num_movies, self.config.history, self.table_rows
        features, moments = (
            (self.num_user_features, self.num_movie_features),
            (self.num_time_features, self.num_shared_time_features),
        )
        self.user_tower = Tower(users, movies, rows, features[0], moments[0], "user" in history, self.config)
        self.movie_tower = Tower(movies, users, rows[::-1], features[1], moments[1], "movie" in history, self.config)
        if self.config.hidden_dims:
            self.user_layer, self.movie_layer = (
                nn.Dense(self.config.hidden_dims[0], dtype=self.config.precision) for _ in range(2)
            )
        self.head = Head(self.rating_mean, self.config)
        # Initial values are a function of this name, so it stays as it was.
        self.implicit_feedback = ImplicitFeedback(movies, rows[1], self.config.implicit_feedback_dim, name="exposure")

    def __call__(
        self,
        users: TowerInputs,
        movies: TowerInputs,
        user_row: Int32[Array, " batch"],
        movie_row: Int32[Array, " batch"],
        time_features: Int32[Array, "batch time_features"],
        *,
        is_training: bool = False,
    ) -> tuple[Float[Array, " batch"], Encoded, Encoded]:
        """Stars of each pair at a moment, with the encoded users and movies they come from."""
        if self.is_initializing() and self.config.implicit_feedback_dim:
            self.implicit_feedback.movies(self.table_rows[1])
        user, movie = self.layered(*self.sides(users, movies))
        return self.pairs(user[user_row], movie[movie_row], time_features, is_training=is_training)

    def sides(self, users: TowerInputs, movies: TowerInputs) -> tuple[Encoded, Encoded]:
        """What the towers say of every user and every movie in the order of rows, those without ratings last."""
        return self.user_tower(users), self.movie_tower(movies)

    def layered(self, user: Encoded, movie: Encoded) -> tuple[Encoded, Encoded]:
        """The same users and movies with their parts of the first dense layer."""
        return self.layered_user(user), self.layered_movie(movie)

    def layered_user(self, user: Encoded) -> Encoded:
        """The same users with their part of the first dense layer."""
        return dataclasses.replace(user, hidden=self.user_layer(user.factors)) if self.config.hidden_dims else user

    def layered_movie(self, movie: Encoded) -> Encoded:
        """The same movies with theirs."""
        return dataclasses.replace(movie, hidden=self.movie_layer(movie.factors)) if self.config.hidden_dims else movie

    def pairs(
        self,
        user: Encoded,
        movie: Encoded,
        time_features: Int32[Array, "*pairs time_features"],
        *,
        is_training: bool = False,
    ) -> tuple[Float[Array, "*pairs"], Encoded, Encoded]:
        """Stars of encoded users and movies at a moment, and what they are at that moment."""
        user, movie = self.at(user, movie, time_features)
        return self.head(user, movie, is_training=is_training), user, movie

    def encode_users(self, users: TowerInputs, rated: BothWays) -> Encoded:
        """Every user in the order of rows, those without ratings last; rated: what counts in their exposure."""
        return self.with_implicit_feedback(self.layered_user(self.user_tower(users)), rated)

    def encode_movies(self, movies: TowerInputs) -> Encoded:
        """Every movie in the order of rows, those without ratings last."""
        encoded = self.layered_movie(self.movie_tower(movies))
        if not self.config.implicit_feedback_dim:
            return encoded
        return dataclasses.replace(encoded, implicit_feedback=self.implicit_feedback.movies(len(encoded.bias)))

    def encode_histories(self, users: TowerInputs, rated: BothWays, own: Float[Array, "users width"]) -> Encoded:
        """Any users, whose row and content are given as `own_vectors` gives them."""
        return self.with_implicit_feedback(self.layered_user(self.user_tower(users, own)), rated)

    def own_vectors(self, users: TowerInputs) -> Float[Array, "users width"]:
        """The row and the content of every user in the order of rows, without what they have rated."""
        return self.user_tower.of_rows(users)

    def with_implicit_feedback(self, encoded: Encoded, rated: BothWays) -> Encoded:
        """The same users with their exposure."""
        if not self.config.implicit_feedback_dim:
            return encoded
        return dataclasses.replace(encoded, implicit_feedback=self.implicit_feedback.users(rated, len(encoded.bias)))

    def catalogue(self, rated: Float[Array, "users movies"]) -> Float[Array, "users movies"]:
        """The exposure to every movie of users known by a table of what they have rated, as `ImplicitFeedback` has it."""
        return self.implicit_feedback.catalogue(rated)

    def implicit_feedback_sides(
        self, rated: BothWays, num_users: int
    ) -> tuple[Float[Array, "users dim"], Float[Array, "movies dim"]]:
        """The exposure of users known by what they have rated, and of every movie of train."""
        return self.implicit_feedback.users(rated, num_users), self.implicit_feedback.movies(self.table_rows[1])

    def at(
        self, user: Encoded, movie: Encoded, time_features: Int32[Array, "*pairs time_features"]
    ) -> tuple[Encoded, Encoded]:
        """Each user and movie as they are at a moment."""
        if not self.num_time_features:
            return user, movie
        return self.user_tower.at(user, time_features), self.movie_tower.at(movie, time_features)

    def stars(
        self, user: Encoded, movie: Encoded, time_features: Int32[Array, "*pairs time_features"] | None = None
    ) -> Float[Array, "*pairs"]:
        """Stars of encoded users and movies, of shapes that broadcast; those of an average moment without one."""
        return self.head(user, movie) if time_features is None else self.pairs(user, movie, time_features)[0]


@functools.partial(jax.jit, static_argnames="model")
def encode(params: Members, interactions: Interactions, *, model: TwoTowers) -> tuple[Encoded, Encoded]:
    """All users and all movies with their whole histories, as each member sees them: `[members, rows, ...]`.

    On a mesh each device has all of them.
    """
    users, movies = seen(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0, model.mesh)
    weighted = dataclasses.replace(users.ratings.forward, weights=interactions.by_user.values[2:] or (None,))
    rated = BothWays(weighted, weighted)  # No gradient is asked for.
    encoded = (
        jax.vmap(lambda member: model.apply({"params": member}, users, rated, method="encode_users"))(params),
        jax.vmap(lambda member: model.apply({"params": member}, movies, method="encode_movies"))(params),
    )
    return held(encoded, model.mesh, P())


@functools.partial(jax.jit, static_argnames="model")
def own_vectors(
    params: Members, interactions: Interactions, *, model: TwoTowers
) -> Float[Array, "members user_rows width"]:
    """What each member knows of all users besides what they have rated, for `encode_histories`."""
    users, _ = seen(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0, model.mesh)
    own = jax.vmap(lambda member: model.apply({"params": member}, users, method="own_vectors"))(params)
    return held(own, model.mesh, P())


@functools.partial(jax.jit, static_argnames="model")
def encode_histories(
    params: Members, own: Float[Array, "members users width"], links: PaddedLinks, *, model: TwoTowers
) -> Encoded:
    """Users from their ratings, train's or others, of movies that train has: `[members, users, ...]`.

    own: what is known of them besides, as `own_vectors` has it; 0 of somebody new.
    """
    num_users, counts = own.shape[1], links.link >= 0
    ratings = WeightedLinks(links.owner, links.other, (links.values[0], None), counts)
    nothing = WeightedLinks(jnp.zeros(0, jnp.int32), jnp.zeros((1, 0), jnp.int32), (jnp.zeros((1, 0)),))
    users = TowerInputs(
        ratings=BothWays(ratings, ratings),
        num_ratings=num_links(ratings, num_users),
        content=BothWays(nothing, nothing),
        has_row=jnp.ones(num_users),
    )
    weighted = WeightedLinks(links.owner, links.other, links.values[1:])
    rated = BothWays(weighted, weighted)

    def of_member(params, own):
        return model.apply({"params": params}, users, rated, own, method="encode_histories")

    return jax.vmap(of_member)(params, own)


def member_ratings(
    params: Members,
    users: Encoded,
    movies: Encoded,
    time_features: Int32[Array, "*pairs time_features"] | None = None,
    *,
    model: TwoTowers,
) -> Float[Array, "members *pairs"]:
    """What each member says of encoded users and movies, of shapes that broadcast, at their moments if given."""

    def of_member(params, user, movie):
        return model.apply({"params": params}, user, movie, time_features, method="stars")

    return jax.vmap(of_member)(params, users, movies)


def mean_rating(
    params: Members,
    users: Encoded,
    movies: Encoded,
    time_features: Int32[Array, "*pairs time_features"] | None = None,
    *,
    model: TwoTowers,
) -> Float[Array, "*pairs"]:
    """The mean over the members of what they say, as `member_ratings` has it."""
    return jnp.mean(member_ratings(params, users, movies, time_features, model=model), axis=0)


def mean_implicit_score(users: Encoded, movies: Encoded) -> Float[Array, "users movies"]:
    """The mean over the members of how much each encoded user is exposed to each encoded movie."""
    # One product with the members' vectors end to end is their sum.
    user, movie = (jnp.concatenate(list(side.implicit_feedback), axis=1) for side in (users, movies))
    return user @ movie.T / len(users.bias)


def small_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Float[Array, "rows features"]:
    """Normal initial values whose products have a spread of INITIAL_SPREAD."""
    return (INITIAL_SPREAD**0.5 / shape[1] ** 0.25) * jax.random.normal(key, shape, dtype)
