"""Judges texts by sentiment weights, on all cores."""

import concurrent.futures
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from movierec_jax.data.schema import Opinions
from movierec_jax.features.sentiment.model import SentimentWeights, log_odds, padded_size, score_texts, to_batch
from movierec_jax.features.sentiment.ngrams import chunk_slices, extract_ngrams


class TextSums(NamedTuple):
    """The sum of each text's n-grams, their number (at least 1), and the share of them in the vocabulary."""

    total: Float32[np.ndarray, " texts"]
    num_ngrams: Float32[np.ndarray, " texts"]
    vocabulary_share: Float32[np.ndarray, " texts"]


def predict_opinions(weights: SentimentWeights, texts: Sequence[str]) -> Opinions:
    """Returns the opinion of each text."""
    total, num_ngrams, vocabulary_share = sum_texts(weights, texts)
    is_understood = (vocabulary_share > 0) & (vocabulary_share >= weights.min_vocabulary_share)
    sums = jnp.asarray(total * is_understood), jnp.asarray(num_ngrams)
    odds = np.asarray(log_odds(*sums, jnp.asarray(weights.gain), weights.bias))
    stars = np.interp(odds, *weights.rating_curve)
    praise = 1 / (1 + np.exp(-odds.astype(np.float64)))
    return Opinions(praise.astype(np.float32), stars.astype(np.float32), is_understood)


def sum_texts(weights: SentimentWeights, texts: Sequence[str]) -> TextSums:
    """Returns the sums of all texts, chunk by chunk on all cores."""
    on_device = jax.device_put(weights)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        of_chunk = functools.partial(sum_chunk, weights, on_device, texts)
        sums = [TextSums(*(np.zeros(0, np.float32) for _ in range(3))), *pool.map(of_chunk, chunk_slices(texts))]
    return TextSums(*(np.concatenate(column) for column in zip(*sums, strict=True)))


def sum_chunk(weights: SentimentWeights, on_device: SentimentWeights, texts: Sequence[str], part: slice) -> TextSums:
    """Returns the sums of a slice of the texts; on_device: the same weights, on the device that sums."""
    num_texts = part.stop - part.start
    ngrams = extract_ngrams(texts[part], len(weights.score))
    is_in_vocabulary = weights.score[ngrams.bucket] != 0
    num_in_vocabulary = np.bincount(ngrams.text[is_in_vocabulary], minlength=num_texts)
    batch = to_batch(ngrams, padded_size(num_texts), is_in_vocabulary)
    return TextSums(
        np.asarray(score_texts(on_device, batch))[:num_texts],
        batch.num_ngrams[:num_texts],
        (num_in_vocabulary / batch.num_ngrams[:num_texts]).astype(np.float32),
    )
