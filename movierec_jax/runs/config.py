"""Settings of the processes that train as one, and of the search for settings."""

import dataclasses
import re

from movierec_jax.errors import InputError
from movierec_jax.settings import (
    require,
    setting,
)

# Has where processes meet, and which is which, be found out.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class ProcessConfig:
    """Which processes do the work together, each on a host of its own."""

    coordinator_address: str | None = setting(
        None,
        f"host:port at which process 0 is met by all others, or {AUTO}: it and what follows are found out on TPU pods, "
        "SLURM, Open MPI and Kubernetes",
    )
    num_processes: int | None = setting(None, "how many processes there are")
    process_id: int | None = setting(None, "which of them this one is, from 0")

    def __post_init__(self):
        require(self.num_processes is None or self.num_processes >= 1, "num_processes", self.num_processes, "1 or more")
        if (self.num_processes is None) != (self.process_id is None):
            raise InputError("--num_processes and --process_id: give both, or neither")
        if self.num_processes is not None and self.process_id is not None:
            expected = f"0 to {self.num_processes - 1}, as there are --num_processes={self.num_processes}"
            require(0 <= self.process_id < self.num_processes, "process_id", self.process_id, expected)
        if self.coordinator_address == AUTO and self.num_processes is not None:
            raise InputError(f"--coordinator_address={AUTO}: finds out --num_processes and --process_id; give neither")
        if self.coordinator_address not in (None, AUTO):
            is_address = re.fullmatch(r".+:\d+", self.coordinator_address) is not None
            require(is_address, "coordinator_address", self.coordinator_address, f"{AUTO}, or a host and a port")
            if self.num_processes is None:
                raise InputError("--coordinator_address: give --num_processes and --process_id with it")


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """Which settings are tried out, how often, and where the trials are kept."""

    tune: tuple[str, ...] = setting(
        (
            "learning_rate",
            "embedding_decay",
            "bias_decay",
            "history_explicit_decay",
            "history_implicit_decay",
            "shrinkage",
        ),
        "settings to find",
    )
    trials: int = setting(30, "trials to make in this run, beside those that the study has")
    study: str = setting("runs/tune.db", "SQLite file of all trials; made if missing")

    def __post_init__(self):
        require(len(self.tune) > 0, "tune", self.tune, "names of settings")
        require(self.trials >= 1, "trials", self.trials, "1 or more")
