"""Trains on a number of synthetic ratings in a process of its own, to measure its memory.

    python -m movierec_jax.benchmark.speed.training_process DATA FOLDER

DATA is not read; the process leaves figures.json in FOLDER.
"""

import itertools
import pathlib
import time
from typing import Any

import jax

from movierec_jax.benchmark import process
from movierec_jax.benchmark.speed.synthetic_data import TABLES, synthetic_rows
from movierec_jax.benchmark.speed.training import interactions_and_setup
from movierec_jax.config import Config
from movierec_jax.data.arrays import prefetch
from movierec_jax.settings import from_json
from movierec_jax.training.epoch_steps import epoch_steps
from movierec_jax.training.state import new_state
from movierec_jax.training.step import train_steps


def run_job(job: dict[str, Any], data: pathlib.Path, folder: pathlib.Path) -> dict[str, Any]:
    """Makes ratings, trains on some of them, and returns how long it took."""
    return time_training(job["num_ratings"], from_json(Config, job["config"], "job.json"), job["num_parts"])


def time_training(num_ratings: int, config: Config, num_parts: int) -> dict[str, float]:
    """Returns the seconds and examples of `num_parts` parts of an epoch, as many steps as the device gets at once.

    Another part comes before them and is not counted, because it compiles.
    """
    num_users, num_movies = TABLES["MovieLens 25M"]
    train = synthetic_rows(num_ratings, num_users, num_movies)
    interactions, setup = interactions_and_setup(train, num_users, num_movies, config)
    interactions, user_batches = jax.device_put((interactions, setup.user_batches(train)))
    state, seconds, examples = new_state(setup), [], []
    epochs = (epoch_steps(train, user_batches, epoch, setup) for epoch in itertools.count())
    upcoming = prefetch(itertools.chain.from_iterable(epochs))
    for _ in range(num_parts + 1):
        start = time.perf_counter()
        steps = next(upcoming)
        state, errors = train_steps(state, steps, interactions, user_batches, setup=setup)
        jax.block_until_ready(errors)
        seconds.append(time.perf_counter() - start)
        examples.append(float(steps.batches.weight.sum()))
    return {"first_seconds": seconds[0], "seconds": sum(seconds[1:]), "examples": sum(examples[1:])}


if __name__ == "__main__":
    process.main(run_job)
