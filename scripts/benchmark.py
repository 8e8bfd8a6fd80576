"""Compares our model with baselines on the same ratings, and prints one table.

    python scripts/benchmark.py --baselines=biases
    python scripts/benchmark.py --suite=ablation --baselines= --seeds=0,1,2
    python scripts/benchmark.py --suite=data_sets --ratings=folder_of_pairs --seeds=0,1,2
    python scripts/benchmark.py --suite=cold
    python scripts/benchmark.py --suite=ranking --baselines=popularity,ease
    python scripts/benchmark.py --suite=ranking_new_users
    python scripts/benchmark.py --suite=next --split=leave_last_out --relevant_rating=1
    python scripts/benchmark.py --suite=first_ratings
    python scripts/benchmark.py --suite=sentiment --texts=reviews.parquet
    python scripts/benchmark.py --suite=reviews --reviews=reviews.parquet --links=links.csv
    python scripts/benchmark.py --suite=speed --measures=training,scoring
    python scripts/benchmark.py --suite=service --embedding_dim=64
    python scripts/benchmark.py --ratings=ml-100k/u1.base --test_ratings=ml-100k/u1.test --seeds=0,1,2
    python scripts/benchmark.py --ratings=ml-100k/u{1,2,3,4,5}.base --test_ratings=ml-100k/u{1,2,3,4,5}.test

Baselines of other libraries (all but biases, popularity, item_knn and ease) need `pip install 'movierec_jax[bench]'`;
an unknown name prints the valid ones. --ratings and --test_ratings may be repeated, or hold names with commas between:
the table then has means over these folds. The other flags are those of train.py and apply to our model. The suites
rating, ablation, ranking and next run each fit in a process of its own, one after the other. The output folder gets the
table as Markdown and all figures as JSON. The first command takes about 30 seconds on 2 cores.
"""

import functools
import pathlib
import shlex
import sys

from movierec_jax import cli
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.config import EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig


def main() -> None:
    config, benchmark = cli.config_from_flags(), cli.section_from_flags(BenchmarkConfig())

    from movierec_jax.benchmark.suites import (
        cold,
        data_sets,
        first_ratings,
        ranking,
        rating,
        reviews,
        sentiment,
        service,
        speed,
    )

    suites = {
        "rating": rating.run_suite,
        "data_sets": data_sets.run_suite,
        "ablation": functools.partial(rating.run_suite, our_entrants=rating.ABLATION),
        "cold": cold.run_suite,
        "ranking": functools.partial(ranking.run_suite, new_case=ranking.trained_users),
        "ranking_new_users": functools.partial(ranking.run_suite, new_case=ranking.new_users),
        "next": functools.partial(ranking.run_suite, new_case=ranking.trained_users),
        "first_ratings": first_ratings.run_suite,
        "sentiment": sentiment.run_suite,
        "reviews": reviews.run_suite,
        "speed": speed.run_suite,
        "service": service.run_suite,
    }
    command = shlex.join(["python", f"scripts/{pathlib.Path(sys.argv[0]).name}", *sys.argv[1:]])
    suites[benchmark.suite](config, benchmark, command)


if __name__ == "__main__":
    sections = [BenchmarkConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig]
    cli.run(main, sections, __doc__, repeatable=("ratings", "test_ratings"))
