"""One training run from labelled texts to a folder that tells what texts say, top to bottom.

read -> hold some out -> learn from the others -> calibrate by those held out -> learn from all -> measure -> write
"""

import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from movierec_jax.data.cleaning import describe_dropped
from movierec_jax.data.readers.labelled_file import read_labelled
from movierec_jax.data.schema import LabelledTexts, Opinions
from movierec_jax.data.storage import is_url
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.fit import calibrated, learn
from movierec_jax.features.sentiment.predict import opinions_of
from movierec_jax.features.sentiment.saved import ABOUT, Sentiment, save_sentiment

# What is found by the texts held out.
CALIBRATED = ("least_known", "gain", "bias", "stars")

# Of a probability of 0 for what is so, which would count as infinitely wrong.
LEAST_PROBABILITY = 1e-12

# Bins of probability in which the calibration is measured.
NUM_BINS = 10


def train_sentiment(
    texts: str | os.PathLike[str], folder: str | os.PathLike[str], config: SentimentConfig, *, overwrite: bool = False
) -> dict[str, Any]:
    """Learns what texts say from a file of labelled ones, writes it, and returns the report.

    Raises InputError for a file that cannot be used, and for a folder that is there already, unless it is one of these
    and to be written anew.
    """
    start = time.perf_counter()
    if is_url(folder):
        raise InputError(f"--output={folder}: must be a folder of this machine")
    folder = pathlib.Path(folder)
    require_free(folder, overwrite)
    labelled = read_labelled(texts)
    print(f"{texts}: {len(labelled):,} texts, of which {labelled.is_praise.mean():.1%} praise")
    if labelled.dropped:
        print(f"  left out {describe_dropped(labelled.dropped)}")
    sentiment = sentiment_of(labelled, config)
    seconds = time.perf_counter() - start
    sentiment.report["seconds"] = {"total": round(seconds, 1), **sentiment.report["seconds"]}
    save_sentiment(folder, sentiment)
    print(f"{seconds:.1f} s (imports apart); {folder} is for --sentiment of scripts/train.py")
    return sentiment.report


def sentiment_of(labelled: LabelledTexts, config: SentimentConfig) -> Sentiment:
    """What labelled texts teach, printing how well it tells those that it does not learn from."""
    is_test = labelled.is_test if labelled.is_test is not None else np.zeros(len(labelled), bool)
    is_held_out = held_out(labelled.group, ~is_test, config)
    require_both_kinds(labelled, is_held_out, "those held out")
    require_both_kinds(labelled, ~is_test & ~is_held_out, "those learnt from")
    report: dict[str, Any] = {"texts": len(labelled), "seconds": {}}

    def part(which: Bool[np.ndarray, " texts"]) -> tuple[list[str], Bool[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        rows = np.flatnonzero(which)
        return labelled.text.iloc[rows].tolist(), labelled.is_praise[rows], labelled.stars[rows]

    start = time.perf_counter()
    texts, is_praise, _ = part(~is_test & ~is_held_out)
    of_most = calibrated(learn(texts, is_praise, config), *part(is_held_out), config.seed)
    report["held_out"] = measured("held out", of_most, *part(is_held_out))
    texts, is_praise, _ = part(~is_test)
    found = {name: getattr(of_most, name) for name in CALIBRATED}
    learnt = learn(texts, is_praise, config)._replace(**found)
    report["seconds"]["learning"] = round(time.perf_counter() - start, 1)
    if is_test.any():
        report["test"] = measured("test", learnt, *part(is_test))
    return Sentiment(learnt, config, labelled.scale, report)


def held_out(
    group: Int[np.ndarray, " texts"], may_be: Bool[np.ndarray, " texts"], config: SentimentConfig
) -> Bool[np.ndarray, " texts"]:
    """Which texts calibrate: those of whole groups, drawn by chance, a share of those that may be."""
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


def measured(
    name: str, learnt, texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"], stars: Float32[np.ndarray, " texts"]
) -> dict[str, Any]:
    """How well texts are told, printing it."""
    figures = figures_of(opinions_of(learnt, texts), is_praise, stars)
    print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:,.4g}" for key, value in figures.items()))
    return figures


def log_loss_of(praise: Float[np.ndarray, " texts"], is_praise: Bool[np.ndarray, " texts"]) -> float:
    """The mean of -log of the probability of what is so."""
    praise = praise.astype(np.float64)
    of_label = np.where(is_praise, praise, 1 - praise)
    return float(-np.mean(np.log(np.maximum(of_label, LEAST_PROBABILITY))))


def figures_of(
    opinions: Opinions, is_praise: Bool[np.ndarray, " texts"], stars: Float32[np.ndarray, " texts"]
) -> dict[str, Any]:
    """How far opinions are from labels: the share told right, the mean log loss, the calibration error and stars.

    calibration_error: the mean, weighted by texts, over ten bins of probability, of how far the share of praise is from
    the mean probability (Guo et al. 2017, "On calibration of modern neural networks").
    """
    praise = opinions.praise.astype(np.float64)
    bin_of = np.minimum(praise * NUM_BINS, NUM_BINS - 1).astype(int)
    gaps = np.bincount(bin_of, praise - is_praise, minlength=NUM_BINS)
    figures = {
        "texts": len(praise),
        "accuracy": round(float(np.mean((praise > 0.5) == is_praise)), 5),
        "log_loss": round(log_loss_of(praise, is_praise), 5),
        "calibration_error": round(float(np.abs(gaps).sum() / len(praise)), 5),
    }
    off = (opinions.stars - stars)[~np.isnan(stars)]
    if len(off) and not np.isnan(off).any():
        figures["stars_rmse"] = round(float(np.sqrt(np.mean(off**2))), 5)
    return figures


def require_free(folder: pathlib.Path, overwrite: bool) -> None:
    """Raises InputError where a folder must not be written."""
    if not folder.exists():
        return
    if not (folder / ABOUT).exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else; name another --output")
    if not overwrite and (folder / ABOUT).exists():
        raise InputError(f"{folder}: is there already; give --overwrite, or another --output")
