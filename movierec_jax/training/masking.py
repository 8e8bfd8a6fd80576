"""What a step hides of some users' ratings, to be told by the others, and how well it is told."""

import typing
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.extend.random import threefry2x32_p
from jaxtyping import Array, Float, Float32, Int32

from movierec_jax.features.rating_time import recency_weight
from movierec_jax.model.embedding_bag import both_ways, on_cells
from movierec_jax.model.inputs import PaddedLinks, UserBatches
from movierec_jax.model.sharding import grid_of, user_batch_cells
from movierec_jax.training.losses import catalogue_error, summed_catalogue_error
from movierec_jax.training.state import TrainingSetup


class TargetTables(NamedTuple):
    """What some users have rated, as tables with a column for each movie, for a step's error over all movies.

    rated: how much what they are known by counts, else 0; hit and weight: of the movies that are to be told.
    """

    rated: Float[Array, "users movies"]
    label: Float[Array, "users movies"]
    weight: Float[Array, "users movies"]


class TargetEntries(NamedTuple):
    """The same rating by rating, where tables would be too large.

    counts: how much each rating counts where it is known; is_masked: 1 for those that are to be told.
    """

    block: UserBatches
    counts: Float[Array, " entries"]
    is_masked: Float[Array, " entries"]


def masked_targets(block: UserBatches, key: Array, setup: TrainingSetup) -> TargetTables | TargetEntries:
    """The users of a block, with a share of their ratings hidden.

    Movies with ratings that are not hidden have weight 0: they could be told from themselves, or, where the next ones
    are to be told, come later still. So have places of no user.
    """
    config, mesh = setup.config, setup.model.mesh
    rows_of_range = setup.model.table_rows[1] // grid_of(mesh).num_cells

    def table_of_range(user, movie_row, entries) -> Float[Array, "users movies"]:
        return jnp.zeros((setup.users_per_step, rows_of_range)).at[user, movie_row].set(entries, mode="drop")

    def table(entries: Float[Array, " entries"]) -> Float[Array, "users movies"]:
        return on_cells(table_of_range, user_batch_cells(mesh)[0], block.user, block.movie_row, entries)

    counts, is_masked = (mask_next if setup.looks_at_next else mask_any)(block, key, setup)
    if not setup.has_tables:
        is_entry = block.user < setup.users_per_step
        return TargetEntries(block, is_entry * counts, is_entry * is_masked)
    is_rated, is_told = table(jnp.ones(block.user.shape)), table(is_masked)
    weight = is_told + config.unobserved_weight * (1 - is_rated)
    return TargetTables(table(counts), is_told, weight * jnp.any(is_rated > 0, axis=1, keepdims=True))


def mask_any(block: UserBatches, key: Array, setup: TrainingSetup) -> tuple[Float[Array, " entries"], ...]:
    """How much each rating counts and whether it is hidden: by chance, by the key, the user and the movie alone."""
    num_rows, num_ranges = setup.model.table_rows[1], grid_of(setup.model.mesh).num_cells
    first_row = jnp.repeat(jnp.arange(0, num_rows, num_rows // num_ranges), len(block.user) // num_ranges)
    # Numbers of pairs may come again where they are too many for 32 bits, which does no harm.
    pair = block.user * setup.model.num_movies + block.movie_row + first_row
    is_masked = (uniform_at(key, pair) < setup.config.masked_fraction).astype(jnp.float32)
    return 1 - is_masked, is_masked


def mask_next(block: UserBatches, key: Array, setup: TrainingSetup) -> tuple[Float[Array, " entries"], ...]:
    """How much each rating counts and whether it is hidden: those that follow a moment of the user, drawn by chance."""
    time_features = jax.random.uniform(key, (setup.users_per_step + 1,))[block.user]
    position, num_ratings = (typing.cast(Array, column) for column in (block.position, block.num_ratings))
    num_known = jnp.floor(time_features * num_ratings)
    num_masked = jnp.maximum(1, setup.config.masked_fraction * num_ratings)
    is_known = position < num_known
    is_masked = ~is_known & (position < num_known + num_masked)
    return recency_weight(position, jnp.maximum(1, num_known)) * is_known, is_masked.astype(jnp.float32)


def error_over_catalogue(
    params: optax.Params, catalogue: TargetTables | TargetEntries, setup: TrainingSetup
) -> Float[Array, ""]:
    """The squared error of a user over the whole catalogue, by tables or by sums."""
    if isinstance(catalogue, TargetTables):
        implicit_score = setup.model.apply({"params": params}, catalogue.rated, method="catalogue")
        return catalogue_error(implicit_score, catalogue.label, catalogue.weight)
    block, counts, is_masked = catalogue
    links, cells = typing.cast(tuple[PaddedLinks, PaddedLinks], block.links), user_batch_cells(setup.model.mesh)
    rated = both_ways(links, counts, cells)
    users, movies = setup.model.apply({"params": params}, rated, setup.users_per_step, method="implicit_feedback_sides")
    return summed_catalogue_error(users, movies, block, links, is_masked, setup.config.unobserved_weight, cells)


# A float32 from 1 to 2 has these bits before the 23 of its fraction.
BITS_OF_ONE, FRACTION_BITS = np.uint32(0x3F800000), 23


def uniform_at(key: Array, place: Int32[Array, "*n"]) -> Float32[Array, "*n"]:
    """What `jax.random.uniform(key, (length,))` has at these places, whatever the length.

    A negative place is one of an array of 2^32 numbers, counted from its end. The key is one of JAX's usual kind, of
    which each number is a function of its place (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
    """
    halves = jax.random.key_data(key)
    place = place.astype(jnp.uint32)
    one, other = threefry2x32_p.bind(halves[0], halves[1], jnp.zeros_like(place), place)
    fraction = (one ^ other) >> (32 - FRACTION_BITS)
    return jax.lax.bitcast_convert_type(fraction | BITS_OF_ONE, jnp.float32) - 1
