"""A training run from labelled texts to the folder of a sentiment model, top to bottom.

read -> hold some out -> learn from the others -> calibrate on those held out -> learn from all -> measure -> save
"""

import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from movierec_jax.data.cleaning import describe_dropped
from movierec_jax.data.readers.tables.labelled_file import read_labelled
from movierec_jax.data.schema import LabelledTexts, Opinions
from movierec_jax.data.storage import is_url
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.fit import calibrate, fit_weights
from movierec_jax.features.sentiment.model import SentimentWeights
from movierec_jax.features.sentiment.predict import predict_opinions
from movierec_jax.features.sentiment.saved import ABOUT, Sentiment, save_sentiment

# The weights that are fitted to held-out texts.
CALIBRATED = ("min_vocabulary_share", "gain", "bias", "rating_curve")

# A label's probability of 0 counts as this, since its log loss would be infinite.
MIN_PROBABILITY = 1e-12

# Bins of probability in which the calibration is measured.
NUM_BINS = 10


def train_sentiment(
    texts: str | os.PathLike[str], folder: str | os.PathLike[str], config: SentimentConfig, *, overwrite: bool = False
) -> dict[str, Any]:
    """Learns a sentiment model from a file of labelled texts, saves it, and returns the report.

    Raises InputError for a file that cannot be used and for a folder that exists already, unless it holds a sentiment
    model and `overwrite` is set.
    """
    start = time.perf_counter()
    if is_url(folder):
        raise InputError(f"--output={folder}: must be a folder of this machine")
    folder = pathlib.Path(folder)
    require_writable(folder, overwrite)
    labelled = read_labelled(texts)
    print(f"{texts}: {len(labelled):,} texts, {labelled.is_praise.mean():.1%} of them praise")
    if labelled.dropped:
        print(f"  left out {describe_dropped(labelled.dropped)}")
    sentiment = fit_sentiment(labelled, config)
    seconds = time.perf_counter() - start
    sentiment.report["seconds"] = {"total": round(seconds, 1), **sentiment.report["seconds"]}
    save_sentiment(folder, sentiment)
    print(f"{seconds:.1f} s (without imports); use it with movierec train --sentiment={folder}")
    return sentiment.report


def fit_sentiment(labelled: LabelledTexts, config: SentimentConfig) -> Sentiment:
    """Learns a sentiment model from labelled texts, printing how well it judges texts that it does not learn from."""
    is_test = labelled.is_test if labelled.is_test is not None else np.zeros(len(labelled), bool)
    is_held_out = choose_held_out(labelled.group, ~is_test, config)
    require_both_kinds(labelled, is_held_out, "those held out")
    require_both_kinds(labelled, ~is_test & ~is_held_out, "those learnt from")
    report: dict[str, Any] = {"texts": len(labelled), "seconds": {}}

    def part(which: Bool[np.ndarray, " texts"]) -> tuple[list[str], Bool[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        rows = np.flatnonzero(which)
        return labelled.text.iloc[rows].tolist(), labelled.is_praise[rows], labelled.stars[rows]

    start = time.perf_counter()
    texts, is_praise, _ = part(~is_test & ~is_held_out)
    without_held_out = calibrate(fit_weights(texts, is_praise, config), *part(is_held_out), config.seed)
    report["held_out"] = measure_part("held out", without_held_out, *part(is_held_out))
    texts, is_praise, _ = part(~is_test)
    calibrated = {name: getattr(without_held_out, name) for name in CALIBRATED}
    weights = fit_weights(texts, is_praise, config)._replace(**calibrated)
    report["seconds"]["learning"] = round(time.perf_counter() - start, 1)
    if is_test.any():
        report["test"] = measure_part("test", weights, *part(is_test))
    return Sentiment(weights, config, labelled.scale, report)


def choose_held_out(
    group: Int[np.ndarray, " texts"], may_be: Bool[np.ndarray, " texts"], config: SentimentConfig
) -> Bool[np.ndarray, " texts"]:
    """Returns which texts calibrate: whole groups drawn at random, a share of the texts that may be held out."""
    groups = np.random.default_rng(config.seed).permutation(np.unique(group[may_be]))
    size = np.bincount(group[may_be], minlength=group.max() + 1)[groups]
    num_drawn = min(np.searchsorted(np.cumsum(size), config.held_out * may_be.sum()) + 1, len(groups) - 1)
    return may_be & np.isin(group, groups[:num_drawn])


def require_both_kinds(labelled: LabelledTexts, which: Bool[np.ndarray, " texts"], name: str) -> None:
    """Raises InputError unless some of these texts praise and some blame."""
    num_praise, num_texts = int(labelled.is_praise[which].sum()), int(which.sum())
    if not 0 < num_praise < num_texts:
        raise InputError(
            f"{labelled.path}: of {name}, {num_texts:,} texts, {num_praise:,} praise; both kinds are needed in each. "
            "Texts of one movie are held out together: give more texts, of more movies, or another --held_out"
        )


def measure_part(
    name: str,
    weights: SentimentWeights,
    texts: Sequence[str],
    is_praise: Bool[np.ndarray, " texts"],
    rating: Float32[np.ndarray, " texts"],
) -> dict[str, Any]:
    """Returns how well a part of the texts is judged, and prints it."""
    figures = opinion_figures(predict_opinions(weights, texts), is_praise, rating)
    print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:,.4g}" for key, value in figures.items()))
    return figures


def label_log_loss(praise: Float[np.ndarray, " texts"], is_praise: Bool[np.ndarray, " texts"]) -> float:
    """Returns the mean of -log of the probability of the true label."""
    praise = praise.astype(np.float64)
    of_label = np.where(is_praise, praise, 1 - praise)
    return float(-np.mean(np.log(np.maximum(of_label, MIN_PROBABILITY))))


def opinion_figures(
    opinions: Opinions, is_praise: Bool[np.ndarray, " texts"], rating: Float32[np.ndarray, " texts"]
) -> dict[str, Any]:
    """Returns the accuracy, mean log loss, calibration error and, where texts have ratings, their RMSE.

    calibration_error: the mean over ten bins of probability, weighted by texts, of how far the share of praise is from
    the mean probability (Guo et al. 2017, "On calibration of modern neural networks").
    """
    praise = opinions.praise.astype(np.float64)
    bin_of = np.minimum(praise * NUM_BINS, NUM_BINS - 1).astype(int)
    gaps = np.bincount(bin_of, praise - is_praise, minlength=NUM_BINS)
    figures = {
        "texts": len(praise),
        "accuracy": round(float(np.mean((praise > 0.5) == is_praise)), 5),
        "log_loss": round(label_log_loss(praise, is_praise), 5),
        "calibration_error": round(float(np.abs(gaps).sum() / len(praise)), 5),
    }
    error = (opinions.stars - rating)[~np.isnan(rating)]
    if len(error) and not np.isnan(error).any():
        figures["stars_rmse"] = round(float(np.sqrt(np.mean(error**2))), 5)
    return figures


def require_writable(folder: pathlib.Path, overwrite: bool) -> None:
    """Raises InputError where a folder exists and must not be replaced."""
    if not folder.exists():
        return
    if not (folder / ABOUT).exists() and any(folder.iterdir()):
        raise InputError(f"--output={folder}: holds other files; name another folder")
    if not overwrite and (folder / ABOUT).exists():
        raise InputError(f"--output={folder}: exists already; give --overwrite, or name another folder")
