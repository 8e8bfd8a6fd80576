"""Training by the same net with ours, PyTorch and Keras: embeddings, biases, a product and dense layers, Adam.

All see the same batches, in memory before the clock starts. Histories, content and exposure, which the others
have no counterpart for, are left out.
"""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed.synthetic import NO_CONTENT, TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import OURS, Figure, take_turns
from movierec_jax.benchmark.speed.with_keras import keras_ways
from movierec_jax.benchmark.speed.with_torch import torch_ways
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, Ratings
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training import batches
from movierec_jax.training.loop import epoch_steps
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

# Multiplications of a forward pass for each example; twice as many again in the backward pass.
MULTIPLICATIONS = EMBEDDING_DIM * (1 + 2 * HIDDEN_DIMS[0]) + HIDDEN_DIMS[0] * HIDDEN_DIMS[1] + HIDDEN_DIMS[1]


def measure(config: BenchmarkConfig) -> Iterator[Figure]:
    """Examples for each size of tables and of batches."""
    for name, (num_users, num_movies) in TABLES.items():
        train = ratings_of(EXAMPLES, num_users, num_movies)
        for batch_size in BATCHES[name]:
            ways = {OURS: ours(train, batch_size, num_users, num_movies)}
            stacked = batches.stack_batches(train, batches.epoch_order(len(train), SEED, 0), batch_size)
            for others in (torch_ways, keras_ways):
                ways |= others(stacked, num_users, num_movies, EMBEDDING_DIM, HIDDEN_DIMS)
            yield Figure(
                f"training, {name} tables, batch {batch_size:,}",
                len(train),
                "examples",
                *take_turns(ways, config.repeats),
                note=f"{6 * MULTIPLICATIONS / 1e3:.0f} kFLOP an example",
            )


def ratings_of(num_ratings: int, num_users: int, num_movies: int) -> Ratings:
    """So many synthetic ratings by row."""
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
    """What the towers see of these ratings, without content, and the recipe of a model for them, far from its end."""
    has_ratings = config.model.looks_at_ratings
    interactions = build_interactions(train, num_users, num_movies, NO_CONTENT, NO_CONTENT, has_ratings=has_ratings)
    model = TwoTowers(num_users, num_movies, 0, 0, config.model, rating_mean=3.5)
    settings = config.train.for_ratings(len(train), is_by_time=False)
    return interactions, TrainingSetup(model, settings, TOTAL_STEPS, rating_scale=(0.5, 5.0), relevant_rating=4.0)


def ours(train: Ratings, batch_size: int, num_users: int, num_movies: int) -> Callable[[], float]:
    """A call of our compiled epoch; gives the error of its last step."""
    # All steps at once.
    settings = TrainConfig(
        batch_size=batch_size,
        epochs=1,
        seed=SEED,
        cold_start_fraction=0.0,
        weight_decay=0.0,
        ratings_at_once=len(train),
    )
    interactions, setup = interactions_and_setup(train, num_users, num_movies, Config(model=MODEL, train=settings))
    interactions = jax.device_put(interactions)
    epoch = jax.device_put(next(epoch_steps(train, None, 0, setup)))
    state = [new_state(setup)]

    def run() -> float:
        state[0], errors = train_steps(state[0], epoch, interactions, None, setup=setup)
        return float(errors.stars[-1])

    return run
