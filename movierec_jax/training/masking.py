"""Masks some ratings of each user in a step, for the implicit-feedback score to find from the user's other ratings.

The loss is over the whole catalogue: masked movies are to score 1, movies that the user has not rated 0. Movies that
the user is encoded by are left out, since they could be found from themselves. No movie is sampled, so no bias of
sampling has to be corrected.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p
from jaxtyping import Array, Float, Float32, Int32

from movierec_jax.features.rating_time import recency_weight
from movierec_jax.model.embedding_bag import map_cells, weigh_both_ways
from movierec_jax.model.inputs import UserBatches
from movierec_jax.model.sharding import grid_of, user_batch_cells
from movierec_jax.training.losses import catalogue_error, summed_catalogue_error
from movierec_jax.training.state import TrainingSetup


class TargetTables(NamedTuple):
    """Targets of some users as dense tables, for catalogues small enough.

    history: weight of each movie that a user is encoded by, else 0. label: 1 for masked movies, else 0.
    weight: of each movie's squared error; 0 for movies that are left out, and for slots of no user.
    """

    history: Float[Array, "users movies"]
    label: Float[Array, "users movies"]
    weight: Float[Array, "users movies"]


class TargetEntries(NamedTuple):
    """Targets of some users rating by rating, where tables would be too large.

    history: weight of each rating that a user is encoded by, else 0. is_masked: 1 for masked ratings, else 0.
    """

    user_batch: UserBatches
    history: Float[Array, " entries"]
    is_masked: Float[Array, " entries"]


MaskedTargets = TargetTables | TargetEntries


def masked_targets(user_batch: UserBatches, key: Array, setup: TrainingSetup) -> MaskedTargets:
    """Masks a fraction of each user's ratings in a batch."""
    mesh = setup.model.mesh
    rows_of_range = setup.model.table_rows[1] // grid_of(mesh).num_cells

    def table_of_range(user, movie_row, entries) -> Float[Array, "users movies"]:
        return jnp.zeros((setup.users_per_step, rows_of_range)).at[user, movie_row].set(entries, mode="drop")

    def table(entries: Float[Array, " entries"]) -> Float[Array, "users movies"]:
        return map_cells(table_of_range, user_batch_cells(mesh)[0], user_batch.user, user_batch.movie_row, entries)

    history, is_masked = (mask_next if setup.predicts_next else mask_any)(user_batch, key, setup)
    history *= setup.model.liking_weight(user_batch.deviation)
    if not setup.has_tables:
        is_entry = user_batch.user < setup.users_per_step
        return TargetEntries(user_batch, is_entry * history, is_entry * is_masked)
    is_rated, label = table(jnp.ones(user_batch.user.shape)), table(is_masked)
    weight = label + setup.config.unobserved_weight * (1 - is_rated)
    return TargetTables(table(history), label, weight * jnp.any(is_rated > 0, axis=1, keepdims=True))


def mask_any(user_batch: UserBatches, key: Array, setup: TrainingSetup) -> tuple[Float[Array, " entries"], ...]:
    """Masks ratings at random; returns each one's weight in the history, by its time alone, and whether it is masked.

    Which are masked is a function of the key, the user and the movie alone, so that every mesh masks the same.
    """
    num_rows, num_ranges = setup.model.table_rows[1], grid_of(setup.model.mesh).num_cells
    first_row = jnp.repeat(jnp.arange(0, num_rows, num_rows // num_ranges), len(user_batch.user) // num_ranges)
    # In a catalogue of more pairs than 32 bits can number, some share a random number, which does no harm.
    pair = user_batch.user * setup.model.num_movies + user_batch.movie_row + first_row
    is_masked = (uniform_at(key, pair) < setup.config.masked_fraction).astype(jnp.float32)
    return 1 - is_masked, is_masked


def mask_next(user_batch: UserBatches, key: Array, setup: TrainingSetup) -> tuple[Float[Array, " entries"], ...]:
    """Masks the ratings that follow a random position in each user's history; returns what `mask_any` returns.

    Ratings before it count by how recent they are; those after the masked ones count nothing.
    """
    cut = jax.random.uniform(key, (setup.users_per_step + 1,))[user_batch.user]
    position, num_ratings = user_batch.position, user_batch.num_ratings
    assert position is not None, "user batches must have positions"
    assert num_ratings is not None, "user batches must have positions"
    num_before = jnp.floor(cut * num_ratings)
    num_masked = jnp.maximum(1, setup.config.masked_fraction * num_ratings)
    is_before = position < num_before
    is_masked = ~is_before & (position < num_before + num_masked)
    return recency_weight(position, jnp.maximum(1, num_before)) * is_before, is_masked.astype(jnp.float32)


def catalogue_error_of(params: Any, targets: MaskedTargets, setup: TrainingSetup) -> Float[Array, ""]:
    """Returns the mean of the users' squared errors over the whole catalogue, by tables or by sums."""
    model, variables = setup.model, {"params": params}
    if isinstance(targets, TargetTables):
        score = model.apply(
            variables, targets.history, method=lambda bound, history: bound.implicit_feedback.score_catalogue(history)
        )
        return catalogue_error(score, targets.label, targets.weight)
    user_batch, history, is_masked = targets
    assert user_batch.links is not None, "user batches must have links"
    cells = user_batch_cells(model.mesh)
    rated = weigh_both_ways(user_batch.links, history, cells)
    users = model.apply(
        variables, rated, method=lambda bound, rated: bound.implicit_feedback.users(rated, setup.users_per_step)
    )
    movies = model.apply(variables, method=lambda bound: bound.implicit_feedback.movies(model.table_rows[1]))
    weight = setup.config.unobserved_weight
    return summed_catalogue_error(users, movies, user_batch, user_batch.links, is_masked, weight, cells)


# A float32 in [1, 2) has these bits before the 23 of its fraction.
BITS_OF_ONE, FRACTION_BITS = np.uint32(0x3F800000), 23


def uniform_at(key: Array, index: Int32[Array, "*n"]) -> Float32[Array, "*n"]:
    """Returns the uniform random numbers of `jax.random.uniform(key, (length,))` at these indices, whatever the length.

    JAX's default generator is counter-based: each number is a function of the key and its index alone (Salmon et al.
    2011, "Parallel random numbers: as easy as 1, 2, 3"), so none but those asked for is computed. A negative index
    counts from the end of an array of 2^32 numbers.
    """
    halves = jax.random.key_data(key)
    counter = index.astype(jnp.uint32)
    high, low = threefry2x32_p.bind(halves[0], halves[1], jnp.zeros_like(counter), counter)
    fraction = (high ^ low) >> (32 - FRACTION_BITS)
    return jax.lax.bitcast_convert_type(fraction | BITS_OF_ONE, jnp.float32) - 1
