"""The training loop: epochs of steps fed to the devices, with records of progress in between."""

import concurrent.futures
import math
import time
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from movierec_jax.data.arrays import pad_rows, prefetch
from movierec_jax.data.schema import Ratings
from movierec_jax.model.inputs import Batch, Interactions, UserBatches
from movierec_jax.model.sharding import grid_of, interactions_shardings, put, steps_shardings, user_batches_shardings
from movierec_jax.model.two_tower import Members
from movierec_jax.training import batches
from movierec_jax.training.batches import user_batch_of_steps
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress, record_of, require_finite, since_now
from movierec_jax.training.state import TrainingSetup, TrainState, new_state, state_shapes
from movierec_jax.training.step import (
    EpochSteps,
    StepErrors,
    batch_squared_errors,
    train_steps,
)


def initial_state(train: Ratings, interactions: Interactions, *, setup: TrainingSetup) -> TrainState:
    """The state before the first step, made while another thread compiles the epochs that `fit` will run.

    Either takes seconds, most of them in XLA, which lets other threads work.
    """
    user_batches = setup.user_batches(train)
    steps = next(epoch_steps(train, user_batches, 0, setup))

    def compile_steps() -> None:
        state = state_shapes(setup)
        data = put_data(interactions, user_batches, setup.model.mesh)
        train_steps.lower(state, on_devices(steps, setup.model.mesh), *data, setup=setup).compile()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as background:
        compiled = background.submit(compile_steps)
        state = jax.block_until_ready(new_state(setup))
        compiled.result()
    return state


def epoch_steps(
    train: Ratings,
    user_batches: UserBatches | None,
    epoch: int,
    setup: TrainingSetup,
    first_step: int = 0,
) -> Iterator[EpochSteps]:
    """The steps of an epoch, counted from 0, some at a time, from the first that is asked for: a function of the seed.

    All are alike in shape (`batches.max_rows_in_batch` says how surely), and as few as hold `ratings_at_once`, so that memory
    does not grow with the ratings.
    """
    config, model, batch_size = setup.config, setup.model, setup.config.batch_size
    order = batches.epoch_order(len(train), config.seed, epoch)
    num_steps = batches.num_steps(len(train), batch_size)
    at_once = batches.steps_at_once(len(train), batch_size, config.ratings_at_once)
    step_of_rating = batches.step_of_ratings(order, batch_size) if model.config.history else None
    num_user_batches = 1 if user_batches is None else len(user_batches.user)
    block = user_batch_of_steps(num_user_batches, config.seed, epoch * num_steps, num_steps)
    sides = (train.user_row, model.num_users), (train.movie_row, model.num_movies)
    counts = [np.bincount(row, minlength=num_rows) for row, num_rows in sides] if setup.uses_sparse_adam else []
    if model.mesh is not None:
        grid = grid_of(model.mesh)
        ranges = grid.ranges(*model.table_rows)
        width = batches.max_ratings_in_cell(np.bincount(grid.cell(train.user_row, train.movie_row, ranges)), batch_size)
    for first in range(first_step, num_steps, at_once):
        places, rows = order[first * batch_size : (first + at_once) * batch_size], None
        stacked = batches.stack_batches(train, places, batch_size)
        if setup.uses_sparse_adam:
            stacked, rows = batches.index_by_own_rows(stacked, *counts)
        elif model.mesh is not None:
            stacked = batches.group_by_cell(stacked, grid, ranges, width)
        num_here = len(stacked.weight)
        place = np.arange(first, first + num_here, dtype=np.int32)
        of_step = place, stacked, block[place], rows
        place, stacked, of_users, rows = jax.tree.map(lambda column: pad_rows(column, at_once), of_step)
        yield EpochSteps(np.int32(num_here), place, stacked, step_of_rating, of_users, rows)


def on_devices(steps: EpochSteps, mesh: Mesh | None) -> EpochSteps:
    """The same where a mesh has them: of the batches each device has what is in its cell."""
    return jax.device_put(steps) if mesh is None else put(steps, steps_shardings(steps, mesh))


def put_data(
    interactions: Interactions, user_batches: UserBatches | None, mesh: Mesh | None
) -> tuple[Interactions, UserBatches | None]:
    """What is known and the blocks of users, where a mesh has them."""
    if mesh is None:
        return jax.device_put((interactions, user_batches))
    interactions = put(interactions, interactions_shardings(interactions, mesh))
    return interactions, None if user_batches is None else put(user_batches, user_batches_shardings(user_batches, mesh))


def fit(
    state: TrainState, train: Ratings, valid: Ratings, interactions: Interactions, *, setup: TrainingSetup
) -> Iterator[tuple[TrainState, EpochRecord]]:
    """Trains from the state's epoch to the config's last, yielding after each epoch, as `train_from` does."""
    for trained, progress in train_from(state, Progress(), train, valid, interactions, setup=setup):
        if progress.is_at_epochs_end:
            yield trained, progress.records[-1]


def train_from(
    state: TrainState,
    progress: Progress,
    train: Ratings,
    valid: Ratings,
    interactions: Interactions,
    *,
    setup: TrainingSetup,
) -> Iterator[tuple[TrainState, Progress]]:
    """Trains from the state's step to the last, yielding after the steps that are taken at once, and after each epoch.

    The yielded state is given up to the next steps: whoever wants to keep it copies it before asking for more. A thread
    builds the next batches while the device works on these. Whoever goes on from a state and the progress that were
    yielded together gets what comes after, bit for bit. Raises InputError where the error is not a number, naming the
    step.
    """
    num_steps = batches.num_steps(len(train), setup.config.batch_size)
    user_batches = setup.user_batches(train)
    valid_batches = batches.stack_batches(valid, np.arange(len(valid)), setup.config.batch_size) if len(valid) else None
    done = int(state.step)
    upcoming = prefetch(device_steps(done, train, user_batches, setup))
    interactions, user_batches = put_data(interactions, user_batches, setup.model.mesh)
    start = time.perf_counter()
    for weight, steps in upcoming:
        state, errors = train_steps(state, steps, interactions, user_batches, setup=setup)
        since = progress.since + sum_errors(errors, weight, first=done)
        done += len(weight)
        if done % num_steps:
            progress = Progress(progress.records, since_now(since, start))
        else:
            valid_rmse = None
            if valid_batches is not None:
                valid_rmse = validation_rmse(state.params, valid_batches, interactions, setup)
                require_finite(np.array([valid_rmse]), "validation RMSE after epoch", first=done // num_steps)
            record = record_of(since_now(since, start), done // num_steps, done, valid_rmse)
            progress = Progress((*progress.records, record))
        yield state, progress
        start = time.perf_counter()


def device_steps(
    first_step: int, train: Ratings, user_batches: UserBatches | None, setup: TrainingSetup
) -> Iterator[tuple[Float32[np.ndarray, " steps"], EpochSteps]]:
    """The steps of all epochs from one on, where the devices have them, with the ratings of each."""
    num_steps = batches.num_steps(len(train), setup.config.batch_size)
    for epoch in range(first_step // num_steps, setup.config.epochs):
        first = max(0, first_step - epoch * num_steps)
        for steps in epoch_steps(train, user_batches, epoch, setup, first_step=first):
            weight = steps.batches.weight[: steps.num_steps].sum(axis=1)
            yield weight, on_devices(steps, setup.model.mesh)


def sum_errors(errors: StepErrors, weight: Float32[np.ndarray, " steps"], first: int) -> ErrorTotals:
    """The errors of steps, of which `first` come before; raises InputError naming one that is not a number."""
    stars, catalogue = (np.asarray(column)[: len(weight)].astype(np.float64) for column in errors)
    require_finite(stars, "error at step", first)
    require_finite(catalogue, "error over the catalogue at step", first)
    return ErrorTotals(len(weight), float(weight.sum()), float(stars @ weight), float(catalogue.sum()))


def validation_rmse(params: Members, valid: Batch, interactions: Interactions, setup: TrainingSetup) -> float:
    """The RMSE of ratings in batches."""
    total = np.asarray(batch_squared_errors(params, valid, interactions, setup=setup), np.float64).sum()
    return math.sqrt(total / valid.weight.sum(dtype=np.float64))
