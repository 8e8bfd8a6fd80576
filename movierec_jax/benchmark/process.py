"""Runs a fit in a process of its own, so that its time, memory and crashes affect no other fit.

A module that fits is started as `python -m MODULE DATA FOLDER`: DATA has what all fits of a fold share, FOLDER has
job.json, and the process leaves its results in FOLDER.
"""

import json
import pathlib
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from movierec_jax import cli


class FitError(Exception):
    """A fit failed; the message is the last line of its log, or the signal that killed it."""


def run_apart(module: str, job: dict[str, Any], data: pathlib.Path, folder: pathlib.Path) -> dict[str, Any]:
    """Runs a module on a job and waits for it; returns the figures that it wrote. Raises FitError."""
    return run_command([sys.executable, "-m", module, str(data), str(folder)], job, folder)


def run_command(command: list[str], job: dict[str, Any], folder: pathlib.Path) -> dict[str, Any]:
    """Runs any command that reads job.json in FOLDER and writes figures.json there, as `run_apart` does."""
    (folder / "job.json").write_text(json.dumps(job))
    with (folder / "log.txt").open("w") as log:
        status = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        raise FitError(failure_reason(status, (folder / "log.txt").read_text(errors="replace")))
    return json.loads((folder / "figures.json").read_text())


def failure_reason(status: int, log: str) -> str:
    """Returns in one line why a process ended with a status other than 0."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"ended with status {status}"


def main(fit: Callable[[dict[str, Any], pathlib.Path, pathlib.Path], dict[str, Any]]) -> None:
    """Runs the process from its arguments: fit takes the job, DATA and FOLDER, and returns figures to write."""

    def run() -> None:
        data, folder = map(pathlib.Path, sys.argv[1:])
        figures = fit(json.loads((folder / "job.json").read_text()), data, folder)
        (folder / "figures.json").write_text(json.dumps(figures | {"peak_memory_mb": peak_memory_mb()}))

    sys.exit(cli.exit_status(run))


def peak_memory_mb() -> float:
    """Returns the most memory that this process has held, in units of 2^20 bytes."""
    status = pathlib.Path("/proc/self/status")
    # On Linux ru_maxrss starts at the peak of the parent process, so it is only the second choice.
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
