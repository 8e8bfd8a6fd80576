"""Steps of the sequence encoder: each movie of a user is to be found, among all movies, from those before it.

The encoder shares no parameter with the towers and has an Adam of its own. Its batches are smaller, since a movie in a
sequence tells it more than a rating tells the towers, so it takes several steps in each of theirs.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int32

from movierec_jax.model.inputs import Sequences
from movierec_jax.model.sharding import constrain
from movierec_jax.training.losses import Compared, next_movie_error
from movierec_jax.training.state import TrainingSetup, TrainState, split_encoder

# The share of the compared movies that are drawn by their numbers of ratings; the others are drawn uniformly.
POPULAR_SHARE = 0.5


def split_state(state: TrainState) -> tuple[TrainState, TrainState]:
    """Splits a state into that of everything else and that of the sequence encoder."""
    others, encoder = (
        dataclasses.replace(state, params=params, opt_state=opt_state)
        for params, opt_state in zip(split_encoder(state.params), state.opt_state, strict=True)
    )
    return others, encoder


def join_states(others: TrainState, encoder: TrainState) -> TrainState:
    """Joins what `split_state` split; the step is that of the first."""
    return dataclasses.replace(
        others, params=others.params | encoder.params, opt_state=(others.opt_state, encoder.opt_state)
    )


def train_encoder(
    encoder: TrainState,
    sequences: Sequences,
    movie_count: Float[Array, " movie_rows"],
    key: Array,
    setup: TrainingSetup,
) -> tuple[TrainState, Float[Array, ""]]:
    """Takes a step of Adam on each batch of sequences `[steps, rows, length]`; returns the mean of their errors.

    All members see the same movies drawn, and drop other units.

    movie_count: the ratings of each movie.
    """

    def member_steps(params, opt_state, member):
        def step(carry, inputs):
            params, opt_state = carry
            here, key = inputs
            loss = functools.partial(sequence_error, sequences=here, movie_count=movie_count, setup=setup)
            error, gradient = jax.value_and_grad(loss)(params, key, jax.random.fold_in(key, member))
            updates, opt_state = setup.encoder_optimizer.update(gradient, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), error

        keys = jax.random.split(key, len(sequences.user))
        carry, errors = jax.lax.scan(step, (params, opt_state), (sequences, keys))
        return *carry, jnp.mean(errors)

    member = jnp.arange(setup.config.ensemble_size)
    params, opt_state, error = jax.vmap(member_steps)(encoder.params, encoder.opt_state, member)
    return dataclasses.replace(encoder, params=params, opt_state=opt_state), jnp.mean(error)


def sequence_error(
    params: optax.Params,
    sample_key: Array,
    dropout_key: Array,
    *,
    sequences: Sequences,
    movie_count: Float[Array, " movie_rows"],
    setup: TrainingSetup,
) -> Float[Array, ""]:
    """Returns the `next_movie_error` of a batch of sequences `[rows, length]`, against the catalogue or a sample."""
    model, num_samples = setup.model, setup.config.sequence_samples

    def encode(bound):
        users = bound.implicit_feedback.users_after_each(sequences, is_training=True)
        return users, bound.implicit_feedback.movies(model.table_rows[1])

    users, movies = model.apply({"params": params}, method=encode, rngs={"dropout": dropout_key})
    users, movies = (vectors.astype(model.config.precision) for vectors in (users, movies))
    if model.num_movies <= num_samples:
        is_movie = jnp.arange(len(movies)) < model.num_movies
        compared = Compared(movies, None, jnp.where(is_movie, 0.0, jnp.inf))
    else:
        # Every device adds up all counts, so that all draw the same movies as one device does.
        whole = constrain(movie_count, model.mesh, P())[: model.num_movies]
        row, log_count = draw_movies(sample_key, whole, num_samples)
        compared = Compared(movies[row], row, log_count)
    slots_at_once = None if model.mesh else max(1, scores_at_once(setup.platform) // len(compared.vector))
    return next_movie_error(users, movies[sequences.movie_row], compared, sequences, slots_at_once)


def scores_at_once(platform: str) -> int:
    """Returns how many scores a device holds at a time: a CPU what stays in its caches, others what fills them."""
    return 2**20 if platform == "cpu" else 2**27


def draw_movies(
    key: Array, count: Float[Array, " movies"], num_samples: int
) -> tuple[Int32[Array, " samples"], Float[Array, " samples"]]:
    """Draws movies with replacement, by their numbers of ratings or uniformly.

    Returns their rows, and the logarithm of how often each is expected among them.
    """
    by_rating, uniform = POPULAR_SHARE * count / jnp.sum(count), (1 - POPULAR_SHARE) / len(count)
    chance = by_rating + uniform
    draw = jax.random.uniform(key, (num_samples,))
    row = jnp.searchsorted(jnp.cumsum(chance), draw * jnp.sum(chance)).astype(jnp.int32)
    row = jnp.minimum(row, len(count) - 1)
    return row, jnp.log(num_samples * chance[row])
