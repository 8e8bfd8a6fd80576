import math

import numpy as np
import pytest
from helpers.sentences import written

from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.fit import batch_size, batches, calibrated, count, learn, rising_means, snippets
from movierec_jax.features.sentiment.ngrams import grams_of
from movierec_jax.features.sentiment.predict import opinions_of

SMALL = SentimentConfig(num_buckets=2**14, smoothing=2.0)


@pytest.fixture(scope="module")
def learnt():
    texts, is_praise = written(400)
    return learn(texts, np.array(is_praise), SMALL)


def test_what_was_learnt_tells_texts_that_are_new(learnt):
    texts, is_praise = written(200, seed=1)
    assert np.mean((opinions_of(learnt, texts).praise > 0.5) == is_praise) > 0.98


def test_words_of_praise_have_scores_above_0_and_those_of_blame_below(learnt):
    of_praise, of_blame = (learnt.score[grams_of([word], SMALL.num_buckets).bucket[0]] for word in ("superb", "awful"))
    assert of_praise > 0 > of_blame


def test_labels_that_are_chance_teach_no_certainty():
    texts, _ = written(400)
    label = np.random.default_rng(0).random(400) < 0.5
    chance = learn(texts, label, SMALL)
    others, _ = written(400, seed=1)
    sure = calibrated(chance, others, np.random.default_rng(1).random(400) < 0.5, np.full(400, np.nan, np.float32), 0)
    assert np.abs(opinions_of(sure, written(200, seed=2)[0]).praise - 0.5).max() < 0.25


def test_words_of_one_text_alone_do_not_take_over_from_those_that_many_share():
    # Each text has words of its own, which tell its label by themselves unless it is left out of their ratios.
    label = np.arange(200) % 2 == 0
    shared = ["superb" if praises ^ (number % 5 == 0) else "awful" for number, praises in enumerate(label.tolist())]
    texts = [f"own{number} mine{number} {word}" for number, word in enumerate(shared)]
    config = SentimentConfig(num_buckets=2**14, min_texts=1, smoothing=0.5)
    learnt, counts = learn(texts, label, config), count(texts, label, config)
    bucket = grams_of(["superb"], config.num_buckets).bucket[0]
    ratio = math.log((counts.praising[bucket] + 0.5) / (counts.blaming[bucket] + 0.5))
    assert learnt.score[bucket] * learnt.unit > ratio


def test_counts_are_of_texts_and_not_of_words():
    counts = count(["good good film", "good", "bad film"], np.array([True, True, False]), SMALL)
    bucket = {word: grams_of([word], SMALL.num_buckets).bucket[0] for word in ("good", "bad", "film")}
    assert [counts.praising[bucket[word]] for word in ("good", "bad", "film")] == [2, 0, 1]
    assert [counts.blaming[bucket[word]] for word in ("good", "bad", "film")] == [0, 1, 1]


def test_every_text_is_in_one_batch_of_an_epoch():
    texts, is_praise = written(130)
    is_known = np.ones(SMALL.num_buckets, bool)
    found = list(batches(texts, np.array(is_praise), is_known, 0, SMALL))
    praise = np.concatenate([label for _, label in found])
    assert np.nansum(praise) == sum(is_praise)
    assert np.count_nonzero(~np.isnan(praise)) == 130
    assert {len(label) for _, label in found} == {batch_size(130, SMALL)}


def test_the_same_seed_learns_the_same_and_another_order_nearly_so(learnt):
    texts, is_praise = written(400)
    again = learn(texts, np.array(is_praise), SMALL)
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in zip(again, learnt, strict=True))


def test_calibrated_probabilities_are_the_shares_that_praise(learnt):
    # A third of the labels are turned round, so that nobody can be surer than two thirds.
    texts, is_praise = written(1200, seed=3)
    turned = np.array(is_praise) ^ (np.random.default_rng(0).random(1200) < 1 / 3)
    sober = calibrated(learnt, texts[:600], turned[:600], np.full(600, np.nan, np.float32), 0)
    praise = opinions_of(sober, texts[600:]).praise
    is_sure = praise > 0.5
    assert praise[is_sure].mean() == pytest.approx(turned[600:][is_sure].mean(), abs=0.1)
    assert opinions_of(learnt, texts[600:]).praise[is_sure].mean() > 0.95
    assert np.isnan(opinions_of(sober, texts[:3]).stars).all()


def test_stars_rise_with_praise_and_stay_on_the_scale(learnt):
    texts, is_praise = written(400, seed=4)
    stars = np.where(is_praise, 9, 2).astype(np.float32)
    told = opinions_of(calibrated(learnt, texts, np.array(is_praise), stars, 0), written(100, seed=5)[0])
    assert np.all((told.stars >= 2) & (told.stars <= 9))
    assert np.all(np.diff(told.stars[np.argsort(told.praise)]) >= 0)
    assert np.corrcoef(told.stars, np.arange(100) % 2)[0, 1] > 0.9


def test_texts_of_which_less_is_known_than_of_others_say_nothing(learnt):
    texts, is_praise = written(200, seed=6)
    sober = calibrated(learnt, texts, np.array(is_praise), np.full(200, np.nan, np.float32), 0)
    assert 0 < sober.least_known < 1
    found = opinions_of(sober, [*written(100, seed=7)[0], "", "eine ganz andere Sprache und dazu ein superb"])
    assert found.is_understood[:100].mean() > 0.95
    assert not found.is_understood[100:].any()


def test_means_of_bins_never_fall():
    rng = np.random.default_rng(0)
    odds, stars = rng.normal(size=(2, 200)).astype(np.float32)
    assert np.all(np.diff(rising_means(odds, stars)) >= 0)
    assert np.isnan(rising_means(odds[:3], stars[:3])).all()


def test_snippets_are_pieces_of_their_texts():
    texts = [" ".join(map(str, range(size))) for size in (0, 1, 5, 400)]
    for text, piece in zip(texts * 20, snippets(texts * 20, 0), strict=True):
        assert piece in text
        assert bool(piece) == bool(text)
        assert len(piece.split()) <= 128
