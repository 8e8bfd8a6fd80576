"""Training on so many synthetic ratings in a process of its own, for its memory.

    python -m movierec_jax.benchmark.speed.one_size DATA FOLDER

FOLDER has job.json, DATA is not looked at; the process leaves size.json in FOLDER.
"""

import itertools
import json
import pathlib
import sys
import time

import jax

from movierec_jax import cli
from movierec_jax.benchmark.fit import peak_memory_mb
from movierec_jax.benchmark.speed.synthetic import TABLES, synthetic_rows
from movierec_jax.benchmark.speed.training import interactions_and_setup
from movierec_jax.config import Config
from movierec_jax.data.arrays import prefetch
from movierec_jax.settings import from_json
from movierec_jax.training.loop import epoch_steps
from movierec_jax.training.state import new_state
from movierec_jax.training.step import train_steps


def main(data: pathlib.Path, folder: pathlib.Path) -> None:
    """The whole of the process: makes ratings, trains on some of them and writes how long it took."""
    del data
    job = json.loads((folder / "job.json").read_text())
    config = from_json(Config, job["config"], "job.json")
    figures = train_for_a_while(job["num_ratings"], config, job["num_parts"])
    (folder / "size.json").write_text(json.dumps(figures | {"peak_memory_mb": peak_memory_mb()}))


def train_for_a_while(num_ratings: int, config: Config, num_parts: int) -> dict[str, float]:
    """Seconds of what is given to the device at once, `num_parts` times over, and how many examples these are.

    Takes parts of one epoch after another, and leaves the first out, since it compiles.
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
    sys.exit(cli.exit_status(lambda: main(*map(pathlib.Path, sys.argv[1:]))))
