"""The n-grams of texts -> the log odds that each praises.

    log odds = bias + gain / sqrt(n) x sum over the n different n-grams of weight x ratio x weight of the place

The ratio of an n-gram is the log of how many times more of the texts that praise have it than of those that blame: the
naive Bayes classifier that Wang and Manning 2012 ("Baselines and bigrams") put below a linear one, whose weights are
learnt here by Adam, starting from 1. Of a text that is learnt from, the ratio is that of all the others: half of all
n-grams are in one text alone, and would tell its label by themselves. Where in the text an n-gram stands changes what
it counts, as verdicts come last.

What is learnt is folded into one number for each bucket, of eight bits (`Learnt`), with the gain of texts by length.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8, Int32

from movierec_jax.features.sentiment.ngrams import NUM_PLACES, Grams

# The gain of texts by length is learnt at these powers of two of different n-grams, and goes straight between them.
KNOTS = (0, 2, 4, 6, 8, 10, 12)

# Bins of texts by their log odds in which mean stars are told.
NUM_STAR_BINS = 16

# Weights of places move as much slower than those of n-grams, since each is seen with all of these.
PLACE_RATE = 0.2

# The largest number that eight bits hold.
LARGEST = 127


class Texts(NamedTuple):
    """The n-grams of some texts side by side; filling belongs to a text after the last.

    text rises. num_grams: of each text, at least 1.
    """

    text: Int32[Any, " grams"]
    bucket: Int32[Any, " grams"]
    place: Int32[Any, " grams"]
    num_grams: Float[Any, " texts"]


class Praise(nn.Module):
    """N-grams with their ratios -> log odds of praise; what is being learnt."""

    num_buckets: int

    @nn.compact
    def __call__(self, texts: Texts, ratio: Float[Array, " grams"]) -> Float[Array, " texts"]:
        weight = self.param("weight", nn.initializers.ones, (self.num_buckets,))
        place = self.param("place", nn.initializers.zeros, (NUM_PLACES,))
        gain, bias = (self.param(name, nn.initializers.zeros, ()) for name in ("gain", "bias"))
        said = weight[texts.bucket] * ratio * place_weight(place)[texts.place]
        return bias + jnp.exp(gain) * per_text(said, texts)


class Learnt(NamedTuple):
    """What was learnt, as it is kept.

    score: of each bucket in units of `unit`; 0 for those that too few texts had. place: weight of each place.
    least_known: share of the n-grams of a text that must be known for it to say anything.
    gain: log of what the sum of a text is multiplied with, at the KNOTS of its number of n-grams.
    stars: rising log odds, and the mean stars of texts there; NaN where none were known.
    """

    score: Int8[Any, " buckets"]
    unit: Float[Any, ""]
    place: Float[Any, " places"]
    least_known: Float[Any, ""]
    gain: Float[Any, " knots"]
    bias: Float[Any, ""]
    stars: Float[Any, "two bins"]


def place_weight(place: Float[Array, " places"]) -> Float[Array, " places"]:
    """What an n-gram counts by its place, of the parameter that tells it."""
    return jnp.exp(PLACE_RATE * place)


def per_text(said: Float[Array, " grams"], texts: Texts) -> Float[Array, " texts"]:
    """The sum of what the n-grams of each text say, over the root of their number."""
    num_texts = len(texts.num_grams)
    total = jax.ops.segment_sum(said, texts.text, num_texts + 1, indices_are_sorted=True)[:num_texts]
    return total / jnp.sqrt(texts.num_grams)


def log_ratio(
    praising: Float[Array, "*n"], blaming: Float[Array, "*n"], totals: Float[Array, " two"], smoothing: float
) -> Float[Array, "*n"]:
    """How much more of those that praise than of those that blame have an n-grams, as a log.

    praising, blaming: how many of either have it; smoothing: as many more of both. totals: the sums over all n-grams.
    """
    return jnp.log((praising + smoothing) / (blaming + smoothing)) - jnp.log(totals[0] / totals[1])


@jax.jit
def sums(learnt: Learnt, texts: Texts) -> Float[Array, " texts"]:
    """What the n-grams of each text say in all, before gain and bias."""
    score = learnt.score[texts.bucket].astype(jnp.float32) * learnt.unit
    return per_text(score * learnt.place[texts.place], texts)


def log_odds(
    total: Float[Array, " texts"], num_grams: Float[Array, " texts"], gain: Float[Array, " knots"], bias
) -> Float[Array, " texts"]:
    """The log odds of texts from their sums and their numbers of n-grams."""
    return bias + jnp.exp(jnp.interp(jnp.log2(num_grams), jnp.array(KNOTS, jnp.float32), gain)) * total


def as_texts(grams: Grams, num_texts: int, counts: Bool[np.ndarray, " grams"] | None = None) -> Texts:
    """The n-grams of texts, filled up to one of few sizes; those that do not count become filling."""
    num_grams = np.maximum(np.bincount(grams.text, minlength=num_texts), 1).astype(np.float32)
    place_of = np.arange(len(grams.text)) if counts is None else np.flatnonzero(counts)
    size = few_sizes(len(place_of))

    def filled(values: np.ndarray, filling: int) -> np.ndarray:
        array = np.full(size, filling, np.int32)
        array[: len(place_of)] = values[place_of]
        return array

    return Texts(filled(grams.text, num_texts), filled(grams.bucket, 0), filled(grams.place, 0), num_grams)


def few_sizes(size: int) -> int:
    """The next size of which there are four between powers of two, so that programs are compiled for few."""
    step = max(64, 2 ** (max(size - 1, 1).bit_length() - 3))
    return -(-size // step) * step


@jax.jit
def eight_bits(
    score: Float[Array, " buckets"], is_known: Bool[Array, " buckets"]
) -> tuple[Int8[Array, " buckets"], Float[Array, ""]]:
    """Scores in units of one of them; 0 stands for buckets that are not known, and for no others."""
    unit = jnp.max(jnp.abs(score)) / LARGEST
    unit = jnp.where(unit > 0, unit, 1.0)
    rounded = jnp.round(score / unit)
    smallest = jnp.where(score < 0, -1, 1)
    return (is_known * jnp.where(rounded == 0, smallest, rounded)).astype(jnp.int8), unit
