"""Pictures of a run: how it learnt, what it predicts for each true rating, and where it errs."""

import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Real

from movierec_jax.training.progress import EpochRecord

# Histogram cells along the predicted axis.
PREDICTED_BINS = 60


def save_plots(
    folder: pathlib.Path,
    records: Sequence[EpochRecord],
    predicted: Float[np.ndarray, " ratings"],
    rating: Float[np.ndarray, " ratings"],
    num_ratings_of_movie: Real[np.ndarray, " ratings"],
) -> None:
    """Writes learning_curve.png, predicted.png and residuals.png; the last two of held-out ratings.

    num_ratings_of_movie: for each of those, how many ratings its movie has in train.
    """
    # Slow to import, and needed by nothing else.
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for name, draw in (
        ("learning_curve", lambda axes: draw_learning_curve(axes, records)),
        ("predicted", lambda axes: draw_predicted(axes, predicted, rating)),
        ("residuals", lambda axes: draw_residuals(axes, predicted - rating, num_ratings_of_movie)),
    ):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        draw(figure.subplots())
        figure.savefig(folder / f"{name}.png", dpi=120)


def draw_learning_curve(axes, records: Sequence[EpochRecord]) -> None:
    """RMSE by epoch, in training (with dropout, while it moves) and on validation."""
    epochs = [record.epoch for record in records]
    axes.plot(epochs, [record.train_rmse for record in records], marker=".", label="train, while learning")
    if records[-1].valid_rmse is not None:
        axes.plot(epochs, [record.valid_rmse for record in records], marker=".", label="validation")
    axes.set(xlabel="epoch", ylabel="RMSE (stars)", title="Learning curve")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()


def save_tradeoff(path: pathlib.Path, points: list[dict[str, float]], k: int) -> None:
    """Writes a picture of what lists of k movies gain and lose as they are made more diverse."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    draw_tradeoff(figure.subplots(), points, k)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def draw_tradeoff(axes, points: list[dict[str, float]], k: int) -> None:
    """NDCG by diversity, a point for each setting, with how much of the catalogue the lists reach."""
    diversity, ndcg = ([point[f"{name}@{k}"] for point in points] for name in ("diversity", "ndcg"))
    axes.plot(diversity, ndcg, "o-", label=f"NDCG@{k}")
    for point, place in zip(points, zip(diversity, ndcg, strict=True), strict=True):
        axes.annotate(f"{point['diversity']:g}", place, textcoords="offset points", xytext=(4, 6), fontsize=8)
    axes.set(xlabel=f"diversity of genres in lists of {k}", ylabel=f"NDCG@{k}", title="Relevance and --diversity")
    other = axes.twinx()
    other.plot(diversity, [point[f"coverage@{k}"] for point in points], "s--", color="tab:orange", label="coverage")
    other.set_ylabel(f"share of the catalogue listed@{k}")
    axes.legend(handles=[*axes.get_lines(), *other.get_lines()])


def draw_predicted(axes, predicted: np.ndarray, rating: np.ndarray) -> None:
    """The spread of predictions for each true rating, with their mean."""
    stars, group = np.unique(rating, return_inverse=True)
    edges = np.linspace(predicted.min(), predicted.max() + 1e-3, PREDICTED_BINS + 1)
    share = np.array([np.histogram(predicted[group == n], edges)[0] / np.sum(group == n) for n in range(len(stars))])
    picture = axes.pcolormesh(np.arange(len(stars) + 1) - 0.5, edges, share.T, cmap="Blues")
    axes.figure.colorbar(picture, label="share of the ratings of that many stars")
    mean = np.bincount(group, weights=predicted) / np.bincount(group)
    axes.plot(np.arange(len(stars)), mean, "o-", color="tab:red", label="mean prediction")
    axes.set_xticks(np.arange(len(stars)), [f"{value:g}" for value in stars])
    axes.set(xlabel="true rating (stars)", ylabel="predicted (stars)", title="Predicted and true stars, held out")
    axes.legend(loc="upper left")


def draw_residuals(axes, residual: np.ndarray, count: np.ndarray) -> None:
    """RMSE and mean error of held-out ratings by how often the movie was rated in train, in doubling bins."""
    bin_of = np.where(count > 0, np.floor(np.log2(np.maximum(count, 1))) + 1, 0).astype(int)
    bins, group = np.unique(bin_of, return_inverse=True)
    num = np.bincount(group)
    axes.plot(np.sqrt(np.bincount(group, weights=residual**2) / num), "o-", label="RMSE")
    axes.plot(np.bincount(group, weights=residual) / num, "o-", label="mean error")
    axes.axhline(0, color="grey", linewidth=0.8)
    labels = ["0" if n == 0 else f"{2 ** (n - 1)}+" for n in bins]
    axes.set_xticks(np.arange(len(bins)), [f"{label}\n({size:,})" for label, size in zip(labels, num, strict=True)])
    axes.tick_params(axis="x", labelsize=7)
    axes.set(xlabel="ratings of the movie in train (held-out rows)", ylabel="stars", title="Errors by rating count")
    axes.legend()
