"""Our model as a row of the table: trained into a workdir and asked there, as anybody would."""

import dataclasses
import pathlib
import time

import pandas as pd

from movierec_jax.benchmark.peer import Prediction
from movierec_jax.config import Config
from movierec_jax.run import train_run
from movierec_jax.schema import MOVIE_ID, USER_ID
from movierec_jax.trained import load


def fit_predict(config: Config, train: pathlib.Path, test: pathlib.Path, workdir: pathlib.Path) -> Prediction:
    """Trains on one Parquet file of clean ratings and predicts the stars of another.

    Validation is carved out of the train file as the config says. Fitting is what the report calls data and train:
    reading the files, and all epochs with their checkpoints; loading the workdir counts as predicting.
    """
    # No row of a clean table is dropped here, or the peers would have learnt from other rows.
    data = dataclasses.replace(
        config.data, ratings=str(train), test_ratings=str(test), min_user_ratings=1, min_movie_ratings=1
    )
    report = train_run(dataclasses.replace(config, data=data), workdir)
    start = time.perf_counter()
    pairs = pd.read_parquet(test, columns=[USER_ID, MOVIE_ID])
    stars = load(workdir).predict(pairs[USER_ID], pairs[MOVIE_ID])
    predict_seconds = time.perf_counter() - start
    fit_seconds = report["seconds"]["data"] + report["seconds"]["train"]
    details = {name: report[name] for name in ("epochs", "best_epoch", "counts", "valid", "device")}
    return Prediction(stars, fit_seconds, predict_seconds, details)
