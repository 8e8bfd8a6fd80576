"""The state of training, one step, one epoch as one program, and the epochs one after another."""

import concurrent.futures
import dataclasses
import functools
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int32

from movierec_jax import batches
from movierec_jax.batch_rows import all_done, of_rows, put, settle, take
from movierec_jax.config import TrainConfig
from movierec_jax.hiding import Catalogue, Told, catalogue_of, error_over_catalogue
from movierec_jax.model import Encoded, Members, Seen, as_new, encode, mean_stars, seen
from movierec_jax.objective import Drawn, decay, drawn_by, exposure_decay, squared_error, variance
from movierec_jax.pairs import pairs_at_once, sum_over_pairs
from movierec_jax.recipe import Recipe, TrainState, member_keys, new_state, nothing_seen
from movierec_jax.schema import Batch, InputError, Known, Ratings, Rows, UserBlocks

# Tell the random numbers of hiding from all others: what is hidden from the towers, and from exposure.
HIDING = 0x5EED
HIDING_EXPOSED = 0xE5ED

# The parts of the model whose parameters have rows for users and movies.
ROWS_OF = ("user_tower", "movie_tower", "exposure")

# Ratings, in the mean, by which a step knows the users whom it takes for new.
NEW_USER_RATINGS = 10.0


class EpochInput(NamedTuple):
    """What an epoch is made of besides what is known: its batches, the step of each rating and the block of each step.

    step_of_rating: as `batches.steps_of` has it. block: of users, for the error over the whole catalogue.
    rows: those of each batch, where steps are by rows; None where they are not.
    """

    batches: Batch
    step_of_rating: Int32[Any, " ratings_and_filling"]
    block: Int32[Any, " steps"]
    rows: Rows | None = None


class Errors(NamedTuple):
    """Of a step or of many: the mean squared error of the stars, and a user's squared error over the catalogue."""

    stars: Float[Array, "*steps"]
    catalogue: Float[Array, "*steps"]


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What is known after an epoch, counted from 1.

    train_rmse: over the epoch, with dropout, while the parameters moved. catalogue_error: over the epoch, a user's
    squared error over all movies but those they are known by; 0 where exposure is not learnt. valid_rmse: after it;
    None without a validation part. seconds: of the epoch with its validation.
    """

    epoch: int
    step: int
    train_rmse: float
    catalogue_error: float
    valid_rmse: float | None
    seconds: float


def begin(train: Ratings, known: Known, *, recipe: Recipe) -> TrainState:
    """The state before the first step, made while another thread compiles the epochs that `fit` will run.

    Either takes seconds, most of them in XLA, which lets other threads work.
    """
    blocks = recipe.user_blocks(train)
    epoch = epoch_input(train, blocks, 0, recipe)

    def compile_epoch() -> None:
        state = jax.eval_shape(lambda: new_state(recipe))
        train_epoch.lower(state, epoch, jax.device_put(known), blocks, recipe=recipe).compile()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as background:
        compiled = background.submit(compile_epoch)
        state = jax.block_until_ready(new_state(recipe))
        compiled.result()
    return state


def epoch_input(train: Ratings, blocks: UserBlocks | None, epoch: int, recipe: Recipe) -> EpochInput:
    """The input of an epoch, counted from 0: a function of it and of the seed."""
    order = batches.epoch_order(len(train), recipe.config.seed, epoch)
    stacked, rows = batches.stack_batches(train, order, recipe.batch_size), None
    steps = len(stacked.weight)
    if recipe.is_by_rows:
        num_rows = recipe.model.num_users, recipe.model.num_movies
        counts = map(np.bincount, (train.user_row, train.movie_row), (None, None), num_rows)
        stacked, rows = batches.by_rows(stacked, *counts)
    num_blocks = 1 if blocks is None else len(blocks.user)
    return EpochInput(
        batches=stacked,
        step_of_rating=batches.steps_of(order, recipe.batch_size),
        block=batches.block_of_steps(num_blocks, recipe.config.seed, epoch * steps, steps),
        rows=rows,
    )


def hiding_key(config: TrainConfig) -> Array:
    """The random key of what is hidden from all members; none of theirs, which are `split` from the seed's key."""
    return jax.random.key(config.seed ^ HIDING)


def train_step(
    state: TrainState,
    batch: Batch,
    users: Seen,
    movies: Seen,
    catalogue: Catalogue | Told | None,
    known: Known,
    *,
    recipe: Recipe,
    drawn: Drawn | None = None,
) -> tuple[TrainState, Errors]:
    """The state after one step of Adam, and the errors before it, means over all members.

    users, movies: what is seen of them without the ratings of the batch. drawn: as `decay` has it.
    """
    config, model = recipe.config, recipe.model
    num_ratings = jnp.sum(batch.weight)
    counts = known.user_count[batch.user_row], known.movie_count[batch.movie_row]
    columns = Pairs(batch.moment, batch.rating, batch.weight, *counts)
    # The first dense layer is worked out for each row, or for each pair where there are fewer pairs.
    is_layered = len(users.has_row) + len(movies.has_row) <= len(batch.weight)
    # Moments are rows of the towers: their gradients, as large as all moments, are not to be added up many times.
    at_once = len(batch.weight) if model.num_moments else pairs_at_once()
    error_of_pairs = functools.partial(pairs_error, recipe=recipe, is_layered=is_layered)

    def objective(params, key):
        sides = model.apply({"params": params}, users, movies, method="sides")
        if is_layered:
            sides = model.apply({"params": params}, *sides, method="layered")
        of_pairs = params if model.num_moments else {name: params[name] for name in params if name not in ROWS_OF}
        rows = batch.user_row, batch.movie_row
        sums = sum_over_pairs(error_of_pairs, at_once, of_pairs, sides, rows, columns, key)
        error_and_spread, error = (total / num_ratings for total in sums)
        total = error_and_spread + decay(params, known, config, drawn)
        if catalogue is None:
            return total, Errors(error, jnp.zeros(()))
        told = error_over_catalogue(params, catalogue, recipe)
        total += told + exposure_decay(params["exposure"], known, config, recipe.hidden_share)
        return total, Errors(error, told)

    def member_step(params, opt_state, key):
        gradient, errors = jax.grad(objective, has_aux=True)(params, jax.random.fold_in(key, state.step))
        updates, opt_state = recipe.optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, errors

    params, opt_state, errors = jax.vmap(member_step)(state.params, state.opt_state, member_keys(config))
    return TrainState(step=state.step + 1, params=params, opt_state=opt_state), jax.tree.map(jnp.mean, errors)


class Pairs(NamedTuple):
    """What there is of the pairs of a batch besides their rows; user_count, movie_count: ratings of those in train."""

    moment: Int32[Array, "batch moments"]
    rating: Float[Array, " batch"]
    weight: Float[Array, " batch"]
    user_count: Float[Array, " batch"]
    movie_count: Float[Array, " batch"]


def pairs_error(
    params: optax.Params, user: Encoded, movie: Encoded, pairs: Pairs, key: Array, *, recipe: Recipe, is_layered: bool
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The squared errors of some pairs added up, with what uncertain factors add to them and without."""
    apply = functools.partial(recipe.model.apply, {"params": params})
    if not is_layered:
        user, movie = apply(user, movie, method="layered")
    stars, user, movie = apply(user, movie, pairs.moment, is_training=True, rngs={"dropout": key}, method="pairs")
    error = jnp.sum(pairs.weight * squared_error(stars, pairs.rating))
    spread = jnp.sum(pairs.weight * variance(user, movie, pairs.user_count, pairs.movie_count))
    return error + recipe.config.uncertainty * spread, error


@functools.partial(jax.jit, static_argnames="recipe", donate_argnames="state")
def train_epoch(
    state: TrainState, epoch: EpochInput, known: Known, blocks: UserBlocks | None, *, recipe: Recipe
) -> tuple[TrainState, Errors]:
    """The state after a step for each of the stacked batches, and each step's errors.

    A rating is left out of all histories in the step that predicts it. `cold_share` of the users and, where there is
    content, of the movies, by chance in each step, are known as new ones will be: movies by their content alone, users
    also by a few of their ratings (Volkovs, Yu, Poutanen 2017, "DropoutNet").
    """
    if epoch.rows is not None:
        return train_epoch_by_rows(state, epoch.batches, epoch.rows, known, recipe)
    model, cold_share = recipe.model, recipe.config.cold_share
    step_of_rating = epoch.step_of_rating
    by_user, by_movie = (step_of_rating[links.link] for links in (known.by_user, known.by_movie))
    luck = jax.random.uniform(hiding_key(recipe.config), step_of_rating.shape)
    luck_by_user, luck_by_movie = (luck[links.link] for links in (known.by_user, known.by_movie))

    def step(state, place_and_input):
        place, batch, block = place_and_input
        counts = ((steps != place) & (steps >= 0) for steps in (by_user, by_movie))
        users, movies = seen(known, *counts)
        user_key, movie_key = jax.random.split(jax.random.fold_in(hiding_key(recipe.config), state.step))
        if cold_share and ("user" in model.config.history or model.num_user_features):
            users = as_new(users, cold_share, NEW_USER_RATINGS, (luck_by_user, luck_by_movie), user_key)
        if cold_share and model.num_movie_features:
            movies = as_new(movies, cold_share, 0.0, (luck_by_movie, luck_by_user), movie_key)
        catalogue = None
        if blocks is not None:
            key = jax.random.fold_in(jax.random.key(recipe.config.seed ^ HIDING_EXPOSED), state.step)
            catalogue = catalogue_of(jax.tree.map(lambda column: column[block], blocks), key, recipe)
        return train_step(state, batch, users, movies, catalogue, known, recipe=recipe)

    return jax.lax.scan(step, state, (jnp.arange(len(epoch.block)), epoch.batches, epoch.block))


def train_epoch_by_rows(
    state: TrainState, stacked: Batch, rows: Rows, known: Known, recipe: Recipe
) -> tuple[TrainState, Errors]:
    """The same where a step needs no rows but those of its batch, which has their places in `rows` for rows."""

    def step(state_and_done, batch_and_rows):
        state, done = state_and_done
        batch, rows = batch_and_rows
        local, (own_recipe, own_known) = take(state, rows, done, recipe), of_rows(recipe, known, rows)
        drawn, nothing = drawn_by(batch, own_known), nothing_seen(own_recipe.model)
        local, errors = train_step(local, batch, *nothing, None, own_known, recipe=own_recipe, drawn=drawn)
        return put(state, local, rows, done), errors

    (state, done), errors = jax.lax.scan(step, (state, all_done(state, recipe)), (stacked, rows))
    return settle(state, done, recipe), errors


@functools.partial(jax.jit, static_argnames="recipe")
def squared_errors(params: Members, batches: Batch, known: Known, *, recipe: Recipe) -> Float[Array, " steps"]:
    """The sum of squared errors of each batch, with predictions held to the rating scale and without dropout."""
    users, movies = encode(params, known, model=recipe.model)

    def batch_error(batch: Batch):
        pairs = users[:, batch.user_row], movies[:, batch.movie_row]
        stars = mean_stars(params, *pairs, batch.moment, model=recipe.model)
        return jnp.sum(batch.weight * squared_error(jnp.clip(stars, *recipe.rating_scale), batch.rating))

    return jax.lax.map(batch_error, batches)


def fit(
    state: TrainState, train: Ratings, valid: Ratings, known: Known, *, recipe: Recipe
) -> Iterator[tuple[TrainState, EpochRecord]]:
    """Trains from the state's epoch to the config's last, yielding after each epoch.

    The yielded state is given up to the next epoch: whoever wants to keep it copies it before asking for more. The
    next epoch's batches are built while the device works on this one. Raises InputError where the error is not a
    number, naming the step.
    """
    steps = batches.num_steps(len(train), recipe.batch_size)
    blocks = recipe.user_blocks(train)
    known, blocks = jax.device_put((known, blocks))
    valid_batches = batches.stack_batches(valid, np.arange(len(valid)), recipe.batch_size) if len(valid) else None

    first = int(state.step) // steps
    upcoming = epoch_input(train, blocks, first, recipe)
    for epoch in range(first, recipe.epochs):
        start = time.perf_counter()
        weight = upcoming.batches.weight.sum(axis=1)
        state, errors = train_epoch(state, upcoming, known, blocks, recipe=recipe)
        if epoch + 1 < recipe.epochs:
            upcoming = epoch_input(train, blocks, epoch + 1, recipe)
        valid_rmse = None
        if valid_batches is not None:
            valid_sum = np.asarray(squared_errors(state.params, valid_batches, known, recipe=recipe), np.float64).sum()
            valid_rmse = float(np.sqrt(valid_sum / len(valid)))
        train_error, catalogue = np.asarray(errors.stars), np.asarray(errors.catalogue)
        require_finite(train_error, "error at step", first=epoch * steps)
        require_finite(catalogue, "error over the catalogue at step", first=epoch * steps)
        if valid_rmse is not None:
            require_finite(np.array([valid_rmse]), "validation RMSE after epoch", first=epoch + 1)
        yield (
            state,
            EpochRecord(
                epoch=epoch + 1,
                step=(epoch + 1) * steps,
                train_rmse=float(np.sqrt(np.average(train_error.astype(np.float64), weights=weight))),
                catalogue_error=float(catalogue.mean(dtype=np.float64)),
                valid_rmse=valid_rmse,
                seconds=time.perf_counter() - start,
            ),
        )


def require_finite(values: Float[np.ndarray, " n"], name: str, first: int) -> None:
    """Raises InputError naming the first value that is not a finite number; `first` numbers the first of all."""
    is_bad = ~np.isfinite(values)
    if is_bad.any():
        raise InputError(
            f"training diverged: the {name} {first + int(is_bad.argmax())} is {values[is_bad.argmax()]}; lower "
            "--learning_rate (and add --overwrite), or look for extreme ratings"
        )


def best_record(records: list[EpochRecord]) -> EpochRecord:
    """The epoch with the lowest validation RMSE, the earliest of equals; the last epoch without validation."""
    rmse = [record.valid_rmse for record in records if record.valid_rmse is not None]
    return records[rmse.index(min(rmse))] if rmse else records[-1]


def is_finished(records: list[EpochRecord], recipe: Recipe) -> bool:
    """Whether the last epoch is done, or patience is at its end."""
    if not records:
        return False
    waited = records[-1].epoch - best_record(records).epoch
    return records[-1].epoch >= recipe.epochs or 0 < recipe.config.patience <= waited
