import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.features.sentiment.model import (
    KNOTS,
    Praise,
    as_texts,
    eight_bits,
    few_sizes,
    log_odds,
    log_ratio,
    per_text,
)
from movierec_jax.features.sentiment.ngrams import Grams

# Two texts of two and one n-grams.
GRAMS = Grams(
    text=np.array([0, 0, 1], np.int32),
    bucket=np.array([5, 7, 5], np.int32),
    place=np.array([0, 15, 3], np.int32),
)


def test_a_ratio_is_the_log_of_how_many_more_texts_that_praise_have_it():
    ratio = log_ratio(jnp.array([3.0, 0.0]), jnp.array([1.0, 0.0]), jnp.array([200.0, 100.0]), 1.0)
    assert ratio.tolist() == pytest.approx([math.log((3 + 1) / (1 + 1) / 2), math.log(1 / 2)])


def test_an_untaught_model_is_naive_bayes_over_the_root_of_the_length():
    texts = as_texts(GRAMS, 2)
    model = Praise(16)
    ratio = jnp.zeros(len(texts.text)).at[:3].set(jnp.array([0.5, 1.5, -2.0]))
    params = model.init(jax.random.key(0), texts, ratio)["params"]
    odds = model.apply({"params": params}, texts, ratio)
    assert np.asarray(odds).tolist() == pytest.approx([(0.5 + 1.5) / math.sqrt(2), -2.0])


def test_filling_and_n_grams_that_do_not_count_add_nothing_but_to_the_length():
    texts = as_texts(GRAMS, 4, counts=np.array([True, False, True]))
    assert texts.num_grams.tolist() == [2, 1, 1, 1]
    assert np.asarray(per_text(jnp.ones(len(texts.text)), texts)).tolist() == pytest.approx([1 / math.sqrt(2), 1, 0, 0])


def test_few_sizes_are_enough_for_all_and_waste_little():
    sizes = {few_sizes(size) for size in range(1, 100_000)}
    assert all(size <= few_sizes(size) < 1.25 * size + 64 for size in range(1, 100_000))
    assert len(sizes) < 60


def test_numbers_of_eight_bits_are_close_and_0_where_nothing_is_known():
    score = jnp.array([-2.0, 0.0, 0.0, 1e-6, -1e-6, 1.0])
    rounded, unit = eight_bits(score, jnp.arange(6) != 1)
    assert rounded.dtype == np.int8
    assert rounded[1:5].tolist() == [0, 1, 1, -1]
    assert np.asarray(rounded * unit)[[0, 5]].tolist() == pytest.approx([-2.0, 1.0], abs=0.01)
    nothing, _ = eight_bits(jnp.zeros(3), jnp.zeros(3, bool))
    assert nothing.tolist() == [0, 0, 0]


def test_the_gain_goes_straight_between_lengths():
    gain = jnp.arange(len(KNOTS), dtype=jnp.float32)
    odds = log_odds(jnp.array([1.0, 1.0, 1.0]), jnp.array([1.0, 2.0, 2.0**20]), gain, 0.5)
    assert odds.tolist() == pytest.approx([0.5 + 1, 0.5 + math.exp(0.5), 0.5 + math.exp(len(KNOTS) - 1)])
