"""What was learnt and texts -> what each text says, on all cores."""

import concurrent.futures
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from movierec_jax.data.schema import Opinions
from movierec_jax.features.sentiment.model import Learnt, as_texts, few_sizes, log_odds, sums
from movierec_jax.features.sentiment.ngrams import chunks, grams_of


class Sums(NamedTuple):
    """Of each text the sum of what its n-grams say, their number (at least 1), and the share of them known."""

    total: Float32[np.ndarray, " texts"]
    num_grams: Float32[np.ndarray, " texts"]
    share_known: Float32[np.ndarray, " texts"]


def opinions_of(learnt: Learnt, texts: Sequence[str]) -> Opinions:
    """What each text says."""
    total, num_grams, share_known = sums_of(learnt, texts)
    is_understood = (share_known > 0) & (share_known >= learnt.least_known)
    understood = jnp.asarray(total * is_understood), jnp.asarray(num_grams)
    odds = np.asarray(log_odds(*understood, jnp.asarray(learnt.gain), learnt.bias))
    stars = np.interp(odds, *learnt.stars)
    praise = 1 / (1 + np.exp(-odds.astype(np.float64)))
    return Opinions(praise.astype(np.float32), stars.astype(np.float32), is_understood)


def sums_of(learnt: Learnt, texts: Sequence[str]) -> Sums:
    """What the n-grams of each text say in all."""
    on_device = jax.device_put(learnt)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        of_chunk = functools.partial(sums_of_chunk, learnt, on_device, texts)
        found = [Sums(*(np.zeros(0, np.float32) for _ in range(3))), *pool.map(of_chunk, chunks(texts))]
    return Sums(*(np.concatenate(column) for column in zip(*found, strict=True)))


def sums_of_chunk(learnt: Learnt, on_device: Learnt, texts: Sequence[str], part: slice) -> Sums:
    """The same of some of the texts; on_device: what was learnt, where it is added up."""
    num_texts = part.stop - part.start
    grams = grams_of(texts[part], len(learnt.score))
    is_known = learnt.score[grams.bucket] != 0
    num_known = np.bincount(grams.text[is_known], minlength=num_texts)
    batch = as_texts(grams, few_sizes(num_texts), is_known)
    return Sums(
        np.asarray(sums(on_device, batch))[:num_texts],
        batch.num_grams[:num_texts],
        (num_known / batch.num_grams[:num_texts]).astype(np.float32),
    )
