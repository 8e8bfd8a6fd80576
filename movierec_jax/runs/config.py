"""Settings of the processes that train together, of what a run reports, and of the search for settings."""

import dataclasses
import re

from movierec_jax.errors import InputError
from movierec_jax.settings import AT_LEAST_0, AT_LEAST_1, Limits, Settings, require, setting

# Value of --coordinator_address with which JAX finds out the address, the number of processes and their ids.
AUTO = "auto"

# Values of --loggers; `loggers.OPENERS` has a class for each.
LOGGERS = ("tensorboard", "wandb", "mlflow")


@dataclasses.dataclass(frozen=True)
class ProcessConfig(Settings):
    """Which processes work together, each on its own host."""

    coordinator_address: str | None = setting(
        None,
        f"host:port where all processes join process 0, or {AUTO}: JAX finds out the address, number and ids on TPU "
        "pods, SLURM, Open MPI and Kubernetes",
        Limits(
            f"{AUTO}, or a host and a port",
            lambda address: address == AUTO or re.fullmatch(r".+:\d+", address) is not None,
        ),
        heading="Processes",
    )
    num_processes: int | None = setting(None, "number of processes", AT_LEAST_1)
    process_id: int | None = setting(None, "id of this process, from 0 to --num_processes - 1", AT_LEAST_0)

    def __post_init__(self):
        super().__post_init__()
        if (self.num_processes is None) != (self.process_id is None):
            raise InputError("--num_processes and --process_id: give both, or neither")
        if self.num_processes is not None and self.process_id is not None:
            expected = f"0 to {self.num_processes - 1}, as there are --num_processes={self.num_processes}"
            require(0 <= self.process_id < self.num_processes, "process_id", self.process_id, expected)
        if self.coordinator_address == AUTO and self.num_processes is not None:
            raise InputError(f"--coordinator_address={AUTO}: finds out --num_processes and --process_id; give neither")
        if self.coordinator_address not in (None, AUTO) and self.num_processes is None:
            raise InputError("--coordinator_address: give --num_processes and --process_id with it")


@dataclasses.dataclass(frozen=True)
class LogConfig(Settings):
    """What a run reports while it trains. It changes nothing of the result, so a run may resume with other values."""

    loggers: tuple[str, ...] = setting(
        ("tensorboard",),
        f"where the figures of each epoch go besides the terminal and metrics.jsonl: {', '.join(LOGGERS)}. Empty: "
        "nowhere",
        choices=LOGGERS,
        heading="Reports",
        is_common=True,
    )
    ranked_users: int = setting(
        256,
        "users whose lists are ranked after each epoch, for NDCG@10 on the validation ratings; 0: none. A run of "
        "several processes ranks none",
        AT_LEAST_0,
    )


@dataclasses.dataclass(frozen=True)
class TuneConfig(Settings):
    """Which settings to search, and for how many trials."""

    tune: tuple[str, ...] = setting(
        (
            "learning_rate",
            "embedding_decay",
            "bias_decay",
            "history_explicit_decay",
            "history_implicit_decay",
            "shrinkage",
        ),
        "settings to search",
        Limits("names of settings", lambda names: len(names) > 0),
        heading="Search",
        is_common=True,
    )
    trials: int = setting(30, "trials to run now, besides those in the study", AT_LEAST_1, is_common=True)
    study: str = setting("runs/tune.db", "SQLite file of all trials; made if missing", is_common=True)
