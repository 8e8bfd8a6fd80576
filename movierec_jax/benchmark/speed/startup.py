"""From the start of the process to the finished report: the first command of the README, in a checkout."""

import functools
import pathlib
import subprocess
import sys
import tempfile

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.timing import Timing, time_in_turn
from movierec_jax.errors import InputError

CHECKOUT = pathlib.Path(__file__).parents[3]


def measure(config: BenchmarkConfig) -> list[Timing]:
    """Times a run on the bundled data, and one that only prints its help. Raises InputError outside of a checkout."""
    script = CHECKOUT / "scripts" / "train.py"
    if not script.exists():
        raise InputError(f"--measures=startup: {script} does not exist; run it in a checkout")
    with tempfile.TemporaryDirectory() as scratch:
        train = [sys.executable, str(script), "--overwrite", f"--workdir={scratch}/run", "--embedding_dim=64"]
        commands = {"train.py on the bundled data": train, "train.py --help": [sys.executable, str(script), "--help"]}
        return [
            Timing(name, 1, "runs", *time_in_turn({OUR_LABEL: functools.partial(run, command)}, config.repeats))
            for name, command in commands.items()
        ]


def run(command: list[str]) -> None:
    """Runs a command to its end. Raises InputError with the end of its standard error if it fails."""
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InputError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
