"""The training setup, the training state, and Adam: what a run starts from and what its steps change."""

import dataclasses
import functools
import math
import typing
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Int32

from movierec_jax.config import (
    MOVIES_PER_SLOT,
    SEQUENCE_BATCH_SIZE,
    USER_BATCHES,
    Config,
    ResolvedTrainConfig,
    TrainConfig,
)
from movierec_jax.data.schema import Ratings
from movierec_jax.model.history import TowerInputs, tower_inputs
from movierec_jax.model.inputs import Interactions, PaddedLinks, Sequences, UserBatches
from movierec_jax.model.interactions import deviations_of_users, movie_levels
from movierec_jax.model.sequences import passes_end_to_end
from movierec_jax.model.sharding import constrain_state, grid_of, share_of, state_shardings, with_sharding
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, LEARNT_TABLES
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training import batches
from movierec_jax.training.random_order import RandomOrder

# Largest table of a step's users by all movies that a step builds (128 MiB as float32).
TABLE_NUMBERS = 2**25

# What a step of the catalogue error costs on a CPU besides products of matrices, in multiplications of these: for each
# number of a table, and for each number of the vectors that a rating adds to sums. Measured on five data sets of 30,000
# to 270,000 ratings with vectors of 64 and 256.
TABLE_NUMBER_COST, SUMMED_NUMBER_COST = 150, 80

# The share of the epochs, the first ones, that hold ratings out to learn the strengths of decays from.
HELD_OUT_EPOCHS = 0.65

# Fewer held-out ratings tell nothing, and these tell as much as more would.
FEWEST_HELD_OUT, MOST_HELD_OUT = 100, 2**16

# Largest batch, in ratings per user and movie of train, for which a step gathers only the rows that it uses.
RATINGS_PER_ROW = 0.5


@dataclasses.dataclass(frozen=True)
class TrainingSetup:
    """All that a step reads besides the state and the data; the same from the first step to the last.

    total_steps: over which the learning rate falls. rating_scale: lowest and highest rating, in stars.
    relevant_rating: stars from which a rating is relevant. platform: the kind of devices, as JAX names it.
    """

    model: TwoTowers
    config: ResolvedTrainConfig
    total_steps: int
    rating_scale: tuple[float, float]
    relevant_rating: float
    platform: str = dataclasses.field(default_factory=jax.default_backend)

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return adam(self.config, self.total_steps)

    @functools.cached_property
    def encoder_optimizer(self) -> optax.GradientTransformation:
        """Adam of the sequence encoder, which takes several steps in each of the others."""
        return adam(self.config, self.total_steps * self.sequence_steps[1])

    @property
    def sequence_steps(self) -> tuple[int, int]:
        """The steps of an epoch, and in each of them the steps of the sequence encoder."""
        config = self.config
        steps = batches.num_steps(config.num_ratings, config.batch_size)
        usual = max(SEQUENCE_BATCH_SIZE, self.model.num_movies // MOVIES_PER_SLOT)
        wanted = config.sequence_passes * config.num_ratings / (config.sequence_batch_size or usual)
        return steps, max(1, math.ceil(wanted / steps))

    @functools.cached_property
    def held_out(self) -> Int[np.ndarray, " held_out"]:
        """Which train ratings the first epochs hold out (`training/strengths.py`), rising."""
        return np.sort(self.held_out_order.ratings(0, self.num_held_out))

    @property
    def num_held_out(self) -> int:
        """How many ratings the first epochs hold out: none without towers of histories."""
        number = min(int(self.config.held_out_fraction * self.config.num_ratings), MOST_HELD_OUT)
        has_use = self.has_ratings and self.model.config.history and self.held_out_epochs
        return number if number >= FEWEST_HELD_OUT and has_use else 0

    @property
    def held_out_order(self) -> RandomOrder:
        """The order whose first ratings are held out."""
        return batches.held_out_order(self.config.num_ratings, self.num_held_out, self.config.seed)

    @property
    def has_ratings(self) -> bool:
        """Whether train has any rating; if not, it only tells which movies were watched."""
        return self.config.rating_weight > 0

    @property
    def held_out_epochs(self) -> int:
        """How many epochs hold ratings out."""
        return int(HELD_OUT_EPOCHS * self.config.epochs)

    @property
    def predicts_next(self) -> bool:
        """Whether the implicit-feedback score learns what users rate next, and not any rating of theirs."""
        return self.config.implicit_feedback_target == "next"

    @property
    def follows_trends(self) -> bool:
        """Whether what was rated lately is added to the implicit-feedback score (`implicit_feedback.add_trend`)."""
        has_score = self.model.config.implicit_feedback_dim > 0 and not self.model.reads_sequences
        return has_score and self.config.half_life_days > 0

    @property
    def users_per_step(self) -> int:
        """Number of users in a step's error over the whole catalogue."""
        return self.config.users_per_step or -(-self.model.num_users // USER_BATCHES)

    @property
    def has_tables(self) -> bool:
        """Whether the error over the catalogue uses tables of a step's users by all movies, or sums over ratings.

        Tables have to fit memory and, on a CPU, to cost less. Accelerators multiply matrices far faster than they sum.
        """
        users, movies, dim = self.users_per_step, self.model.num_movies, self.model.config.implicit_feedback_dim
        if users * movies > TABLE_NUMBERS or self.platform != "cpu":
            return users * movies <= TABLE_NUMBERS
        num_entries = self.config.num_ratings * users / self.model.num_users
        cost_of_tables = users * movies * (dim + TABLE_NUMBER_COST)
        cost_of_sums = (users + movies) * dim**2 + num_entries * dim * SUMMED_NUMBER_COST
        return cost_of_tables <= cost_of_sums

    @property
    def uses_sparse_adam(self) -> bool:
        """Whether a step trains the rows of its batch alone (`sparse_adam`).

        Towers that see histories or content read every row anyway, and a batch that holds most rows gains nothing.
        On a mesh each device has few of the rows.
        """
        model = self.model
        has_content = model.num_user_features + model.num_movie_features > 0
        reads_all_rows = model.config.looks_at_ratings or has_content or model.mesh is not None
        return not reads_all_rows and self.config.batch_size <= RATINGS_PER_ROW * (model.num_users + model.num_movies)

    def user_batches(self, train: Ratings) -> UserBatches | Sequences | None:
        """Lays the train ratings out for the error over the whole catalogue; None where the model has no such error."""
        if not self.model.config.implicit_feedback_dim:
            return None
        if self.model.reads_sequences:
            return passes_end_to_end(
                train.user_row,
                train.movie_row,
                deviations_of_users(train, self.model.num_movies),
                train.timestamp,
                length=self.model.config.sequence_length,
                num_passes=self.config.sequence_passes,
                shape=self.sequence_steps,
                multiple=grid_of(self.model.mesh).num_cells,
                seed=self.config.seed,
            )
        return batches.make_user_batches(
            train,
            movie_levels(train, self.model.num_movies),
            self.users_per_step,
            self.config.seed,
            has_positions=self.predicts_next,
            has_links=not self.has_tables,
            num_rows=self.model.table_rows[1],
            share=share_of(self.model.mesh),
        )


def training_setup(
    model: TwoTowers,
    config: Config,
    num_ratings: int,
    rating_scale: tuple[float, float],
    *,
    relevant_rating: float,
    target: str,
    rating_weight: float | None = None,
    is_warm: bool = False,
    half_life_days: float = 0.0,
) -> TrainingSetup:
    """Resolves a config for so many train ratings.

    relevant_rating: stars from which one is relevant. target: as `Config.target` returns it.
    rating_weight, is_warm, half_life_days: as in `TrainConfig.for_ratings`.
    """
    settings = config.train.for_ratings(
        num_ratings, target, rating_weight, is_warm=is_warm, half_life_days=half_life_days
    )
    return TrainingSetup(
        model=model,
        config=settings,
        total_steps=batches.num_steps(num_ratings, settings.batch_size) * settings.epochs,
        rating_scale=rating_scale,
        relevant_rating=relevant_rating,
    )


@typing.no_type_check  # JAX and Orbax also build it with shapes or None in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that training changes: the number of steps taken, the members' parameters and Adam's means of each.

    log_strength: natural logarithms of what the decays of `LEARNT_TABLES` are multiplied by, for each member.
    """

    step: Int32[Array, ""]
    log_strength: Float[Array, "members learnt_tables"]
    params: optax.Params
    opt_state: optax.OptState


@functools.partial(jax.jit, static_argnames="setup")
def new_state(setup: TrainingSetup) -> TrainState:
    """Makes the state before the first step, a function of the config's seed."""
    no_inputs, row = empty_tower_inputs(setup.model), jnp.zeros(1, jnp.int32)

    def new_member(key):
        params = setup.model.init(key, *no_inputs, row, row, row[:, None])["params"]
        return params, initial_opt_state(params, setup)

    params, opt_state = jax.lax.map(new_member, member_keys(setup.config))
    log_strength = jnp.zeros((setup.config.ensemble_size, len(LEARNT_TABLES)))
    state = TrainState(step=jnp.int32(0), log_strength=log_strength, params=params, opt_state=opt_state)
    return constrain_state(state, setup.model.mesh)


def initial_opt_state(params: optax.Params, setup: TrainingSetup) -> optax.OptState:
    """Returns Adam's means before the first step; those of a sequence encoder apart from the others."""
    if not setup.model.reads_sequences:
        return setup.optimizer.init(params)
    others, encoder = split_encoder(params)
    return setup.optimizer.init(others), setup.encoder_optimizer.init(encoder)


def split_encoder(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits parameters into those of everything else and those of the implicit-feedback score."""
    encoder = {IMPLICIT_FEEDBACK: params[IMPLICIT_FEEDBACK]}
    return {name: params[name] for name in params if name != IMPLICIT_FEEDBACK}, encoder


def state_shapes(setup: TrainingSetup) -> TrainState:
    """Returns the shapes and dtypes of a state's arrays, and on a mesh their shardings."""
    shapes = jax.eval_shape(lambda: new_state(setup))
    mesh = setup.model.mesh
    if mesh is None:
        return shapes
    return jax.tree.map(with_sharding, shapes, state_shardings(shapes, mesh))


def empty_tower_inputs(model: TwoTowers) -> tuple[TowerInputs, TowerInputs]:
    """Returns what the towers see without ratings and content."""
    no_counts = jnp.zeros((1, 0), bool)
    return tower_inputs(empty_interactions(model), no_counts, no_counts)


def empty_interactions(model: TwoTowers) -> Interactions:
    """Returns interactions of users and movies without ratings and content."""
    no_rows = jnp.zeros((1, 0), jnp.int32)
    no_links = PaddedLinks(no_rows[0], no_rows, no_rows, (jnp.zeros((1, 0)),) * 2)
    no_content = no_links._replace(values=no_links.values[:1])
    user_count, movie_count = (jnp.zeros(num_rows + 1) for num_rows in model.table_rows)
    content = no_content, no_content, no_content, no_content
    return Interactions(no_links, no_links, *content, user_count=user_count, movie_count=movie_count)


def member_keys(config: TrainConfig) -> Array:
    """Returns a random key for each member of the ensemble."""
    return jax.random.split(jax.random.key(config.seed), config.ensemble_size)


# Adam's decay rates of the mean gradient and the mean squared gradient, and the epsilon of their quotient (Kingma, Ba
# 2015, "Adam: a method for stochastic optimization").
B1, B2, EPS = 0.9, 0.999, 1e-8


def learning_rate(config: TrainConfig, total_steps: int) -> optax.Schedule:
    """Returns step -> rate: a linear warm-up, then half a cosine down to 0 at the last step."""
    warmup_steps = int(config.warmup_fraction * total_steps)
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(total_steps, warmup_steps + 1),
    )


def adam(config: TrainConfig, total_steps: int) -> optax.GradientTransformation:
    """Returns Adam on the objective plus `weight_decay` times the squared kernels of the dense layers."""
    return optax.chain(
        # The gradient of decay * w^2 is 2 * decay * w.
        optax.add_decayed_weights(2 * config.weight_decay, mask=is_kernel),
        optax.adam(learning_rate(config, total_steps), b1=B1, b2=B2, eps=EPS),
    )


def is_kernel(params: optax.Params):
    """Masks the kernels of the towers' and the head's dense layers among parameters, by the names in Flax."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel" and path[0].key != IMPLICIT_FEEDBACK, params)
