"""Compares our model with baselines on the same ratings, and prints one table.

    movierec benchmark --baselines=biases
    movierec benchmark --suite=ablation --baselines= --seeds=0,1,2
    movierec benchmark --suite=data_sets --ratings=folder_of_pairs --seeds=0,1,2
    movierec benchmark --suite=cold
    movierec benchmark --suite=ranking --baselines=popularity,ease
    movierec benchmark --suite=ranking_new_users
    movierec benchmark --suite=next --split=leave_last_out --relevant_rating=1
    movierec benchmark --suite=first_ratings
    movierec benchmark --suite=disliked
    movierec benchmark --suite=sentiment --texts=reviews.parquet
    movierec benchmark --suite=reviews --reviews=reviews.parquet --links=links.csv
    movierec benchmark --suite=speed --measures=training,scoring
    movierec benchmark --suite=service --embedding_dim=64
    movierec benchmark --ratings=ml-100k/u1.base --test_ratings=ml-100k/u1.test --seeds=0,1,2
    movierec benchmark --ratings=ml-100k/u{1,2,3,4,5}.base --test_ratings=ml-100k/u{1,2,3,4,5}.test

Baselines of other libraries (all but biases, popularity, item_knn and ease) need the extra bench; an unknown name
prints the valid ones. --ratings and --test_ratings may be repeated, or hold comma-separated names: the table then has
means over these folds. The other flags are those of movierec train and apply to our model. The suites rating, ablation,
ranking and next run each fit in a process of its own, one after the other. The output folder gets the table
as Markdown and all figures as JSON. The first command takes about 30 seconds on 2 cores.
"""

import functools
import shlex
import sys
from collections.abc import Callable

from movierec_jax import cli
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.config import EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig


def main() -> None:
    config, benchmark = cli.config_from_flags(), cli.section_from_flags(BenchmarkConfig())

    from movierec_jax.benchmark.suites import (
        cold,
        data_sets,
        disliked,
        first_ratings,
        ranking,
        rating,
        reviews,
        sentiment,
        service,
        speed,
    )

    suites: dict[str, Callable[..., object]] = {
        "rating": rating.run_suite,
        "data_sets": data_sets.run_suite,
        "ablation": functools.partial(rating.run_suite, our_entrants=rating.ABLATION),
        "cold": cold.run_suite,
        "ranking": functools.partial(ranking.run_suite, new_case=ranking.trained_users),
        "ranking_new_users": functools.partial(ranking.run_suite, new_case=ranking.new_users),
        "next": functools.partial(ranking.run_suite, new_case=ranking.trained_users),
        "first_ratings": first_ratings.run_suite,
        "disliked": disliked.run_suite,
        "sentiment": sentiment.run_suite,
        "reviews": reviews.run_suite,
        "speed": speed.run_suite,
        "service": service.run_suite,
    }
    command = shlex.join(["movierec", "benchmark", *sys.argv[1:]])
    suites[benchmark.suite](config, benchmark, command)


def run() -> None:
    sections = [BenchmarkConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig]
    cli.run(main, sections, __doc__, repeatable=("ratings", "test_ratings"))
