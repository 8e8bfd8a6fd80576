"""What a run starts from: all that its steps read besides the data, and the state before the first of them."""

import dataclasses
import functools
import typing

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int32

from movierec_jax.config import USER_BATCHES, Config, ResolvedTrainConfig, TrainConfig
from movierec_jax.data.schema import Ratings
from movierec_jax.model.history import TowerInputs, seen
from movierec_jax.model.inputs import Interactions, PaddedLinks, UserBatches
from movierec_jax.model.sharding import grid_of, placed, state_shardings
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training import batches as user_batches
from movierec_jax.training.batches import num_steps

# Largest table of a step's users by all movies that a step builds (128 MiB as float32); the cheapest way for small
# catalogues.
TABLE_NUMBERS = 2**25

# Largest batch, in ratings per user and movie of train, for which a step gathers only the rows that it uses.
RATINGS_PER_ROW = 0.5


@dataclasses.dataclass(frozen=True)
class TrainingSetup:
    """All that a step reads besides its state and the data; the same from the first step to the last.

    relevant_rating: stars from which a rating is relevant.
    platform: the kind of devices, as JAX names it; that of this process unless given.
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

    @property
    def looks_at_next(self) -> bool:
        """Whether exposure is to what users rate next, after all that they have rated."""
        return self.config.implicit_feedback_target == "next"

    @property
    def users_per_step(self) -> int:
        """Users in a step's error over the whole catalogue."""
        return self.config.users_per_step or -(-self.model.num_users // USER_BATCHES)

    @property
    def has_tables(self) -> bool:
        """Whether a step's users by all movies make a table that is small enough; else sums take its place."""
        return self.users_per_step * self.model.num_movies <= TABLE_NUMBERS

    @property
    def uses_sparse_adam(self) -> bool:
        """Whether a step takes the rows of its batch from all tables and trains them alone.

        Where towers see histories or content a step looks at every row anyway, and where a batch holds most rows there
        is nothing to gain. On a mesh each device has few of the rows.
        """
        model = self.model
        has_content = model.num_user_features + model.num_movie_features > 0
        looks_at_all = model.config.looks_at_ratings or has_content or model.mesh is not None
        return not looks_at_all and self.config.batch_size <= RATINGS_PER_ROW * (model.num_users + model.num_movies)

    def user_batches(self, train: Ratings) -> UserBatches | None:
        """The train ratings as the error over the whole catalogue takes them; None where there is no such error."""
        if not self.model.config.implicit_feedback_dim:
            return None
        num_users = self.users_per_step
        made = user_batches.user_batches(train, num_users, self.config.seed, has_positions=self.looks_at_next)
        num_ranges = grid_of(self.model.mesh).num_cells
        made = user_batches.group_by_movie_range(made, num_users, self.model.table_rows[1], num_ranges)
        return made if self.has_tables else user_batches.add_links(made, num_users, num_ranges)


def training_setup(
    model: TwoTowers, config: Config, num_ratings: int, rating_scale: tuple[float, float], *, is_by_time: bool
) -> TrainingSetup:
    """The recipe for so many ratings to train on; is_by_time: whether time splits them off from those to come."""
    settings = config.train.for_ratings(num_ratings, is_by_time)
    return TrainingSetup(
        model=model,
        config=settings,
        total_steps=num_steps(num_ratings, settings.batch_size) * settings.epochs,
        rating_scale=rating_scale,
        relevant_rating=config.evaluation.relevant_from(rating_scale),
    )


@typing.no_type_check  # JAX and Orbax also make trees of it with shapes or None in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that a step changes."""

    step: Int32[Array, ""]
    params: optax.Params
    opt_state: optax.OptState


@functools.partial(jax.jit, static_argnames="setup")
def new_state(setup: TrainingSetup) -> TrainState:
    """The state before the first step, a function of the config's seed."""
    nothing, row = empty_tower_inputs(setup.model), jnp.zeros(1, jnp.int32)

    def new_member(key):
        params = setup.model.init(key, *nothing, row, row, row[:, None])["params"]
        return params, setup.optimizer.init(params)

    params, opt_state = jax.lax.map(new_member, member_keys(setup.config))
    return placed(TrainState(step=jnp.int32(0), params=params, opt_state=opt_state), setup.model.mesh)


def state_shapes(setup: TrainingSetup) -> TrainState:
    """The shapes and types of a state's arrays, and on a mesh where they are."""
    shapes = jax.eval_shape(lambda: new_state(setup))
    mesh = setup.model.mesh
    if mesh is None:
        return shapes
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        state_shardings(shapes, mesh),
    )


def empty_tower_inputs(model: TwoTowers) -> tuple[TowerInputs, TowerInputs]:
    """What the towers see where nothing is known but rows."""
    nothing = jnp.zeros((1, 0), bool)
    return seen(empty_interactions(model), nothing, nothing)


def empty_interactions(model: TwoTowers) -> Interactions:
    """What is known of users and movies of whom there is neither rating nor content."""
    nobody = jnp.zeros((1, 0), jnp.int32)
    no_links = PaddedLinks(nobody[0], nobody, nobody, (jnp.zeros((1, 0)),) * 2)
    no_content = no_links._replace(values=no_links.values[:1])
    rows = (num_rows + 1 for num_rows in model.table_rows)
    numbers = (*rows, model.num_user_features, model.num_movie_features, model.num_time_features)
    return Interactions(no_links, no_links, *[no_content] * 4, *map(jnp.zeros, numbers))


def member_keys(config: TrainConfig) -> Array:
    """A random key for each member of the ensemble."""
    return jax.random.split(jax.random.key(config.seed), config.ensemble_size)


# How much of the mean gradient and of the mean squared gradient stays from step to step, and what keeps a quotient
# finite: the values of Kingma, Ba 2015.
B1, B2, EPS = 0.9, 0.999, 1e-8


def learning_rate(config: TrainConfig, total_steps: int) -> optax.Schedule:
    """Step -> rate: a straight rise over the warm-up, then half a cosine down to 0 at the last step."""
    warmup_steps = int(config.warmup_fraction * total_steps)
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(total_steps, warmup_steps + 1),
    )


def adam(config: TrainConfig, total_steps: int) -> optax.GradientTransformation:
    """Adam (Kingma, Ba 2015) on the gradient of the objective plus `weight_decay` times the squared dense kernels."""
    return optax.chain(
        # The gradient of decay * w^2 is 2 * decay * w.
        optax.add_decayed_weights(2 * config.weight_decay, mask=is_kernel),
        optax.adam(learning_rate(config, total_steps), b1=B1, b2=B2, eps=EPS),
    )


def is_kernel(params: optax.Params):
    """A mask of the dense layers' kernels among parameters, by the name that flax gives them."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)
