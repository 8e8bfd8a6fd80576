"""Measures our model and other recommenders on the same ratings, and prints one table.

    python scripts/benchmark.py --peers=biases
    python scripts/benchmark.py --suite=ablation --peers= --seeds=0,1,2
    python scripts/benchmark.py --suite=cold
    python scripts/benchmark.py --suite=ranking --rankers=popularity,ease
    python scripts/benchmark.py --suite=ranking_new_users
    python scripts/benchmark.py --suite=first_ratings
    python scripts/benchmark.py --suite=sentiment --texts=reviews.parquet
    python scripts/benchmark.py --suite=reviews --reviews=reviews.parquet --links=links.csv
    python scripts/benchmark.py --suite=speed --measures=training,scoring
    python scripts/benchmark.py --ratings=ml-100k/u1.base --test_ratings=ml-100k/u1.test --seeds=0,1,2
    python scripts/benchmark.py --ratings=ml-100k/u{1,2,3,4,5}.base --test_ratings=ml-100k/u{1,2,3,4,5}.test

All peers but `biases`, the rankers of the implicit library and all classifiers need
`pip install 'movierec_jax[bench]'`. --ratings and --test_ratings may be given many times, or with commas between: then
the table holds means over the folds. The other flags are those of train.py, and shape ours. Fits come one after the
other, those of stars and ranking in processes of their own. The table, as Markdown, and all figures, as JSON, go to the
output folder. The first command takes about 30 seconds on 2 cores.
"""

import functools
import pathlib
import shlex
import sys

from movierec_jax import cli
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.config import DataConfig, EvalConfig, ModelConfig, TrainConfig


def main() -> None:
    config, benchmark = cli.config_from_flags(), cli.section_from_flags(BenchmarkConfig())

    from movierec_jax.benchmark.speed import suite as speed
    from movierec_jax.benchmark.suites import cold, first_ratings, ranking
    from movierec_jax.benchmark.suites import rating as stars
    from movierec_jax.benchmark.suites import reviews as reviews_suite
    from movierec_jax.benchmark.suites import sentiment as sentiment_suite

    suites = {
        "stars": stars.run_suite,
        "ablation": functools.partial(stars.run_suite, ours=stars.ABLATION),
        "cold": cold.run_suite,
        "ranking": functools.partial(ranking.run_suite, cases=ranking.known_users),
        "ranking_new_users": functools.partial(ranking.run_suite, cases=ranking.new_users),
        "first_ratings": first_ratings.run_suite,
        "sentiment": sentiment_suite.run_suite,
        "reviews": reviews_suite.run_suite,
        "speed": speed.run_suite,
    }
    command = shlex.join(["python", f"scripts/{pathlib.Path(sys.argv[0]).name}", *sys.argv[1:]])
    suites[benchmark.suite](config, benchmark, command)


if __name__ == "__main__":
    sections = [BenchmarkConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig]
    cli.run(main, sections, __doc__, repeatable=("ratings", "test_ratings"))
