"""The plots of a run, also of the smallest runs, and the numbers drawn in them."""

import re
import sys

import matplotlib.figure
import matplotlib.image
import numpy as np
import pytest

from movierec_jax.evaluation.plots import (
    draw_learning_curve,
    draw_predicted,
    draw_residuals,
    draw_tradeoff,
    save_plots,
    save_tradeoff,
)
from movierec_jax.training.progress import EpochRecord

NAMES = ["learning_curve.png", "predicted.png", "residuals.png"]


def records_of(*valid_rmses):
    return [EpochRecord(n, 10 * n, 1 / n, 0.0, valid_rmse, 0.1) for n, valid_rmse in enumerate(valid_rmses, start=1)]


def axes():
    return matplotlib.figure.Figure().subplots()


def lines_of(axes) -> dict:
    """The drawn lines with a label of their own: label -> x and y values."""
    lines = {line.get_label(): line for line in axes.get_lines()}
    return {label: (line.get_xdata(), line.get_ydata()) for label, line in lines.items() if not label.startswith("_")}


@pytest.mark.parametrize(
    ("valid_rmses", "predicted", "rating", "count"),
    [
        ([0.9, 0.8], [3.5, 1, 5, 2], [4, 1, 5, 1], [0, 1, 7, 1000]),
        ([0.9], [3.5], [4], [0]),
        ([None, None], [3, 3, 3], [1, 2, 3], [1, 1, 1]),
    ],
    ids=["a small run", "one epoch and one rating", "no validation and all predictions equal"],
)
def test_three_plots_are_written_and_show_something(tmp_path, valid_rmses, predicted, rating, count):
    save_plots(tmp_path / "plots", records_of(*valid_rmses), np.float32(predicted), np.float32(rating), np.array(count))
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == NAMES
    for name in NAMES:
        picture = matplotlib.image.imread(tmp_path / "plots" / name)
        assert picture.shape[0] > 300
        assert picture.shape[1] > 600
        assert len(np.unique(picture)) > 10


def test_plots_replace_older_ones(tmp_path):
    for _ in range(2):
        save_plots(tmp_path, records_of(0.9), np.float32([3, 4]), np.float32([3, 5]), np.array([1, 2]))
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_the_learning_curve_shows_train_and_validation_by_epoch():
    picture = axes()
    draw_learning_curve(picture, records_of(0.9, 0.8, 0.85))
    lines = lines_of(picture)
    assert list(lines) == ["train, while learning", "validation"]
    np.testing.assert_array_equal(lines["train, while learning"], [[1, 2, 3], [1, 1 / 2, 1 / 3]])
    np.testing.assert_array_equal(lines["validation"], [[1, 2, 3], [0.9, 0.8, 0.85]])


def test_without_validation_the_learning_curve_shows_train_alone():
    picture = axes()
    draw_learning_curve(picture, records_of(None, None))
    assert list(lines_of(picture)) == ["train, while learning"]


def test_predictions_are_shown_with_their_mean_for_each_true_rating():
    picture = axes()
    draw_predicted(picture, np.float32([1, 3, 4, 4.5]), np.float32([2, 2, 5, 4.5]))
    np.testing.assert_allclose(lines_of(picture)["mean prediction"], [[0, 1, 2], [(1 + 3) / 2, 4.5, 4]])
    assert [label.get_text() for label in picture.get_xticklabels()] == ["2", "4.5", "5"]


def test_errors_are_shown_by_the_number_of_the_movies_ratings_in_doubling_bins():
    picture = axes()
    draw_residuals(picture, np.float32([1, -1, 2, 4, 0, 3]), np.array([0, 0, 1, 2, 3, 4]))
    lines = lines_of(picture)
    np.testing.assert_allclose(lines["RMSE"][1], [1, 2, np.sqrt((4**2 + 0) / 2), 3])
    np.testing.assert_allclose(lines["mean error"][1], [(1 - 1) / 2, 2, (4 + 0) / 2, 3])
    labels = [label.get_text() for label in picture.get_xticklabels()]
    assert labels == ["0\n(2)", "1+\n(1)", "2+\n(2)", "4+\n(1)"]


def test_a_run_leaves_its_plots_in_the_workdir(workdir):
    assert sorted(path.name for path in (workdir / "plots").iterdir()) == NAMES


POINTS = [
    {"diversity": 0.0, "ndcg@5": 0.3, "diversity@5": 0.6, "coverage@5": 0.1},
    {"diversity": 0.5, "ndcg@5": 0.2, "diversity@5": 0.8, "coverage@5": 0.2},
]


def test_the_tradeoff_shows_relevance_and_coverage_by_diversity(tmp_path):
    picture = axes()
    draw_tradeoff(picture, POINTS, 5)
    np.testing.assert_array_equal(lines_of(picture)["NDCG@5"], [[0.6, 0.8], [0.3, 0.2]])
    np.testing.assert_array_equal(lines_of(picture.figure.axes[1])["coverage"], [[0.6, 0.8], [0.1, 0.2]])
    save_tradeoff(tmp_path / "plots" / "diversity.png", POINTS, 5)
    assert matplotlib.image.imread(tmp_path / "plots" / "diversity.png").shape[0] > 300


def test_without_matplotlib_one_line_says_how_to_get_plots(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    save_plots(tmp_path / "plots", records_of(0.9), np.float32([3]), np.float32([3]), np.array([1]))
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"no plots: matplotlib\.figure cannot be imported .*: pip install -e '\.\[plots\]'", line)
    assert not (tmp_path / "plots").exists()
