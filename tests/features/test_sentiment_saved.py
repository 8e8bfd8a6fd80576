"""A saved sentiment model is loaded unchanged, or refused by name."""

import gc
import json
import shutil

import numpy as np
import pytest

from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.saved import ABOUT, ARRAYS, DEFAULT_SENTIMENT, load_sentiment, save_sentiment

TEXTS = ["I loved it", "I hated it", ""]


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(DEFAULT_SENTIMENT, tmp_path / "sentiment")
    return tmp_path / "sentiment"


def test_a_saved_model_is_loaded_unchanged(tmp_path):
    sentiment = load_sentiment()
    for _ in range(2):  # the second time it replaces the first
        save_sentiment(tmp_path / "new" / "sentiment", sentiment)
    again = load_sentiment(tmp_path / "new" / "sentiment")
    assert (again.config, again.rating_scale, again.report) == (
        sentiment.config,
        sentiment.rating_scale,
        sentiment.report,
    )
    assert all(np.array_equal(one, other) for one, other in zip(again.weights, sentiment.weights, strict=True))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sentiment"]


def test_the_model_of_the_package_is_small_and_names_no_machine():
    files = [path for path in DEFAULT_SENTIMENT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert not any(b"/tmp" in path.read_bytes() or b"/home" in path.read_bytes() for path in files)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no sentiment\.json; name a folder that movierec train_sentiment"):
        load_sentiment(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 0}, "not of this version"),
        ({"settings": {"num_buckets": 7}}, "setting"),
    ],
)
def test_an_edited_file_is_refused_by_name(copy, change, message):
    about = json.loads((copy / ABOUT).read_text())
    (copy / ABOUT).write_text(json.dumps(about | change))
    with pytest.raises(InputError, match=message):
        load_sentiment(copy)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damaged_arrays_are_refused_by_name(copy):
    largest = max((copy / ARRAYS).rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(largest.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"learnt: cannot be read .*; write it anew"):
        load_sentiment(copy)
    shutil.rmtree(copy / ARRAYS)
    with pytest.raises(InputError, match=r"learnt: cannot be read"):
        load_sentiment(copy)
    gc.collect()  # What Orbax has left of the failed readings goes here, where its noise is ignored.
