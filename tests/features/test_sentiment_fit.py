"""Weights learnt from texts whose words give their label, and their calibration."""

import math

import numpy as np
import pytest
from helpers.sentences import written

from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.fit import (
    calibrate,
    count_ngrams,
    cut_snippets,
    epoch_batches,
    fit_rating_curve,
    fit_weights,
    texts_per_step,
)
from movierec_jax.features.sentiment.ngrams import extract_ngrams
from movierec_jax.features.sentiment.predict import predict_opinions

SMALL = SentimentConfig(num_buckets=2**14, smoothing=2.0)


@pytest.fixture(scope="module")
def weights():
    texts, is_praise = written(400)
    return fit_weights(texts, np.array(is_praise), SMALL)


def test_new_texts_are_judged_right(weights):
    texts, is_praise = written(200, seed=1)
    assert np.mean((predict_opinions(weights, texts).praise > 0.5) == is_praise) > 0.98


def test_praising_words_have_scores_above_0_and_blaming_ones_below(weights):
    praising, blaming = (extract_ngrams([word], SMALL.num_buckets).bucket[0] for word in ("superb", "awful"))
    assert weights.score[praising] > 0 > weights.score[blaming]


def test_random_labels_teach_no_certainty():
    texts, _ = written(400)
    label = np.random.default_rng(0).random(400) < 0.5
    chance = fit_weights(texts, label, SMALL)
    others, _ = written(400, seed=1)
    sure = calibrate(chance, others, np.random.default_rng(1).random(400) < 0.5, np.full(400, np.nan, np.float32), 0)
    assert np.abs(predict_opinions(sure, written(200, seed=2)[0]).praise - 0.5).max() < 0.25


def test_words_of_a_single_text_do_not_replace_shared_words():
    # Each text has words of its own, which would give its label away unless it is left out of their counts.
    label = np.arange(200) % 2 == 0
    shared = ["superb" if praises ^ (number % 5 == 0) else "awful" for number, praises in enumerate(label.tolist())]
    texts = [f"own{number} mine{number} {word}" for number, word in enumerate(shared)]
    config = SentimentConfig(num_buckets=2**14, min_texts=1, smoothing=0.5)
    weights, counts = fit_weights(texts, label, config), count_ngrams(texts, label, config)
    bucket = extract_ngrams(["superb"], config.num_buckets).bucket[0]
    ratio = math.log((counts.praising[bucket] + 0.5) / (counts.blaming[bucket] + 0.5))
    assert weights.score[bucket] * weights.unit > ratio


def test_counts_are_of_texts_not_of_words():
    counts = count_ngrams(["good good film", "good", "bad film"], np.array([True, True, False]), SMALL)
    bucket = {word: extract_ngrams([word], SMALL.num_buckets).bucket[0] for word in ("good", "bad", "film")}
    assert [counts.praising[bucket[word]] for word in ("good", "bad", "film")] == [2, 0, 1]
    assert [counts.blaming[bucket[word]] for word in ("good", "bad", "film")] == [0, 1, 1]


def test_every_text_is_in_one_batch_of_an_epoch():
    texts, is_praise = written(130)
    is_in_vocabulary = np.ones(SMALL.num_buckets, bool)
    found = list(epoch_batches(texts, np.array(is_praise), is_in_vocabulary, 0, SMALL))
    praise = np.concatenate([label for _, label in found])
    assert np.nansum(praise) == sum(is_praise)
    assert np.count_nonzero(~np.isnan(praise)) == 130
    assert {len(label) for _, label in found} == {texts_per_step(130, SMALL)}


def test_the_same_seed_learns_the_same(weights):
    texts, is_praise = written(400)
    again = fit_weights(texts, np.array(is_praise), SMALL)
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in zip(again, weights, strict=True))


def test_calibrated_probabilities_are_shares_of_praise(weights):
    # A third of the labels are flipped, so that no probability above two thirds is right.
    texts, is_praise = written(1200, seed=3)
    flipped = np.array(is_praise) ^ (np.random.default_rng(0).random(1200) < 1 / 3)
    calibrated = calibrate(weights, texts[:600], flipped[:600], np.full(600, np.nan, np.float32), 0)
    praise = predict_opinions(calibrated, texts[600:]).praise
    is_sure = praise > 0.5
    assert praise[is_sure].mean() == pytest.approx(flipped[600:][is_sure].mean(), abs=0.1)
    assert predict_opinions(weights, texts[600:]).praise[is_sure].mean() > 0.95
    assert np.isnan(predict_opinions(calibrated, texts[:3]).stars).all()


def test_predicted_ratings_rise_with_praise_and_stay_on_the_scale(weights):
    texts, is_praise = written(400, seed=4)
    stars = np.where(is_praise, 9, 2).astype(np.float32)
    opinions = predict_opinions(calibrate(weights, texts, np.array(is_praise), stars, 0), written(100, seed=5)[0])
    assert np.all((opinions.stars >= 2) & (opinions.stars <= 9))
    assert np.all(np.diff(opinions.stars[np.argsort(opinions.praise)]) >= 0)
    assert np.corrcoef(opinions.stars, np.arange(100) % 2)[0, 1] > 0.9


def test_texts_with_few_n_grams_in_the_vocabulary_are_not_understood(weights):
    texts, is_praise = written(200, seed=6)
    calibrated = calibrate(weights, texts, np.array(is_praise), np.full(200, np.nan, np.float32), 0)
    assert 0 < calibrated.min_vocabulary_share < 1
    found = predict_opinions(calibrated, [*written(100, seed=7)[0], "", "eine ganz andere Sprache und dazu ein superb"])
    assert found.is_understood[:100].mean() > 0.95
    assert not found.is_understood[100:].any()


def test_a_rating_curve_never_falls():
    rng = np.random.default_rng(0)
    odds, stars = rng.normal(size=(2, 200)).astype(np.float32)
    assert np.all(np.diff(fit_rating_curve(odds, stars)) >= 0)
    assert np.isnan(fit_rating_curve(odds[:3], stars[:3])).all()


def test_snippets_are_parts_of_their_texts():
    texts = [" ".join(map(str, range(size))) for size in (0, 1, 5, 400)]
    for text, snippet in zip(texts * 20, cut_snippets(texts * 20, 0), strict=True):
        assert snippet in text
        assert bool(snippet) == bool(text)
        assert len(snippet.split()) <= 128
