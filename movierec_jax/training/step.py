"""One step, many steps as one program, and epochs one after another."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int, Int32

from movierec_jax.config import TrainConfig
from movierec_jax.model.history import TowerInputs, as_cold_start, seen
from movierec_jax.model.inputs import Batch, Interactions, Rows, UserBatches
from movierec_jax.model.sharding import held, placed
from movierec_jax.model.two_tower import Encoded, Members, encode, mean_rating
from movierec_jax.training import sparse_adam as batch_rows
from movierec_jax.training.losses import Drawn, decay, drawn_by, implicit_feedback_decay, squared_error, variance
from movierec_jax.training.masking import TargetEntries, TargetTables, error_over_catalogue, masked_targets, uniform_at
from movierec_jax.training.microbatch import microbatch_size, sum_over_microbatches
from movierec_jax.training.state import TrainingSetup, TrainState, empty_tower_inputs, member_keys

# Tell the random numbers of hiding from all others: what is hidden from the towers, and from exposure.
MASKING = 0x5EED

MASKING_IMPLICIT_FEEDBACK = 0xE5ED

# The parts of the model whose parameters have rows for users and movies.
ROWS_OF = (*batch_rows.TOWERS, "exposure")

# Ratings, in the mean, by which a step knows the users whom it takes for new.
NEW_USER_RATINGS = 10.0


class EpochSteps(NamedTuple):
    """What some steps of an epoch are made of besides what is known; arrays may hold more than these steps.

    num_steps: how many they are. place: which steps of the epoch.
    step_of_rating: as `batches.step_of_ratings` has it; None where no history is looked at.
    block: of users, for the error over the whole catalogue.
    rows: those of each batch, where steps are by rows; else None.
    """

    num_steps: Int32[Any, ""]
    place: Int32[Any, " steps"]
    batches: Batch
    step_of_rating: Int[Any, " ratings"] | None
    block: Int32[Any, " steps"]
    rows: Rows | None = None


# The users or movies of some pairs, and how many ratings of each train has.
CountedRows = tuple[Encoded, Float[Array, " batch"]]


class StepErrors(NamedTuple):
    """Of a step or of many: the mean squared error of the stars, and a user's squared error over the catalogue."""

    stars: Float[Any, "*steps"]
    catalogue: Float[Any, "*steps"]


def masking_key(config: TrainConfig) -> Array:
    """The random key of what is hidden from all members; none of theirs, which are `split` from the seed's key."""
    return jax.random.key(config.seed ^ MASKING)


def train_step(
    state: TrainState,
    batch: Batch,
    users: TowerInputs,
    movies: TowerInputs,
    catalogue: TargetTables | TargetEntries | None,
    interactions: Interactions,
    *,
    setup: TrainingSetup,
    drawn: Drawn | None = None,
) -> tuple[TrainState, StepErrors]:
    """The state after one step of Adam, and the errors before it, means over all members.

    users, movies: what is seen of them without the ratings of the batch. drawn: as `decay` has it.
    """
    config, model = setup.config, setup.model
    num_ratings = jnp.sum(batch.weight)
    columns = Pairs(batch.time_features, batch.rating, batch.weight, batch.number)
    counts = interactions.user_count, interactions.movie_count
    # The first dense layer is worked out for each row, or for each pair where there are fewer pairs.
    is_layered = len(users.has_row) + len(movies.has_row) <= len(batch.weight)
    # RatingTimeFeatures are rows of the towers: their gradients, as large as all moments, are not to be added up many times.
    at_once = len(batch.weight) if model.num_time_features else microbatch_size(setup.platform)
    error_of_pairs = functools.partial(pairs_error, setup=setup, is_layered=is_layered)

    def objective(params, key):
        sides = model.apply({"params": params}, users, movies, method="sides")
        if is_layered:
            sides = model.apply({"params": params}, *sides, method="layered")
        of_pairs = params if model.num_time_features else {name: params[name] for name in params if name not in ROWS_OF}
        rows = batch.user_row, batch.movie_row
        tables = tuple(zip(sides, counts, strict=True))
        sums = sum_over_microbatches(error_of_pairs, at_once, model.mesh, of_pairs, tables, rows, columns, key)
        error_and_spread, error = (total / num_ratings for total in sums)
        total = error_and_spread + decay(params, interactions, config, drawn)
        if catalogue is None:
            return total, StepErrors(error, jnp.zeros(()))
        told = error_over_catalogue(params, catalogue, setup)
        total += told + implicit_feedback_decay(params["exposure"], interactions, config)
        return total, StepErrors(error, told)

    def member_step(params, opt_state, key):
        gradient, errors = jax.grad(objective, has_aux=True)(params, jax.random.fold_in(key, state.step))
        updates, opt_state = setup.optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, errors

    params, opt_state, errors = jax.vmap(member_step)(state.params, state.opt_state, member_keys(config))
    new = TrainState(step=state.step + 1, params=params, opt_state=opt_state)
    return placed(new, model.mesh), jax.tree.map(jnp.mean, errors)


class Pairs(NamedTuple):
    """What there is of the pairs of a batch besides their rows, as `Batch` has it."""

    time_features: Int32[Array, "batch time_features"]
    rating: Float[Array, " batch"]
    weight: Float[Array, " batch"]
    number: Int32[Array, " batch"]


def pairs_error(
    params: optax.Params,
    users: CountedRows,
    movies: CountedRows,
    pairs: Pairs,
    key: Array,
    *,
    setup: TrainingSetup,
    is_layered: bool,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The squared errors of some pairs added up, with what uncertain factors add to them and without.

    What dropout leaves of a pair is a function of the key and the pair's number.
    """
    apply = functools.partial(setup.model.apply, {"params": params})
    (user, user_count), (movie, movie_count) = users, movies
    if not is_layered:
        user, movie = apply(user, movie, method="layered")

    def of_pair(user, movie, time_features, number):
        rngs = {"dropout": jax.random.fold_in(key, number)}
        return apply(user, movie, time_features, is_training=True, rngs=rngs, method="pairs")

    stars, user, movie = jax.vmap(of_pair)(user, movie, pairs.time_features, pairs.number)
    error = jnp.sum(pairs.weight * squared_error(stars, pairs.rating))
    spread = jnp.sum(pairs.weight * variance(user, movie, user_count, movie_count))
    return error + setup.config.shrinkage * spread, error


@functools.partial(jax.jit, static_argnames="setup", donate_argnames="state")
def train_steps(
    state: TrainState,
    steps: EpochSteps,
    interactions: Interactions,
    user_batches: UserBatches | None,
    *,
    setup: TrainingSetup,
) -> tuple[TrainState, StepErrors]:
    """The state after these steps, and each step's errors; those of no step are 0.

    A rating is left out of all histories in the step that predicts it. `cold_start_fraction` of the users and, where there is
    content, of the movies, by chance in each step, are known as new ones will be: movies by their content alone, users
    also by a few of their ratings (Volkovs, Yu, Poutanen 2017, "DropoutNet").
    """
    if steps.rows is not None:
        return train_steps_sparse_adam(state, steps, interactions, setup)
    model, cold_start_fraction = setup.model, setup.config.cold_start_fraction
    layouts = interactions.by_user, interactions.by_movie
    step_of_rating = steps.step_of_rating
    if step_of_rating is not None:
        uniform_by_user, uniform_by_movie = (uniform_at(masking_key(setup.config), links.link) for links in layouts)
        step_by_user, step_by_movie = (step_of_links(step_of_rating, links.link) for links in layouts)
    else:
        # No rating is looked at.
        uniform_by_user, uniform_by_movie = step_by_user, step_by_movie = [
            -jnp.ones(links.link.shape) for links in layouts
        ]

    def step(state, inputs):
        place, batch, block = inputs
        counts = ((of_rating != place) & (of_rating >= 0) for of_rating in (step_by_user, step_by_movie))
        users, movies = seen(interactions, *counts, mesh=model.mesh)
        user_key, movie_key = jax.random.split(jax.random.fold_in(masking_key(setup.config), state.step))
        if cold_start_fraction and ("user" in model.config.history or model.num_user_features):
            users = as_cold_start(
                users, cold_start_fraction, NEW_USER_RATINGS, (uniform_by_user, uniform_by_movie), user_key
            )
        if cold_start_fraction and model.num_movie_features:
            movies = as_cold_start(movies, cold_start_fraction, 0.0, (uniform_by_movie, uniform_by_user), movie_key)
        catalogue = None
        if user_batches is not None:
            key = jax.random.fold_in(jax.random.key(setup.config.seed ^ MASKING_IMPLICIT_FEEDBACK), state.step)
            catalogue = masked_targets(jax.tree.map(lambda column: column[block], user_batches), key, setup)
        return train_step(state, batch, users, movies, catalogue, interactions, setup=setup)

    state, errors = scan_some(step, state, (steps.place, steps.batches, steps.block), steps.num_steps)
    return state, held(errors, model.mesh, P())


def step_of_links(
    step_of_rating: Int[Array, " ratings"], link: Int32[Array, "length pieces"]
) -> Int[Array, "length pieces"]:
    """The step that predicts each link: -1 for filling, and one that never comes for links that are no ratings."""
    never = jnp.iinfo(step_of_rating.dtype).max
    return jnp.where(link < 0, -1, step_of_rating.at[link].get(mode="fill", fill_value=never))


def train_steps_sparse_adam(
    state: TrainState, steps: EpochSteps, interactions: Interactions, setup: TrainingSetup
) -> tuple[TrainState, StepErrors]:
    """The same where a step needs no rows but those of its batch, which has their places in `rows` for rows."""

    def step(state_and_done, batch_and_rows):
        state, done = state_and_done
        batch, rows = batch_and_rows
        local = batch_rows.take(state, rows, done, setup)
        own_setup, own_interactions = batch_rows.of_rows(setup, interactions, rows)
        drawn, nothing = drawn_by(batch, own_interactions), empty_tower_inputs(own_setup.model)
        local, errors = train_step(local, batch, *nothing, None, own_interactions, setup=own_setup, drawn=drawn)
        return batch_rows.put(state, local, rows, done), errors

    start = state, batch_rows.all_done(state, setup)
    (state, done), errors = scan_some(step, start, (steps.batches, steps.rows), steps.num_steps)
    return batch_rows.settle(state, done, setup), errors


def scan_some(step, start, inputs, num_steps: Int32[Array, ""]) -> tuple[Any, StepErrors]:
    """What `jax.lax.scan` gives for the first `num_steps` of the inputs; errors of no step are 0."""

    def add(place, state_and_errors):
        state, errors = state_and_errors
        state, error = step(state, jax.tree.map(lambda column: column[place], inputs))
        return state, jax.tree.map(lambda column, value: column.at[place].set(value), errors, error)

    length = len(jax.tree.leaves(inputs)[0])
    return jax.lax.fori_loop(0, num_steps, add, (start, StepErrors(*jnp.zeros((2, length)))))


@functools.partial(jax.jit, static_argnames="setup")
def batch_squared_errors(
    params: Members, batches: Batch, interactions: Interactions, *, setup: TrainingSetup
) -> Float[Array, " steps"]:
    """The sum of squared errors of each batch, with predictions held to the rating scale and without dropout."""
    users, movies = encode(params, interactions, model=setup.model)

    def batch_error(batch: Batch):
        pairs = users[:, batch.user_row], movies[:, batch.movie_row]
        stars = mean_rating(params, *pairs, batch.time_features, model=setup.model)
        return jnp.sum(batch.weight * squared_error(jnp.clip(stars, *setup.rating_scale), batch.rating))

    return jax.lax.map(batch_error, batches)
