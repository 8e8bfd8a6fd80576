"""What training costs by the number of ratings: time and memory for each rating should not grow."""

import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.process import FitError, run_apart
from movierec_jax.benchmark.speed.timing import Timing
from movierec_jax.config import Config
from movierec_jax.evaluation.plots import drawn_all
from movierec_jax.settings import to_json

MILLION = 10**6

IDS_ALONE = Config().replace(history=(), implicit_feedback_dim=0, batch_size=65_536)

# Settings, numbers of ratings, and the number of timed parts of an epoch; a part is what the device gets at once.
MODELS: dict[str, tuple[Config, tuple[int, ...], int]] = {
    "ids and dense layers": (IDS_ALONE, (1 * MILLION, 5 * MILLION, 25 * MILLION, 100 * MILLION), 6),
    "the default model": (Config(), (1 * MILLION, 5 * MILLION, 25 * MILLION), 2),
}


def measure(config: BenchmarkConfig) -> Iterator[Timing]:
    """Times examples by model and number of ratings, with the peak memory of the process; plots both."""
    points: dict[str, list[tuple[int, float, float]]] = {}
    for name, (settings, sizes, num_parts) in MODELS.items():
        for num_ratings in sizes:
            try:
                found = train_apart({"num_ratings": num_ratings, "config": to_json(settings), "num_parts": num_parts})
            except FitError as error:
                print(f"training by {name} on {num_ratings:,} ratings: {error}")
                break
            memory = found["peak_memory_mb"] * 2**20
            points.setdefault(name, []).append((num_ratings, found["examples"] / found["seconds"], memory))
            yield Timing(
                f"training by {name} on {num_ratings:,} ratings",
                found["examples"],
                "examples",
                {OUR_LABEL: [found["seconds"]]},
                {OUR_LABEL: found["first_seconds"]},
                note=f"timed once; {memory / 1e9:.1f} GB at most, {memory / num_ratings:,.0f} bytes a rating",
            )
    plot_sizes(points, pathlib.Path(config.output) / "speed_training_by_size.png")


def train_apart(job: dict[str, Any]) -> dict[str, float]:
    """Returns the figures of a process that trains on a number of ratings. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        return run_apart("movierec_jax.benchmark.speed.training_process", job, folder, folder)


def plot_sizes(points: dict[str, list[tuple[int, float, float]]], path: pathlib.Path) -> None:
    """Plots examples a second and memory by the number of ratings."""
    for figure in drawn_all({path.stem: lambda figure: draw_sizes(figure, points)}).values():
        figure.savefig(path, dpi=120)


def draw_sizes(figure: Any, points: dict[str, list[tuple[int, float, float]]]) -> None:
    """Draws examples a second and memory, side by side."""
    figure.set_size_inches(9, 4)
    speed, memory = figure.subplots(1, 2)
    for name, rows in points.items():
        ratings, rate, peak = zip(*rows, strict=True)
        speed.plot(ratings, rate, marker="o", label=name)
        memory.plot(ratings, [size / 1e9 for size in peak], marker="o", label=name)
    for axes, label in ((speed, "examples a second"), (memory, "peak memory, GB")):
        axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel=label)
        axes.grid(which="both", alpha=0.3)
        axes.legend()
