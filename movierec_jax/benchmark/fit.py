"""One fit in a process of its own, so that its time, its memory and its crash are nobody else's.

    python -m movierec_jax.benchmark.fit DATA FOLDER

DATA has train.parquet and test.parquet, FOLDER has job.json; the process leaves fit.json and stars.npy in FOLDER.
"""

import dataclasses
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from movierec_jax import cli
from movierec_jax.benchmark.peer import Prediction, find_peer
from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.settings import from_json, to_json

OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Job:
    """What is fitted. recommender: OURS or the name of a peer; config: our settings, which peers do not look at."""

    recommender: str
    rating_scale: tuple[float, float]
    seed: int
    config: Config


@dataclasses.dataclass(frozen=True)
class Fit:
    """What a fit gave: stars within the scale for each test rating, and what the process took for them.

    peak_memory_mb: the most that the process held at once, libraries and ratings included; for ours also the ranking
    figures and plots of its report. An accelerator's own memory does not count.
    """

    stars: Float64[np.ndarray, " ratings"]
    fit_seconds: float
    predict_seconds: float
    peak_memory_mb: float
    details: dict[str, Any]


class FitError(Exception):
    """A fit did not end well; the message is its last line, or the signal that killed it."""


def save_parts(data: pathlib.Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Writes the ratings that all fits of a fold share."""
    train.to_parquet(data / "train.parquet", index=False)
    test.to_parquet(data / "test.parquet", index=False)


def fit_apart(job: Job, data: pathlib.Path) -> Fit:
    """Runs a job on the ratings of a folder in a process of its own, and waits for it. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        run_apart(__name__, to_json(job), data, folder)
        return Fit(np.load(folder / "stars.npy"), **json.loads((folder / "fit.json").read_text()))


def run_apart(module: str, job: dict[str, Any], data: pathlib.Path, folder: pathlib.Path) -> None:
    """Runs a module on a folder of ratings and one with its job, and waits for it. Raises FitError."""
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", module, str(data), str(folder)]
    with (folder / "log.txt").open("w") as log:
        status = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        raise FitError(reason(status, (folder / "log.txt").read_text(errors="replace")))


def reason(status: int, log: str) -> str:
    """Why a process ended with a status other than 0, in one line."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"ended with status {status}"


def main(data: pathlib.Path, folder: pathlib.Path) -> None:
    """The whole of the process: fits, predicts, and writes what came out."""
    job = from_json(Job, json.loads((folder / "job.json").read_text()), "job.json")
    prediction = predict(job, data, folder)
    if not np.isfinite(prediction.stars).all():
        raise InputError("predicts values that are no numbers")
    np.save(folder / "stars.npy", np.clip(prediction.stars.astype(np.float64), *job.rating_scale))
    figures = {
        "fit_seconds": prediction.fit_seconds,
        "predict_seconds": prediction.predict_seconds,
        "peak_memory_mb": peak_memory_mb(),
        "details": prediction.details,
    }
    (folder / "fit.json").write_text(json.dumps(figures))


def predict(job: Job, data: pathlib.Path, folder: pathlib.Path) -> Prediction:
    """Fits the job's recommender to the train ratings and predicts the test ratings."""
    parts = data / "train.parquet", data / "test.parquet"
    if job.recommender == OURS:
        # Imported here since it brings JAX, whose memory a peer should not be charged with.
        from movierec_jax.benchmark import ours

        return ours.fit_predict(
            job.config.replace(rating_scale=job.rating_scale, seed=job.seed), *parts, folder / "run"
        )
    train, test = map(pd.read_parquet, parts)
    return find_peer(job.recommender).fit_predict(train, test, job.rating_scale, job.seed)


def peak_memory_mb() -> float:
    """The most memory this process has held, in units of 2^20 bytes."""
    status = pathlib.Path("/proc/self/status")
    # On Linux ru_maxrss starts from the peak of the process that started this one, so it is only second best.
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(cli.exit_status(lambda: main(*map(pathlib.Path, sys.argv[1:]))))
