"""A small training run on the checkerboard, its first epoch and single steps, for tests of training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from helpers import checkerboard
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import Ratings
from movierec_jax.data.vocab import ratings_by_row
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions
from movierec_jax.recommend.block_scorer import scorer_of_run
from movierec_jax.recommend.scoring import predict_ratings
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state
from movierec_jax.training.step import EpochSteps, train_steps

PARTS = checkerboard.parts(num_users=36, num_movies=18)
DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=5, dropout=0.3)
NO_DROPOUT = ModelConfig(embedding_dim=4, hidden_dims=(8,), implicit_feedback_dim=0, dropout=0.0)
SMALLEST = ModelConfig(embedding_dim=3, hidden_dims=(), implicit_feedback_dim=0)
BATCH_SIZE = 100
NOTHING = np.zeros(1, np.int32)


def run_of(model=DROPOUT, **train):
    """Returns a run on the checkerboard, and its train and validation part by row."""
    settings = TrainConfig(**{"epochs": 4, "batch_size": BATCH_SIZE, "learning_rate": 0.05, **train})
    run = new_run(Config(model=model, train=settings), checkerboard.clean_data(PARTS), PARTS)
    return run, *(ratings_by_row(part, run.users, run.movies) for part in (PARTS.train, PARTS.valid))


def first(ratings: Ratings, count: int) -> Ratings:
    return Ratings(**{name: column[:count] for name, column in vars(ratings).items() if column is not None})


def interactions_of(run, train: Ratings) -> Interactions:
    """Returns what the towers of a run see when these are all ratings."""
    return build_interactions(train, run.users.unknown, run.movies.unknown, run.user_content, run.movie_content)


def input_of(run, train: Ratings):
    """Returns the input of the first epoch and the user batches, as `train_epochs` makes them."""
    user_batches = run.setup.user_batches(train)
    return next(epoch_steps(train, user_batches, 0, run.setup)), user_batches


def one_epoch(run, train: Ratings, interactions=None):
    """Returns the state after the first epoch, and its errors."""
    epoch, user_batches = input_of(run, train)
    return train_steps(
        new_state(run.setup), epoch, interactions or jax.device_put(run.interactions), user_batches, setup=run.setup
    )


def one_step(state, epoch, index, interactions, setup):
    """Returns the state after one step of the epoch and its errors, as an epoch of this step alone."""
    whole, user_batches = epoch
    batch, user_batch = jax.tree.map(lambda column: column[index : index + 1], (whole.batches, whole.user_batch))
    # This step is the first one now, and the others are later ones.
    step = whole.step_of_rating
    step_of_rating = np.where(step < 0, -1, np.where(step == index, 0, 1)).astype(step.dtype)
    state, errors = train_steps(
        kept(state), one_of_epoch(batch, step_of_rating, user_batch), interactions, user_batches, setup=setup
    )
    return state, jax.tree.map(lambda error: error[0], errors)


def one_of_epoch(batch, step_of_rating, user_batch=NOTHING) -> EpochSteps:
    """The only step of an epoch."""
    return EpochSteps(np.int32(1), NOTHING, batch, step_of_rating, user_batch)


def kept(tree):
    """Copies a state, so that the copy outlives it."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def epochs_of(run, train, valid, state=None):
    """Returns states and records after each epoch."""
    state = new_state(run.setup) if state is None else state
    return [
        (kept(state), record) for state, record in train_epochs(state, train, valid, run.interactions, setup=run.setup)
    ]


def stars_of(run, params, ratings: Ratings):
    scorer = scorer_of_run(run, params)
    return predict_ratings(scorer, ratings.user_row, ratings.movie_row, run.rating_scale)[0]


def require_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def require_close(one, other, tolerance=1e-4):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance / 10), one, other)


def rmses(epochs):
    return [(record.train_rmse, record.valid_rmse) for _, record in epochs]
