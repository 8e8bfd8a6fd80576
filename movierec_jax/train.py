"""The state of training, one step, one epoch as one program, and the epochs one after another."""

import concurrent.futures
import dataclasses
import functools
import time
import typing
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int32

from movierec_jax import batches
from movierec_jax.config import TABLE_NUMBERS, USER_BLOCKS, TrainConfig
from movierec_jax.model import Members, Seen, TwoTowers, as_new, encode, mean_stars, seen
from movierec_jax.objective import (
    catalogue_error,
    decay,
    exposure_decay,
    squared_error,
    summed_catalogue_error,
    variance,
    weighted_mean,
)
from movierec_jax.optimizer import adam
from movierec_jax.pooling import both_ways
from movierec_jax.recency import recency
from movierec_jax.schema import Batch, InputError, Known, Links, Ratings, UserBlocks

# Tell the random numbers of hiding from all others: what is hidden from the towers, and from exposure.
HIDING = 0x5EED
HIDING_EXPOSED = 0xE5ED

# Ratings, in the mean, by which a step knows the users whom it takes for new.
NEW_USER_RATINGS = 10.0


@typing.no_type_check  # JAX and Orbax also make trees of it with shapes or None in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that a step changes."""

    step: Int32[Array, ""]
    params: optax.Params
    opt_state: optax.OptState


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a step reads besides its state and the data; the same from the first step to the last.

    config: with what `for_ratings` fills in.
    relevant_rating: stars from which a rating is relevant.
    """

    model: TwoTowers
    config: TrainConfig
    total_steps: int
    rating_scale: tuple[float, float]
    relevant_rating: float

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return adam(self.config, self.total_steps)

    @property
    def epochs(self) -> int:
        return typing.cast(int, self.config.epochs)

    @property
    def batch_size(self) -> int:
        return typing.cast(int, self.config.batch_size)

    @property
    def hidden_share(self) -> float:
        return typing.cast(float, self.config.hidden_share)

    @property
    def looks_at_next(self) -> bool:
        """Whether exposure is to what users rate next, after all that they have rated."""
        return self.config.exposure_to == "next"

    @property
    def users_per_step(self) -> int:
        """Users in a step's error over the whole catalogue."""
        return self.config.users_per_step or -(-self.model.num_users // USER_BLOCKS)

    @property
    def has_tables(self) -> bool:
        """Whether a step's users by all movies make a table that is small enough; else sums take its place."""
        return self.users_per_step * self.model.num_movies <= TABLE_NUMBERS

    def hits(self, rating: Float32[np.ndarray, " ratings"]) -> Float32[np.ndarray, " ratings"]:
        """What the error over the whole catalogue takes rated movies to be: 1 for a hit, 0 for none."""
        lowest, highest = self.rating_scale
        if self.config.hit == "graded":
            return ((rating - lowest) / (highest - lowest)).astype(np.float32)
        return (rating >= (self.relevant_rating if self.config.hit == "relevant" else lowest)).astype(np.float32)

    def user_blocks(self, train: Ratings) -> UserBlocks | None:
        """The train ratings as the error over the whole catalogue takes them; None where there is no such error."""
        if not self.model.config.exposure_dim:
            return None
        hits, is_next = self.hits(train.rating), self.looks_at_next
        blocks = batches.user_blocks(train, hits, self.users_per_step, self.config.seed, has_turns=is_next)
        return blocks if self.has_tables else batches.with_links(blocks, self.users_per_step)


class EpochInput(typing.NamedTuple):
    """What an epoch is made of besides what is known: its batches, the step of each rating and the block of each step.

    step_of_rating: as `batches.steps_of` has it. block: of users, for the error over the whole catalogue.
    """

    batches: Batch
    step_of_rating: Int32[typing.Any, " ratings_and_filling"]
    block: Int32[typing.Any, " steps"]


class Errors(typing.NamedTuple):
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


@functools.partial(jax.jit, static_argnames="recipe")
def new_state(recipe: Recipe) -> TrainState:
    """The state before the first step, a function of the config's seed."""
    nothing = seen(nothing_known(recipe.model), *[jnp.zeros((1, 0), bool)] * 2)
    row = jnp.zeros(1, jnp.int32)

    def new_member(key):
        params = recipe.model.init(key, *nothing, row, row, row[:, None])["params"]
        return params, recipe.optimizer.init(params)

    params, opt_state = jax.lax.map(new_member, member_keys(recipe.config))
    return TrainState(step=jnp.int32(0), params=params, opt_state=opt_state)


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
    stacked = batches.stack_batches(train, order, recipe.batch_size)
    steps = len(stacked.weight)
    num_blocks = 1 if blocks is None else len(blocks.user)
    return EpochInput(
        batches=stacked,
        step_of_rating=batches.steps_of(order, recipe.batch_size),
        block=batches.block_of_steps(num_blocks, recipe.config.seed, epoch * steps, steps),
    )


def nothing_known(model: TwoTowers) -> Known:
    """What is known of users and movies of whom there is neither rating nor content."""
    nobody = jnp.zeros((1, 0), jnp.int32)
    no_links = Links(nobody[0], nobody, nobody, (jnp.zeros((1, 0)),) * 2)
    no_content = no_links._replace(values=no_links.values[:1])
    rows, features = (model.num_users + 1, model.num_movies + 1), (model.num_user_features, model.num_movie_features)
    return Known(no_links, no_links, *[no_content] * 4, *map(jnp.zeros, (*rows, *features, model.num_moments)))


def member_keys(config: TrainConfig) -> Array:
    """A random key for each member of the ensemble."""
    return jax.random.split(jax.random.key(config.seed), config.ensemble_size)


def hiding_key(config: TrainConfig) -> Array:
    """The random key of what is hidden from all members; none of theirs, which are `split` from the seed's key."""
    return jax.random.key(config.seed ^ HIDING)


class Catalogue(typing.NamedTuple):
    """What some users have rated, as tables with a column for each movie, for a step's error over all movies.

    rated: how much what they are known by counts, else 0; hit and weight: of the movies that are to be told.
    """

    rated: Float[Array, "users movies"]
    hit: Float[Array, "users movies"]
    weight: Float[Array, "users movies"]


class Told(typing.NamedTuple):
    """The same rating by rating, where tables would be too large.

    counts: how much each rating counts where it is known; is_hidden: 1 for those that are to be told.
    """

    block: UserBlocks
    counts: Float[Array, " entries"]
    is_hidden: Float[Array, " entries"]


def catalogue_of(block: UserBlocks, key: Array, recipe: Recipe) -> Catalogue | Told:
    """The users of a block, with a share of their ratings hidden.

    Movies with ratings that are not hidden have weight 0: they could be told from themselves, or, where the next ones
    are to be told, come later still. So have places of no user.
    """
    config = recipe.config

    def table(entries: Float[Array, " entries"]) -> Float[Array, "users movies"]:
        empty = jnp.zeros((recipe.users_per_step, recipe.model.num_movies))
        return empty.at[block.user, block.movie_row].set(entries, mode="drop")

    counts, is_hidden = (next_hidden if recipe.looks_at_next else any_hidden)(block, key, recipe)
    if not recipe.has_tables:
        is_entry = block.user < recipe.users_per_step
        return Told(block, is_entry * counts, is_entry * is_hidden)
    is_rated, is_told = table(jnp.ones_like(block.hit)), table(is_hidden)
    weight = is_told + config.unrated_weight * (1 - is_rated)
    return Catalogue(table(counts), table(block.hit * is_hidden), weight * jnp.any(is_rated > 0, axis=1, keepdims=True))


def any_hidden(block: UserBlocks, key: Array, recipe: Recipe) -> tuple[Float[Array, " entries"], ...]:
    """How much each rating counts and whether it is hidden, by chance."""
    is_hidden = jax.random.bernoulli(key, recipe.hidden_share, block.user.shape).astype(jnp.float32)
    return 1 - is_hidden, is_hidden


def next_hidden(block: UserBlocks, key: Array, recipe: Recipe) -> tuple[Float[Array, " entries"], ...]:
    """How much each rating counts and whether it is hidden: those that follow a moment of the user, drawn by chance."""
    moment = jax.random.uniform(key, (recipe.users_per_step + 1,))[block.user]
    turn, num_ratings = (typing.cast(Array, column) for column in (block.turn, block.num_ratings))
    num_known = jnp.floor(moment * num_ratings)
    num_hidden = jnp.maximum(1, recipe.hidden_share * num_ratings)
    is_known = turn < num_known
    is_hidden = ~is_known & (turn < num_known + num_hidden)
    return recency(turn, jnp.maximum(1, num_known)) * is_known, is_hidden.astype(jnp.float32)


def train_step(
    state: TrainState,
    batch: Batch,
    users: Seen,
    movies: Seen,
    catalogue: Catalogue | Told | None,
    known: Known,
    *,
    recipe: Recipe,
) -> tuple[TrainState, Errors]:
    """The state after one step of Adam, and the errors before it, means over all members.

    users, movies: what is seen of them without the ratings of the batch.
    """
    config = recipe.config

    def objective(params, key):
        stars, user, movie = recipe.model.apply(
            {"params": params},
            users,
            movies,
            batch.user_row,
            batch.movie_row,
            batch.moment,
            is_training=True,
            rngs={"dropout": key},
        )
        error = weighted_mean(squared_error(stars, batch.rating), batch.weight)
        spread = variance(user, movie, known.user_count[batch.user_row], known.movie_count[batch.movie_row])
        penalty = config.uncertainty * weighted_mean(spread, batch.weight) + decay(params, known, config)
        if catalogue is None:
            return error + penalty, Errors(error, jnp.zeros(()))
        told = error_over_catalogue(params, catalogue, recipe)
        penalty += exposure_decay(params["exposure"], known, config, recipe.hidden_share)
        return error + penalty + told, Errors(error, told)

    def member_step(params, opt_state, key):
        gradient, errors = jax.grad(objective, has_aux=True)(params, jax.random.fold_in(key, state.step))
        updates, opt_state = recipe.optimizer.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, errors

    params, opt_state, errors = jax.vmap(member_step)(state.params, state.opt_state, member_keys(config))
    return TrainState(step=state.step + 1, params=params, opt_state=opt_state), jax.tree.map(jnp.mean, errors)


def error_over_catalogue(params: optax.Params, catalogue: Catalogue | Told, recipe: Recipe) -> Float[Array, ""]:
    """The squared error of a user over the whole catalogue, by tables or by sums."""
    if isinstance(catalogue, Catalogue):
        exposure = recipe.model.apply({"params": params}, catalogue.rated, method="catalogue")
        return catalogue_error(exposure, catalogue.hit, catalogue.weight)
    block, counts, is_hidden = catalogue
    links = typing.cast(tuple[Links, Links], block.links)
    rated = both_ways(links, counts)
    users, movies = recipe.model.apply({"params": params}, rated, recipe.users_per_step, method="exposed_sides")
    return summed_catalogue_error(users, movies, block, links, is_hidden, recipe.config.unrated_weight)


@functools.partial(jax.jit, static_argnames="recipe", donate_argnames="state")
def train_epoch(
    state: TrainState, epoch: EpochInput, known: Known, blocks: UserBlocks | None, *, recipe: Recipe
) -> tuple[TrainState, Errors]:
    """The state after a step for each of the stacked batches, and each step's errors.

    A rating is left out of all histories in the step that predicts it. `cold_share` of the users and, where there is
    content, of the movies, by chance in each step, are known as new ones will be: movies by their content alone, users
    also by a few of their ratings (Volkovs, Yu, Poutanen 2017, "DropoutNet").
    """
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
