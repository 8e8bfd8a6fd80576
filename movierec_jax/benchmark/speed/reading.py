"""Reading a file of ratings, the first time and again."""

import importlib.util
import pathlib
import tempfile

import pandas as pd

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.synthetic_data import TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import Timing, time_in_turn
from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data_config import DataConfig
from movierec_jax.packages import import_extra

COLUMNS = ["userId", "movieId", "rating", "timestamp"]


def measure(config: BenchmarkConfig) -> list[Timing]:
    """Times reading a CSV file of synthetic ratings in the format of MovieLens."""
    table = synthetic_ratings(config.num_ratings, *TABLES["MovieLens 25M"])
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "ratings.csv"
        table.set_axis(COLUMNS, axis=1).to_csv(path, index=False)
        cache = pathlib.Path(scratch) / "cache"
        our_ways = {
            "reading": lambda: read_ratings(path),
            "reading again": lambda: read_ratings(path, cache),
            "reading and cleaning": lambda: clean(read_ratings(path), DataConfig()),
        }
        others = {"pandas.read_csv": lambda: pd.read_csv(path)}
        if importlib.util.find_spec("polars"):
            polars = import_extra("polars", "speed")
            others["polars.read_csv"] = lambda: polars.read_csv(path)
        return [
            Timing(
                f"{what} {len(table):,} ratings",
                len(table),
                "ratings",
                *time_in_turn({OUR_LABEL: run, **others}, config.repeats),
            )
            for what, run in our_ways.items()
        ]
