"""Fits one model and makes its lists, in a process of its own.

    python -m movierec_jax.benchmark.ranking_job DATA FOLDER

DATA has the tables of a `RankingTask`; the process leaves lists.npy and figures.json in FOLDER.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from movierec_jax.benchmark import process
from movierec_jax.benchmark.baseline_lists import baseline_lists
from movierec_jax.benchmark.baselines import baselines_of, find_baseline, needs_rectools
from movierec_jax.benchmark.entrants import OUR_MODEL
from movierec_jax.benchmark.ranking_task import RankedLists, RankingTask
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.settings import from_json, to_json


@dataclasses.dataclass(frozen=True)
class RankingJob:
    """What to fit, and the length k of its lists. model: OUR_MODEL or the name of a baseline.

    rectools_python: the Python of a `SequenceBaseline`.
    """

    model: str
    relevant_rating: float
    k: int
    seed: int
    config: Config
    rectools_python: str | None = None


def rank_apart(job: RankingJob, data: pathlib.Path) -> tuple[RankedLists, float]:
    """Makes lists in a process of its own; returns them with its peak memory in MB. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        if needs_rectools(baselines_of("ranking").get(job.model)):
            movie_row, figures = run_rectools(job, data, folder)
        else:
            figures = process.run_apart(__name__, to_json(job), data, folder)
            movie_row = np.load(folder / "lists.npy")
        peak_memory_mb = figures.pop("peak_memory_mb")
        return RankedLists(movie_row, **figures), peak_memory_mb


def run_rectools(
    job: RankingJob, data: pathlib.Path, folder: pathlib.Path
) -> tuple[Int[np.ndarray, "users k"], dict[str, Any]]:
    """Runs `rectools_script.py` in a folder; returns the lists, and what they took. Raises FitError."""
    assert job.rectools_python is not None, "BenchmarkConfig checks this"
    task = RankingTask.read(data, job.relevant_rating)
    task.train.to_csv(folder / "train.csv", index=False)
    pd.DataFrame({USER_ID: task.users}).to_csv(folder / "users.csv", index=False)
    script = pathlib.Path(__file__).with_name("rectools_script.py")
    settings = {"model": job.model, "k": job.k, "seed": job.seed}
    figures = process.run_command([job.rectools_python, str(script), str(folder)], settings, folder)
    found = pd.read_csv(folder / "lists.csv", dtype=task.train[[USER_ID, MOVIE_ID]].dtypes.to_dict())
    lists = np.full((len(task.users), job.k), len(task.movies))
    lists[task.users.get_indexer(pd.Index(found[USER_ID])), found["rank"] - 1] = task.movies.rows(found[MOVIE_ID])
    return lists, figures


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
