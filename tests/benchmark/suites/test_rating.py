"""Means, ratios and differences of made-up fits, and the whole suite once with real ones."""

import dataclasses
import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_MODEL, Entrant
from movierec_jax.benchmark.folds import Fold
from movierec_jax.benchmark.process import FitError
from movierec_jax.benchmark.rating_job import RatingFit
from movierec_jax.benchmark.suites import rating as suite
from movierec_jax.benchmark.suites.rating import RatingResult, count_groups, means_over_folds, summarise
from movierec_jax.config import Config
from movierec_jax.data.schema import RATING
from movierec_jax.errors import InputError

OURS, MYFM, BIASES = Entrant("ours"), Entrant("myfm", "myfm_svdpp"), Entrant("biases", "biases")
USERS = pd.Index([1, 2])
# One test rating for each of the two users in both folds.
TEST = checkerboard.table([1, 2], [11, 12], [3, 3])
FOLDS = [Fold(Config().replace(ratings=name), TEST, TEST, (1.0, 5.0)) for name in ("u1", "u2")]


def new_result(fold, seed, error, seconds=1.0, memory=100.0):
    """Returns a fit with this error for the ratings of both users."""
    figures = {
        "rmse": error,
        "mae": error,
        "fit_seconds": seconds,
        "predict_seconds": 0.5,
        "peak_memory_mb": memory,
    }
    return RatingResult(fold, seed, figures, np.full(2, error**2), [], {})


def test_figures_are_means_over_folds_for_each_seed_and_memory_is_the_most():
    fits = [
        new_result(0, 7, 1.0, seconds=2.0, memory=50.0),
        new_result(0, 8, 2.0, seconds=4.0),
        new_result(1, 7, 3.0, seconds=6.0, memory=90.0),
        new_result(1, 8, 4.0, seconds=8.0),
    ]
    by_seed = means_over_folds(fits)
    assert by_seed["rmse"] == [(1.0 + 3.0) / 2, (2.0 + 4.0) / 2]
    assert by_seed["fit_seconds"] == [(2.0 + 6.0) / 2, (4.0 + 8.0) / 2]
    assert by_seed["peak_memory_mb"] == [90.0, 100.0]


def test_test_ratings_are_grouped_by_the_train_ratings_of_their_users_and_movies():
    # User 1 has one rating in train, user 2 two, user 3 none; movie 7 has two, movie 8 one, movie 9 none.
    train = checkerboard.table([1, 2, 2], [7, 7, 8], [1.0, 2.0, 3.0])
    test = checkerboard.table([1, 2, 3, 3], [9, 9, 7, 8], [1.0, 2.0, 3.0, 4.0])
    fold = Fold(Config(), train, test, (1.0, 5.0))
    groups = count_groups(fold, np.array([1.0, 2.0, 4.0, 8.0]))
    found = {(group.side, group.ratings_in_train): (group.squared_error, group.num_ratings) for group in groups}
    assert {key: value for key, value in found.items() if value[1]} == {
        ("users", "0"): (12, 2),
        ("users", "1"): (1, 1),
        ("users", "2 to 5"): (2, 1),
        ("movies", "0"): (3, 2),
        ("movies", "1"): (8, 1),
        ("movies", "2 to 5"): (4, 1),
    }


def rows_of(**error_by_label):
    """Returns rows of entrants with these errors for every rating; ours takes 3 seconds, others 2."""
    entrants = [entrant for entrant in (OURS, MYFM, BIASES) if entrant.label in error_by_label]
    results = {
        label: [new_result(fold, 0, error, seconds=3.0 if label == OURS.label else 2.0) for fold in (0, 1)]
        for label, error in error_by_label.items()
    }
    return {row.entrant.label: row for row in summarise(entrants, results, FOLDS, USERS)}


def test_every_row_but_the_best_baseline_is_compared_with_it():
    rows = rows_of(ours=0.5, myfm=1.0, biases=2.0)
    assert rows["myfm"].difference is None
    assert rows["ours"].difference.value == 0.5 - 1.0
    assert rows["ours"].difference.interval == pytest.approx((-0.5, -0.5))
    assert rows["biases"].difference.interval == pytest.approx((1.0, 1.0))


def test_our_model_is_never_the_best_baseline():
    assert rows_of(ours=0.5)["ours"].difference is None


@pytest.mark.parametrize(
    ("labels", "ratio"), [({"ours": 1.0, "myfm": 1.0}, 3 / 2), ({"ours": 1.0, "biases": 1.0}, None)]
)
def test_fit_seconds_are_compared_with_those_of_myfm_if_it_is_there(labels, ratio):
    assert rows_of(**labels)["ours"].fit_ratio == ratio


# The suite with fits that take no time.


@pytest.fixture
def board(tmp_path):
    """Flags for the checkerboard."""
    parts = checkerboard.parts()
    checkerboard.write(tmp_path, parts)
    return {"ratings": str(tmp_path / "ml"), "test_ratings": str(tmp_path / "test.csv"), "rating_scale": (1.0, 5.0)}


def run_with(fit, board, tmp_path, monkeypatch, seeds=None, ours=(OURS,)):
    """Runs the suite with our model and the biases, whose errors are a function of the job; returns its figures."""
    rating = checkerboard.parts().test[RATING].to_numpy(np.float64)
    monkeypatch.setattr(suite, "predict_apart", lambda job, data: RatingFit(rating + fit(job), 1.0, 0.1, 50.0, {}))
    benchmark = BenchmarkConfig(baselines=("biases",), seeds=seeds, output=str(tmp_path / "figures"))
    suite.run_suite(Config().replace(**board), benchmark, "python benchmark.py", ours)
    return json.loads((tmp_path / "figures" / "rating.json").read_text())


def test_two_folds_give_one_row_of_means_and_each_fold_in_the_json(board, tmp_path, monkeypatch):
    twice = board | {name: f"{board[name]},{board[name]}" for name in ("ratings", "test_ratings")}
    figures = run_with(lambda job: 1.0 if job.model == OUR_MODEL else 2.0, twice, tmp_path, monkeypatch)
    row = figures["rows"][0]
    found = row["differences"]["rmse"]
    assert (row["rmse"], found["difference"], found["interval"]) == (1.0, -1.0, [-1.0, -1.0])
    assert [(fit["fold"], fit["rmse"]) for fit in row["fits"]] == [(0, 1.0), (1, 1.0)]
    assert len(figures["folds"]) == 2
    assert "means over 2 folds" in (tmp_path / "figures" / "rating.md").read_text()


def test_every_seed_is_fitted_and_the_spread_is_shown(board, tmp_path, monkeypatch, capsys):
    figures = run_with(lambda job: 1.0 + job.seed, board, tmp_path, monkeypatch, seeds=(1, 3))
    assert figures["rows"][0]["by_seed"]["rmse"] == [2.0, 4.0]
    assert "3.0000 (2.0000 to 4.0000)" in capsys.readouterr().out


def test_without_seeds_the_seed_of_training_is_taken(board, tmp_path, monkeypatch):
    assert run_with(lambda job: float(job.seed), board | {"seed": 4}, tmp_path, monkeypatch)["seeds"] == [4]


def test_another_row_of_our_model_is_a_label_and_its_settings(board, tmp_path, monkeypatch):
    wide = Entrant("wide", settings={"embedding_dim": 128})
    figures = run_with(
        lambda job: job.config.model.embedding_dim / 128, board, tmp_path, monkeypatch, ours=(OURS, wide)
    )
    assert {row["label"]: row["rmse"] for row in figures["rows"]} == {"ours": 0.5, "wide": 1.0, "biases alone": 0.5}


def test_a_fit_that_fails_is_named_and_the_others_stand(board, tmp_path, monkeypatch, capsys):
    def fit(job):
        if job.model == "biases":
            raise FitError("killed by SIGKILL")
        return 1.0

    with pytest.raises(InputError, match=r"^no figures for biases alone; the other rows stand$"):
        run_with(fit, board, tmp_path, monkeypatch, seeds=(0, 1))
    figures = json.loads((tmp_path / "figures" / "rating.json").read_text())
    assert [row["label"] for row in figures["rows"]] == ["ours"]
    assert figures["failures"] == {"biases alone": "fold 1, seed 0: killed by SIGKILL"}
    assert "biases alone failed (fold 1, seed 0: killed by SIGKILL)" in capsys.readouterr().out


def test_a_missing_library_ends_the_suite_before_anything_is_fitted(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "myfm", None)
    benchmark = BenchmarkConfig(baselines=("myfm_mf",), output=str(tmp_path / "figures"))
    with pytest.raises(InputError, match=r"pip install -e '\.\[bench\]'"):
        suite.run_suite(Config(), benchmark, "python benchmark.py")
    assert not (tmp_path / "figures").exists()


# With real fits.


def test_our_model_and_the_biases_are_measured_on_the_same_rows(board, tmp_path, capsys):
    config = Config().replace(**board, epochs=1, embedding_dim=2, hidden_dims=(), history=(), eval_k=(1,))
    benchmark = BenchmarkConfig(baselines=("biases",), output=str(tmp_path / "figures"))
    figures = suite.run_suite(config, benchmark, "python benchmark.py", (OURS,))
    assert json.loads((tmp_path / "figures" / "rating.json").read_text()) == json.loads(json.dumps(figures))
    ours, biases = figures["rows"]
    (fold,) = figures["folds"]
    details = ours["fits"][0]["details"]
    assert details["epochs"] == 1
    assert details["counts"]["train"] + details["counts"]["valid"] == fold["train"]
    assert details["counts"]["test"] == fold["test"]
    # Half of the ratings are 1 and half are 5, and biases predict no better than their mean.
    assert biases["rmse"] == pytest.approx(math.sqrt((2**2 + 2**2) / 2), rel=0.1)
    assert ours["fit_seconds"] > 0
    difference = ours["differences"]["rmse"]
    assert difference["interval"][0] <= difference["difference"] <= difference["interval"][1]
    assert f"{ours['rmse']:.4f}" in capsys.readouterr().out
    assert f"| ours | {ours['rmse']:.4f} |" in (tmp_path / "figures" / "rating.md").read_text()
    assert figures["command"] == "python benchmark.py"


def test_rows_that_need_times_of_ratings_are_left_out_if_there_are_none(capsys):
    timed = Entrant("timed", settings={"rating_time": True})
    with_times = [dataclasses.replace(fold, train=TEST.assign(timestamp=7)) for fold in FOLDS]
    assert suite.without_missing_times([OURS, timed], with_times) == [OURS, timed]
    assert suite.without_missing_times([OURS, timed], FOLDS) == [OURS]
    assert "timed" in capsys.readouterr().out
