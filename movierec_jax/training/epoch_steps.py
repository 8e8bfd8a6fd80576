"""The steps of an epoch as arrays on the host, some at a time: which ratings each step predicts, and where they stand.

On a mesh a process has the ratings of its own devices' cells alone.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int

from movierec_jax.data.arrays import count_groups, pad_rows
from movierec_jax.data.schema import Ratings
from movierec_jax.model.grid import join_parts
from movierec_jax.model.inputs import Batch, BatchRows, Sequences, UserBatches
from movierec_jax.model.interactions import ratings_of_cell
from movierec_jax.model.sharding import share_of
from movierec_jax.training import batches
from movierec_jax.training.keyed_steps import KeyedSteps
from movierec_jax.training.random_order import RandomOrder
from movierec_jax.training.state import TrainingSetup
from movierec_jax.training.step import EpochSteps


class ArrangedSteps(NamedTuple):
    """The batches of some steps, with the rows that each holds where it needs them, and the sum of its weights."""

    batches: Batch
    batch_rows: BatchRows | None
    weight: Float32[np.ndarray, " steps"]


# (order of an epoch, the ratings it holds out) -> (numbers of steps, of which those behind the last are empty) -> steps
Arrange = Callable[[RandomOrder, np.ndarray], Callable[[range], ArrangedSteps]]


def epoch_steps(
    train: Ratings,
    user_batches: UserBatches | Sequences | None,
    epoch: int,
    setup: TrainingSetup,
    first_step: int = 0,
    arrange: Arrange | None = None,
) -> Iterator[EpochSteps]:
    """Yields the steps of an epoch from `first_step` on, counted from 0, some at a time: a function of seed and epoch.

    All have the same shapes (`batches.max_rows_in_batch` says how surely), and as few steps as hold `ratings_at_once`,
    so that memory does not grow with the ratings. On a mesh a process has the ratings of its own devices' cells alone.

    arrange: what `batch_arranger` returns, the same for all epochs.
    """
    config, batch_size = setup.config, setup.config.batch_size
    order = batches.epoch_order(len(train), config.seed, epoch)
    num_steps = batches.num_steps(len(train), batch_size)
    at_once = batches.steps_at_once(len(train), batch_size, config.ratings_at_once)
    held_out = setup.held_out if epoch < setup.held_out_epochs else setup.held_out[:0]
    step_of_rating = steps_of_history(order, held_out, setup) if setup.model.config.history else None
    num_user_batches = 1 if user_batches is None else len(jax.tree.leaves(user_batches)[0])
    user_batch = batches.user_batch_of_steps(num_user_batches, config.seed, epoch * num_steps, num_steps)
    arranged_steps = (arrange or batch_arranger(train, setup))(order, held_out)
    for first in range(first_step, num_steps, at_once):
        index = np.arange(first, min(first + at_once, num_steps), dtype=np.int32)
        arranged = arranged_steps(range(first, first + at_once))
        yield EpochSteps(
            num_steps=np.int32(len(index)),
            index=pad_rows(index, at_once),
            batches=arranged.batches,
            step_of_rating=step_of_rating,
            user_batch=pad_rows(user_batch[index], at_once),
            batch_rows=arranged.batch_rows,
            weight=arranged.weight,
        )


def steps_of_history(
    order: RandomOrder, held_out: Int[np.ndarray, " held_out"], setup: TrainingSetup
) -> Int[np.ndarray, " ratings"] | KeyedSteps:
    """Returns what tells the devices which step predicts each rating of a history; held-out ones are in none."""
    if not order.is_shuffled:
        return KeyedSteps(order.keys, setup.held_out_order.keys, np.int32(len(held_out)))
    step_of_rating = batches.step_of_ratings(order.shuffled, setup.config.batch_size)
    step_of_rating[held_out] = -1
    return step_of_rating


def batch_arranger(train: Ratings, setup: TrainingSetup) -> Arrange:
    """Returns what arranges the batches of an epoch for its steps: by their own rows, by cells of a mesh, or whole."""
    if setup.model.mesh is not None:
        return cell_arranger(train, setup)
    model, batch_size = setup.model, setup.config.batch_size
    counts = count_groups(train.user_row, model.num_users), count_groups(train.movie_row, model.num_movies)

    def arrange(order: RandomOrder, held_out: np.ndarray) -> Callable[[range], ArrangedSteps]:
        def arranged_steps(steps: range) -> ArrangedSteps:
            ratings = order.ratings(steps.start * batch_size, steps.stop * batch_size)
            stacked = batches.stack_batches(train, ratings, batch_size, held_out)
            weight = stacked.weight.sum(axis=1)
            made, rows = batches.index_by_own_rows(stacked, *counts) if setup.uses_sparse_adam else (stacked, None)
            return jax.tree.map(lambda column: pad_rows(column, len(steps)), ArrangedSteps(made, rows, weight))

        return arranged_steps

    return arrange


def cell_arranger(train: Ratings, setup: TrainingSetup) -> Arrange:
    """Returns what arranges the batches of an epoch by the cells of a mesh, of which a process has its own alone."""
    share, batch_size = share_of(setup.model.mesh), setup.config.batch_size
    grid, ranges = share.grid, share.grid.ranges(*setup.model.table_rows)
    numbers = [ratings_of_cell(train, cell, ranges, grid) for cell in share.cells]
    sizes = np.zeros(grid.num_cells, np.int64)
    sizes[list(share.cells)] = [len(number) for number in numbers]
    width = batches.max_ratings_in_cell(share.total(sizes), batch_size)
    join = functools.partial(join_parts, numbers=share.cells, num_parts=grid.num_cells, axis=1)

    def arrange(order: RandomOrder, held_out: np.ndarray) -> Callable[[range], ArrangedSteps]:
        cells = [batches.order_cell(number, order) for number in numbers]
        stack = functools.partial(
            batches.stack_cell, train, batch_size=batch_size, width=width, held_out=held_out, grid=grid, ranges=ranges
        )

        def arranged_steps(steps: range) -> ArrangedSteps:
            stacked = zip(*(stack(cell, steps=steps) for cell in cells), strict=True)
            weight = batches.weight_of_steps(train, order, batch_size, steps, held_out)
            return ArrangedSteps(Batch(*map(join, stacked)), None, weight)

        return arranged_steps

    return arrange
