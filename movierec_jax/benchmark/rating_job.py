"""Fits one model and predicts the test ratings, in a process of its own.

    python -m movierec_jax.benchmark.rating_job DATA FOLDER

DATA has train.parquet and test.parquet; the process leaves rating.npy and figures.json in FOLDER.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from movierec_jax.benchmark import process
from movierec_jax.benchmark.baselines import find_baseline
from movierec_jax.benchmark.baselines.records import RatingPrediction
from movierec_jax.benchmark.entrants import OUR_MODEL
from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.settings import from_json, to_json


@dataclasses.dataclass(frozen=True)
class RatingJob:
    """What to fit. model: OUR_MODEL or the name of a baseline. config: settings of our model alone."""

    model: str
    rating_scale: tuple[float, float]
    seed: int
    config: Config


@dataclasses.dataclass(frozen=True)
class RatingFit:
    """The predicted ratings of the test part, within the rating scale, and what the process took for them.

    peak_memory_mb: the most that the process held at once, with libraries and ratings; for our model also with the
    ranking figures and plots of its report. Memory of an accelerator does not count.
    """

    rating: Float64[np.ndarray, " ratings"]
    fit_seconds: float
    predict_seconds: float
    peak_memory_mb: float
    details: dict[str, Any]


def save_parts(data: pathlib.Path, train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Writes the ratings that all fits of a fold share."""
    train.to_parquet(data / "train.parquet", index=False)
    test.to_parquet(data / "test.parquet", index=False)


def predict_apart(job: RatingJob, data: pathlib.Path) -> RatingFit:
    """Runs a job on the ratings of a folder in a process of its own, and waits for it. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        figures = process.run_apart(__name__, to_json(job), data, folder)
        return RatingFit(np.load(folder / "rating.npy"), **figures)


def run_job(values: dict[str, Any], data: pathlib.Path, folder: pathlib.Path) -> dict[str, Any]:
    """Fits, predicts, writes the predicted ratings, and returns what they took."""
    job = from_json(RatingJob, values, "job.json")
    prediction = predict(job, data, folder)
    if not np.isfinite(prediction.rating).all():
        raise InputError("predicted ratings are not finite")
    np.save(folder / "rating.npy", np.clip(prediction.rating.astype(np.float64), *job.rating_scale))
    return {name: getattr(prediction, name) for name in ("fit_seconds", "predict_seconds", "details")}


def predict(job: RatingJob, data: pathlib.Path, folder: pathlib.Path) -> RatingPrediction:
    """Fits the job's model to the train ratings and predicts the test ratings."""
    parts = data / "train.parquet", data / "test.parquet"
    if job.model == OUR_MODEL:
        # Imported here because it loads JAX, whose memory must not count for a baseline.
        from movierec_jax.benchmark import our_model

        config = job.config.replace(rating_scale=job.rating_scale, seed=job.seed)
        return our_model.fit_predict(config, *parts, folder / "run")
    train, test = map(pd.read_parquet, parts)
    return find_baseline("rating", job.model).fit_predict(train, test, job.rating_scale, job.seed)


if __name__ == "__main__":
    process.main(run_job)
