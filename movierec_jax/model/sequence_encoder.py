"""The implicit-feedback score from the order of a user's movies: which movie comes next?

A causal transformer reads a user's movies in the order in which they rated them (Kang, McAuley 2018, "Self-attentive
sequential recommendation"), and its output after each is a vector whose product with a movie's vector is the score of
that movie as the next one:

    token  = row of the movie x sqrt(dim) + deviation of the rating / spread x a row of its own
    user   = transformer(tokens so far)
    score  = <user, row of the movie> + bias of the movie

Softmax over the catalogue turns scores into the chance that each movie is the next one.

The rows of movies are read and compared with alike. What counts is how far apart two movies are in the sequence, by
rotary positions (Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding"), so any cut of a
sequence is read the same wherever it stands.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from movierec_jax.config import ModelConfig
from movierec_jax.model.inputs import Sequences
from movierec_jax.model.sharding import zero_pad_init

# Standard deviation of initial rows.
ROW_SPREAD = 0.02

# Hidden units of a block for each number of a token.
EXPANSION = 4

# Slowest wave of rotary positions, in positions.
ROTARY_BASE = 10_000

# Slots that are read at once where nothing is learnt, as many as stay in a CPU's caches, and the fewest parts that rows
# are read in, if there are as many: parts without any movie cost nothing.
SLOTS_AT_ONCE, FEWEST_PARTS = 2**11, 16


class SequenceScore(nn.Module):
    """Vectors of users, read from their sequences, and of movies, whose product is the implicit-feedback score.

    The last number of a movie's vector is its bias, that of a user's vector 1.

    movie_rows: rows of the tables; those from `num_movies` on are filling. rating_spread: as in `TwoTowers`.
    """

    num_movies: int
    movie_rows: int
    rating_spread: float
    config: ModelConfig

    def setup(self) -> None:
        width = self.config.sequence_dim
        init = nn.initializers.normal(ROW_SPREAD)
        self.movie = self.param("movie", zero_pad_init(init, self.num_movies), (self.movie_rows, width))
        self.bias = self.param("bias", nn.initializers.zeros, (self.movie_rows, 1))
        self.rating = self.param("rating", init, (width,))
        self.encoder = Transformer(self.config)

    def users_after_each(self, sequences: Sequences, *, is_training: bool = False) -> Float[Array, "rows length dim"]:
        """Encodes the user of each slot from the slots of that user so far, in rows of sequences."""
        width = self.config.sequence_dim
        tokens = self.movie[sequences.movie_row] * width**0.5
        tokens += sequences.deviation[..., None] / self.rating_spread * self.rating[None, None]
        read = self.encoder(tokens, sequences.user, is_training=is_training)
        return jnp.pad(read.astype(jnp.float32), ((0, 0), (0, 0), (0, 1)), constant_values=1.0)

    def users(self, sequences: Sequences, num_users: int) -> Float[Array, "users dim"]:
        """Encodes each user from their whole sequence; one without any movie as 0, so that only biases count."""
        num_rows, length = sequences.user.shape
        rows_at_once = max(1, min(num_rows // FEWEST_PARTS, SLOTS_AT_ONCE // length))
        filling = -num_rows % rows_at_once

        def blocks(array: Array, value: int) -> Array:
            filled = jnp.pad(array, ((0, filling), (0, 0)), constant_values=value)
            return filled.reshape(-1, rows_at_once, length)

        def add_block(users: Float[Array, "users dim"], block: Sequences):
            owner = jnp.where(is_last(block), block.user, num_users)

            def read(users):
                return users.at[owner].set(self.users_after_each(block), mode="drop")

            return jax.lax.cond(jnp.any(block.user >= 0), read, lambda users: users, users), None

        no_users = jnp.zeros((num_users, self.config.sequence_dim + 1)).at[:, -1].set(1.0)
        stacked = Sequences(*(blocks(array, value) for array, value in zip(sequences, (-1, 0, 0), strict=True)))
        return jax.lax.scan(add_block, no_users, stacked)[0]

    def movies(self, num_rows: int) -> Float[Array, "movie_rows dim"]:
        """Encodes movies in the order of rows; zero for those without a rating in train."""
        vectors = jnp.concatenate([self.movie, self.bias], axis=1)
        return jnp.pad(vectors, ((0, num_rows - self.movie_rows), (0, 0)))


def rows_read_alike(num_rows: int, length: int) -> int:
    """Returns the number of rows to fill up to, so that as many are read at once however many there are."""
    return max(num_rows, FEWEST_PARTS * max(1, SLOTS_AT_ONCE // length))


def is_last(sequences: Sequences) -> Bool[Array, "rows length"]:
    """Returns whether a slot holds the last movie of its user in its row."""
    following = jnp.pad(sequences.user[:, 1:], ((0, 0), (0, 1)), constant_values=-1)
    return (sequences.user >= 0) & (sequences.user != following)


def last_of_one_user(
    movie_row: Int32[Array, " ratings"],
    deviation: Float[Array, " ratings"],
    is_read: Bool[Array, " ratings"],
    length: int,
) -> Sequences:
    """Returns the last ratings that are read of a single user, who is number 0, as a row; all are in order of time."""
    # Those that are read first, in their order; the slots in front of them stay empty.
    order = jnp.argsort(~is_read, stable=True)
    index = jnp.sum(is_read) - length + jnp.arange(length)
    slot = order[jnp.maximum(index, 0)]
    user = jnp.where(index >= 0, 0, -1)
    return Sequences(user[None], movie_row[slot][None], deviation[slot][None])


class Transformer(nn.Module):
    """A causal transformer over rows that each hold the sequences of several users."""

    config: ModelConfig

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "rows length width"], user: Array, *, is_training: bool = False
    ) -> Float[Array, "rows length width"]:
        config = self.config
        drop = nn.Dropout(config.sequence_dropout, deterministic=not is_training)
        is_same_user = user[:, None, :, None] == user[:, None, None, :]
        tokens = drop(tokens).astype(config.precision)
        for _ in range(config.sequence_blocks):
            tokens = tokens + drop(Attention(config)(nn.LayerNorm(dtype=config.precision)(tokens), is_same_user))
            hidden = nn.Dense(EXPANSION * config.sequence_dim, dtype=config.precision)(
                nn.LayerNorm(dtype=config.precision)(tokens)
            )
            tokens = tokens + drop(residual(config)(drop(nn.gelu(hidden))))
        return nn.LayerNorm()(tokens)


class Attention(nn.Module):
    """Causal self-attention among the slots of a user."""

    config: ModelConfig

    @nn.compact
    def __call__(
        self, tokens: Float[Array, "rows length width"], is_same_user: Bool[Array, "rows 1 length length"]
    ) -> Float[Array, "rows length width"]:
        config = self.config
        shape = *tokens.shape[:2], config.sequence_heads, config.sequence_dim // config.sequence_heads
        query, key, value = (
            nn.Dense(config.sequence_dim, use_bias=False, dtype=config.precision)(tokens).reshape(shape)
            for _ in range(3)
        )
        read = jax.nn.dot_product_attention(
            with_positions(query), with_positions(key), value, mask=is_same_user, is_causal=True
        )
        return residual(config)(read.reshape(tokens.shape))


def residual(config: ModelConfig) -> nn.Dense:
    """Returns the last layer of what a block adds: it starts from adding nothing."""
    return nn.Dense(config.sequence_dim, dtype=config.precision, kernel_init=nn.initializers.zeros)


def with_positions(vectors: Float[Array, "rows length heads width"]) -> Float[Array, "rows length heads width"]:
    """Turns pairs of numbers by angles that grow with the position, so that products tell distances alone."""
    half = vectors.shape[-1] // 2
    angle = jnp.arange(vectors.shape[1])[:, None] * ROTARY_BASE ** (-jnp.arange(half) / half)[None]
    cos, sin = (wave(angle)[None, :, None, :].astype(vectors.dtype) for wave in (jnp.cos, jnp.sin))
    first, second = vectors[..., :half], vectors[..., half:]
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)
