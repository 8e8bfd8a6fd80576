"""A file of ratings read and cleaned by us, and only read by others."""

import pathlib
import tempfile

import pandas as pd

from movierec_jax.benchmark.speed.synthetic import TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import OURS, Figure, take_turns
from movierec_jax.cleaning import clean
from movierec_jax.config import BenchmarkConfig, DataConfig
from movierec_jax.movielens import read_ratings

COLUMNS = ["userId", "movieId", "rating", "timestamp"]


def measure(config: BenchmarkConfig) -> list[Figure]:
    """Ratings of a CSV file as MovieLens writes them."""
    table = synthetic_ratings(config.num_ratings, *TABLES["MovieLens 25M"])
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "ratings.csv"
        table.set_axis(COLUMNS, axis=1).to_csv(path, index=False)
        ways = {
            OURS: lambda: read_ratings(str(path)),
            f"{OURS} with cleaning": lambda: clean(read_ratings(str(path)), DataConfig()),
            "pandas": lambda: pd.read_csv(path),
        }
        seconds = take_turns(ways, config.repeats)
    return [Figure(f"reading {len(table):,} ratings", len(table), "ratings", *seconds, (f"{OURS} with cleaning",))]
