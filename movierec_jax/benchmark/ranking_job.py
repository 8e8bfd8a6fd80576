"""Fits one model and makes its lists, in a process of its own.

    python -m movierec_jax.benchmark.ranking_job DATA FOLDER

DATA has the tables of a `RankingTask`; the process leaves lists.npy and figures.json in FOLDER.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any

import numpy as np

from movierec_jax.benchmark import process
from movierec_jax.benchmark.baseline_lists import baseline_lists
from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.entrants import OUR_MODEL
from movierec_jax.benchmark.ranking_task import RankedLists, RankingTask
from movierec_jax.config import Config
from movierec_jax.settings import from_json, to_json


@dataclasses.dataclass(frozen=True)
class RankingJob:
    """What to fit, and the length k of its lists. model: OUR_MODEL or the name of a baseline."""

    model: str
    relevant_rating: float
    k: int
    seed: int
    config: Config


def rank_apart(job: RankingJob, data: pathlib.Path) -> tuple[RankedLists, float]:
    """Makes lists in a process of its own; returns them with its peak memory in MB. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        figures = process.run_apart(__name__, to_json(job), data, folder)
        peak_memory_mb = figures.pop("peak_memory_mb")
        return RankedLists(np.load(folder / "lists.npy"), **figures), peak_memory_mb


def run_job(values: dict[str, Any], data: pathlib.Path, folder: pathlib.Path) -> dict[str, Any]:
    """Fits, writes the lists, and returns what they took."""
    job = from_json(RankingJob, values, "job.json")
    task = RankingTask.read(data, job.relevant_rating)
    if job.model == OUR_MODEL:
        # Imported here because it loads JAX, whose memory must not count for a baseline.
        from movierec_jax.benchmark import our_model

        lists = our_model.fit_lists(job.config.replace(seed=job.seed), task, job.k, folder / "run")
    else:
        lists = baseline_lists(find_baseline("ranking", job.model), task, job.k, job.seed)
    np.save(folder / "lists.npy", lists.movie_row)
    return {name: getattr(lists, name) for name in ("fit_seconds", "list_seconds", "details")}


if __name__ == "__main__":
    process.main(run_job)
