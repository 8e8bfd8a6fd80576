"""Trains a recommender on ratings and leaves everything that scoring needs in a workdir.

    python scripts/train.py --embedding_dim=64
    python scripts/train.py --ratings=ml-1m.zip --workdir=runs/1m --hidden_dims=128,64 --epochs=30

Given an unfinished workdir and the same settings it goes on where it stopped.
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DataConfig, EvalConfig, ModelConfig, TrainConfig

WORKDIR = flags.DEFINE_string("workdir", "runs/default", "folder for checkpoints, report and plots; made if missing")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "start anew where the workdir holds a run already")


def main() -> None:
    from movierec_jax.run import train_run

    train_run(cli.config_from_flags(), WORKDIR.value, overwrite=OVERWRITE.value)


if __name__ == "__main__":
    cli.run(main, [DataConfig, ModelConfig, TrainConfig, EvalConfig], __doc__)
