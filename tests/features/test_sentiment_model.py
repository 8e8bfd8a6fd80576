"""The log odds of n-grams by hand, batches and quantized scores."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.features.sentiment.model import (
    GAIN_KNOTS,
    PraiseModel,
    log_count_ratio,
    log_odds,
    quantize,
    sum_by_text,
    to_batch,
)
from movierec_jax.features.sentiment.ngrams import NGrams

# Two texts of two and one n-grams.
NGRAMS = NGrams(
    text=np.array([0, 0, 1], np.int32),
    bucket=np.array([5, 7, 5], np.int32),
    position=np.array([0, 15, 3], np.int32),
)


def test_a_ratio_is_the_log_of_how_many_times_more_praising_texts_have_it():
    ratio = log_count_ratio(jnp.array([3.0, 0.0]), jnp.array([1.0, 0.0]), jnp.array([200.0, 100.0]), 1.0)
    assert ratio.tolist() == pytest.approx([math.log((3 + 1) / (1 + 1) / 2), math.log(1 / 2)])


def test_an_untrained_model_is_naive_bayes_over_the_root_of_the_length():
    batch = to_batch(NGRAMS, 2)
    model = PraiseModel(16)
    ratio = jnp.zeros(len(batch.text)).at[:3].set(jnp.array([0.5, 1.5, -2.0]))
    params = model.init(jax.random.key(0), batch, ratio)["params"]
    odds = model.apply({"params": params}, batch, ratio)
    assert np.asarray(odds).tolist() == pytest.approx([(0.5 + 1.5) / math.sqrt(2), -2.0])


def test_filling_and_n_grams_left_out_add_nothing_to_the_sum():
    batch = to_batch(NGRAMS, 4, is_kept=np.array([True, False, True]))
    assert batch.num_ngrams.tolist() == [2, 1, 1, 1]
    assert np.asarray(sum_by_text(jnp.ones(len(batch.text)), batch)).tolist() == pytest.approx(
        [1 / math.sqrt(2), 1, 0, 0]
    )


def test_quantized_scores_are_close_and_0_outside_the_vocabulary():
    score = jnp.array([-2.0, 0.0, 0.0, 1e-6, -1e-6, 1.0])
    rounded, unit = quantize(score, jnp.arange(6) != 1)
    assert rounded.dtype == np.int8
    assert rounded[1:5].tolist() == [0, 1, 1, -1]
    assert np.asarray(rounded * unit)[[0, 5]].tolist() == pytest.approx([-2.0, 1.0], abs=0.01)
    nothing, _ = quantize(jnp.zeros(3), jnp.zeros(3, bool))
    assert nothing.tolist() == [0, 0, 0]


def test_the_gain_is_interpolated_between_lengths():
    gain = jnp.arange(len(GAIN_KNOTS), dtype=jnp.float32)
    odds = log_odds(jnp.array([1.0, 1.0, 1.0]), jnp.array([1.0, 2.0, 2.0**20]), gain, 0.5)
    assert odds.tolist() == pytest.approx([0.5 + 1, 0.5 + math.exp(0.5), 0.5 + math.exp(len(GAIN_KNOTS) - 1)])
