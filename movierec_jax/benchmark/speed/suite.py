"""All measures, one after another, as one table."""

import importlib
import pathlib
from typing import Any

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.speed.timing import OURS, Figure
from movierec_jax.benchmark.table import Table, as_text, write_table
from movierec_jax.config import Config

COLUMNS = ("what", "way", "a second", "seconds, lowest to highest", "first time", "ours is faster by")


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Takes all figures, prints the table, writes it as Markdown and JSON, and returns what the latter holds.

    config is not looked at: sizes and nets are those of the measures. Raises InputError for a library that a measure
    needs and that is not installed.
    """
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    for name in benchmark.measures:
        print(f"{name} ...", flush=True)
        module = importlib.import_module(f"movierec_jax.benchmark.speed.{name}")
        figures += module.measure(benchmark)
    table = build_table(figures, benchmark)
    print(f"\n{as_text(table)}\n")
    found = {
        "suite": "speed",
        "command": command,
        "versions": versions(),
        "machine": machine(),
        "figures": [as_json(figure) for figure in figures],
    }
    write_table(output, "speed", table, found)
    print(f"table and all figures in {output / 'speed'}.md and .json")
    return found


def build_table(figures: list[Figure], benchmark: BenchmarkConfig) -> Table:
    """A row for each way of each figure."""
    rows = [row for figure in figures for row in rows_of(figure)]
    place = machine()
    notes = [
        f"{place['processor']}, {place['cores']} cores, {place['memory_gb']:g} GB",
        f"medians over {benchmark.repeats} repeats, the ways taking turns, after a first time that does not count",
        "ours is faster by: our speed over that of the way, the median over the repeats, lowest to highest in brackets",
        *(f"{figure.name}: {figure.note}" for figure in figures if figure.note),
    ]
    return Table("speed", COLUMNS, tuple(rows), tuple(notes))


def rows_of(figure: Figure) -> list[tuple[str, ...]]:
    """The rows of a figure, the fastest other way and what is no more than a part of the work marked as such."""
    rows: list[tuple[str, ...]] = []
    for way, seconds in figure.seconds.items():
        label = f"{way} (a part of the work)" if way in figure.limits else way
        ratio = "-"
        if OURS in figure.seconds and way != OURS:
            middle, low, high = figure.ratio(way)
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})" + " best other" * (way == figure.best_other)
        spread = f"{min(seconds):.4g} to {max(seconds):.4g}"
        rate = figure.rate(way)
        shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
        first = f"{figure.first_seconds[way]:.3g}"
        rows.append((figure.name, label, f"{shown} {figure.unit}", spread, first, ratio))
    return rows


def as_json(figure: Figure) -> dict[str, Any]:
    """A figure as plain values."""
    return {
        "name": figure.name,
        "unit": figure.unit,
        "amount": figure.amount,
        "seconds": figure.seconds,
        "first_seconds": figure.first_seconds,
        "limits": list(figure.limits),
        "best_other": figure.best_other,
        "note": figure.note,
    }
