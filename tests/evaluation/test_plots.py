"""The plots of a run, also of the smallest runs, and the numbers drawn in them."""

import re
import sys

import matplotlib.figure
import matplotlib.image
import numpy as np
import pytest

from movierec_jax.evaluation.plots import (
    draw_calibration,
    draw_learning_curve,
    draw_plots,
    draw_residuals,
    draw_tradeoff,
    drawn,
    save_png,
    to_svg,
)
from movierec_jax.training.progress import EpochRecord

NAMES = ["calibration.png", "learning_curve.png", "residuals_by_movie.png", "residuals_by_user.png"]


def records_of(*valid_rmses, ndcg=None):
    return [
        EpochRecord(n, 10 * n, 1 / n, 0.0, valid_rmse, 0.1, ndcg) for n, valid_rmse in enumerate(valid_rmses, start=1)
    ]


def axes_of(draw, *args):
    """The axes after drawing on a new figure."""
    figure = matplotlib.figure.Figure()
    draw(figure, *args)
    return figure.axes


def labels_of(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


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
def test_the_plots_are_written_and_show_something(tmp_path, valid_rmses, predicted, rating, count):
    num_ratings_of = dict.fromkeys(("movie", "user"), np.array(count))
    figures = draw_plots(records_of(*valid_rmses), np.float32(predicted), np.float32(rating), num_ratings_of)
    save_png(figures, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    for name in NAMES:
        picture = matplotlib.image.imread(tmp_path / name)
        assert picture.shape[0] > 300
        assert picture.shape[1] > 600
        assert len(np.unique(picture)) > 10


def test_without_held_out_ratings_there_is_only_the_learning_curve():
    no_ratings = np.zeros(0, np.float32)
    assert list(draw_plots(records_of(0.9), no_ratings, no_ratings, {"movie": no_ratings})) == ["learning_curve"]


def test_a_plot_in_a_page_takes_its_colours_from_it_and_loads_nothing():
    svg = to_svg(drawn(lambda figure: draw_learning_curve(figure, records_of(0.9, 0.8))), "curve")
    assert svg.startswith("<svg")
    assert "var(--plot-model)" in svg
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
    assert set(re.findall(r'(?:href|src)="([^"]*)"', svg)) <= {
        f"#{name}" for name in re.findall(r'\bid="([^"]*)"', svg)
    }


def test_the_learning_curve_shows_train_and_validation_by_epoch_and_marks_the_kept_one():
    (axes,) = axes_of(draw_learning_curve, records_of(0.9, 0.8, 0.85))
    lines = lines_of(axes)
    assert list(lines) == ["train, while learning", "validation", "kept: epoch 2"]
    np.testing.assert_array_equal(lines["train, while learning"], [[1, 2, 3], [1, 1 / 2, 1 / 3]])
    np.testing.assert_array_equal(lines["validation"], [[1, 2, 3], [0.9, 0.8, 0.85]])
    np.testing.assert_array_equal(lines["kept: epoch 2"][0], [2, 2])


def test_without_validation_the_learning_curve_shows_train_alone():
    (axes,) = axes_of(draw_learning_curve, records_of(None, None))
    assert list(lines_of(axes)) == ["train, while learning", "kept: epoch 2"]


def test_ranking_has_a_panel_of_its_own_below():
    _, below = axes_of(draw_learning_curve, records_of(0.9, 0.8, ndcg=0.25))
    np.testing.assert_array_equal(below.get_lines()[0].get_xydata(), [[1, 0.25], [2, 0.25]])


def test_calibration_shows_the_mean_rating_of_equal_predictions_beside_the_line_of_both_equal():
    (axes,) = axes_of(draw_calibration, np.float32([1, 1, 4, 4]), np.float32([1, 2, 3, 5]))
    lines = lines_of(axes)
    np.testing.assert_allclose(lines["mean rating"], [[1, 4], [(1 + 2) / 2, (3 + 5) / 2]])
    np.testing.assert_array_equal(*lines["y = x"])


def test_errors_are_shown_by_number_of_ratings_in_doubling_bins():
    (axes,) = axes_of(draw_residuals, np.float32([1, -1, 2, 4, 0, 3]), np.array([0, 0, 1, 2, 3, 4]), "movie")
    lines = lines_of(axes)
    np.testing.assert_allclose(lines["RMSE"][1], [1, 2, np.sqrt((4**2 + 0) / 2), 3])
    np.testing.assert_allclose(lines["mean of prediction minus rating"][1], [(1 - 1) / 2, 2, (4 + 0) / 2, 3])
    assert labels_of(axes) == ["0\n2", "1+\n1", "2+\n2", "4+\n1"]


def test_a_run_leaves_its_plots_in_the_workdir(workdir):
    assert sorted(path.name for path in (workdir / "plots").iterdir()) == NAMES


POINTS = [
    {"diversity": 0.0, "ndcg@5": 0.3, "diversity@5": 0.6, "coverage@5": 0.1},
    {"diversity": 0.5, "ndcg@5": 0.2, "diversity@5": 0.8, "coverage@5": 0.2},
]


def test_the_tradeoff_shows_relevance_and_coverage_by_diversity_each_in_its_panel():
    relevance, reach = axes_of(draw_tradeoff, POINTS, 5)
    np.testing.assert_array_equal(relevance.get_lines()[0].get_xydata(), [[0.6, 0.3], [0.8, 0.2]])
    np.testing.assert_array_equal(reach.get_lines()[0].get_xydata(), [[0.6, 0.1], [0.8, 0.2]])


def test_without_matplotlib_one_line_says_how_to_get_plots(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    figures = draw_plots(records_of(0.9), np.float32([3]), np.float32([3]), {"movie": np.array([1])})
    save_png(figures, tmp_path / "plots")
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"no plots: matplotlib\.figure cannot be imported .*: pip install -e '\.\[plots\]'", line)
    assert not (tmp_path / "plots").exists()
