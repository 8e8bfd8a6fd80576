"""Computes the log odds that each text praises from its n-grams.

    log odds = bias + gain / sqrt(n) x sum over the n different n-grams of weight x ratio x weight of the position

The ratio of an n-gram is a log: how many times more of the praising texts have it than of the blaming ones. The sum of
ratios is the naive Bayes classifier; as in Wang and Manning 2012 ("Baselines and bigrams") a linear model learns a
weight for each, here by Adam, starting from 1. While a text is learnt from, its own n-grams are left out of the ratios:
half of all n-grams occur in one text alone, and would give its label away. The position of an n-gram in the text
changes its weight, since verdicts come last.

The result is stored as one eight-bit number for each bucket, with gains by length of text (`SentimentWeights`).
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8, Int32

from movierec_jax.data.arrays import round_up_to_size
from movierec_jax.features.sentiment.ngrams import NUM_POSITIONS, NGrams

# The gain is learnt at these powers of two of a text's number of n-grams, and interpolated between them.
GAIN_KNOTS = (0, 2, 4, 6, 8, 10, 12)

# Bins of texts by their log odds, for each of which the mean rating is stored.
NUM_RATING_BINS = 16

# Position weights learn this much slower than n-gram weights: each is shared by all n-grams.
POSITION_RATE = 0.2

# Batches of n-grams and of texts are filled up to sizes that grow by this factor, from the smallest.
SIZE_GROWTH, SMALLEST_SIZE = 1.25, 64

# The largest eight-bit score.
MAX_SCORE = 127


class NGramBatch(NamedTuple):
    """The n-grams of some texts side by side, by text; filling belongs to a text after the last.

    num_ngrams: of each text, at least 1.
    """

    text: Int32[Any, " ngrams"]
    bucket: Int32[Any, " ngrams"]
    position: Int32[Any, " ngrams"]
    num_ngrams: Float[Any, " texts"]


class PraiseModel(nn.Module):
    """Maps n-grams with their ratios to the log odds of praise, while it is trained."""

    num_buckets: int

    @nn.compact
    def __call__(self, batch: NGramBatch, ratio: Float[Array, " ngrams"]) -> Float[Array, " texts"]:
        weight = self.param("weight", nn.initializers.ones, (self.num_buckets,))
        position = self.param("place", nn.initializers.zeros, (NUM_POSITIONS,))
        gain, bias = (self.param(name, nn.initializers.zeros, ()) for name in ("gain", "bias"))
        score = weight[batch.bucket] * ratio * position_weight(position)[batch.position]
        return bias + jnp.exp(gain) * sum_by_text(score, batch)


class SentimentWeights(NamedTuple):
    """What a sentiment model has learnt, as it is saved.

    score: of each bucket in units of `unit`; 0 for n-grams outside the vocabulary, which too few texts had.
    position_weight: weight of each position.
    min_vocabulary_share: share of a text's n-grams that must be in the vocabulary for the text to be understood.
    gain: log of the factor of a text's sum, at the GAIN_KNOTS of its number of n-grams.
    rating_curve: rising log odds, and the mean ratings of texts there; NaN where no text had a rating.
    """

    score: Int8[Any, " buckets"]
    unit: Float[Any, ""]
    position_weight: Float[Any, " positions"]
    min_vocabulary_share: Float[Any, ""]
    gain: Float[Any, " knots"]
    bias: Float[Any, ""]
    rating_curve: Float[Any, "two bins"]


def position_weight(parameter: Float[Array, " positions"]) -> Float[Array, " positions"]:
    """Returns the weight of an n-gram by its position, from the trained parameter."""
    return jnp.exp(POSITION_RATE * parameter)


def sum_by_text(score: Float[Array, " ngrams"], batch: NGramBatch) -> Float[Array, " texts"]:
    """Returns the sum of each text's scores over the root of its number of n-grams."""
    num_texts = len(batch.num_ngrams)
    total = jax.ops.segment_sum(score, batch.text, num_texts + 1, indices_are_sorted=True)[:num_texts]
    return total / jnp.sqrt(batch.num_ngrams)


def log_count_ratio(
    praising: Float[Array, "*n"], blaming: Float[Array, "*n"], totals: Float[Array, " two"], smoothing: float
) -> Float[Array, "*n"]:
    """Returns the log of how many times more praising texts than blaming ones have an n-gram.

    praising, blaming: texts of either kind that have it; smoothing: added to both. totals: their sums over all n-grams.
    """
    return jnp.log((praising + smoothing) / (blaming + smoothing)) - jnp.log(totals[0] / totals[1])


@jax.jit
def score_texts(weights: SentimentWeights, batch: NGramBatch) -> Float[Array, " texts"]:
    """Returns the sum of each text's n-grams, before gain and bias."""
    score = weights.score[batch.bucket].astype(jnp.float32) * weights.unit
    return sum_by_text(score * weights.position_weight[batch.position], batch)


def log_odds(
    total: Float[Array, " texts"], num_ngrams: Float[Array, " texts"], gain: Float[Array, " knots"], bias
) -> Float[Array, " texts"]:
    """Returns the log odds of praise of texts from their sums and their numbers of n-grams."""
    return bias + jnp.exp(jnp.interp(jnp.log2(num_ngrams), jnp.array(GAIN_KNOTS, jnp.float32), gain)) * total


def to_batch(ngrams: NGrams, num_texts: int, is_kept: Bool[np.ndarray, " ngrams"] | None = None) -> NGramBatch:
    """Returns the n-grams of texts filled up to one of few sizes, without those that are not kept."""
    num_ngrams = np.maximum(np.bincount(ngrams.text, minlength=num_texts), 1).astype(np.float32)
    kept = np.arange(len(ngrams.text)) if is_kept is None else np.flatnonzero(is_kept)
    size = padded_size(len(kept))

    def filled(values: np.ndarray, filling: int) -> np.ndarray:
        array = np.full(size, filling, np.int32)
        array[: len(kept)] = values[kept]
        return array

    return NGramBatch(filled(ngrams.text, num_texts), filled(ngrams.bucket, 0), filled(ngrams.position, 0), num_ngrams)


def padded_size(number: int) -> int:
    """Returns the size to which so many n-grams or texts are filled up."""
    return round_up_to_size(number, SIZE_GROWTH, SMALLEST_SIZE)


@jax.jit
def quantize(
    score: Float[Array, " buckets"], is_in_vocabulary: Bool[Array, " buckets"]
) -> tuple[Int8[Array, " buckets"], Float[Array, ""]]:
    """Returns eight-bit scores and their unit; 0 stands for buckets outside the vocabulary, and for no others."""
    unit = jnp.max(jnp.abs(score)) / MAX_SCORE
    unit = jnp.where(unit > 0, unit, 1.0)
    rounded = jnp.round(score / unit)
    smallest = jnp.where(score < 0, -1, 1)
    return (is_in_vocabulary * jnp.where(rounded == 0, smallest, rounded)).astype(jnp.int8), unit
