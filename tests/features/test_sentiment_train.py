"""A training run of a sentiment model, its figures, and input that it refuses."""

import numpy as np
import pandas as pd
import pytest
from helpers.sentences import written

from movierec_jax.data.schema import Opinions
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.saved import load_sentiment
from movierec_jax.features.sentiment.train import choose_held_out, label_log_loss, opinion_figures, train_sentiment

SMALL = SentimentConfig(num_buckets=2**14, smoothing=2.0)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A file of labelled texts, half of them for testing, with stars."""
    texts, is_praise = written(600)
    table = pd.DataFrame(
        {
            "movie_id": np.arange(600) // 3,
            "text": texts,
            "label": np.where(is_praise, "pos", "neg"),
            "stars": np.where(is_praise, 9, 2),
            "split": np.where(np.arange(600) < 400, "train", "test"),
        }
    )
    path = tmp_path_factory.mktemp("texts") / "labelled.csv"
    table.to_csv(path, index=False)
    return path


def test_a_run_leaves_a_model_and_its_report(labelled, tmp_path, capsys):
    report = train_sentiment(labelled, tmp_path / "sentiment", SMALL)
    assert report["test"]["texts"] == 200
    assert report["test"]["accuracy"] > 0.98
    assert report["test"]["stars_rmse"] < 1
    assert 30 <= report["held_out"]["texts"] <= 45
    sentiment = load_sentiment(tmp_path / "sentiment")
    assert sentiment.report["test"] == report["test"]
    assert sentiment.rating_scale == (1.0, 10.0)
    bad, good = sentiment.opinions(written(2, seed=9)[0]).praise
    assert good > 0.5 > bad
    assert "600 texts, 50.0% of them praise" in capsys.readouterr().out


def test_nothing_of_the_test_part_is_learnt(labelled, tmp_path):
    train_sentiment(labelled, tmp_path / "one", SMALL)
    table = pd.read_csv(labelled)
    is_test = table["split"] == "test"
    table.loc[is_test, "label"] = table.loc[is_test, "label"].map({"pos": "neg", "neg": "pos"})
    table.to_csv(tmp_path / "flipped.csv", index=False)
    train_sentiment(tmp_path / "flipped.csv", tmp_path / "other", SMALL)
    one, other = (load_sentiment(tmp_path / name).weights for name in ("one", "other"))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))


def test_an_existing_folder_is_kept_unless_overwrite_is_given(labelled, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        train_sentiment(labelled, tmp_path / "own", SMALL, overwrite=True)
    train_sentiment(labelled, tmp_path / "sentiment", SMALL)
    with pytest.raises(InputError, match="--overwrite"):
        train_sentiment(labelled, tmp_path / "sentiment", SMALL)
    train_sentiment(labelled, tmp_path / "sentiment", SMALL, overwrite=True)


def test_texts_of_a_single_movie_are_refused(labelled, tmp_path):
    table = pd.read_csv(labelled).assign(movie_id=1)
    table.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(InputError, match=r"one\.csv: of those held out, 0 texts, 0 praise; both kinds are needed"):
        train_sentiment(tmp_path / "one.csv", tmp_path / "sentiment", SMALL)


def test_a_url_as_output_is_refused_before_anything_is_learnt(labelled):
    with pytest.raises(InputError, match="--output=gs://bucket/x: must be a folder of this machine"):
        train_sentiment(labelled, "gs://bucket/x", SMALL)


def test_whole_groups_are_held_out():
    group = np.repeat(np.arange(50, dtype=np.int32), 4)
    may_be = np.arange(200) < 160
    chosen = choose_held_out(group, may_be, SMALL)
    assert 12 <= chosen.sum() <= 20
    assert not chosen[~may_be].any()
    assert set(np.bincount(group[chosen])) <= {0, 4}


def test_figures_follow_their_definitions():
    praise = np.array([0.9, 0.8, 0.3, 0.6], np.float32)
    opinions = Opinions(praise, np.array([9, 8, 3, 6], np.float32), np.ones(4, bool))
    figures = opinion_figures(opinions, np.array([True, True, False, False]), np.array([9, 10, 3, np.nan], np.float32))
    assert figures["accuracy"] == 3 / 4
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.7, 0.4]).mean(), abs=1e-5)
    # Each text is alone in its bin of a tenth.
    assert figures["calibration_error"] == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4, abs=1e-5)
    assert figures["stars_rmse"] == pytest.approx(((0 + 4 + 0) / 3) ** 0.5, abs=1e-5)


def test_log_loss_is_of_the_probability_of_the_true_label():
    praise, is_praise = np.array([0.8, 0.25, 0.0]), np.array([True, False, False])
    assert label_log_loss(praise, is_praise) == pytest.approx(-(np.log(0.8) + np.log(0.75) + 0) / 3)
    assert np.isfinite(label_log_loss(praise, ~is_praise))
