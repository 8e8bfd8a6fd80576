"""Figures as JSON that every reader takes, and as a table to read."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from movierec_jax.evaluation.evaluate import Evaluation
from movierec_jax.evaluation.report import align_columns, closing_table, format_figure, held_out_figures, without_nan
from movierec_jax.packages import installed_version

RATING_METRICS = ("rmse", "mae", "r2", "within_half_star", "within_one_star")


def evaluation_of(cold_rows=2, intervals=None, **rating):
    """An evaluation of 1,000 rows in which each predictor has the same figure everywhere, but nan on cold rows."""
    by_rows = {
        name: {
            part: dict.fromkeys(RATING_METRICS, math.nan if part == "cold" else value)
            for part in ("all", "warm", "cold")
        }
        for name, value in rating.items()
    }
    return Evaluation(
        rating=by_rows,
        ranking={
            "model": {"ndcg@10": 0.25, "ndcg@20": 0.375, "novelty@10": math.nan, "novelty@20": 11.0},
            "popularity": {"ndcg@10": 0.125, "ndcg@20": 0.25, "novelty@10": 12.0, "novelty@20": 12.5},
        },
        intervals=intervals or {},
        counts={
            "rows": 1000,
            "rated_rows": 1000,
            "warm_rows": 1000 - cold_rows,
            "cold_rows": cold_rows,
            "cold_users": 1,
            "cold_movies": 2,
            "ranked_users": 1234,
        },
        predicted=np.float32([3]),
    )


def strict_json(text: str):
    """What a reader makes of JSON that takes no nan and no infinity, as the standard has it."""

    def refuse(name):
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


# The table.


def test_the_closing_table_has_a_line_for_each_predictor_and_for_each_recommender_at_each_length():
    assert closing_table(evaluation_of(model=0.5, constant=1.0)).splitlines() == [
        "1,000 ratings, 2 of them cold (1 users and 2 movies without a rating in train)",
        "",
        "predicted rating    RMSE     MAE      R2  within half a star  within one star",
        "model             0.5000  0.5000  0.5000              0.5000           0.5000",
        "constant          1.0000  1.0000  1.0000              1.0000           1.0000",
        "model, warm rows  0.5000  0.5000  0.5000              0.5000           0.5000",
        "model, cold rows       -       -       -                   -                -",
        "",
        "lists of the whole catalogue for 1,234 users",
        "lists of          ndcg  novelty",
        "10, model       0.2500        -",
        "10, popularity  0.1250  12.0000",
        "20, model       0.3750  11.0000",
        "20, popularity  0.2500  12.5000",
    ]


def test_intervals_have_a_line_between_ratings_and_lists_where_there_are_any():
    intervals = {"noise": 0.8, "mean_spread": 0.0625, "coverage@50": 0.512, "coverage@95": 1.0}
    lines = closing_table(evaluation_of(intervals=intervals, model=0.5)).splitlines()
    index = lines.index("The 50% interval covers 51.2% of ratings, the 95% interval 100.0%")
    assert lines[index - 1] == ""
    assert lines[index + 1 : index + 3] == ["Members differ by 0.062 stars", ""]


def test_a_single_member_differs_from_no_other():
    table = closing_table(evaluation_of(intervals={"noise": 0.8, "mean_spread": 0.0, "coverage@50": 0.5}, model=0.5))
    assert "The 50% interval covers 50.0% of ratings\n" in table


@pytest.mark.parametrize("cold_rows", [0, 1000])
def test_warm_and_cold_rows_are_listed_only_where_there_are_both(cold_rows):
    assert "warm rows" not in closing_table(evaluation_of(cold_rows=cold_rows, model=0.5))


def test_columns_are_aligned_names_to_the_left_and_figures_to_the_right():
    assert align_columns([["a", "long"], ["longer", "b"]]) == "a       long\nlonger     b"


@pytest.mark.parametrize(
    ("value", "expected"), [(0.12341, "0.1234"), (-0.5, "-0.5000"), (12.0, "12.0000"), (math.nan, "-")]
)
def test_a_figure_has_four_decimals_and_nan_is_a_dash(value, expected):
    assert format_figure(value) == expected


# JSON.


def test_without_nan_none_stands_for_every_nan_at_any_depth():
    values = {"a": {"b": math.nan, "c": 1.5}, "d": np.float64("nan"), "e": "nan", "f": None, "g": 0}
    assert without_nan(values) == {"a": {"b": None, "c": 1.5}, "d": None, "e": "nan", "f": None, "g": 0}


def test_figures_that_do_not_exist_are_null_in_json():
    values = strict_json(json.dumps(held_out_figures(evaluation_of(model=0.5))))
    assert values["rating"]["model"]["cold"]["rmse"] is None
    assert values["rating"]["model"]["all"]["rmse"] == 0.5
    assert values["ranking"]["model"]["novelty@10"] is None
    assert values["counts"]["rows"] == 1000


def test_a_package_that_is_not_installed_has_no_version():
    assert installed_version("surely-not-installed-anywhere") is None
    assert installed_version("numpy") == np.__version__


# Of a run.


@pytest.fixture(scope="module")
def report(workdir):
    return strict_json((workdir / "report.json").read_text())


def test_a_report_has_the_figures_of_the_test_part(report):
    assert report["test"]["rmse"] == report["held_out"]["rating"]["model"]["all"]["rmse"] < 0.3
    assert report["test"]["ndcg@5"] > report["held_out"]["ranking"]["popularity"]["ndcg@5"]
    assert report["held_out"]["counts"]["cold_rows"] == 3
    assert 0 < report["held_out"]["intervals"]["coverage@80"] <= report["held_out"]["intervals"]["coverage@95"] <= 1


def test_a_report_has_the_figures_of_the_best_epoch(report, workdir):
    records = pd.read_json(workdir / "metrics.jsonl", lines=True)
    best = records.loc[records["valid_rmse"].idxmin()]
    assert report["best_epoch"] == best["epoch"]
    assert report["valid"]["rmse"] == pytest.approx(best["valid_rmse"])
    assert report["train"]["rmse"] == pytest.approx(best["train_rmse"])
    assert report["epochs"] == len(records) == 8


def test_a_report_counts_rows_and_parameters(report, recommender):
    parts = recommender.run.parts
    counts = report["counts"]
    assert [counts[name] for name in ("train", "valid", "test")] == [len(part) for part in parts.all()]
    # Factors and bias of each user and movie, once for itself and twice for the histories of others; of three genres
    # and two years; two first layers of 4 to 8; 8 to 1 and its bias; the mean.
    assert counts["parameters"] == (3 * (150 + 24) + 3 + 2) * (4 + 1) + 2 * (4 * 8 + 8) + (8 + 1) + 1


def test_a_report_has_seconds_device_and_versions(report):
    seconds = report["seconds"]
    assert seconds["total"] == pytest.approx(seconds["data"] + seconds["train"] + seconds["evaluate"])
    assert all(value > 0 for value in seconds.values())
    assert report["device"]["count"] >= 1
    assert report["versions"]["numpy"] == np.__version__
    assert report["rating_scale"] == [1, 5]
