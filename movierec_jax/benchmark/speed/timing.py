"""Seconds of several ways to do the same work, taken in turn, so that a machine that slows down slows all of them."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from movierec_jax.benchmark.entrants import OUR_LABEL

# Pause before each way: OpenMP's threads keep a core busy for a while after they have finished.
PAUSE_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Timing:
    """What was timed, and how long each way took.

    amount, unit: the work done in these seconds, such as 262,144 examples. seconds: by way, one for each repeat.
    first_seconds: of each way's first time, with compilation. partial: ways that do only a part of the work, and so
    show how much could be gained. note: what the work consists of.
    """

    name: str
    amount: int | float
    unit: str
    seconds: dict[str, list[float]]
    first_seconds: dict[str, float]
    partial: tuple[str, ...] = ()
    note: str = ""

    def rate(self, way: str) -> float:
        """Returns units a second, the median over the repeats."""
        return self.amount / float(np.median(self.seconds[way]))

    @property
    def best_baseline(self) -> str | None:
        """The fastest way other than ours that does all of the work; None if there is none."""
        others = [way for way in self.seconds if way != OUR_LABEL and way not in self.partial]
        return max(others, key=self.rate, default=None)

    def speedup(self, way: str) -> tuple[float, float, float]:
        """Returns our speed over another way's in the same repeat: the median, the lowest and the highest."""
        ratios = np.array(self.seconds[way]) / np.array(self.seconds[OUR_LABEL])
        return float(np.median(ratios)), float(ratios.min()), float(ratios.max())

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"partial": list(self.partial), "best_baseline": self.best_baseline}


def time_in_turn(
    ways: Mapping[str, Callable[[], object]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Returns the seconds of each way in each repeat, and of its first time, which is not among the repeats.

    A way must wait for its work on a device before it returns.
    """
    first = {way: seconds_of(run) for way, run in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            time.sleep(PAUSE_SECONDS)
            seconds[way].append(seconds_of(run))
    return seconds, first


def seconds_of(run: Callable[[], object]) -> float:
    """Returns how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
