"""One training step, and many of them as one compiled program."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from movierec_jax.config import ResolvedTrainConfig, TrainConfig
from movierec_jax.model.history import TowerInputs, as_cold_start, tower_inputs
from movierec_jax.model.inputs import Batch, BatchRows, Interactions, Sequences, UserBatches
from movierec_jax.model.sharding import constrain, constrain_state
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, TABLE_SCOPES
from movierec_jax.model.two_tower import Encoded, Members, encode, mean_rating
from movierec_jax.training import sparse_adam
from movierec_jax.training.keyed_steps import KeyedSteps, keyed_steps
from movierec_jax.training.losses import (
    BatchCounts,
    decay,
    factor_variance,
    implicit_feedback_decay,
    one_for_zero,
    ratings_of_rows,
    squared_error,
)
from movierec_jax.training.masking import MaskedTargets, catalogue_error_of, masked_targets, uniform_at
from movierec_jax.training.microbatch import microbatch_size, sum_over_microbatches
from movierec_jax.training.sequence_steps import join_states, split_state, train_encoder
from movierec_jax.training.state import TrainingSetup, TrainState, empty_tower_inputs, member_keys

# Separate random streams for cold starts and for masking.
COLD_START_STREAM, MASKING_STREAM = 0x5EED, 0xE5ED

# Mean number of ratings that a step still sees of a user whom it treats as cold-start.
COLD_START_RATINGS = 10.0


class EpochSteps(NamedTuple):
    """Some steps of an epoch; arrays may be longer than the number of steps, which keeps their shapes the same.

    num_steps: how many steps to take. index: which steps of the epoch they are.
    step_of_rating: the step that predicts each rating of train, or how to compute it; None where no history is seen.
    user_batch: index of each step's user batch, for the error over the whole catalogue.
    batch_rows: the rows of each batch, where steps train these rows alone; else None.
    weight: the sum of the weights of each step's ratings; not needed on the devices.
    """

    num_steps: Int32[Any, ""]
    index: Int32[Any, " steps"]
    batches: Batch
    step_of_rating: Int[Any, " ratings"] | KeyedSteps | None
    user_batch: Int32[Any, " steps"]
    batch_rows: BatchRows | None = None
    weight: Float32[Any, " steps"] | None = None


class StepErrors(NamedTuple):
    """Errors of a step or of many: the mean squared error of ratings, and the error over the catalogue.

    That is a user's squared error or, of sequences, the cross-entropy of the next movie in nats.
    """

    rating: Float[Any, "*steps"]
    catalogue: Float[Any, "*steps"]


def train_step(
    state: TrainState,
    batch: Batch,
    users: TowerInputs,
    movies: TowerInputs,
    targets: MaskedTargets | None,
    interactions: Interactions,
    *,
    setup: TrainingSetup,
    batch_counts: BatchCounts | None = None,
) -> tuple[TrainState, StepErrors]:
    """Takes one step of Adam on a batch `[batch]`; returns the new state, and the errors before the step.

    Each member of the ensemble, whose parameters are `[members, ...]`, minimises its own `objective`; errors are means
    over the members.

    users, movies: what the towers see, without the ratings of the batch. targets: the masked ratings that the
    implicit-feedback score has to find; None without that score. batch_counts: as in `decay`.
    """
    loss = functools.partial(
        objective,
        batch=batch,
        users=users,
        movies=movies,
        targets=targets,
        interactions=interactions,
        setup=setup,
        batch_counts=batch_counts,
    )

    def member_step(params, log_strength, opt_state, key):
        gradient, errors = jax.grad(loss, has_aux=True)(params, jax.random.fold_in(key, state.step), log_strength)
        updates, opt_state = setup.optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, errors

    params, opt_state, errors = jax.vmap(member_step)(
        state.params, state.log_strength, state.opt_state, member_keys(setup.config)
    )
    new = dataclasses.replace(state, step=state.step + 1, params=params, opt_state=opt_state)
    return constrain_state(new, setup.model.mesh), jax.tree.map(jnp.mean, errors)


def objective(
    params: optax.Params,
    key: Array,
    log_strength: Float[Array, " learnt_tables"],
    *,
    batch: Batch,
    users: TowerInputs,
    movies: TowerInputs,
    targets: MaskedTargets | None,
    interactions: Interactions,
    setup: TrainingSetup,
    batch_counts: BatchCounts | None,
) -> tuple[Float[Array, ""], StepErrors]:
    """Returns what a member minimises in a step, and its errors, for `params` without a members axis:

    mean squared error of the batch / spread^2 + shrinkage x mean factor variance + decay of the towers' rows
    + squared error over the catalogue + decay of the implicit-feedback rows        (where the model has that score)
    """
    config, model = setup.config, setup.model
    # The first dense layer is computed once per row, or once per pair where there are fewer pairs.
    has_hidden = len(users.has_row) + len(movies.has_row) <= len(batch.weight)
    encoded = model.apply({"params": params}, users, movies, method="towers")
    if has_hidden:
        encoded = model.apply({"params": params}, *encoded, method="add_hidden")
    # Rating-time tables belong to the towers' parameters, whose gradients are too large to be added up per microbatch.
    # So with rating times the whole batch is one microbatch.
    size = len(batch.weight) if model.num_time_features else microbatch_size(setup.platform)
    shared = {name: params[name] for name in params if model.num_time_features or name not in TABLE_SCOPES}
    sides = tuple(zip(encoded, interactions.rating_weights, strict=True))
    rows = batch.user_row, batch.movie_row
    pairs = PairColumns(batch.time_features, batch.rating, batch.weight, batch.number)
    sum_errors = functools.partial(sum_pair_errors, setup=setup, has_hidden=has_hidden)
    sums = sum_over_microbatches(sum_errors, size, model.mesh, shared, sides, rows, pairs, key)
    # All ratings of a small batch may be held out, and data may have no ratings.
    with_variance, rating_error = (total / one_for_zero(jnp.sum(batch.weight)) for total in sums)
    loss = with_variance + decay(params, interactions, config, log_strength, batch_counts)
    if targets is None:
        return loss, StepErrors(rating_error, jnp.zeros(()))
    catalogue_error = catalogue_error_of(params, targets, setup)
    loss += catalogue_error + implicit_feedback_decay(params[IMPLICIT_FEEDBACK], interactions, config)
    return loss, StepErrors(rating_error, catalogue_error)


class PairColumns(NamedTuple):
    """What `Batch` holds of its pairs besides their rows."""

    time_features: Int32[Array, "batch time_features"]
    rating: Float[Array, " batch"]
    weight: Float[Array, " batch"]
    number: Int32[Array, " batch"]


# The encoded users or movies of some pairs, and how many ratings each has in train.
CountedRows = tuple[Encoded, Float[Array, " batch"]]


def sum_pair_errors(
    params: optax.Params,
    users: CountedRows,
    movies: CountedRows,
    pairs: PairColumns,
    key: Array,
    *,
    setup: TrainingSetup,
    has_hidden: bool,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sums the squared errors of some pairs: standardised, with `shrinkage` x the variance of factors, and in stars.

    Which units dropout drops is a function of the key and of the pair's number.
    """
    apply = functools.partial(setup.model.apply, {"params": params})
    (user, user_count), (movie, movie_count) = users, movies
    if not has_hidden:
        user, movie = apply(user, movie, method="add_hidden")

    def predict_pair(user, movie, time_features, number):
        user, movie = apply(user, movie, time_features, method="at_time")
        rngs = {"dropout": jax.random.fold_in(key, number)}
        return apply(user, movie, is_training=True, rngs=rngs, method="predict"), user, movie

    predicted, user, movie = jax.vmap(predict_pair)(user, movie, pairs.time_features, pairs.number)
    error = jnp.sum(pairs.weight * squared_error(predicted, pairs.rating))
    variance = jnp.sum(pairs.weight * factor_variance(user, movie, user_count, movie_count))
    return error / setup.model.rating_spread**2 + setup.config.shrinkage * variance, error


@functools.partial(jax.jit, static_argnames="setup", donate_argnames="state")
def train_steps(
    state: TrainState,
    steps: EpochSteps,
    interactions: Interactions,
    user_batches: UserBatches | Sequences | None,
    *,
    setup: TrainingSetup,
) -> tuple[TrainState, StepErrors]:
    """Takes some steps of an epoch; returns the state after them, and the errors `[steps]`, 0 after `num_steps`.

    The step that predicts a rating leaves it out of all histories, and an epoch that holds a rating out never sees it.
    In each step `cold_start_fraction` of the users and,
    where there is content, of the movies are seen as new ones will be: movies by their content alone, users also by a
    few of their ratings (Volkovs, Yu, Poutanen 2017, "DropoutNet: addressing cold start in recommender systems").
    """
    if steps.batch_rows is not None:
        return train_steps_sparse_adam(state, steps, interactions, setup)
    layouts = interactions.by_user.link, interactions.by_movie.link
    if steps.step_of_rating is None:
        # No tower sees a rating.
        uniform = step_of_layout = tuple(-jnp.ones(link.shape) for link in layouts)
    else:
        key = stream_key(setup.config, COLD_START_STREAM)
        uniform = tuple(uniform_at(key, link) for link in layouts)
        step_of_layout = tuple(step_of_links(steps.step_of_rating, link, setup.config) for link in layouts)

    def step(state, inputs):
        index, batch, user_batch = inputs
        counts = tuple((links != index) & (links >= 0) for links in step_of_layout)
        users, movies = inputs_of_step(interactions, counts, uniform, state.step, setup)
        take_step = functools.partial(
            train_step, batch=batch, users=users, movies=movies, interactions=interactions, setup=setup
        )
        if user_batches is None:
            return take_step(state, targets=None)
        here = jax.tree.map(lambda column: column[user_batch], user_batches)
        key = jax.random.fold_in(stream_key(setup.config, MASKING_STREAM), state.step)
        if isinstance(here, Sequences):
            others, encoder = split_state(state)
            others, errors = take_step(others, targets=None)
            encoder, error = train_encoder(encoder, here, interactions.movie_count, key, setup)
            return join_states(others, encoder), errors._replace(catalogue=error)
        return take_step(state, targets=masked_targets(here, key, setup))

    state, errors = scan_first(step, state, (steps.index, steps.batches, steps.user_batch), steps.num_steps)
    return state, constrain(errors, setup.model.mesh, P())


def stream_key(config: TrainConfig, stream: int) -> Array:
    """Returns the random key of what all members share, distinct from the keys that are split for the members."""
    return jax.random.key(config.seed ^ stream)


def inputs_of_step(
    interactions: Interactions,
    counts: tuple[Bool[Array, "_length _segments"], ...],
    uniform: tuple[Float[Array, "_length _segments"], ...],
    step: Int32[Array, ""],
    setup: TrainingSetup,
) -> tuple[TowerInputs, TowerInputs]:
    """Returns what the towers see in a step, some users and movies as cold-start.

    counts, uniform: for each rating, by user and by movie, whether the step sees it, and a uniform random number.
    """
    model, fraction = setup.model, setup.config.cold_start_fraction
    counts_by_user, counts_by_movie = counts
    users, movies = tower_inputs(interactions, counts_by_user, counts_by_movie, model.mesh)
    user_key, movie_key = jax.random.split(jax.random.fold_in(stream_key(setup.config, COLD_START_STREAM), step))
    if fraction and ("user" in model.config.history or model.num_user_features):
        users = as_cold_start(users, fraction, COLD_START_RATINGS, uniform, user_key)
    if fraction and model.num_movie_features:
        movies = as_cold_start(movies, fraction, 0.0, uniform[::-1], movie_key)
    return users, movies


def step_of_links(
    step_of_rating: Int[Array, " ratings"] | KeyedSteps,
    link: Int32[Array, "length segments"],
    config: ResolvedTrainConfig,
) -> Int[Array, "length segments"]:
    """Returns the step that predicts each link; a step that never comes for links from reviews.

    -1 stands for filling and for ratings that are held out.
    """
    if isinstance(step_of_rating, KeyedSteps):
        return keyed_steps(step_of_rating, link, config.num_ratings, config.batch_size)
    never = jnp.iinfo(step_of_rating.dtype).max
    return jnp.where(link < 0, -1, step_of_rating.at[link].get(mode="fill", fill_value=never))


def train_steps_sparse_adam(
    state: TrainState, steps: EpochSteps, interactions: Interactions, setup: TrainingSetup
) -> tuple[TrainState, StepErrors]:
    """Takes steps that each train the rows of their batch alone; batches hold indices into `steps.batch_rows`."""

    def step(carry, inputs):
        state, last_step = carry
        batch, rows = inputs
        local = sparse_adam.gather_rows(state, rows, last_step, setup)
        local_setup, local_interactions = sparse_adam.restrict_to_rows(setup, interactions, rows)
        batch_counts, no_inputs = ratings_of_rows(batch, local_interactions), empty_tower_inputs(local_setup.model)
        local, errors = train_step(
            local, batch, *no_inputs, None, local_interactions, setup=local_setup, batch_counts=batch_counts
        )
        return sparse_adam.scatter_rows(state, local, rows, last_step), errors

    carry = state, sparse_adam.last_step_of_rows(state, setup)
    (state, last_step), errors = scan_first(step, carry, (steps.batches, steps.batch_rows), steps.num_steps)
    return sparse_adam.catch_up(state, last_step, setup), errors


def scan_first(step, carry, inputs, num_steps: Int32[Array, ""]) -> tuple[Any, StepErrors]:
    """Does what `jax.lax.scan` does, over the first `num_steps` of the inputs; errors of the others are 0."""

    def body(index, carry_and_errors):
        carry, errors = carry_and_errors
        carry, error = step(carry, jax.tree.map(lambda column: column[index], inputs))
        return carry, jax.tree.map(lambda column, value: column.at[index].set(value), errors, error)

    length = len(jax.tree.leaves(inputs)[0])
    return jax.lax.fori_loop(0, num_steps, body, (carry, StepErrors(*jnp.zeros((2, length)))))


@functools.partial(jax.jit, static_argnames="setup")
def batch_squared_errors(
    params: Members, batches: Batch, interactions: Interactions, *, setup: TrainingSetup
) -> Float[Array, " steps"]:
    """Sums the squared errors of each batch, without dropout and with predictions clipped to the rating scale."""
    users, movies = encode(params, interactions, model=setup.model)

    def error_of_batch(batch: Batch) -> Float[Array, ""]:
        pairs = users[:, batch.user_row], movies[:, batch.movie_row]
        predicted = mean_rating(params, *pairs, batch.time_features, model=setup.model)
        return jnp.sum(batch.weight * squared_error(jnp.clip(predicted, *setup.rating_scale), batch.rating))

    return jax.lax.map(error_of_batch, batches)
