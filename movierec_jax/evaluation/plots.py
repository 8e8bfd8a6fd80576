"""Plots of a run: its training curves, its calibration, and where its errors are; as PNG files and for web pages."""

import functools
import io
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Real

from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.training.progress import EpochRecord, best_record

# Held-out ratings are put into so many bins of equal size by their prediction.
CALIBRATION_BINS = 20

# In a web page the variable of this name takes the place of each colour, so that the page's theme sets it.
COLOURS = {
    "--ink": "#3f4650",
    "--line": "#c9ced6",
    "--plot-model": "#c2410c",
    "--plot-train": "#7d8590",
    "--plot-other": "#1f6fb2",
}
INK, LINE, MODEL, TRAIN, OTHER = COLOURS.values()


def draw_plots(
    records: Sequence[EpochRecord],
    predicted: Float[np.ndarray, " ratings"],
    rating: Float[np.ndarray, " ratings"],
    num_ratings_of: Mapping[str, Real[np.ndarray, " ratings"]],
) -> dict:
    """Returns the figures of a run by name: learning_curve, and of held-out ratings, if any, the others.

    num_ratings_of: how many ratings the "movie" and the "user" of each held-out rating have in train.
    """
    draw: dict[str, Callable] = {"learning_curve": lambda figure: draw_learning_curve(figure, records)}
    if len(rating):
        draw["calibration"] = lambda figure: draw_calibration(figure, predicted, rating)
        for of, count in num_ratings_of.items():
            draw[f"residuals_by_{of}"] = functools.partial(
                draw_residuals, residual=predicted - rating, count=count, of=of
            )
    return drawn_all(draw)


def drawn_all(draw: Mapping[str, Callable]) -> dict:
    """Returns each figure drawn, by name; where matplotlib is not installed, prints that there are none."""
    try:
        import_extra("matplotlib.figure", "plots")
    except InputError as error:
        print(f"no plots: {error}")
        return {}
    return {name: drawn(draw_one) for name, draw_one in draw.items()}


def drawn(draw: Callable):
    """Returns a new figure in the style of all plots, after `draw` has drawn on it."""
    # Imported here since it is slow and nothing else needs it.
    import matplotlib
    from matplotlib.figure import Figure

    style = {
        **dict.fromkeys(["text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"], INK),
        **dict.fromkeys(["axes.edgecolor", "xtick.color", "ytick.color", "grid.color"], LINE),
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": "medium",
        "legend.frameon": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5, 3.9), layout="constrained")
        draw(figure)
    return figure


def save_png(figures: dict, folder: pathlib.Path) -> None:
    """Writes each figure to a PNG file of its name."""
    if figures:
        folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=150)


def to_svg(figure, name: str) -> str:
    """Returns a figure as an SVG element whose colours are variables of the page; its ids begin with `name`."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(["Date", "Creator"]))
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    for variable, colour in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def draw_learning_curve(figure, records: Sequence[EpochRecord]) -> None:
    """Draws RMSE by epoch, in training (with dropout, while parameters change) and on validation, and NDCG@10 below.

    Marks the epoch that is kept. Without ratings, draws the error over the catalogue; NDCG@10 where it was measured.
    """
    epochs = [record.epoch for record in records]
    ndcg = [record.valid_ndcg_at_10 for record in records]
    has_ndcg = any(value is not None for value in ndcg)
    axes, *below = figure.subplots(1 + has_ndcg, sharex=True, squeeze=False, height_ratios=[3, 2][: 1 + has_ndcg])[:, 0]
    has_ratings = records[-1].train_rmse is not None
    errors = [record.train_rmse if has_ratings else record.catalogue_error for record in records]
    axes.plot(epochs, errors, ".-", color=TRAIN, label="train, while learning")
    if records[-1].valid_rmse is not None:
        axes.plot(epochs, [record.valid_rmse for record in records], ".-", color=MODEL, label="validation")
    axes.set(ylabel="RMSE (stars)" if has_ratings else "error over the catalogue", title="Training curves")
    for other in below:
        other.plot(epochs, [np.nan if value is None else value for value in ndcg], ".-", color=MODEL)
        other.set_ylabel("NDCG@10")
    best = best_record(records).epoch
    for each in (axes, *below):
        each.axvline(best, color=OTHER, linestyle=":", label=f"kept: epoch {best}")
    (below or [axes])[-1].set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(handles=axes.get_lines(), loc="outside lower center", ncols=3)


def draw_calibration(figure, predicted: np.ndarray, rating: np.ndarray) -> None:
    """Draws the mean rating by prediction, with the middle half of the ratings, beside the line where both are equal.

    Each point is the mean of a bin of equally many held-out ratings; equal predictions share a bin.
    """
    axes = figure.subplots()
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]))
    _, group = np.unique(np.searchsorted(edges, predicted), return_inverse=True)
    bins = [(predicted[group == n], rating[group == n]) for n in range(group.max() + 1)]
    mean = np.array([(ours.mean(), theirs.mean()) for ours, theirs in bins])
    low, high = np.array([np.quantile(theirs, [0.25, 0.75]) for _, theirs in bins]).T
    ends = min(mean.min(), low.min()), max(mean.max(), high.max())
    axes.plot(ends, ends, "--", color=OTHER, label="y = x")
    axes.plot(mean[:, 0], mean[:, 1], "o-", markersize=4, color=MODEL, label="mean rating")
    half = axes.fill_between(
        mean[:, 0], low, high, color=MODEL, alpha=0.15, linewidth=0, label="middle half of the ratings"
    )
    axes.set(xlabel="predicted rating (stars)", ylabel="rating (stars)", title="Calibration on held-out ratings")
    figure.legend(handles=[*axes.get_lines(), half], loc="outside lower center", ncols=3)


def draw_residuals(figure, residual: np.ndarray, count: np.ndarray, of: str) -> None:
    """Draws RMSE and mean error of held-out ratings by the train ratings of the movie or user, in doubling bins."""
    axes = figure.subplots()
    bin_of = np.where(count > 0, np.floor(np.log2(np.maximum(count, 1))) + 1, 0).astype(int)
    bins, group = np.unique(bin_of, return_inverse=True)
    size = np.bincount(group)
    axes.plot(np.sqrt(np.bincount(group, weights=residual**2) / size), "o-", color=MODEL, label="RMSE")
    axes.plot(np.bincount(group, weights=residual) / size, "o-", color=TRAIN, label="mean of prediction minus rating")
    axes.axhline(0, color=LINE, linewidth=1)
    labels = ["0" if n == 0 else f"{2 ** (n - 1)}+" for n in bins]
    axes.set_xticks(np.arange(len(bins)), [f"{label}\n{n:,}" for label, n in zip(labels, size, strict=True)], size=8)
    xlabel = f"train ratings of the {of} (below: held-out ratings)"
    axes.set(xlabel=xlabel, ylabel="stars", title=f"Errors by the {of}'s number of ratings")
    figure.legend(handles=axes.get_lines()[:2], loc="outside lower center", ncols=2)


def draw_tradeoff(figure, points: list[dict[str, float]], k: int) -> None:
    """Draws NDCG, and how much of the catalogue lists of k movies reach, by their diversity: a point per setting."""
    panels = figure.subplots(2, sharex=True)
    diversity = [point[f"diversity@{k}"] for point in points]
    for axes, name, label in zip(panels, ("ndcg", "coverage"), (f"NDCG@{k}", "catalogue listed"), strict=True):
        values = [point[f"{name}@{k}"] for point in points]
        axes.plot(diversity, values, "o-", color=MODEL)
        axes.set_ylabel(label)
        for point, position in zip(points, zip(diversity, values, strict=True), strict=True):
            text = f"{point['diversity']:g}"
            axes.annotate(text, position, textcoords="offset points", xytext=(4, 6), fontsize=8)
    panels[0].set_title("Relevance and reach by --diversity (the numbers at the points)")
    panels[1].set_xlabel(f"diversity of genres in lists of {k}")
