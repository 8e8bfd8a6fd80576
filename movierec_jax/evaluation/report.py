"""The figures of a finished run: as plain values for report.json, and as a table for people."""

import math
import platform
from collections.abc import Sequence

import jax

from movierec_jax.config import Config
from movierec_jax.evaluation.evaluate import Evaluation
from movierec_jax.packages import installed_version
from movierec_jax.runs.run import Run
from movierec_jax.training.progress import EpochRecord, best_record

PACKAGES = ("movierec-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pandas", "pyarrow")

RATING_COLUMNS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R2",
    "within_half_star": "within half a star",
    "within_one_star": "within one star",
}


def figures(evaluation: Evaluation) -> dict:
    """All figures of an evaluation as plain values; a figure that does not exist is None."""
    return without_nan(
        {
            "rating": evaluation.rating,
            "ranking": evaluation.ranking,
            "intervals": evaluation.intervals,
            "counts": evaluation.counts,
        }
    )


def build_report(
    run: Run, records: Sequence[EpochRecord], evaluation: Evaluation, seconds: dict[str, float], num_parameters: int
) -> dict:
    """All figures of a finished run as plain values; a figure that does not exist is None."""
    best = best_record(records)
    return without_nan(
        {
            "test": evaluation.figures(),
            "valid": {"rmse": best.valid_rmse},
            "train": {"rmse": best.train_rmse},
            "best_epoch": best.epoch,
            "epochs": records[-1].epoch,
            "counts": {
                "users": len(run.users),
                "movies": len(run.movies),
                "train": len(run.parts.train),
                "valid": len(run.parts.valid),
                "test": len(run.parts.test),
                "parameters": num_parameters,
            },
            "held_out": figures(evaluation),
            "rating_scale": list(run.rating_scale),
            "rating_time": run.config.data.rating_time,
            "seconds": seconds,
            "device": {
                "backend": jax.default_backend(),
                "kind": jax.devices()[0].device_kind,
                "count": jax.device_count(),
                "machine": platform.machine(),
            },
            "versions": {"python": platform.python_version()} | {name: installed_version(name) for name in PACKAGES},
        }
    )


def without_nan(value):
    """Plain values for JSON, which has no nan: None stands for it."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def closing_table(evaluation: Evaluation) -> str:
    """The figures of an evaluation as text: predictors by stars, then recommenders by rank."""
    counts = evaluation.counts
    rows = [["predicted stars", *RATING_COLUMNS.values()]]
    for name, by_rows in evaluation.rating.items():
        rows.append([name, *(figure(by_rows["all"][metric]) for metric in RATING_COLUMNS)])
    for part in ("warm", "cold"):
        if counts["cold_rows"] and counts["warm_rows"]:
            by_part = evaluation.rating["model"][part]
            rows.append([f"model, {part} rows", *(figure(by_part[metric]) for metric in RATING_COLUMNS)])
    names = list(evaluation.ranking["model"])
    ranking = [["whole catalogue", *evaluation.ranking]]
    ranking += [[name, *(figure(by_name[name]) for by_name in evaluation.ranking.values())] for name in names]
    cold = (
        f"{counts['rows']:,} ratings, {counts['cold_rows']:,} of them cold ({counts['cold_users']:,} users and "
        f"{counts['cold_movies']:,} movies without a rating in train)"
    )
    return "\n".join(
        [
            cold,
            "",
            aligned(rows),
            *interval_lines(evaluation.intervals),
            "",
            f"lists for {counts['ranked_users']:,} users",
            aligned(ranking),
        ]
    )


def time_note(config: Config) -> str:
    """What to add to figures of predictions that have looked at the time of the rating they are of."""
    return ", with the time of each rating" if config.data.rating_time else ""


def interval_lines(intervals: dict[str, float]) -> list[str]:
    """What is known of the intervals around predictions as text."""
    if not intervals:
        return []
    shares = ", ".join(
        f"{name.removeprefix('coverage@')}% intervals hold {share:.1%}"
        for name, share in intervals.items()
        if name.startswith("coverage@")
    )
    spread = intervals["mean_spread"]
    return ["", f"{shares} of the ratings" + (f" (members {spread:.3f} stars apart)" if spread else "")]


def figure(value: float) -> str:
    """Four decimals; a dash for nan."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def aligned(rows: list[list[str]]) -> str:
    """Rows as text columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
