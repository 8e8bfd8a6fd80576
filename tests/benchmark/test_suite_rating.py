"""Means, ratios and differences of fits made up by hand, and the whole suite once for real."""

import dataclasses
import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.fit import OURS, Fit, FitError
from movierec_jax.benchmark.folds import Fold
from movierec_jax.benchmark.suites import rating as stars
from movierec_jax.benchmark.suites.rating import Entrant, Measured, over_folds, summarise
from movierec_jax.config import Config
from movierec_jax.data.schema import RATING
from movierec_jax.errors import InputError

OUR, PEER, OTHER = Entrant("ours", OURS), Entrant("peer", "myfm_svdpp"), Entrant("other", "biases")
USERS = pd.Index([1, 2])
# One test rating for each of the two users in both folds.
TEST = checkerboard.table([1, 2], [11, 12], [3, 3])
FOLDS = [Fold(Config().replace(ratings=name), TEST, TEST, (1.0, 5.0)) for name in ("u1", "u2")]


def measured(entrant, fold, seed, error, seconds=1.0, memory=100.0):
    """A fit that is off by `error` stars for both users."""
    figures = {
        "rmse": error,
        "mae": error,
        "fit_seconds": seconds,
        "predict_seconds": 0.5,
        "peak_memory_mb": memory,
    }
    return Measured(entrant.label, fold, seed, figures, np.full(2, error**2), {})


def test_figures_are_means_over_folds_for_each_seed_and_memory_is_the_most():
    fits = [
        measured(OUR, 0, 7, 1.0, seconds=2.0, memory=50.0),
        measured(OUR, 0, 8, 2.0, seconds=4.0),
        measured(OUR, 1, 7, 3.0, seconds=6.0, memory=90.0),
        measured(OUR, 1, 8, 4.0, seconds=8.0),
    ]
    by_seed = over_folds(fits)
    assert by_seed["rmse"] == [(1.0 + 3.0) / 2, (2.0 + 4.0) / 2]
    assert by_seed["fit_seconds"] == [(2.0 + 6.0) / 2, (4.0 + 8.0) / 2]
    assert by_seed["peak_memory_mb"] == [90.0, 100.0]


def rows_of(**error_by_label):
    """Rows of entrants that err by so many stars everywhere; ours takes 3 seconds, others 2."""
    entrants = [entrant for entrant in (OUR, PEER, OTHER) if entrant.label in error_by_label]
    fits = [
        measured(entrant, fold, 0, error_by_label[entrant.label], seconds=3.0 if entrant is OUR else 2.0)
        for fold in (0, 1)
        for entrant in entrants
    ]
    return {row.entrant.label: row for row in summarise(entrants, fits, FOLDS, USERS)}


def test_every_row_but_the_best_peer_is_held_against_it():
    rows = rows_of(ours=0.5, peer=1.0, other=2.0)
    assert rows["peer"].difference is None
    assert rows["ours"].difference == 0.5 - 1.0
    assert rows["ours"].bounds == pytest.approx((-0.5, -0.5))
    assert rows["other"].bounds == pytest.approx((1.0, 1.0))


def test_ours_is_never_the_best_peer():
    rows = rows_of(ours=0.5)
    assert (rows["ours"].difference, rows["ours"].bounds) == (None, None)


@pytest.mark.parametrize(
    ("labels", "ratio"), [({"ours": 1.0, "peer": 1.0}, 3 / 2), ({"ours": 1.0, "other": 1.0}, None)]
)
def test_fit_seconds_are_held_against_those_of_myfm_where_it_is_there(labels, ratio):
    assert rows_of(**labels)["ours"].fit_ratio == ratio


# The suite with fits that take no time.


@pytest.fixture
def board(tmp_path):
    """Flags for the checkerboard."""
    parts = checkerboard.parts()
    checkerboard.write(tmp_path, parts)
    return {"ratings": str(tmp_path / "ml"), "test_ratings": str(tmp_path / "test.csv"), "rating_scale": (1.0, 5.0)}


def run_with(fit, board, tmp_path, monkeypatch, seeds=None, ours=(OUR,)):
    """The figures of the suite with ours and the biases, fitted by a function of the job."""
    rating = checkerboard.parts().test[RATING].to_numpy(np.float64)
    monkeypatch.setattr(stars, "fit_apart", lambda job, data: Fit(rating + fit(job), 1.0, 0.1, 50.0, {}))
    benchmark = BenchmarkConfig(peers=("biases",), seeds=seeds, output=str(tmp_path / "figures"))
    stars.run_suite(Config().replace(**board), benchmark, "python benchmark.py", ours)
    return json.loads((tmp_path / "figures" / "stars.json").read_text())


def test_two_folds_give_one_row_of_means_and_each_fold_in_the_json(board, tmp_path, monkeypatch):
    twice = board | {name: f"{board[name]},{board[name]}" for name in ("ratings", "test_ratings")}
    figures = run_with(lambda job: 1.0 if job.recommender == OURS else 2.0, twice, tmp_path, monkeypatch)
    row = figures["rows"][0]
    assert (row["rmse"], row["rmse_difference"], row["rmse_difference_interval"]) == (1.0, -1.0, [-1.0, -1.0])
    assert [(fit["fold"], fit["rmse"]) for fit in row["fits"]] == [(0, 1.0), (1, 1.0)]
    assert len(figures["folds"]) == 2
    assert "means over 2 folds" in (tmp_path / "figures" / "stars.md").read_text()


def test_every_seed_is_fitted_and_the_spread_is_shown(board, tmp_path, monkeypatch, capsys):
    figures = run_with(lambda job: 1.0 + job.seed, board, tmp_path, monkeypatch, seeds=(1, 3))
    assert figures["rows"][0]["by_seed"]["rmse"] == [2.0, 4.0]
    assert "3.0000 (2.0000 to 4.0000)" in capsys.readouterr().out


def test_without_seeds_the_seed_of_training_is_taken(board, tmp_path, monkeypatch):
    assert run_with(lambda job: float(job.seed), board | {"seed": 4}, tmp_path, monkeypatch)["seeds"] == [4]


def test_another_row_of_ours_is_a_label_and_its_settings(board, tmp_path, monkeypatch):
    wide = Entrant("wide", OURS, {"embedding_dim": 128})
    figures = run_with(lambda job: job.config.model.embedding_dim / 128, board, tmp_path, monkeypatch, ours=(OUR, wide))
    assert {row["label"]: row["rmse"] for row in figures["rows"]} == {"ours": 0.5, "wide": 1.0, "biases alone": 0.5}


def test_a_fit_that_fails_is_named_and_the_others_stand(board, tmp_path, monkeypatch, capsys):
    def fit(job):
        if job.recommender == "biases":
            raise FitError("killed by SIGKILL")
        return 1.0

    with pytest.raises(InputError, match=r"^no figures for biases alone; the other rows stand$"):
        run_with(fit, board, tmp_path, monkeypatch, seeds=(0, 1))
    figures = json.loads((tmp_path / "figures" / "stars.json").read_text())
    assert [row["label"] for row in figures["rows"]] == ["ours"]
    assert figures["failures"] == {"biases alone": "fold 1, seed 0: killed by SIGKILL"}
    assert "biases alone failed (fold 1, seed 0: killed by SIGKILL)" in capsys.readouterr().out


def test_a_missing_library_ends_the_suite_before_anything_is_fitted(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "myfm", None)
    benchmark = BenchmarkConfig(peers=("myfm_mf",), output=str(tmp_path / "figures"))
    with pytest.raises(InputError, match=r"pip install 'movierec_jax\[bench\]'"):
        stars.run_suite(Config(), benchmark, "python benchmark.py")
    assert not (tmp_path / "figures").exists()


# With real fits.


def test_ours_and_the_biases_are_measured_on_the_same_rows(board, tmp_path, capsys):
    config = Config().replace(**board, epochs=1, embedding_dim=2, hidden_dims=(), history=(), eval_k=(1,))
    benchmark = BenchmarkConfig(peers=("biases",), output=str(tmp_path / "figures"))
    figures = stars.run_suite(config, benchmark, "python benchmark.py", (OUR,))
    assert json.loads((tmp_path / "figures" / "stars.json").read_text()) == json.loads(json.dumps(figures))
    ours, biases = figures["rows"]
    (fold,) = figures["folds"]
    details = ours["fits"][0]["details"]
    assert details["epochs"] == 1
    assert details["counts"]["train"] + details["counts"]["valid"] == fold["train"]
    assert details["counts"]["test"] == fold["test"]
    # Half of the ratings are 1 and half are 5, and biases know no better than their middle.
    assert biases["rmse"] == pytest.approx(math.sqrt((2**2 + 2**2) / 2), rel=0.1)
    assert ours["fit_seconds"] > 0
    assert ours["rmse_difference_interval"][0] <= ours["rmse_difference"] <= ours["rmse_difference_interval"][1]
    assert f"{ours['rmse']:.4f}" in capsys.readouterr().out
    assert f"| ours | {ours['rmse']:.4f} |" in (tmp_path / "figures" / "stars.md").read_text()
    assert figures["command"] == "python benchmark.py"


def test_rows_that_look_at_times_are_left_out_where_there_are_none(capsys):
    timed = Entrant("timed", OURS, {"rating_time": True})
    with_times = [dataclasses.replace(fold, train=TEST.assign(timestamp=7)) for fold in FOLDS]
    assert stars.possible([OUR, timed], with_times) == [OUR, timed]
    assert stars.possible([OUR, timed], FOLDS) == [OUR]
    assert "timed" in capsys.readouterr().out
