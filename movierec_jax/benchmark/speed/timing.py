"""Seconds of several ways to do the same, taken in turn, so that a machine that slows down slows all of them."""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

OURS = "movierec_jax"

# Before each way's turn: OpenMP's threads keep a core busy for a while after they have nothing more to do.
PAUSE_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Figure:
    """What was timed, and how long each way took.

    amount, unit: what is done in these seconds, such as 262,144 examples. seconds: by way, one for each repeat.
    first_seconds: of each way's first time, with what it compiles. limits: ways that do only a part of the work, and so
    show how much there is to gain. note: what the work consists of.
    """

    name: str
    amount: int | float
    unit: str
    seconds: dict[str, list[float]]
    first_seconds: dict[str, float]
    limits: tuple[str, ...] = ()
    note: str = ""

    def rate(self, way: str) -> float:
        """Units in a second, the median over the repeats."""
        return self.amount / float(np.median(self.seconds[way]))

    @property
    def best_other(self) -> str | None:
        """The fastest way that is not ours and does all of the work; None where there is none."""
        others = [way for way in self.seconds if way != OURS and way not in self.limits]
        return max(others, key=self.rate, default=None)

    def ratio(self, other: str) -> tuple[float, float, float]:
        """Our speed over another's in the same repeat: the median, the lowest and the highest."""
        ratios = np.array(self.seconds[other]) / np.array(self.seconds[OURS])
        return float(np.median(ratios)), float(ratios.min()), float(ratios.max())


def take_turns(
    ways: Mapping[str, Callable[[], object]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The seconds of each way in each repeat, and those of the first time, which does not count among them.

    A way is over when it returns: it must wait for what it has asked of a device.
    """
    first = {way: seconds_of(run) for way, run in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            time.sleep(PAUSE_SECONDS)
            seconds[way].append(seconds_of(run))
    return seconds, first


def seconds_of(run: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
