"""What training costs by the number of ratings: time and memory for each should not grow."""

import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.fit import FitError, run_apart
from movierec_jax.benchmark.speed.timing import OURS, Figure
from movierec_jax.config import Config
from movierec_jax.settings import to_json

MILLION = 10**6

IDS_ALONE = Config().replace(history=(), implicit_feedback_dim=0, batch_size=65_536)

# Settings, numbers of ratings, and how often so many steps are timed as are given to the device at once.
MODELS: dict[str, tuple[Config, tuple[int, ...], int]] = {
    "ids and dense layers": (IDS_ALONE, (1 * MILLION, 5 * MILLION, 25 * MILLION, 100 * MILLION), 6),
    "the default model": (Config(), (1 * MILLION, 5 * MILLION, 25 * MILLION), 2),
}


def measure(config: BenchmarkConfig) -> Iterator[Figure]:
    """Examples by model and by number of ratings, with the memory that the process held at most; and a plot of both."""
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
            yield Figure(
                f"training by {name} on {num_ratings:,} ratings",
                found["examples"],
                "examples",
                {OURS: [found["seconds"]]},
                {OURS: found["first_seconds"]},
                note=f"taken once; {memory / 1e9:.1f} GB at most, {memory / num_ratings:,.0f} bytes a rating",
            )
    draw(points, pathlib.Path(config.output) / "speed_sizes.png")


def train_apart(job: dict[str, Any]) -> dict[str, float]:
    """The figures of a process that trains on so many ratings. Raises FitError."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        run_apart("movierec_jax.benchmark.speed.one_size", job, folder, folder)
        return json.loads((folder / "size.json").read_text())


def draw(points: dict[str, list[tuple[int, float, float]]], path: pathlib.Path) -> None:
    """Plots examples a second and memory against the number of ratings."""
    # Slow to import, and needed by nothing else.
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(9, 4), layout="constrained")
    speed, memory = picture.subplots(1, 2)
    for name, rows in points.items():
        ratings, rate, peak = zip(*rows, strict=True)
        speed.plot(ratings, rate, marker="o", label=name)
        memory.plot(ratings, [size / 1e9 for size in peak], marker="o", label=name)
    for axes, label in ((speed, "examples a second"), (memory, "memory at most, GB")):
        axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel=label)
        axes.grid(which="both", alpha=0.3)
        axes.legend()
    picture.savefig(path, dpi=120)
