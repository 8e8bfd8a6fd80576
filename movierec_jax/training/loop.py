"""The training loop: epochs of steps fed to the devices, with records of progress in between."""

import concurrent.futures
import math
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from movierec_jax.data.arrays import prefetch
from movierec_jax.data.schema import Ratings
from movierec_jax.model.inputs import Batch, Interactions, Sequences, UserBatches
from movierec_jax.model.sharding import (
    interactions_shardings,
    put_sharded,
    steps_shardings,
    user_batches_shardings,
)
from movierec_jax.model.two_tower import Members
from movierec_jax.training import batches
from movierec_jax.training.epoch_steps import Arrange, batch_arranger, epoch_steps
from movierec_jax.training.memory import StepsMemory, StepsShapes
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress, add_seconds, record_of, require_finite
from movierec_jax.training.state import TrainingSetup, TrainState, new_state
from movierec_jax.training.step import EpochSteps, StepErrors, batch_squared_errors, train_steps
from movierec_jax.training.strengths import held_out_inputs, learn_strengths

# Measures the lists that parameters make, by NDCG@10.
Rank = Callable[[Members, Interactions], float]


def initial_state(
    train: Ratings,
    interactions: Interactions,
    *,
    setup: TrainingSetup,
    check: Callable[[StepsMemory], None] = lambda memory: None,
) -> TrainState:
    """Makes the state before the first step while another thread compiles the steps that `train_from` will take.

    Each of the two takes seconds, most of them in XLA, which lets other threads run.
    check: is told what the devices will hold, before anything is put there, and again when the steps are compiled. It
        raises an error where that is too much.
    """
    user_batches = setup.user_batches(train)
    shapes = StepsShapes.of(next(epoch_steps(train, user_batches, 0, setup)), interactions, user_batches, setup)
    del user_batches
    check(shapes.memory)
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as background:
        compiled = background.submit(shapes.compile)
        state = jax.block_until_ready(new_state(setup))
        check(compiled.result())
    return state


def train_epochs(
    state: TrainState, train: Ratings, valid: Ratings, interactions: Interactions, *, setup: TrainingSetup
) -> Iterator[tuple[TrainState, EpochRecord]]:
    """Trains from the end of the state's epoch to the last epoch, yielding after each epoch, as `train_from` does."""
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
    rank: Rank | None = None,
) -> Iterator[tuple[TrainState, Progress]]:
    """Trains from the state's step to the last, yielding whenever the devices have taken the steps they were given.

    Each epoch ends with a yield, after the validation RMSE and, if `rank` is given, what it returns. The next steps
    take the memory of a yielded state: copy it to keep it. A state and the progress yielded with it are all that
    resuming needs, bit for bit. While the devices work on some steps, a thread builds the next ones. Raises InputError
    naming the first step whose error is not a finite number.
    """
    num_steps = batches.num_steps(len(train), setup.config.batch_size)
    user_batches = setup.user_batches(train)
    valid = valid.rated()
    valid_batches = batches.stack_batches(valid, np.arange(len(valid)), setup.config.batch_size) if len(valid) else None
    held_out = held_out_inputs(train, setup) if len(setup.held_out) else None
    step = int(state.step)
    # Processes agree here, before a thread of each goes its own way.
    arrange = batch_arranger(train, setup)
    upcoming = prefetch(steps_on_devices(step, train, user_batches, arrange, setup))
    interactions, user_batches = put_data(interactions, user_batches, setup.model.mesh)
    start = time.perf_counter()
    for num_ratings, steps in upcoming:
        state, errors = train_steps(state, steps, interactions, user_batches, setup=setup)
        totals = progress.since + total_errors(errors, num_ratings, first=step)
        step += len(num_ratings)
        if step % num_steps:
            progress = Progress(progress.records, add_seconds(totals, start))
        else:
            epoch, valid_rmse = step // num_steps, None
            if held_out is not None and epoch <= setup.held_out_epochs:
                state = learn_strengths(state, *held_out, interactions, setup=setup)
            if valid_batches is not None:
                valid_rmse = validation_rmse(state.params, valid_batches, interactions, setup)
                require_finite(np.array([valid_rmse]), "validation RMSE after epoch", first=epoch)
            ndcg = None if rank is None else rank(state.params, interactions)
            record = record_of(add_seconds(totals, start), epoch, step, valid_rmse, ndcg)
            progress = Progress((*progress.records, record))
        yield state, progress
        start = time.perf_counter()


def steps_on_devices(
    first_step: int,
    train: Ratings,
    user_batches: UserBatches | Sequences | None,
    arrange: Arrange,
    setup: TrainingSetup,
) -> Iterator[tuple[Float32[np.ndarray, " steps"], EpochSteps]]:
    """Yields the steps of all epochs from `first_step` on, on the devices, with the number of ratings of each step."""
    num_steps = batches.num_steps(len(train), setup.config.batch_size)
    for epoch in range(first_step // num_steps, setup.config.epochs):
        first = max(0, first_step - epoch * num_steps)
        for steps in epoch_steps(train, user_batches, epoch, setup, first_step=first, arrange=arrange):
            assert steps.weight is not None, "steps of an epoch have weights"
            yield steps.weight[: steps.num_steps], put_steps(steps, setup.model.mesh)


def put_steps(steps: EpochSteps, mesh: Mesh | None) -> EpochSteps:
    """Puts steps on the devices; on a mesh each device gets the ratings of its cell."""
    return jax.device_put(steps) if mesh is None else put_sharded(steps, steps_shardings(steps, mesh))


def put_data(
    interactions: Interactions, user_batches: UserBatches | Sequences | None, mesh: Mesh | None
) -> tuple[Interactions, UserBatches | Sequences | None]:
    """Puts interactions and user batches on the devices."""
    if mesh is None:
        return jax.device_put((interactions, user_batches))
    interactions = put_sharded(interactions, interactions_shardings(interactions, mesh))
    if user_batches is not None:
        user_batches = put_sharded(user_batches, user_batches_shardings(user_batches, mesh))
    return interactions, user_batches


def total_errors(errors: StepErrors, num_ratings: Float32[np.ndarray, " steps"], first: int) -> ErrorTotals:
    """Totals the errors of steps from `first` on; raises InputError naming the first one that is not finite."""
    rating, catalogue = (np.asarray(column)[: len(num_ratings)].astype(np.float64) for column in errors)
    require_finite(rating, "error at step", first)
    require_finite(catalogue, "error over the catalogue at step", first)
    return ErrorTotals(len(num_ratings), float(num_ratings.sum()), float(rating @ num_ratings), float(catalogue.sum()))


def validation_rmse(params: Members, valid: Batch, interactions: Interactions, setup: TrainingSetup) -> float:
    """Returns the RMSE of the validation ratings."""
    total = np.asarray(batch_squared_errors(params, valid, interactions, setup=setup), np.float64).sum()
    return math.sqrt(total / valid.weight.sum(dtype=np.float64))
