"""Shapes of all arrays that a training step reads, for data of a given size that is neither read nor made.

What a program costs depends on shapes alone. All ratings are assumed to be trained on, without content, and to be
spread evenly over users and movies. Real ratings are uneven and need somewhat larger arrays.
"""

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from movierec_jax.config import SEQUENCE, Config
from movierec_jax.errors import InputError
from movierec_jax.model.inputs import Batch, Interactions, PaddedLinks, Sequences, UserBatches
from movierec_jax.model.interactions import fastest_length
from movierec_jax.model.sequences import rows_of_step
from movierec_jax.model.sharding import grid_of
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training.batches import max_ratings_in_cell, num_steps, steps_at_once
from movierec_jax.training.keyed_steps import KeyedSteps
from movierec_jax.training.random_order import NUM_ROUNDS, SHUFFLED_AT_MOST
from movierec_jax.training.state import TrainingSetup, training_setup
from movierec_jax.training.step import EpochSteps

# Any scale gives the same programs.
RATING_SCALE, RELEVANT_RATING = (1.0, 5.0), 4.0

# A shape with a dtype.
Array = jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class DataSize:
    """Numbers of users, movies and ratings."""

    num_users: int
    num_movies: int
    num_ratings: int


def training_setup_for(size: DataSize, config: Config, mesh: Any) -> TrainingSetup:
    """Returns the training setup for data of this size. Raises InputError for settings that need the ratings."""
    settings = config.data
    if settings.rating_time or settings.user_features or settings.movie_features:
        raise InputError("--num_ratings: leave out --rating_time and features, which need the ratings themselves")
    grid = grid_of(mesh)
    rows = grid.padded(size.num_users + 1), grid.padded(size.num_movies + 1)
    target = config.target(has_times=True)
    model = TwoTowers(
        num_users=size.num_users,
        num_movies=size.num_movies,
        num_user_features=0,
        num_movie_features=0,
        config=config.model,
        reads_sequences=target == SEQUENCE,
        mesh=mesh,
        num_rows=rows if mesh else None,
    )
    setup = training_setup(
        model, config, size.num_ratings, RATING_SCALE, relevant_rating=RELEVANT_RATING, target=target
    )
    if setup.uses_sparse_adam:
        raise InputError(
            "--num_ratings: sparse Adam needs the ratings themselves, which decide the rows of a batch; give a larger "
            "--batch_size"
        )
    return setup


def interactions_shapes(size: DataSize, setup: TrainingSetup) -> Interactions:
    """Returns the shapes of the towers' inputs."""
    grid = grid_of(setup.model.mesh)
    rows = (grid.padded(size.num_users + 1), grid.padded(size.num_movies + 1))
    users, movies = grid.ranges(*rows)
    cells = grid.num_cells
    links_per_cell = size.num_ratings / cells if setup.model.config.looks_at_ratings else 0.0
    return Interactions(
        by_user=links_shape(links_per_cell, users, cells, num_values=2 + setup.predicts_next),
        by_movie=links_shape(links_per_cell, movies, cells, num_values=2),
        user_features=links_shape(0.0, 0, cells, num_values=1),
        by_user_feature=links_shape(0.0, 0, cells, num_values=1),
        movie_features=links_shape(0.0, 0, cells, num_values=1),
        by_movie_feature=links_shape(0.0, 0, cells, num_values=1),
        user_count=Array(rows[:1], np.float32),
        movie_count=Array(rows[1:], np.float32),
        # Users take powers of two of slots, half as many again as they need.
        sequences=sequences_shape((math.ceil(1.5 * size.num_ratings / setup.model.config.sequence_length),), setup)
        if setup.model.reads_sequences
        else None,
    )


def sequences_shape(rows: tuple[int, ...], setup: TrainingSetup) -> Sequences:
    """Returns the shapes of so many rows of sequences."""
    slots = *rows, setup.model.config.sequence_length
    return Sequences(Array(slots, np.int32), Array(slots, np.int32), Array(slots, np.float32))


def links_shape(
    num_links: float, num_owners: int, num_cells: int, *, num_values: int, stacked: tuple[int, ...] = ()
) -> PaddedLinks:
    """Returns the shapes of padded links, with `num_links` in each cell. stacked: leading axes."""
    num_owners = min(num_owners, math.ceil(num_links))

    def num_segments(length: int) -> int:
        # Each owner's last segment is half full on average.
        return math.ceil(num_links / length + num_owners / 2)

    length = fastest_length(num_segments)
    segments = num_cells * num_segments(length)
    slots = (*stacked, length, segments)
    return PaddedLinks(
        owner=Array((*stacked, segments), np.int32),
        other=Array(slots, np.int32),
        link=Array(slots, np.int32),
        values=(Array(slots, np.float32),) * num_values,
    )


def steps_shapes(size: DataSize, setup: TrainingSetup) -> EpochSteps:
    """Returns the shapes of the steps that a device gets at once."""
    grid, batch_size = grid_of(setup.model.mesh), setup.config.batch_size
    steps = num_steps(size.num_ratings, batch_size)
    at_once = steps_at_once(size.num_ratings, batch_size, setup.config.ratings_at_once)
    batch = at_once, grid.num_cells * max_ratings_in_cell(np.full(grid.num_cells, size.num_ratings), batch_size)
    whole, real = Array(batch, np.int32), Array(batch, np.float32)
    step_of_rating: Array | KeyedSteps | None = None
    if setup.model.config.history and size.num_ratings > SHUFFLED_AT_MOST:
        keys = Array((NUM_ROUNDS,), np.uint32)
        step_of_rating = KeyedSteps(keys, keys, Array((), np.int32))
    elif setup.model.config.history:
        step_of_rating = Array((size.num_ratings,), np.min_scalar_type(-steps - 1))
    return EpochSteps(
        num_steps=Array((), np.int32),
        index=Array(batch[:1], np.int32),
        batches=Batch(whole, whole, Array((*batch, 0), np.int32), real, real, whole),
        step_of_rating=step_of_rating,
        user_batch=Array(batch[:1], np.int32),
        weight=Array(batch[:1], np.float32),
    )


def user_batches_shapes(size: DataSize, setup: TrainingSetup) -> UserBatches | Sequences | None:
    """Returns the shapes of the user batches; None without an implicit-feedback score."""
    if not setup.model.config.implicit_feedback_dim:
        return None
    if setup.model.reads_sequences:
        length, num_cells = setup.model.config.sequence_length, grid_of(setup.model.mesh).num_cells
        steps = setup.sequence_steps
        rows = rows_of_step(size.num_ratings, length, setup.config.sequence_passes, steps)
        return sequences_shape((*steps, math.ceil(rows / num_cells) * num_cells), setup)
    grid, users = grid_of(setup.model.mesh), min(setup.users_per_step, size.num_users)
    num_user_batches = -(-size.num_users // users)
    ratings_per_cell = size.num_ratings / num_user_batches / grid.num_cells
    entries = num_user_batches, grid.num_cells * math.ceil(ratings_per_cell + 3 * math.sqrt(ratings_per_cell))
    whole = Array(entries, np.int32)
    position = whole if setup.predicts_next else None
    user_batches = UserBatches(whole, whole, Array(entries, np.float32), position, position)
    if setup.has_tables:
        return user_batches
    movies = setup.model.table_rows[1] // grid.num_cells
    by_user, by_movie = (
        links_shape(ratings_per_cell, owners, grid.num_cells, num_values=0, stacked=(num_user_batches,))
        for owners in (users, movies)
    )
    return user_batches._replace(links=(by_user, by_movie))
