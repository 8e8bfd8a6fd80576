"""A file of ratings, read the first time and again."""

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
        cache = pathlib.Path(scratch) / "cache"
        ours = {
            "reading": lambda: read_ratings(path),
            "reading again": lambda: read_ratings(path, cache),
            "reading and cleaning": lambda: clean(read_ratings(path), DataConfig()),
        }
        return [
            Figure(
                f"{what} {len(table):,} ratings",
                len(table),
                "ratings",
                *take_turns({OURS: run, "pandas.read_csv": lambda: pd.read_csv(path)}, config.repeats),
            )
            for what, run in ours.items()
        ]
