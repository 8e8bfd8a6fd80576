"""Trains a recommender on ratings and writes everything that scoring needs to a workdir.

    python scripts/train.py --embedding_dim=64
    python scripts/train.py --ratings=ml-1m.zip --workdir=runs/1m --hidden_dims=128,64 --epochs=30

The first command takes about 20 seconds on 2 cores (13 when repeated) and reaches a test RMSE of 0.787 on the bundled
data (0.7867 to 0.7869 with --seed=0 to 2). Repeating a command resumes an unfinished run.

With newer ratings, begin from an older run to train in a fraction of the time:

    python scripts/train.py --warm_start=runs/1m --ratings=ml-1m.zip --extra_ratings=new.csv --workdir=runs/1m-new

Several processes train together when all are given one address and a workdir that all can reach:

    python scripts/train.py --coordinator_address=host0:1234 --num_processes=4 --process_id=0
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import DEFAULT_WORKDIR, DeviceConfig, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data_config import DataConfig
from movierec_jax.runs.config import ProcessConfig

WORKDIR = flags.DEFINE_string(
    "workdir", DEFAULT_WORKDIR, "folder or URL for checkpoints, report and plots; made if missing"
)
WARM_START = flags.DEFINE_string(
    "warm_start",
    None,
    "workdir of an older run, from whose parameters training begins, by ids of users and movies. With newer ratings it "
    "then takes a fraction of the epochs. Unset: from random parameters",
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace the run that the workdir holds")


def main() -> None:
    from movierec_jax.runs import distributed
    from movierec_jax.train import train_run

    distributed.join(cli.section_from_flags(ProcessConfig()))
    if not distributed.is_primary():
        cli.silence_stdout()
    devices = cli.section_from_flags(DeviceConfig())
    train_run(
        cli.config_from_flags(),
        WORKDIR.value,
        warm_start=WARM_START.value,
        overwrite=OVERWRITE.value,
        devices=devices,
    )


if __name__ == "__main__":
    cli.run(main, [DataConfig, ModelConfig, TrainConfig, EvalConfig, DeviceConfig, ProcessConfig], __doc__)
