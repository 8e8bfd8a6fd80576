"""Finds settings by trial, on a validation part carved from train; the test part is not looked at.

    python scripts/tune.py --trials=20 --tune=learning_rate,shrinkage
    python scripts/tune.py --ratings=data/ml-latest-small --ratings=ml-1m --study=runs/both.db

Needs `pip install 'movierec_jax[tune]'`. --ratings may be given many times: settings are then judged by the mean over
the data sets. A study goes on where it was stopped; several processes may share one. The other flags are those of
train.py. A trial on the bundled data takes about 20 seconds on 2 cores.
"""

from movierec_jax import cli
from movierec_jax.config import DataConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.runs.config import TuneConfig


def main() -> None:
    config, settings = cli.config_from_flags(), cli.section_from_flags(TuneConfig())

    from movierec_jax.runs.tuning import tune

    tune(config, settings)


if __name__ == "__main__":
    cli.run(main, [TuneConfig, DataConfig, ModelConfig, TrainConfig, EvalConfig], __doc__, repeatable=("ratings",))
