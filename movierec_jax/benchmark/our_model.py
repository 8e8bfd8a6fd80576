"""Our model as an entrant of a benchmark: trained, loaded and used as any user of the package would."""

import collections
import pathlib
import time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from jaxtyping import Int

from movierec_jax.benchmark.baselines.records import RatingPrediction
from movierec_jax.benchmark.ranking_task import RankedLists, RankingTask
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, TIMESTAMP, USER_ID, CleanData
from movierec_jax.data.splits import Split, without_pairs
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.recommend.lists import ListRequest, SeenMovies
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.recommend.top_k import top_k_lists
from movierec_jax.runs.config import LogConfig
from movierec_jax.runs.prepare import new_run, read_clean
from movierec_jax.runs.run import user_index_and_movie_row
from movierec_jax.train import train_run
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.state import new_state

# Fitting is measured without what only people look at.
QUIET = LogConfig(loggers=(), ranked_users=0)


def fit_predict(config: Config, train: pathlib.Path, test: pathlib.Path, workdir: pathlib.Path) -> RatingPrediction:
    """Trains on the ratings of the config and predicts the ratings of a Parquet file.

    The run reads the ratings again from their files, because the tables of movies and users are beside them, and takes
    its validation part from train as the config says. Fitting is what the report calls data and train: reading files,
    and all epochs with their checkpoints. Loading the workdir counts as predicting. Raises InputError if the run learnt
    from a different number of ratings than `train` has.
    """
    report = train_run(config, workdir, log=QUIET).report
    require_num_train(report, pq.read_metadata(train).num_rows, config)
    start = time.perf_counter()
    pairs = pd.read_parquet(test, columns=[USER_ID, MOVIE_ID, TIMESTAMP])
    rating = load(workdir).predict(pairs[USER_ID], pairs[MOVIE_ID], pairs[TIMESTAMP])
    return RatingPrediction(rating, fit_seconds(report), time.perf_counter() - start, fit_details(report))


def fit_lists(config: Config, task: RankingTask, k: int, workdir: pathlib.Path) -> RankedLists:
    """Trains our model and ranks movies for the task's users.

    New users are added after training: the model learns from the task's train ratings, then encodes the given ones.
    """
    if len(task.given):
        data = read_clean(config.data)
        start = time.perf_counter()
        model = fit_model(config, data, task.train)
        seconds, details = time.perf_counter() - start, {}
        start = time.perf_counter()
        model = model.with_new_users(task.given[task.given[MOVIE_ID].isin(task.train[MOVIE_ID])])
    else:
        report = train_run(config, workdir, log=QUIET).report
        require_num_train(report, len(task.train), config)
        seconds, details = fit_seconds(report), fit_details(report) | {"rmse": report["test"]["rmse"]}
        start = time.perf_counter()
        model = load(workdir)
    lists = rank_movies(model, task.users, task.movies, k)
    return RankedLists(lists, seconds, time.perf_counter() - start, details)


def rank_movies(model: Recommender, users: pd.Index, movies: Vocab, k: int) -> Int[np.ndarray, "users k"]:
    """Returns rows in `movies` of each user's best movies without a rating in train or validation.

    `Recommender.recommend` would also leave out the movies of the test part, which are to be found.
    """
    run = model.run
    pairs = user_index_and_movie_row(run, users, [model.parts.train, model.parts.valid])
    seen = SeenMovies.of(*pairs, len(users), len(run.movies))
    lists = top_k_lists(model.scorer, ListRequest(model.users.rows(users), seen, k))
    movie_row = movies.rows(run.movies.ids[: len(run.movies)])
    return np.append(movie_row, movies.unknown)[lists]


def fit_model(config: Config, data: CleanData, train: pd.DataFrame) -> Recommender:
    """Returns our model after its last epoch on the train ratings, without a workdir.

    All other ratings of the data are held out, so that texts and tags that belong to them are not learnt from.
    """
    train = train.reset_index(drop=True)
    run = new_run(config, data, Split.of(train=train, valid=train[:0], test=without_pairs(data.ratings, train)))
    epochs = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    state, _ = collections.deque(epochs, maxlen=1).pop()
    return Recommender.of(run, state.params)


def require_num_train(report: dict, num_train: int, config: Config) -> None:
    """Raises InputError unless the run learnt from this number of ratings."""
    found = report["counts"]["train"] + report["counts"]["valid"]
    if found != num_train:
        raise InputError(f"{config.data.ratings}: has {found:,} train ratings, {num_train:,} at the start; run again")


def fit_seconds(report: dict) -> float:
    """Returns the seconds from files to the trained model."""
    return report["seconds"]["data"] + report["seconds"]["train"]


def fit_details(report: dict) -> dict[str, Any]:
    """Returns how a run was fitted, for the JSON file."""
    return {name: report[name] for name in ("epochs", "best_epoch", "counts", "valid", "device")}
