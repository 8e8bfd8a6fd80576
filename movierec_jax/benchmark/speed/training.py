"""Training of the same net by our model, PyTorch and Keras: embeddings, biases, a product and dense layers, Adam.

All get the same batches, in memory before the clock starts. Histories, content and implicit-feedback scores, for which
the others have no counterpart, are left out.
"""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.keras_training import keras_ways
from movierec_jax.benchmark.speed.synthetic_data import NO_CONTENT, TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import Timing, time_in_turn
from movierec_jax.benchmark.speed.torch_training import torch_ways
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, Ratings
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training import batches
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.state import TrainingSetup, new_state
from movierec_jax.training.step import train_steps

EMBEDDING_DIM, HIDDEN_DIMS = 64, (128, 64)

BATCHES = {"MovieLens 1M": (1_024, 8_192, 65_536), "MovieLens 25M": (8_192, 65_536)}

EXAMPLES = 2**20

SEED = 0

TOTAL_STEPS = 10_000

MODEL = ModelConfig(
    embedding_dim=EMBEDDING_DIM, hidden_dims=HIDDEN_DIMS, history=(), implicit_feedback_dim=0, dropout=0.0
)

# Multiplications for each example in the forward pass; the backward pass has twice as many.
MULTIPLICATIONS = EMBEDDING_DIM * (1 + 2 * HIDDEN_DIMS[0]) + HIDDEN_DIMS[0] * HIDDEN_DIMS[1] + HIDDEN_DIMS[1]


def measure(config: BenchmarkConfig) -> Iterator[Timing]:
    """Times an epoch for each size of tables and of batches."""
    for name, (num_users, num_movies) in TABLES.items():
        train = draw_ratings(EXAMPLES, num_users, num_movies)
        for batch_size in BATCHES[name]:
            ways = {OUR_LABEL: our_way(train, batch_size, num_users, num_movies)}
            order = batches.epoch_order(len(train), SEED, 0).ratings(0, len(train))
            stacked = batches.stack_batches(train, order, batch_size)
            for others in (torch_ways, keras_ways):
                ways |= others(stacked, num_users, num_movies, EMBEDDING_DIM, HIDDEN_DIMS)
            yield Timing(
                f"training, {name} tables, batch {batch_size:,}",
                len(train),
                "examples",
                *time_in_turn(ways, config.repeats),
                note=f"{6 * MULTIPLICATIONS / 1e3:.0f} kFLOP an example",
            )


def draw_ratings(num_ratings: int, num_users: int, num_movies: int) -> Ratings:
    """Returns a number of synthetic ratings by row."""
    table = synthetic_ratings(2 * num_ratings, num_users, num_movies).head(num_ratings)
    return Ratings(
        user_row=table[USER_ID].to_numpy(np.int32) - 1,
        movie_row=table[MOVIE_ID].to_numpy(np.int32) - 1,
        rating=table[RATING].to_numpy(np.float32),
        timestamp=table[TIMESTAMP].to_numpy(np.int64),
        time_features=np.zeros((len(table), 0), np.int32),
    )


def interactions_and_setup(
    train: Ratings, num_users: int, num_movies: int, config: Config
) -> tuple[Interactions, TrainingSetup]:
    """Returns the towers' inputs for these ratings, without content, and the training setup, far from its last step."""
    has_ratings = config.model.looks_at_ratings
    interactions = build_interactions(train, num_users, num_movies, NO_CONTENT, NO_CONTENT, has_ratings=has_ratings)
    model = TwoTowers(num_users, num_movies, 0, 0, config.model, rating_mean=3.5)
    settings = config.train.for_ratings(len(train), "any")
    return interactions, TrainingSetup(model, settings, TOTAL_STEPS, rating_scale=(0.5, 5.0), relevant_rating=4.0)


def our_way(train: Ratings, batch_size: int, num_users: int, num_movies: int) -> Callable[[], float]:
    """Returns a call that trains an epoch and returns the error of its last step."""
    settings = TrainConfig(
        batch_size=batch_size,
        epochs=1,
        seed=SEED,
        cold_start_fraction=0.0,
        weight_decay=0.0,
        ratings_at_once=len(train),  # The device gets the whole epoch at once.
    )
    interactions, setup = interactions_and_setup(train, num_users, num_movies, Config(model=MODEL, train=settings))
    interactions = jax.device_put(interactions)
    epoch = jax.device_put(next(epoch_steps(train, None, 0, setup)))
    state = [new_state(setup)]

    def run() -> float:
        state[0], errors = train_steps(state[0], epoch, interactions, None, setup=setup)
        return float(errors.rating[-1])

    return run
