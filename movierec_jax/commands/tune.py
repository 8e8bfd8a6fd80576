"""Searches settings on a validation part of the train ratings; the test part is never used.

    movierec tune --trials=20 --tune=learning_rate,shrinkage
    movierec tune --ratings=data/ml-latest-small --ratings=ml-1m --study=runs/both.db

A trial takes about 20 seconds on the bundled data and 2 cores. Needs the extra tune. With several --ratings, settings
are compared by their mean over the data sets. A study resumes where it stopped; several processes may share one. The
other flags are those of movierec train.
"""

from movierec_jax import cli
from movierec_jax.config import EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig
from movierec_jax.runs.config import TuneConfig


def main() -> None:
    config, settings = cli.config_from_flags(), cli.section_from_flags(TuneConfig())

    from movierec_jax.runs.tuning import tune

    tune(config, settings)


def run() -> None:
    cli.run(main, [TuneConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig], __doc__, repeatable=("ratings",))
