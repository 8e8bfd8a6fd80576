"""Labelled texts -> what was learnt of them.

Counts come from one pass over the texts, weights from a few more by Adam, and the gain of texts by length from texts
that were held out, whole and in snippets. N-grams are taken anew in each pass, while the device works on those before,
so that memory does not grow with the texts.
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
    KNOTS,
    NUM_STAR_BINS,
    Learnt,
    Praise,
    Texts,
    as_texts,
    eight_bits,
    log_odds,
    log_ratio,
    place_weight,
)
from movierec_jax.features.sentiment.ngrams import chunks, grams_of
from movierec_jax.features.sentiment.predict import sums_of

# Steps of Adam for the gains, of which there are few, and how fast they move.
GAIN_STEPS, GAIN_RATE = 1000, 0.03

# Weight of the squared differences of neighbouring gains, beside the mean error.
GAIN_DECAY = 0.01

# A text is understood that has this part of the share of known n-grams that all but a hundredth of texts have. In other
# languages words are often known, from names and quotations, but seldom what they stand beside.
PART_OF_LEAST, LEAST_PERCENT = 0.75, 1

# Words of the shortest and of the longest snippet.
SNIPPET_WORDS = (1, 128)


class Counts(NamedTuple):
    """How many of the texts that praise, and of those that blame, have each n-gram; the sums over all n-grams."""

    praising: Float32[np.ndarray, " buckets"]
    blaming: Float32[np.ndarray, " buckets"]
    totals: Float32[np.ndarray, " two"]


def learn(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"], config: SentimentConfig) -> Learnt:
    """What texts teach, with one gain for texts of any length."""
    counts = count(texts, is_praise, config)
    is_known = counts.praising + counts.blaming >= config.min_texts
    total_steps = config.epochs * -(-len(texts) // batch_size(len(texts), config))
    model = Praise(config.num_buckets)
    nothing = Texts(jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32), jnp.ones(1))
    params = model.init(jax.random.key(0), nothing, jnp.zeros(1))["params"]
    optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, total_steps))
    state = params, optimizer.init(params)
    on_device = jax.device_put(counts)
    for epoch in range(config.epochs):
        for batch, praise in prefetch(batches(texts, is_praise, is_known, epoch, config)):
            state = step(
                state,
                batch,
                praise,
                on_device,
                config.decay / len(texts),
                model=model,
                config=config,
                steps=total_steps,
            )
    params, _ = state
    ratio = jnp.where(is_known, log_ratio(*on_device, smoothing=config.smoothing), 0)
    score, unit = eight_bits(params["weight"] * ratio, jnp.asarray(is_known))
    gain = jnp.full(len(KNOTS), params["gain"])
    stars = jnp.full((2, NUM_STAR_BINS), jnp.nan)
    return jax.device_get(
        Learnt(score, unit, place_weight(params["place"]), jnp.zeros(()), gain, params["bias"], stars)
    )


def batch_size(num_texts: int, config: SentimentConfig) -> int:
    """Texts of a step: as many as asked for, or fewer where these would be less than some 50 steps an epoch."""
    return max(1, min(config.batch_texts, -(-num_texts // 50)))


def count(texts: Sequence[str], is_praise: Bool[np.ndarray, " texts"], config: SentimentConfig) -> Counts:
    """How many texts of either kind have each n-gram."""
    praising, blaming = np.zeros((2, config.num_buckets), np.float32)
    for part, grams in prefetch((part, grams_of(texts[part], config.num_buckets)) for part in chunks(texts)):
        praises = is_praise[part][grams.text]
        np.add.at(praising, grams.bucket[praises], 1)
        np.add.at(blaming, grams.bucket[~praises], 1)
    totals = np.maximum([praising.sum(), blaming.sum()], 1)
    return Counts(praising, blaming, totals.astype(np.float32))


def batches(
    texts: Sequence[str],
    is_praise: Bool[np.ndarray, " texts"],
    is_known: Bool[np.ndarray, " buckets"],
    epoch: int,
    config: SentimentConfig,
) -> Iterator[tuple[Texts, Float32[np.ndarray, " batch"]]]:
    """All texts in an order of the seed and the epoch, so many at a time, those of the last filled up with empty ones.

    Beside them whether each praises: 1, 0, or NaN for filling.
    """
    size = batch_size(len(texts), config)
    order = np.random.default_rng((config.seed, epoch)).permutation(len(texts))
    for start in range(0, len(texts), size):
        chosen = order[start : start + size]
        praise = np.full(size, np.nan, np.float32)
        praise[: len(chosen)] = is_praise[chosen]
        grams = grams_of([texts[number] for number in chosen.tolist()], len(is_known))
        yield as_texts(grams, size, is_known[grams.bucket]), praise


State = tuple[optax.Params, optax.OptState]


@functools.partial(jax.jit, static_argnames=("model", "config", "steps"), donate_argnums=0)
def step(
    state: State,
    texts: Texts,
    praise: Float[Array, " batch"],
    counts: Counts,
    decay: Float[Array, ""],
    *,
    model: Praise,
    config: SentimentConfig,
    steps: int,
) -> State:
    """The state after a step of Adam on the mean error of some texts; decay: weight of the distance from the start."""
    optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, steps))
    params, momentum = state
    # The text itself is left out of what is known of its n-grams.
    own = jnp.append(jnp.nan_to_num(praise), 0)[texts.text]
    praising, blaming = counts.praising[texts.bucket] - own, counts.blaming[texts.bucket] - (1 - own)
    ratio = log_ratio(jnp.maximum(praising, 0), jnp.maximum(blaming, 0), jnp.asarray(counts.totals), config.smoothing)

    def loss(params: optax.Params) -> Float[Array, ""]:
        odds = model.apply({"params": params}, texts, ratio)
        return mean_error(odds, praise) + decay * jnp.sum(jnp.square(params["weight"] - 1))

    updates, momentum = optimizer.update(jax.grad(loss)(params), momentum)
    return optax.apply_updates(params, updates), momentum


def mean_error(odds: Float[Array, " texts"], praise: Float[Array, " texts"]) -> Float[Array, ""]:
    """The mean of the logistic errors of texts; those of NaN are filling."""
    is_text = ~jnp.isnan(praise)
    error = optax.sigmoid_binary_cross_entropy(odds, jnp.where(is_text, praise, 0))
    return jnp.sum(error * is_text) / jnp.maximum(jnp.sum(is_text), 1)


def calibrated(
    learnt: Learnt,
    texts: Sequence[str],
    is_praise: Bool[np.ndarray, " texts"],
    stars: Float32[np.ndarray, " texts"],
    seed: int,
) -> Learnt:
    """The same with what suits texts it has not learnt from: gains by length, bias, stars, and what must be known.

    stars: NaN where they are not known.
    """
    *found, share_known = sums_of(learnt, [*texts, *snippets(texts, seed)])
    total, num_grams = map(jnp.asarray, found)
    least_known = PART_OF_LEAST * np.percentile(share_known[: len(texts)], LEAST_PERCENT)
    praise = jnp.tile(jnp.asarray(is_praise, jnp.float32), 2)

    def loss(params: tuple[Array, Array]) -> Float[Array, ""]:
        gain, bias = params
        error = mean_error(log_odds(total, num_grams, gain, bias), praise)
        return error + GAIN_DECAY * jnp.sum(jnp.square(jnp.diff(gain)))

    gain, bias = minimised(loss, (jnp.asarray(learnt.gain), jnp.asarray(learnt.bias)))
    has_stars = np.flatnonzero(~np.isnan(stars))
    odds = np.asarray(log_odds(total, num_grams, gain, bias))[has_stars]
    return learnt._replace(
        least_known=np.float32(least_known),
        gain=np.asarray(gain),
        bias=np.asarray(bias),
        stars=rising_means(odds, stars[has_stars]),
    )


def minimised(loss, params):
    """Parameters, few of them, after steps of Adam on a loss."""
    optimizer = optax.adam(GAIN_RATE)

    def one(state, _):
        params, momentum = state
        updates, momentum = optimizer.update(jax.grad(loss)(params), momentum)
        return (optax.apply_updates(params, updates), momentum), None

    return jax.jit(lambda start: jax.lax.scan(one, start, length=GAIN_STEPS)[0][0])((params, optimizer.init(params)))


def snippets(texts: Sequence[str], seed: int) -> list[str]:
    """A piece of each text, of a length drawn evenly on a scale of logs."""
    random = np.random.default_rng(seed)
    shortest, longest = np.log(SNIPPET_WORDS).tolist()
    lengths = np.exp(random.uniform(shortest, longest, len(texts))).round().astype(int).tolist()
    pieces = []
    for text, length, at in zip(texts, lengths, random.random(len(texts)).tolist(), strict=True):
        words = text.split()
        first = int(at * max(1, len(words) - length + 1))
        pieces.append(" ".join(words[first : first + length]))
    return pieces


def rising_means(
    odds: Float32[np.ndarray, " texts"], stars: Float32[np.ndarray, " texts"]
) -> Float32[np.ndarray, "two bins"]:
    """The mean log odds and mean stars of texts in bins of as many each; neither ever falls. NaN for too few texts."""
    if len(odds) < NUM_STAR_BINS:
        return np.full((2, NUM_STAR_BINS), np.nan, np.float32)
    order = np.argsort(odds, kind="stable")
    means = [[part.mean() for part in np.array_split(column[order], NUM_STAR_BINS)] for column in (odds, stars)]
    return np.maximum.accumulate(np.array(means, np.float32), axis=1)
