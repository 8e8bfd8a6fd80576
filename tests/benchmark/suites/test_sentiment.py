"""The suite of sentiment on texts in which one word decides: our model, made-up classifiers, and unusable input."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax.benchmark.baselines import baselines_of
from movierec_jax.benchmark.baselines.records import SentimentBaseline
from movierec_jax.benchmark.bootstrap import Difference
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.suites import sentiment as suite
from movierec_jax.benchmark.suites.sentiment import COLUMNS, SentimentResult, differences_to_best, measure, read_parts
from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig

SMALL = SentimentConfig(num_buckets=2**12, epochs=3)
FILLING = "a film of some length with people in it"


def write_texts(path, num_texts=120, **columns):
    """Writes texts about 30 movies, a third of them in the test part, with "lovely" or "dreadful" by their label."""
    number = np.arange(num_texts)
    is_praise = number % 2 == 0
    table = {
        "text": [f"{FILLING} {'lovely' if praise else 'dreadful'} number {n}" for n, praise in enumerate(is_praise)],
        "label": np.where(is_praise, "pos", "neg"),
        "imdbId": 100 + number // 4,
        "split": np.where(number % 3 == 0, "test", "train"),
    }
    pd.DataFrame({name: values for name, values in (table | columns).items() if values is not None}).to_csv(path)
    return str(path)


@pytest.mark.slow
def test_our_sentiment_learns_the_deciding_word_and_table_and_figures_are_written(tmp_path):
    benchmark = BenchmarkConfig(
        suite="sentiment",
        texts=write_texts(tmp_path / "texts.csv"),
        baselines=(),
        repeats=2,
        output=str(tmp_path / "out"),
    )
    figures = suite.run_suite(Config(), benchmark, "the command", SMALL)
    assert json.loads((tmp_path / "out" / "sentiment.json").read_text()) == json.loads(json.dumps(figures))
    (row,) = figures["rows"]
    assert (row["label"], row["accuracy"], len(row["seconds"]), row["differences"]) == (OUR_LABEL, 1.0, 2, {})
    assert row["log_loss"] < np.log(2)
    assert figures["texts"] == {"train": 80, "test": 40}
    written = (tmp_path / "out" / "sentiment.md").read_text()
    assert "the command" in written
    assert f"| {OUR_LABEL} | 1.0000 |" in written
    assert all(column in written for column in COLUMNS)


def test_a_classifier_learns_from_the_train_part_and_classifies_the_test_part(tmp_path):
    train, test = read_parts(write_texts(tmp_path / "texts.csv"))
    seen = []

    def fit(texts, is_praise):
        seen.append((list(texts), is_praise.tolist()))
        return lambda texts: np.array([1.0 if "lovely" in text else 0.2 for text in texts])

    found = measure(SentimentBaseline("words", fit, has_probability=False), train, test, repeats=0)
    assert seen == [(train.text.tolist(), train.is_praise.tolist())]
    assert (found.accuracy, found.log_loss, len(found.seconds)) == (1.0, None, 1)
    assert set(train.text).isdisjoint(test.text)


def test_differences_are_to_the_best_baseline_and_resample_whole_movies():
    def row(label, *is_right):
        return SentimentResult(label, np.array(is_right), None, 1.0, [1.0])

    fits = [
        row(OUR_LABEL, True, True, True, True),
        row("good", True, True, True, False),
        row("bad", False, False, True, True),
    ]
    found = differences_to_best(fits, np.array([7, 7, 9, 9], np.int32))
    assert set(found) == {OUR_LABEL, "bad"}
    # The best baseline errs in one of two texts of the second movie, which a draw has never, once or twice.
    assert found[OUR_LABEL] == Difference("good", 0.25, (0.0, 0.5))
    assert found["bad"].value == -0.25
    assert differences_to_best(fits[:1], np.array([7, 7, 9, 9], np.int32)) == {}


@pytest.mark.parametrize("name", baselines_of("sentiment"))
def test_a_baseline_is_right_about_every_text_if_one_word_decides(name, tmp_path):
    baseline = baselines_of("sentiment")[name]
    pytest.importorskip(baseline.library)
    train, test = read_parts(write_texts(tmp_path / "texts.csv"))
    result = measure(baseline, train, test, repeats=0)
    assert result.accuracy == 1.0
    assert (result.log_loss is None) == (name == "vader")


def test_a_run_without_texts_or_without_a_test_part_is_refused(tmp_path):
    with pytest.raises(InputError, match="give --texts=FILE"):
        suite.run_suite(Config(), BenchmarkConfig(suite="sentiment"), "the command")
    for column in (None, ["train"] * 120):
        with pytest.raises(InputError, match=r"texts\.csv: no text is of the split test; add a column split"):
            read_parts(write_texts(tmp_path / "texts.csv", split=column))
