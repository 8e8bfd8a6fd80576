"""Trains a recommender on ratings and writes everything that scoring needs to a workdir.

    movierec train --embedding_dim=64
    movierec train --ratings=ml-1m.zip --workdir=runs/1m

The first command takes about 20 seconds on 2 cores and reaches a test RMSE of 0.7804 on the bundled data; report.html
in the workdir shows the result. Repeating a command resumes an unfinished run, and so does --workdir alone: the other
settings are then those of the run.

With newer ratings, begin from an older run to train in a fraction of the time:

    movierec train --warm_start=runs/1m --ratings=ml-1m.zip --extra_ratings=new.csv --workdir=runs/1m-new

Several processes train together when all are given one address and a workdir that all can reach, such as a URL:

    movierec train --workdir=s3://bucket/run --coordinator_address=host0:1234 --num_processes=4 --process_id=0
"""

from absl import flags

from movierec_jax import cli
from movierec_jax.config import (
    DEFAULT_WORKDIR,
    Config,
    DeviceConfig,
    EvalConfig,
    ModelConfig,
    TrainConfig,
    differences,
)
from movierec_jax.data_config import PREPARED_SETTINGS, DataConfig
from movierec_jax.runs.config import LogConfig, ProcessConfig

WORKDIR = flags.DEFINE_string(
    "workdir", DEFAULT_WORKDIR, "folder or URL for checkpoints, report and plots; made if missing"
)
WARM_START = flags.DEFINE_string(
    "warm_start",
    None,
    "workdir of an older run: training starts from its parameters, with users and movies matched by id, and takes a "
    "fraction of the epochs. Unset: from random parameters",
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace the run that the workdir holds")
CHECK_MEMORY = flags.DEFINE_bool("check_memory", True, "refuse what needs more memory than is free, before it trains")


def main() -> None:
    from movierec_jax.runs import distributed
    from movierec_jax.runs.prepared_data import require_given
    from movierec_jax.runs.stored_config import stored_config
    from movierec_jax.train import train_run

    distributed.join(cli.section_from_flags(ProcessConfig()))
    if not distributed.is_primary():
        cli.silence_stdout()
    config = cli.config_from_flags()
    stored = None if OVERWRITE.value else stored_config(WORKDIR.value)
    if stored is not None:
        config = with_settings_of_run(config, stored)
    require_given(config.data, [name for name in PREPARED_SETTINGS if flags.FLAGS[name].present])
    devices, log = cli.section_from_flags(DeviceConfig()), cli.section_from_flags(LogConfig())
    train_run(
        config,
        WORKDIR.value,
        warm_start=WARM_START.value,
        overwrite=OVERWRITE.value,
        devices=devices,
        check_memory=CHECK_MEMORY.value,
        log=log,
    )


def with_settings_of_run(asked: Config, stored: Config) -> Config:
    """Returns the config of the run in the workdir, changed by the flags that are given, and prints what it adds."""
    config = cli.config_from_flags(base=stored)
    kept = differences(config, asked, "instead of")
    if kept:
        print(f"settings of the run in {WORKDIR.value}, as no flag says otherwise: {', '.join(kept)}")
    return config


def run() -> None:
    cli.run(main, [DataConfig, ModelConfig, TrainConfig, EvalConfig, LogConfig, DeviceConfig, ProcessConfig], __doc__)
