"""How fast training, scoring, reading and starting are: all measures, one after another, as one table."""

import importlib
from typing import Any

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.provenance import machine_note, provenance
from movierec_jax.benchmark.speed.timing import Timing
from movierec_jax.benchmark.table import Table, output_folder, publish
from movierec_jax.config import Config

COLUMNS = ("what", "way", "a second", "seconds, lowest to highest", "first time", f"{OUR_LABEL} is faster by")


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Takes all times, and publishes the table.

    config: not used; each measure has its own sizes and models. Raises InputError for a library that is not installed.
    """
    output = output_folder(benchmark.output)
    timings: list[Timing] = []
    for name in benchmark.measures:
        print(f"{name} ...", flush=True)
        timings += importlib.import_module(f"movierec_jax.benchmark.speed.{name}").measure(benchmark)
    figures = {**provenance(benchmark.suite, command), "figures": [timing.as_json() for timing in timings]}
    publish(output, benchmark.suite, build_table(timings, benchmark), figures)
    return figures


def build_table(timings: list[Timing], benchmark: BenchmarkConfig) -> Table:
    """Returns a row for each way of each timing."""
    rows = [row for timing in timings for row in timing_rows(timing)]
    notes = [
        machine_note(),
        f"medians over {benchmark.repeats} repeats, in which ways take turns, after a first one that does not count",
        f"{OUR_LABEL} is faster by: its speed over the way's, the median of the repeats (lowest to highest)",
        *(f"{timing.name}: {timing.note}" for timing in timings if timing.note),
    ]
    return Table(benchmark.suite, COLUMNS, tuple(rows), tuple(notes))


def timing_rows(timing: Timing) -> list[tuple[str, ...]]:
    """Returns the rows of a timing; the fastest baseline, and ways that do only a part of the work, are marked."""
    rows: list[tuple[str, ...]] = []
    for way, seconds in timing.seconds.items():
        label = f"{way} (a part of the work)" if way in timing.partial else way
        ratio = "-"
        if OUR_LABEL in timing.seconds and way != OUR_LABEL:
            median, low, high = timing.speedup(way)
            ratio = f"{median:.2f} ({low:.2f} to {high:.2f})" + " best baseline" * (way == timing.best_baseline)
        spread = f"{min(seconds):.4g} to {max(seconds):.4g}"
        rate = timing.rate(way)
        shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
        first = f"{timing.first_seconds[way]:.3g}"
        rows.append((timing.name, label, f"{shown} {timing.unit}", spread, first, ratio))
    return rows
