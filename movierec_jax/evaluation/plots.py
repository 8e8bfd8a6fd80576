"""Plots of a run: its learning curve, its predictions for each true rating, and where its errors are."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.training.progress import EpochRecord

# Histogram bins along the axis of predictions.
PREDICTED_BINS = 60


def figure_class() -> Callable[..., Any] | None:
    """Returns matplotlib's Figure. Where it is not installed, prints that there are no plots, and returns None."""
    try:
        # Imported here since it is slow and nothing else needs it.
        return import_extra("matplotlib.figure", "plots").Figure
    except InputError as error:
        print(f"no plots: {error}")
        return None


def save_plots(
    folder: pathlib.Path,
    records: Sequence[EpochRecord],
    predicted: Float[np.ndarray, " ratings"],
    rating: Float[np.ndarray, " ratings"],
    num_ratings_of_movie: Real[np.ndarray, " ratings"],
) -> None:
    """Writes learning_curve.png, and predicted.png and residuals.png of held-out ratings if there are any.

    num_ratings_of_movie: how many ratings the movie of each held-out rating has in train.
    """
    new_figure = figure_class()
    if new_figure is None:
        return
    folder.mkdir(exist_ok=True)
    plots = [
        ("learning_curve", lambda axes: draw_learning_curve(axes, records)),
        ("predicted", lambda axes: draw_predicted(axes, predicted, rating)),
        ("residuals", lambda axes: draw_residuals(axes, predicted - rating, num_ratings_of_movie)),
    ]
    for name, draw in plots if len(rating) else plots[:1]:
        figure = new_figure(figsize=(7, 4.5), layout="constrained")
        draw(figure.subplots())
        figure.savefig(folder / f"{name}.png", dpi=120)


def draw_learning_curve(axes, records: Sequence[EpochRecord]) -> None:
    """Draws RMSE by epoch, in training (with dropout, while parameters change) and on validation.

    Without ratings, draws the error over the catalogue.
    """
    epochs = [record.epoch for record in records]
    has_ratings = records[-1].train_rmse is not None
    errors = [record.train_rmse if has_ratings else record.catalogue_error for record in records]
    axes.plot(epochs, errors, marker=".", label="train, while learning")
    if records[-1].valid_rmse is not None:
        axes.plot(epochs, [record.valid_rmse for record in records], marker=".", label="validation")
    label = "RMSE (stars)" if has_ratings else "error over the catalogue"
    axes.set(xlabel="epoch", ylabel=label, title="Learning curve")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()


def save_tradeoff(path: pathlib.Path, points: list[dict[str, float]], k: int) -> None:
    """Writes a plot of what lists of k movies gain and lose as they become more diverse."""
    new_figure = figure_class()
    if new_figure is None:
        return
    figure = new_figure(figsize=(7, 4.5), layout="constrained")
    draw_tradeoff(figure.subplots(), points, k)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def draw_tradeoff(axes, points: list[dict[str, float]], k: int) -> None:
    """Draws NDCG by diversity, a point for each setting, and how much of the catalogue the lists reach."""
    diversity, ndcg = ([point[f"{name}@{k}"] for point in points] for name in ("diversity", "ndcg"))
    axes.plot(diversity, ndcg, "o-", label=f"NDCG@{k}")
    for point, position in zip(points, zip(diversity, ndcg, strict=True), strict=True):
        axes.annotate(f"{point['diversity']:g}", position, textcoords="offset points", xytext=(4, 6), fontsize=8)
    axes.set(xlabel=f"diversity of genres in lists of {k}", ylabel=f"NDCG@{k}", title="Relevance and --diversity")
    other = axes.twinx()
    other.plot(diversity, [point[f"coverage@{k}"] for point in points], "s--", color="tab:orange", label="coverage")
    other.set_ylabel(f"fraction of the catalogue listed@{k}")
    axes.legend(handles=[*axes.get_lines(), *other.get_lines()])


def draw_predicted(axes, predicted: np.ndarray, rating: np.ndarray) -> None:
    """Draws a histogram of predictions for each true rating, with their mean."""
    ratings, group = np.unique(rating, return_inverse=True)
    edges = np.linspace(predicted.min(), predicted.max() + 1e-3, PREDICTED_BINS + 1)
    share = np.array([np.histogram(predicted[group == n], edges)[0] / np.sum(group == n) for n in range(len(ratings))])
    mesh = axes.pcolormesh(np.arange(len(ratings) + 1) - 0.5, edges, share.T, cmap="Blues")
    axes.figure.colorbar(mesh, label="fraction of the ratings of that many stars")
    mean = np.bincount(group, weights=predicted) / np.bincount(group)
    axes.plot(np.arange(len(ratings)), mean, "o-", color="tab:red", label="mean prediction")
    axes.set_xticks(np.arange(len(ratings)), [f"{value:g}" for value in ratings])
    axes.set(
        xlabel="true rating (stars)", ylabel="predicted rating (stars)", title="Predicted and true ratings, held out"
    )
    axes.legend(loc="upper left")


def draw_residuals(axes, residual: np.ndarray, count: np.ndarray) -> None:
    """Draws RMSE and mean error of held-out ratings by the movie's number of train ratings, in doubling bins."""
    bin_of = np.where(count > 0, np.floor(np.log2(np.maximum(count, 1))) + 1, 0).astype(int)
    bins, group = np.unique(bin_of, return_inverse=True)
    size = np.bincount(group)
    axes.plot(np.sqrt(np.bincount(group, weights=residual**2) / size), "o-", label="RMSE")
    axes.plot(np.bincount(group, weights=residual) / size, "o-", label="mean error")
    axes.axhline(0, color="grey", linewidth=0.8)
    labels = ["0" if n == 0 else f"{2 ** (n - 1)}+" for n in bins]
    axes.set_xticks(np.arange(len(bins)), [f"{label}\n({n:,})" for label, n in zip(labels, size, strict=True)])
    axes.tick_params(axis="x", labelsize=7)
    axes.set(xlabel="ratings of the movie in train (held-out rows)", ylabel="stars", title="Errors by rating count")
    axes.legend()
