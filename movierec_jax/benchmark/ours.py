"""Our model as a row of the table: trained into a workdir and asked there, as anybody would."""

import collections
import pathlib
import time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Int

from movierec_jax.benchmark.peer import Prediction
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, TIMESTAMP, USER_ID, CleanData
from movierec_jax.data.splits import Split, without_pairs
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.recommend.top_k import ListRequest, SeenMovies, top_k_lists
from movierec_jax.runs.prepare import new_run, read_clean
from movierec_jax.runs.run import user_index_and_movie_row
from movierec_jax.train import train_run
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state


def fit_predict(config: Config, train: pathlib.Path, test: pathlib.Path, workdir: pathlib.Path) -> Prediction:
    """Trains on the ratings of the config and predicts the stars of a Parquet file of ratings.

    The ratings are read again from where the data has them, for the tables of movies and users beside them. Validation
    is carved out of the train part as the config says. Fitting is what the report calls data and train: reading the
    files, and all epochs with their checkpoints; loading the workdir counts as predicting. Raises InputError where
    others than the ratings of `train` were learnt from.
    """
    report = train_run(config, workdir)
    require_same(report, pq.read_metadata(train).num_rows, config)
    start = time.perf_counter()
    pairs = pd.read_parquet(test, columns=[USER_ID, MOVIE_ID, TIMESTAMP])
    stars = load(workdir).predict(pairs[USER_ID], pairs[MOVIE_ID], pairs[TIMESTAMP])
    predict_seconds = time.perf_counter() - start
    fit_seconds = report["seconds"]["data"] + report["seconds"]["train"]
    return Prediction(stars, fit_seconds, predict_seconds, details_of(report))


def fit_lists(job, task, workdir: pathlib.Path) -> tuple[Int[np.ndarray, "users k"], float, float, dict[str, Any]]:
    """Each user's list, the seconds of fit and of the lists, and details, as `lists` has them.

    Where users are new the model learns from the task's train ratings and is told the given ones once it is trained.
    """
    config = job.config.replace(seed=job.seed)
    if len(task.given):
        data = read_clean(config.data)
        start = time.perf_counter()
        model = fitted(config, data, task.train)
        fit_seconds, details = time.perf_counter() - start, {}
        start = time.perf_counter()
        model = model.with_new_users(task.given[task.given[MOVIE_ID].isin(task.train[MOVIE_ID])])
    else:
        report = train_run(config, workdir)
        require_same(report, len(task.train), config)
        fit_seconds = report["seconds"]["data"] + report["seconds"]["train"]
        details = details_of(report) | {"rmse": report["test"]["rmse"]}
        start = time.perf_counter()
        model = load(workdir)
    movie_row = lists_of(model, task.users, task.movies, job.k)
    return movie_row, fit_seconds, time.perf_counter() - start, details


def lists_of(model: Recommender, users: pd.Index, movies: Vocab, k: int) -> Int[np.ndarray, "users k"]:
    """The places in `movies` of each user's best ones that train and validation have no rating of.

    `Recommender.recommend` would also leave out the movies of the test part, which are to be found.
    """
    run = model.run
    known = user_index_and_movie_row(run, users, [model.parts.train, model.parts.valid])
    seen = SeenMovies.of(*known, len(users), len(run.movies))
    lists = top_k_lists(model.scorer, ListRequest(model.users.rows(users), seen, k))
    place = movies.rows(run.movies.ids[: len(run.movies)])
    return np.append(place, movies.unknown)[lists]


def fitted(config: Config, data: CleanData, train: pd.DataFrame) -> Recommender:
    """Our model after its last epoch on these ratings of the data, without a workdir.

    The others of the data are held out, so that it knows no text that belongs to one.
    """
    train = train.reset_index(drop=True)
    run = new_run(config, data, Split.of(train=train, valid=train[:0], test=without_pairs(data.ratings, train)))
    epochs = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    state, _ = collections.deque(epochs, maxlen=1).pop()
    return Recommender.of(run, state.params)


def require_same(report: dict, num_train: int, config: Config) -> None:
    """Raises InputError where others than `num_train` ratings were learnt from."""
    if report["counts"]["train"] + report["counts"]["valid"] != num_train:
        raise InputError(f"{config.data.ratings} has changed: {num_train:,} train ratings at the start")


def details_of(report: dict) -> dict[str, Any]:
    """What is told of a fit beside its figures."""
    return {name: report[name] for name in ("epochs", "best_epoch", "counts", "valid", "device")}
