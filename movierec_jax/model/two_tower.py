"""Two towers and one head: users and movies become vectors, and a pair of vectors a predicted rating.

    user row,  movies rated and how,    features -> user tower  -> Encoded ─┐
                                                                            ├─ head -> predicted rating
    movie row, users who rated and how, features -> movie tower -> Encoded ─┘

    z = offset + user bias + movie bias + <user factors, movie factors> + dense(user, movie)
    predicted rating = mean + spread x z
    implicit-feedback score = <user vector, movie vector> + movie bias        (`implicit_feedback.py`)

All parameters are about standardised ratings: mean and spread (standard deviation) are those of the train ratings, so
ratings of 10 to 100 train the same model as ratings of 1 to 10. A tower sums three parts, each of factors and a bias:
the embedding of the row; the content, which is the sum of value x row over the features; and the history, which is the
sum over the n ratings of

    (deviation of the rating / spread x explicit row of the other side + implicit row of the other side) / sqrt(n)

This is SVD++ (Koren 2008, "Factorization meets the neighborhood") on both sides (Rendle, Zhang, Koren 2019, "On the
difficulty of evaluating baselines", have the flipped one too), with the rating itself beside the fact of it. The
history's bias begins as the damped mean of the deviations and learns from there (`model/history.py`). Where rating
times count, rows of the date and the like are added to both vectors.

The dense layers add what a product cannot express (He et al. 2017, "Neural collaborative filtering"), as a residual
that starts from zero. Their first layer, on both vectors side by side, is the sum of a user part and a movie part: each
is computed once per user or movie, and the head only adds them. The head broadcasts: `[batch]` with `[batch]` gives
pairs `[batch]`, and `[users, 1]` with `[1, movies]` every combination `[users, movies]`.
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
from movierec_jax.model.embedding_bag import BothWays, embedding_bag
from movierec_jax.model.history import TowerInputs, explicit_rows, history_scale, tower_inputs
from movierec_jax.model.implicit_feedback import ImplicitFeedback, liking_weight
from movierec_jax.model.inputs import Interactions, PaddedLinks, Sequences
from movierec_jax.model.sequence_encoder import SequenceScore
from movierec_jax.model.sharding import USERS, constrain, rows_over, zero_pad_init
from movierec_jax.model.tables import IMPLICIT_FEEDBACK

# The parameters of all members of an ensemble, stacked along a first axis.
Members = Any

# Standard deviation of the products of initial embeddings, in spreads of the ratings.
INITIAL_SPREAD = 0.001


@typing.no_type_check  # JAX also builds it with other leaves in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoded:
    """Users or movies as a tower encodes them: all that predictions need.

    hidden: their part of the first dense layer; of width 0 without dense layers, or before `add_hidden`.
    implicit_feedback: their vector of the implicit-feedback score; of width 0 where the model has none.
    """

    bias: Float[Array, "*n"]
    factors: Float[Array, "*n features"]
    hidden: Float[Array, "*n hidden"]
    implicit_feedback: Float[Array, "*n dim"]

    def __getitem__(self, index) -> "Encoded":
        """Indexes every array: `users[rows]`, or `users[:, None]` for broadcasting."""
        return jax.tree.map(lambda array: array[index], self)


class Tower(nn.Module):
    """Encodes users or movies ("owners") as the sum of an embedding, a history and content.

    Rows from `num_rows` on have no embedding: train has no rating of those owners. An owner of whom nothing is known
    has the zero vector. Decay pulls all rows to it, so it stands for an average owner.

    num_rows, num_others: owners, and users or movies of the other side, with ratings in train. table_rows: the same for
    the tables, which on a mesh have further rows of zeros. rating_spread: as in `TwoTowers`.
    """

    num_rows: int
    num_others: int
    table_rows: tuple[int, int]
    num_features: int
    num_time_features: int
    has_history: bool
    rating_spread: float
    config: ModelConfig

    def setup(self) -> None:
        own_rows, other_rows = self.table_rows
        own_init, other_init = (zero_pad_init(small_normal, num_rows) for num_rows in (self.num_rows, self.num_others))
        self.bias = self.param("bias", nn.initializers.zeros, (own_rows, 1))
        self.embedding = self.param("embedding", own_init, (own_rows, self.config.embedding_dim))
        # Factors, and in the last column the bias.
        width = self.config.embedding_dim + 1
        if self.has_history:
            self.explicit = self.param("explicit", other_init, (other_rows, width))
            self.implicit = self.param("implicit", other_init, (other_rows, width))
        if self.num_features:
            self.features = self.param("features", small_normal, (self.num_features, width))
        if self.num_time_features:
            self.time_features = self.param("time_features", small_normal, (self.num_time_features, width))

    def __call__(self, inputs: TowerInputs, own: Float[Array, "owners width"] | None = None) -> Encoded:
        """Encodes all owners in the order of rows; given `own` (see `own_vector`), any owners with these vectors."""
        vector = self.own_vector(inputs) if own is None else own
        if self.has_history:
            tables = explicit_rows(self.explicit) / self.rating_spread, self.implicit
            history = embedding_bag(tables, inputs.ratings, len(vector))
            vector = vector + history * history_scale(inputs.num_ratings, history.shape[1])
        factors, empty = vector[:, :-1], vector[:, :0]
        return Encoded(bias=vector[:, -1], factors=factors, hidden=empty, implicit_feedback=empty)

    def own_vector(self, inputs: TowerInputs) -> Float[Array, "owners width"]:
        """Sums embedding, bias and content of all owners in the order of rows: all but their histories."""
        num_owners = len(inputs.num_ratings)
        table = jnp.concatenate([self.embedding, self.bias], axis=1)
        rows = jnp.pad(table, ((0, num_owners - len(table)), (0, 0))) * inputs.has_row[:, None]
        return self.add_content(rows, inputs.content)

    def add_content(self, rows: Float[Array, "owners width"], content: BothWays) -> Float[Array, "owners width"]:
        """Adds to the rows of any owners, which hold embedding and bias, their content."""
        return rows + embedding_bag((self.features,), content, len(rows)) if self.num_features else rows

    def at_time(self, encoded: Encoded, time_features: Int32[Array, "*n time_features"]) -> Encoded:
        """Moves bias and factors to a rating time; features from `num_time_features` on move nothing.

        The dense layers know no time.
        """
        shift = jnp.sum(self.time_features.at[time_features].get(mode="fill", fill_value=0), axis=-2)
        return dataclasses.replace(
            encoded, bias=encoded.bias + shift[..., -1], factors=encoded.factors + shift[..., :-1]
        )


class Head(nn.Module):
    """Predicts ratings of encoded users and movies, of shapes that broadcast, in stars, not clipped to the scale."""

    rating_mean: float
    rating_spread: float
    config: ModelConfig

    @nn.compact
    def __call__(self, user: Encoded, movie: Encoded, *, is_training: bool = False) -> Float[Array, "*pairs"]:
        config = self.config
        dropout = nn.Dropout(config.dropout, deterministic=not is_training)
        offset = self.param("offset", nn.initializers.zeros, ())
        product = jnp.einsum(
            "...d,...d->...",
            user.factors.astype(config.precision),
            movie.factors.astype(config.precision),
            preferred_element_type=jnp.float32,
        )
        deviation = offset + user.bias + movie.bias + product
        if not config.hidden_dims:
            return self.rating_mean + self.rating_spread * deviation
        hidden = dropout(nn.relu(user.hidden + movie.hidden))
        for width in config.hidden_dims[1:]:
            hidden = dropout(nn.relu(nn.Dense(width, dtype=config.precision)(hidden)))
        residual = nn.Dense(1, dtype=jnp.float32, kernel_init=nn.initializers.zeros, name="residual")(hidden)
        return self.rating_mean + self.rating_spread * (deviation + residual[..., 0])


class TwoTowers(nn.Module):
    """The whole model: the towers, the parts of the first dense layer, the head, and the implicit-feedback score.

    num_users, num_movies: with ratings in train.
    num_user_features, num_movie_features: of their content.
    rating_mean, rating_spread: mean and standard deviation of the train ratings, in stars. All parameters are about
        standardised ratings.
    num_time_features, num_shared_time_features: number of rating-time features, and how many of them, the first ones,
        all users share; only these move the movie's vector too.
    reads_sequences: whether the implicit-feedback score is read from the order of a user's movies.
    mesh: the devices that arrays are spread over; None for one device.
    num_rows: rows of users and of movies on a mesh, filled up as `Grid.padded` says; None on one device.
    """

    num_users: int
    num_movies: int
    num_user_features: int
    num_movie_features: int
    config: ModelConfig
    rating_mean: float = 0.0
    rating_spread: float = 1.0
    num_time_features: int = 0
    num_shared_time_features: int = 0
    reads_sequences: bool = False
    mesh: Mesh | None = None
    num_rows: tuple[int, int] | None = None

    @property
    def table_rows(self) -> tuple[int, int]:
        """Rows of the tables of users and of movies."""
        return self.num_rows or (self.num_users, self.num_movies)

    def liking_weight(self, deviation):
        """Returns the weights of ratings in the implicit-feedback score by their deviations, in stars."""
        return liking_weight(deviation / self.rating_spread)

    def setup(self) -> None:
        config, users, movies, rows = self.config, self.num_users, self.num_movies, self.table_rows
        self.user_tower = Tower(
            users,
            movies,
            rows,
            self.num_user_features,
            self.num_time_features,
            "user" in config.history,
            self.rating_spread,
            config,
        )
        self.movie_tower = Tower(
            movies,
            users,
            rows[::-1],
            self.num_movie_features,
            self.num_shared_time_features,
            "movie" in config.history,
            self.rating_spread,
            config,
        )
        self.user_layer = self.movie_layer = None
        if config.hidden_dims:
            self.user_layer, self.movie_layer = (
                nn.Dense(config.hidden_dims[0], dtype=config.precision) for _ in range(2)
            )
        self.head = Head(self.rating_mean, self.rating_spread, config)
        self.implicit_feedback: Any = (
            SequenceScore(movies, rows[1], self.rating_spread, config, name=IMPLICIT_FEEDBACK)
            if self.reads_sequences
            else ImplicitFeedback(movies, rows[1], config.implicit_feedback_dim, name=IMPLICIT_FEEDBACK)
        )

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
        """Predicts the rating of each pair at its time; returns with it the encoded users and movies of the pairs."""
        if self.is_initializing() and self.config.implicit_feedback_dim:
            self.implicit_feedback.movies(self.table_rows[1])
            if self.reads_sequences:
                self.implicit_feedback.users_after_each(no_sequences())
        user, movie = self.add_hidden(*self.towers(users, movies))
        user, movie = self.at_time(user[user_row], movie[movie_row], time_features)
        return self.predict(user, movie, is_training=is_training), user, movie

    def towers(self, users: TowerInputs, movies: TowerInputs) -> tuple[Encoded, Encoded]:
        """Encodes every user and every movie in the order of rows, those without ratings last."""
        return self.user_tower(users), self.movie_tower(movies)

    def add_hidden(self, user: Encoded, movie: Encoded) -> tuple[Encoded, Encoded]:
        """Adds to encoded users and movies their parts of the first dense layer."""
        return with_hidden(user, self.user_layer), with_hidden(movie, self.movie_layer)

    def at_time(
        self, user: Encoded, movie: Encoded, time_features: Int32[Array, "*pairs time_features"] | None
    ) -> tuple[Encoded, Encoded]:
        """Moves encoded users and movies to a rating time; None is an average one."""
        if time_features is None or not self.num_time_features:
            return user, movie
        return self.user_tower.at_time(user, time_features), self.movie_tower.at_time(movie, time_features)

    def predict(self, user: Encoded, movie: Encoded, *, is_training: bool = False) -> Float[Array, "*pairs"]:
        """Predicts the ratings of encoded users and movies, of shapes that broadcast, in stars."""
        return self.head(user, movie, is_training=is_training)

    def encode_users(
        self, users: TowerInputs, rated: BothWays | Sequences | None, own: Float[Array, "users width"] | None = None
    ) -> Encoded:
        """Encodes every user in the order of rows, those without ratings last; given `own`, users with these vectors.

        rated: what each user rated, weighted as it counts in the implicit-feedback score, or in order.
        """
        encoded = with_hidden(self.user_tower(users, own), self.user_layer)
        if not self.config.implicit_feedback_dim:
            return encoded
        return dataclasses.replace(encoded, implicit_feedback=self.implicit_feedback.users(rated, len(encoded.bias)))

    def encode_movies(self, movies: TowerInputs) -> Encoded:
        """Encodes every movie in the order of rows, those without ratings last."""
        encoded = with_hidden(self.movie_tower(movies), self.movie_layer)
        if not self.config.implicit_feedback_dim:
            return encoded
        return dataclasses.replace(encoded, implicit_feedback=self.implicit_feedback.movies(len(encoded.bias)))


def with_hidden(encoded: Encoded, layer: nn.Dense | None) -> Encoded:
    """Adds to users or movies their part of the first dense layer, where there is one."""
    return encoded if layer is None else dataclasses.replace(encoded, hidden=layer(encoded.factors))


@functools.partial(jax.jit, static_argnames="model")
def encode(params: Members, interactions: Interactions, *, model: TwoTowers) -> tuple[Encoded, Encoded]:
    """Encodes all users and all movies at once from their whole histories, by each member: `[members, rows, ...]`.

    For errors while a run trains, which have all of this on the devices anyway; `encoding` has what lists take. On a
    mesh users are spread by rows, and every device holds the movies whole.
    """
    users, _ = whole_inputs(interactions, model)
    rated: BothWays | Sequences | None = interactions.sequences
    if not model.reads_sequences:
        weighted = dataclasses.replace(users.ratings.forward, **history_weights(interactions.by_user, model))
        rated = BothWays(weighted, weighted)  # No gradient is asked for.
    of_users = jax.vmap(lambda member: model.apply({"params": member}, users, rated, method="encode_users"))(params)
    return constrain(of_users, model.mesh, P(None, *rows_over(USERS))), encode_movies(params, interactions, model=model)


@functools.partial(jax.jit, static_argnames="model")
def encode_movies(params: Members, interactions: Interactions, *, model: TwoTowers) -> Encoded:
    """Encodes all movies from their whole histories, by each member: `[members, rows, ...]`.

    On a mesh every device holds the result whole.
    """
    _, movies = whole_inputs(interactions, model)
    encoded = jax.vmap(lambda member: model.apply({"params": member}, movies, method="encode_movies"))(params)
    return constrain(encoded, model.mesh, P())


def history_weights(by_user: PaddedLinks, model: TwoTowers) -> dict[str, Any]:
    """Returns how much each rated movie counts in the implicit-feedback score, and which do.

    Movies watched but not rated count too. by_user: as `Interactions.by_user`.
    """
    is_link = by_user.link != -1
    weight = model.liking_weight(by_user.values[0]) * is_link
    for recency in by_user.values[2:]:
        weight *= recency
    return {"weights": (weight,), "counts": is_link}


def whole_inputs(interactions: Interactions, model: TwoTowers) -> tuple[TowerInputs, TowerInputs]:
    """Returns what the towers see of all users and all movies when no rating is left out."""
    return tower_inputs(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0, model.mesh)


def member_ratings(
    params: Members,
    users: Encoded,
    movies: Encoded,
    time_features: Int32[Array, "*pairs time_features"] | None = None,
    *,
    model: TwoTowers,
) -> Float[Array, "members *pairs"]:
    """Predicts ratings by each member, of encoded users and movies whose shapes broadcast, at their times if given."""

    def of_member(member, user, movie):
        user, movie = model.apply({"params": member}, user, movie, time_features, method="at_time")
        return model.apply({"params": member}, user, movie, method="predict")

    return jax.vmap(of_member)(params, users, movies)


def mean_rating(
    params: Members,
    users: Encoded,
    movies: Encoded,
    time_features: Int32[Array, "*pairs time_features"] | None = None,
    *,
    model: TwoTowers,
) -> Float[Array, "*pairs"]:
    """Returns the mean of `member_ratings` over the members."""
    return jnp.mean(member_ratings(params, users, movies, time_features, model=model), axis=0)


def mean_implicit_score(users: Encoded, movies: Encoded, *, model: TwoTowers) -> Float[Array, "users movies"]:
    """Returns the implicit-feedback score of each user and movie, the mean over the members.

    A model that reads sequences gives the chance that the movie comes next, by softmax over the movies of train; all of
    these must be given, in the order of rows.
    """
    # One product of the members' vectors end to end is the sum of their products.
    user, movie = (jnp.concatenate(list(side.implicit_feedback), axis=1) for side in (users, movies))
    score = user @ movie.T / len(users.bias)
    if not model.reads_sequences:
        return score
    return jax.nn.softmax(score, axis=1, where=jnp.arange(len(movie)) < model.num_movies)


def no_sequences() -> Sequences:
    """Returns a sequence of a single movie, for initial values alone."""
    slot = jnp.zeros((1, 1), jnp.int32)
    return Sequences(slot, slot, slot.astype(jnp.float32))


def small_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Float[Array, "rows features"]:
    """Draws normal initial values such that products of two rows have a standard deviation of INITIAL_SPREAD."""
    return (INITIAL_SPREAD**0.5 / shape[1] ** 0.25) * jax.random.normal(key, shape, dtype)
