"""Our model as a row of the table: trained into a workdir and asked there, as anybody would."""

import pathlib
import time

import pandas as pd
import pyarrow.parquet as pq

from movierec_jax.benchmark.peer import Prediction
from movierec_jax.config import Config
from movierec_jax.run import train_run
from movierec_jax.schema import MOVIE_ID, TIMESTAMP, USER_ID, InputError
from movierec_jax.trained import load


def fit_predict(config: Config, train: pathlib.Path, test: pathlib.Path, workdir: pathlib.Path) -> Prediction:
    """Trains on the ratings of the config and predicts the stars of a Parquet file of ratings.

    The ratings are read again from where the data has them, for the tables of movies and users beside them. Validation
    is carved out of the train part as the config says. Fitting is what the report calls data and train: reading the
    files, and all epochs with their checkpoints; loading the workdir counts as predicting. Raises InputError where
    others than the ratings of `train` were learnt from.
    """
    report = train_run(config, workdir)
    counts, num_train = report["counts"], pq.read_metadata(train).num_rows
    if counts["train"] + counts["valid"] != num_train:
        raise InputError(f"{config.data.ratings} has changed: {num_train:,} train ratings at the start")
    start = time.perf_counter()
    pairs = pd.read_parquet(test, columns=[USER_ID, MOVIE_ID, TIMESTAMP])
    stars = load(workdir).predict(pairs[USER_ID], pairs[MOVIE_ID], pairs[TIMESTAMP])
    predict_seconds = time.perf_counter() - start
    fit_seconds = report["seconds"]["data"] + report["seconds"]["train"]
    details = {name: report[name] for name in ("epochs", "best_epoch", "counts", "valid", "device")}
    return Prediction(stars, fit_seconds, predict_seconds, details)
