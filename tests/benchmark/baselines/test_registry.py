"""Baselines are found by kind and name, without the libraries that they need."""

import sys

import pytest

from movierec_jax.benchmark.baselines import KINDS, baselines_of, find_baseline
from movierec_jax.benchmark.baselines.records import (
    RankingBaseline,
    RatingBaseline,
    SentimentBaseline,
    SequenceBaseline,
)
from movierec_jax.errors import InputError


@pytest.mark.parametrize(
    ("kind", "records"),
    [
        ("rating", {RatingBaseline}),
        ("ranking", {RankingBaseline, SequenceBaseline}),
        ("sentiment", {SentimentBaseline}),
    ],
)
def test_a_folder_has_baselines_of_its_kind(kind, records):
    assert {type(baseline) for baseline in baselines_of(kind).values()} == records


def test_all_baselines_have_names_and_labels_of_their_own():
    names = [name for kind in KINDS for name in baselines_of(kind)]
    labels = [baseline.label for kind in KINDS for baseline in baselines_of(kind).values()]
    assert len(set(names)) == len(names)
    assert len(set(labels)) == len(labels)


def test_a_baseline_of_ours_needs_no_library():
    assert find_baseline("rating", "biases").library is None


@pytest.mark.parametrize(
    ("kind", "name", "library"),
    [
        ("rating", "surprise_svd", "surprise"),
        ("rating", "myfm_mf", "myfm"),
        ("ranking", "implicit_als", "implicit"),
        ("sentiment", "tfidf_logistic", "sklearn"),
    ],
)
def test_a_missing_library_is_one_sentence_with_the_command_that_installs_it(kind, name, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"^{library} cannot be imported .*: pip install -e '\.\[bench\]'$"):
        find_baseline(kind, name)
