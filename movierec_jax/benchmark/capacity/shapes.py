"""The shapes of all that a step reads for ratings of given numbers, of which none are read or made.

What programs cost at a size of data depends on shapes alone. All ratings are taken to be trained on, without content,
and to be spread evenly over users and movies; real ones, of which some users have most, need some more places.
"""

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.model.inputs import Batch, Known, Links, UserBlocks
from movierec_jax.model.interactions import fastest_length
from movierec_jax.model.sharding import grid_of
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training.batches import most_in_cell, num_steps, steps_at_once
from movierec_jax.training.state import Recipe, recipe_for
from movierec_jax.training.step import Steps

# Programs are the same for any scale.
RATING_SCALE = 1.0, 5.0

# Shapes with a type.
Array = jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class Size:
    """How many users, movies and ratings there are."""

    num_users: int
    num_movies: int
    num_ratings: int


def recipe_of(size: Size, config: Config, mesh: Any) -> Recipe:
    """What a run on so much data starts from. Raises InputError for settings that ask for more than numbers."""
    settings = config.data
    if settings.rating_time or settings.user_features or settings.movie_features:
        raise InputError("--num_ratings: leave out --rating_time and features: they are of ratings that are there")
    grid = grid_of(mesh)
    rows = grid.padded(size.num_users + 1), grid.padded(size.num_movies + 1)
    model = TwoTowers(
        num_users=size.num_users,
        num_movies=size.num_movies,
        num_user_features=0,
        num_movie_features=0,
        config=config.model,
        mesh=mesh,
        num_rows=rows if mesh else None,
    )
    is_by_time = config.data.split != "random"
    recipe = recipe_for(model, config, size.num_ratings, RATING_SCALE, is_by_time=is_by_time)
    if recipe.is_by_rows:
        raise InputError("--num_ratings: the rows that a batch takes from tables are those of ratings that are there")
    return recipe


def known_shapes(size: Size, recipe: Recipe) -> Known:
    """Those of what the towers see."""
    grid = grid_of(recipe.model.mesh)
    rows = (grid.padded(size.num_users + 1), grid.padded(size.num_movies + 1))
    users, movies = grid.ranges(*rows)
    cells = grid.num_cells
    in_cell = size.num_ratings / cells if recipe.model.config.looks_at_ratings else 0.0
    return Known(
        by_user=links_shape(in_cell, users, cells, num_values=2 + recipe.looks_at_next),
        by_movie=links_shape(in_cell, movies, cells, num_values=2),
        user_features=links_shape(0.0, 0, cells, num_values=1),
        by_user_feature=links_shape(0.0, 0, cells, num_values=1),
        movie_features=links_shape(0.0, 0, cells, num_values=1),
        by_movie_feature=links_shape(0.0, 0, cells, num_values=1),
        user_count=Array(rows[:1], np.float32),
        movie_count=Array(rows[1:], np.float32),
        user_feature_count=Array((0,), np.float32),
        movie_feature_count=Array((0,), np.float32),
        moment_count=Array((0,), np.float32),
    )


def links_shape(
    num_links: float, num_owners: int, num_cells: int, *, num_values: int, stacked: tuple[int, ...] = ()
) -> Links:
    """Those of links in cells, so many in each; stacked: axes that come before."""
    num_owners = min(num_owners, math.ceil(num_links))

    def num_pieces(length: int) -> int:
        # Of each owner's last piece half is filled.
        return math.ceil(num_links / length + num_owners / 2)

    length = fastest_length(num_pieces)
    pieces = num_cells * num_pieces(length)
    places = (*stacked, length, pieces)
    return Links(
        owner=Array((*stacked, pieces), np.int32),
        other=Array(places, np.int32),
        link=Array(places, np.int32),
        values=(Array(places, np.float32),) * num_values,
    )


def steps_shapes(size: Size, recipe: Recipe) -> Steps:
    """Those of the steps that are taken at once."""
    grid, batch_size = grid_of(recipe.model.mesh), recipe.batch_size
    steps = num_steps(size.num_ratings, batch_size)
    at_once = steps_at_once(size.num_ratings, batch_size, recipe.config.ratings_at_once)
    batch = at_once, grid.num_cells * most_in_cell(np.full(grid.num_cells, size.num_ratings), batch_size)
    whole, real = Array(batch, np.int32), Array(batch, np.float32)
    has_history = bool(recipe.model.config.history)
    return Steps(
        num_steps=Array((), np.int32),
        place=Array(batch[:1], np.int32),
        batches=Batch(whole, whole, Array((*batch, 0), np.int32), real, real, whole),
        step_of_rating=Array((size.num_ratings,), np.min_scalar_type(-steps - 1)) if has_history else None,
        block=Array(batch[:1], np.int32),
    )


def blocks_shapes(size: Size, recipe: Recipe) -> UserBlocks | None:
    """Those of the blocks of users; None where there are none."""
    if not recipe.model.config.exposure_dim:
        return None
    grid, users = grid_of(recipe.model.mesh), min(recipe.users_per_step, size.num_users)
    num_blocks = -(-size.num_users // users)
    in_range = size.num_ratings / num_blocks / grid.num_cells
    entries = num_blocks, grid.num_cells * math.ceil(in_range + 3 * math.sqrt(in_range))
    whole = Array(entries, np.int32)
    turn = whole if recipe.looks_at_next else None
    blocks = UserBlocks(whole, whole, Array(entries, np.float32), turn, turn)
    if recipe.has_tables:
        return blocks
    movies = recipe.model.table_rows[1] // grid.num_cells
    by_user, by_movie = (
        links_shape(in_range, owners, grid.num_cells, num_values=0, stacked=(num_blocks,)) for owners in (users, movies)
    )
    return blocks._replace(links=(by_user, by_movie))
