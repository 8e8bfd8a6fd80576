"""The lists of one recommender, made in a process of its own.

    python -m movierec_jax.benchmark.lists DATA FOLDER

DATA has train.parquet, given.parquet and users.parquet, FOLDER has job.json; the process leaves lists.json and
lists.npy in FOLDER.
"""

import dataclasses
import functools
import json
import pathlib
import sys
import tempfile
import time
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int

from movierec_jax import cli
from movierec_jax.benchmark.fit import OURS, peak_memory_mb, run_apart
from movierec_jax.benchmark.ranker import Likes, best_unseen, find_ranker, fit_ranker, tune
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.settings import from_json, to_json

# Share of the train ratings that choose the settings of the others.
HIDDEN = 0.1


@dataclasses.dataclass(frozen=True)
class ListJob:
    """What is fitted, and how long its lists are. recommender: OURS or the name of a ranker."""

    recommender: str
    relevant_rating: float
    k: int
    seed: int
    config: Config


@dataclasses.dataclass(frozen=True)
class Lists:
    """movie_row: each user's list, by place among the movies of train in rising order; their number in empty places.

    fit_seconds: of the one fit that made them; list_seconds: from there to the lists. details: how it was fitted.
    """

    movie_row: Int[np.ndarray, "users k"]
    fit_seconds: float
    list_seconds: float
    peak_memory_mb: float
    details: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """What lists are made from. given: ratings of users whom train lacks, empty where there are none.

    users: those whom lists are made for, in their order; all are in `given` unless that is empty.
    """

    train: pd.DataFrame
    given: pd.DataFrame
    users: pd.Index

    def save(self, folder: pathlib.Path) -> None:
        """Writes the files that all fits share."""
        self.train.to_parquet(folder / "train.parquet", index=False)
        self.given.to_parquet(folder / "given.parquet", index=False)
        pd.DataFrame({USER_ID: self.users}).to_parquet(folder / "users.parquet", index=False)

    @classmethod
    def read(cls, folder: pathlib.Path) -> "Task":
        tables = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "given", "users"))
        train, given, users = tables
        return cls(train, given, pd.Index(users[USER_ID]))

    @functools.cached_property
    def movies(self) -> Vocab:
        return Vocab.of(self.train[MOVIE_ID], "movie")


def lists_apart(job: ListJob, data: pathlib.Path) -> Lists:
    """Makes lists in a process of its own, and waits for it. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        run_apart(__name__, to_json(job), data, folder)
        return Lists(np.load(folder / "lists.npy"), **json.loads((folder / "lists.json").read_text()))


def main(data: pathlib.Path, folder: pathlib.Path) -> None:
    """The whole of the process."""
    job = from_json(ListJob, json.loads((folder / "job.json").read_text()), "job.json")
    task = Task.read(data)
    if job.recommender == OURS:
        from movierec_jax.benchmark import ours

        movie_row, fit_seconds, list_seconds, details = ours.fit_lists(job, task, folder / "run")
    else:
        movie_row, fit_seconds, list_seconds, details = lists_of_ranker(job, task)
    np.save(folder / "lists.npy", movie_row)
    figures = {
        "fit_seconds": fit_seconds,
        "list_seconds": list_seconds,
        "peak_memory_mb": peak_memory_mb(),
        "details": details,
    }
    (folder / "lists.json").write_text(json.dumps(figures))


def lists_of_ranker(job: ListJob, task: Task) -> tuple[Int[np.ndarray, "users k"], float, float, dict[str, Any]]:
    """Tunes a ranker on hidden ratings of train, fits it to all of them, and lists."""
    ranker = find_ranker(job.recommender)
    users = Vocab.of(task.train[USER_ID], "user")
    is_masked = np.zeros(len(task.train), bool)
    is_masked[np.random.default_rng([job.seed, 1]).permutation(len(task.train))[: int(HIDDEN * len(task.train))]] = True
    is_liked = task.train[RATING].to_numpy() >= job.relevant_rating

    def table(ratings: pd.DataFrame, users: Vocab) -> Likes:
        places = users.rows(ratings[USER_ID]), task.movies.rows(ratings[MOVIE_ID])
        shape = len(users), len(task.movies)
        is_known = places[1] < shape[1]
        places = places[0][is_known], places[1][is_known]
        return scipy.sparse.csr_matrix((np.ones(len(places[0])), places), shape=shape)

    start = time.perf_counter()
    settings, tried = tune(
        ranker,
        table(task.train[is_liked & ~is_masked], users),
        table(task.train[~is_masked], users),
        table(task.train[is_liked & is_masked], users),
        job.seed,
    )
    tuned = time.perf_counter()
    likes, seen = table(task.train[is_liked], users), table(task.train, users)
    scores = fit_ranker(ranker, likes, settings, job.seed)
    fitted = time.perf_counter()
    if len(task.given):
        known = Vocab(task.users, "user")
        likes, seen = table(task.given[task.given[RATING] >= job.relevant_rating], known), table(task.given, known)
        row = None
    else:
        # Users whom train lacks have an empty row, the last.
        row = users.rows(task.users)
        likes, seen = (
            scipy.sparse.vstack([part, scipy.sparse.csr_matrix((1, part.shape[1]))], format="csr")[row]
            for part in (likes, seen)
        )
        row = np.minimum(row, len(users) - 1)  # Any: what the ranker says of them is not used.
    movie_row = best_unseen(scores, likes, seen, row, job.k)
    details = {"settings": dict(settings), "tried": tried, "tuning_seconds": tuned - start}
    return movie_row, fitted - tuned, time.perf_counter() - fitted, details


if __name__ == "__main__":
    sys.exit(cli.exit_status(lambda: main(*map(pathlib.Path, sys.argv[1:]))))
