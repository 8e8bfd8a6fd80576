"""Learns sentiment weights from labelled texts.

Counts come from one pass over the texts, n-gram weights from a few more by Adam, and the gains by length from texts
that were held out, whole and in snippets. N-grams are extracted anew in each pass, while the device works on the batch
before, so that memory does not grow with the texts.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Float32

from movierec_jax.data.arrays import prefetch
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.model import (
    GAIN_KNOTS,
    NUM_RATING_BINS,
    NGramBatch,
    PraiseModel,
    SentimentWeights,
    log_count_ratio,
    log_odds,
    position_weight,
    quantize,
    to_batch,
)
from movierec_jax.features.sentiment.ngrams import chunk_slices, extract_ngrams
from movierec_jax.features.sentiment.predict import sum_texts

# Steps of Adam for the gains, of which there are few, and their learning rate.
GAIN_STEPS, GAIN_RATE = 1000, 0.03

# Weight of the squared differences of neighbouring gains, beside the mean log loss.
GAIN_DECAY = 0.01

# A text is understood if its share of n-grams in the vocabulary is at least this part of a low percentile of the
# held-out texts. Other languages share single words, from names and quotations, but seldom pairs of words.
UNDERSTOOD_PART, UNDERSTOOD_PERCENTILE = 0.75, 1

# Words of the shortest and of the longest snippet.
SNIPPET_WORDS = (1, 128)

# Steps of an epoch, at least, where there are few texts.
MIN_STEPS = 50


class NGramCounts(NamedTuple):
    """How many praising and how many blaming texts have each n-gram, and the sums of both over all n-grams."""

    praising: Float32[np.ndarray, " buckets"]
    blaming: Float32[np.ndarray, " buckets"]
    totals: Float32[np.ndarray, " two"]


def fit_weights(
    texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"], config: SentimentConfig
) -> SentimentWeights:
    """Returns weights learnt from labelled texts, with one gain for all lengths and no rating curve."""
    counts = count_ngrams(texts, is_praise, config)
    is_in_vocabulary = counts.praising + counts.blaming >= config.min_texts
    total_steps = config.epochs * -(-len(texts) // texts_per_step(len(texts), config))
    model = PraiseModel(config.num_buckets)
    empty = NGramBatch(jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32), jnp.ones(1))
    params = model.init(jax.random.key(0), empty, jnp.zeros(1))["params"]
    optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, total_steps))
    state = params, optimizer.init(params)
    on_device = jax.device_put(counts)
    for epoch in range(config.epochs):
        for batch, praise in prefetch(epoch_batches(texts, is_praise, is_in_vocabulary, epoch, config)):
            state = adam_step(
                state,
                batch,
                praise,
                on_device,
                config.decay / len(texts),
                model=model,
                config=config,
                total_steps=total_steps,
            )
    params, _ = state
    ratio = jnp.where(is_in_vocabulary, log_count_ratio(*on_device, smoothing=config.smoothing), 0)
    score, unit = quantize(params["weight"] * ratio, jnp.asarray(is_in_vocabulary))
    weights = SentimentWeights(
        score,
        unit,
        position_weight(params["place"]),
        min_vocabulary_share=jnp.zeros(()),
        gain=jnp.full(len(GAIN_KNOTS), params["gain"]),
        bias=params["bias"],
        rating_curve=jnp.full((2, NUM_RATING_BINS), jnp.nan),
    )
    return jax.device_get(weights)


def texts_per_step(num_texts: int, config: SentimentConfig) -> int:
    """Returns the texts of a step: as configured, or fewer where an epoch would have too few steps."""
    return max(1, min(config.batch_texts, -(-num_texts // MIN_STEPS)))


def count_ngrams(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"], config: SentimentConfig) -> NGramCounts:
    """Counts the praising and the blaming texts that have each n-gram."""
    praising, blaming = np.zeros((2, config.num_buckets), np.float32)
    chunks = ((part, extract_ngrams(texts[part], config.num_buckets)) for part in chunk_slices(texts))
    for part, ngrams in prefetch(chunks):
        is_praising = is_praise[part][ngrams.text]
        np.add.at(praising, ngrams.bucket[is_praising], 1)
        np.add.at(blaming, ngrams.bucket[~is_praising], 1)
    totals = np.maximum([praising.sum(), blaming.sum()], 1)
    return NGramCounts(praising, blaming, totals.astype(np.float32))


def epoch_batches(
    texts: Sequence[str],
    is_praise: Bool[np.ndarray, " texts"],
    is_in_vocabulary: Bool[np.ndarray, " buckets"],
    epoch: int,
    config: SentimentConfig,
) -> Iterator[tuple[NGramBatch, Float32[np.ndarray, " batch"]]]:
    """Yields all texts in batches, in an order given by seed and epoch; the last batch is filled up with empty texts.

    Beside each batch stands whether its texts praise: 1, 0, or NaN for filling.
    """
    size = texts_per_step(len(texts), config)
    order = np.random.default_rng((config.seed, epoch)).permutation(len(texts))
    for start in range(0, len(texts), size):
        chosen = order[start : start + size]
        praise = np.full(size, np.nan, np.float32)
        praise[: len(chosen)] = is_praise[chosen]
        ngrams = extract_ngrams([texts[index] for index in chosen.tolist()], len(is_in_vocabulary))
        yield to_batch(ngrams, size, is_in_vocabulary[ngrams.bucket]), praise


AdamState = tuple[optax.Params, optax.OptState]


@functools.partial(jax.jit, static_argnames=("model", "config", "total_steps"), donate_argnums=0)
def adam_step(
    state: AdamState,
    batch: NGramBatch,
    praise: Float[Array, " batch"],
    counts: NGramCounts,
    decay: Float[Array, ""],
    *,
    model: PraiseModel,
    config: SentimentConfig,
    total_steps: int,
) -> AdamState:
    """Returns the state after a step on the mean log loss; decay: of the squared distances of weights from 1."""
    optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, total_steps))
    params, momentum = state
    # Each text is left out of the counts of its own n-grams; otherwise rare n-grams would give its label away.
    own = jnp.append(jnp.nan_to_num(praise), 0)[batch.text]
    praising, blaming = counts.praising[batch.bucket] - own, counts.blaming[batch.bucket] - (1 - own)
    ratio = log_count_ratio(
        jnp.maximum(praising, 0), jnp.maximum(blaming, 0), jnp.asarray(counts.totals), config.smoothing
    )

    def loss(params: optax.Params) -> Float[Array, ""]:
        odds = model.apply({"params": params}, batch, ratio)
        return mean_log_loss(odds, praise) + decay * jnp.sum(jnp.square(params["weight"] - 1))

    updates, momentum = optimizer.update(jax.grad(loss)(params), momentum)
    return optax.apply_updates(params, updates), momentum


def mean_log_loss(odds: Float[Array, " texts"], praise: Float[Array, " texts"]) -> Float[Array, ""]:
    """Returns the mean log loss of texts; those with a label of NaN are filling."""
    is_text = ~jnp.isnan(praise)
    error = optax.sigmoid_binary_cross_entropy(odds, jnp.where(is_text, praise, 0))
    return jnp.sum(error * is_text) / jnp.maximum(jnp.sum(is_text), 1)


def calibrate(
    weights: SentimentWeights,
    texts: Sequence[str],
    is_praise: Bool[np.ndarray, " texts"],
    rating: Float32[np.ndarray, " texts"],
    seed: int,
) -> SentimentWeights:
    """Returns weights with gains by length, bias, rating curve and vocabulary share fitted to held-out texts.

    rating: NaN where a text has none.
    """
    *sums, vocabulary_share = sum_texts(weights, [*texts, *cut_snippets(texts, seed)])
    total, num_ngrams = map(jnp.asarray, sums)
    min_share = UNDERSTOOD_PART * np.percentile(vocabulary_share[: len(texts)], UNDERSTOOD_PERCENTILE)
    praise = jnp.tile(jnp.asarray(is_praise, jnp.float32), 2)

    def loss(params: tuple[Array, Array]) -> Float[Array, ""]:
        gain, bias = params
        error = mean_log_loss(log_odds(total, num_ngrams, gain, bias), praise)
        return error + GAIN_DECAY * jnp.sum(jnp.square(jnp.diff(gain)))

    gain, bias = minimize(loss, (jnp.asarray(weights.gain), jnp.asarray(weights.bias)))
    has_rating = np.flatnonzero(~np.isnan(rating))
    odds = np.asarray(log_odds(total, num_ngrams, gain, bias))[has_rating]
    return weights._replace(
        min_vocabulary_share=np.float32(min_share),
        gain=np.asarray(gain),
        bias=np.asarray(bias),
        rating_curve=fit_rating_curve(odds, rating[has_rating]),
    )


def minimize(loss, params):
    """Returns a few parameters after GAIN_STEPS steps of Adam on a loss."""
    optimizer = optax.adam(GAIN_RATE)

    def step(state, _):
        params, momentum = state
        updates, momentum = optimizer.update(jax.grad(loss)(params), momentum)
        return (optax.apply_updates(params, updates), momentum), None

    return jax.jit(lambda start: jax.lax.scan(step, start, length=GAIN_STEPS)[0][0])((params, optimizer.init(params)))


def cut_snippets(texts: Sequence[str], seed: int) -> list[str]:
    """Returns a run of words of each text, of a length drawn log-uniformly from SNIPPET_WORDS."""
    random = np.random.default_rng(seed)
    shortest, longest = np.log(SNIPPET_WORDS).tolist()
    lengths = np.exp(random.uniform(shortest, longest, len(texts))).round().astype(int).tolist()
    snippets = []
    for text, length, start in zip(texts, lengths, random.random(len(texts)).tolist(), strict=True):
        words = text.split()
        first = int(start * max(1, len(words) - length + 1))
        snippets.append(" ".join(words[first : first + length]))
    return snippets


def fit_rating_curve(
    odds: Float32[np.ndarray, " texts"], rating: Float32[np.ndarray, " texts"]
) -> Float32[np.ndarray, "two bins"]:
    """Returns the mean log odds and mean ratings of equally large bins of texts, neither ever falling.

    NaN where there are fewer texts than bins.
    """
    if len(odds) < NUM_RATING_BINS:
        return np.full((2, NUM_RATING_BINS), np.nan, np.float32)
    order = np.argsort(odds, kind="stable")
    means = [[part.mean() for part in np.array_split(column[order], NUM_RATING_BINS)] for column in (odds, rating)]
    return np.maximum.accumulate(np.array(means, np.float32), axis=1)
