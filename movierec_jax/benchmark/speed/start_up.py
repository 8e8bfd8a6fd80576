"""From the start of the process to the finished report: the first command of the README, in a checkout."""

import pathlib
import subprocess
import sys
import tempfile

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed.timing import OURS, Figure, take_turns
from movierec_jax.errors import InputError

CHECKOUT = pathlib.Path(__file__).parents[3]


def measure(config: BenchmarkConfig) -> list[Figure]:
    """Seconds of a run on the bundled data, and of one that only prints its help. Raises InputError elsewhere."""
    script = CHECKOUT / "scripts" / "train.py"
    if not script.exists():
        raise InputError(f"--measures=start_up: needs a checkout: there is no {script}")
    with tempfile.TemporaryDirectory() as scratch:
        train = [sys.executable, str(script), "--overwrite", f"--workdir={scratch}/run", "--embedding_dim=64"]
        runs = {"train.py on the bundled data": train, "train.py --help": [sys.executable, str(script), "--help"]}
        return [
            Figure(name, 1, "runs", *take_turns({OURS: lambda command=command: started(command)}, config.repeats))
            for name, command in runs.items()
        ]


def started(command: list[str]) -> None:
    """Runs a command to its end. Raises InputError with what it said where it went wrong."""
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InputError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
