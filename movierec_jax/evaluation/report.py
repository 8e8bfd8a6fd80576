"""The figures of a finished run: as plain values for report.json, and as a table to read."""

import math
import platform
from collections.abc import Sequence

import jax

from movierec_jax.config import Config
from movierec_jax.evaluation.advice import advise
from movierec_jax.evaluation.evaluate import Evaluation
from movierec_jax.evaluation.metrics import RATING_METRICS
from movierec_jax.packages import installed_version
from movierec_jax.runs.run import Run
from movierec_jax.training.progress import EpochRecord, best_record

# Ranking metrics of the closing table, for at most so many list lengths; report.html has all.
MAIN_LIST_FIGURES = ("ndcg", "recall", "precision", "mrr", "hit_rate", "coverage", "novelty", "diversity")
MOST_LENGTHS = 3

PACKAGES = ("movierec-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pandas", "pyarrow")


def held_out_figures(evaluation: Evaluation) -> dict:
    """Returns all figures of an evaluation as plain values, None in place of NaN."""
    return without_nan(
        {
            "rating": evaluation.rating,
            "ranking": evaluation.ranking,
            "intervals": evaluation.intervals,
            "counts": evaluation.counts,
        }
    )


def build_report(
    run: Run,
    records: Sequence[EpochRecord],
    decays: dict[str, float],
    evaluation: Evaluation,
    seconds: dict[str, float],
    num_parameters: int,
) -> dict:
    """Returns all figures of a finished run as plain values, None in place of NaN.

    decays: those that the last epochs had, by flag.
    """
    best, held_out = best_record(records), held_out_figures(evaluation)
    return without_nan(
        {
            "test": evaluation.figures(),
            # Lists are those of the last epoch; see `Checkpoints.best_state`.
            "valid": {"rmse": best.valid_rmse, "ndcg@10": records[-1].valid_ndcg_at_10},
            "train": {"rmse": best.train_rmse},
            "best_epoch": best.epoch,
            "epochs": records[-1].epoch,
            "decays": decays,
            "half_life_days": run.setup.config.half_life_days,
            "counts": {
                "users": len(run.users),
                "movies": len(run.movies),
                "train": len(run.parts.train),
                "valid": len(run.parts.valid),
                "test": len(run.parts.test),
                "parameters": num_parameters,
            },
            "held_out": held_out,
            "advice": advise(records, held_out, run.config),
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


def figures_to_log(report: dict) -> dict[str, float]:
    """Returns the main figures of the test part by names that every logger takes."""
    names = ["rmse", "mae", next(name for name in report["test"] if name.startswith("ndcg"))]
    values = {f"test_{name.replace('@', '_at_')}": report["test"][name] for name in names}
    return {name: value for name, value in values.items() if value is not None}


def without_nan(value):
    """Replaces NaN, which JSON lacks, by None at any depth of dicts."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def closing_table(evaluation: Evaluation) -> str:
    """Returns the main figures of an evaluation as text that fits a screen: predicted ratings, then lists."""
    counts = evaluation.counts
    cold = (
        f"{counts['cold_rows']:,} of them cold ({counts['cold_users']:,} users and {counts['cold_movies']:,} movies "
        "without a rating in train)"
    )
    lists = ["", f"lists of the whole catalogue for {counts['ranked_users']:,} users", *list_lines(evaluation.ranking)]
    if not counts["rated_rows"]:
        what = f"{counts['rows']:,} movies watched, {cold}"
        return "\n".join([what, "no ratings: lists only, in which every movie watched is relevant", *lists])
    num_watched = counts["rows"] - counts["rated_rows"]
    watched = f" and {num_watched:,} movies watched but not rated" if num_watched else ""
    what = f"{counts['rated_rows']:,} ratings{watched}, {cold}"
    return "\n".join([what, "", *rating_lines(evaluation), *interval_lines(evaluation.intervals), *lists])


def list_lines(ranking: dict[str, dict[str, float]]) -> list[str]:
    """Returns the main figures of lists as text: a row for each of the first list lengths and each recommender."""
    lengths = list(dict.fromkeys(name.split("@")[1] for name in ranking["model"]))[:MOST_LENGTHS]
    shown = [name for name in MAIN_LIST_FIGURES if f"{name}@{lengths[0]}" in ranking["model"]]
    rows = [["lists of", *(name.replace("_", " ") for name in shown)]]
    for k in lengths:
        for recommender, figures in ranking.items():
            rows.append([f"{k}, {recommender}", *(format_figure(figures[f"{name}@{k}"]) for name in shown)])
    return [align_columns(rows)]


def rating_lines(evaluation: Evaluation) -> list[str]:
    """Returns the figures of predicted ratings as text: the model's, the baselines', and of warm and cold rows."""
    counts = evaluation.counts
    rows = [["predicted rating", *(metric.label for metric in RATING_METRICS.values())]]
    for name, by_rows in evaluation.rating.items():
        rows.append([name, *(format_figure(by_rows["all"][metric]) for metric in RATING_METRICS)])
    for part in ("warm", "cold"):
        if counts["cold_rows"] and counts["warm_rows"]:
            by_part = evaluation.rating["model"][part]
            rows.append([f"model, {part} rows", *(format_figure(by_part[metric]) for metric in RATING_METRICS)])
    return [align_columns(rows)]


def time_note(config: Config) -> str:
    """Returns what to add to the heading of figures whose predictions use the time of each rating."""
    return ", with the time of each rating" if config.data.rating_time else ""


def interval_lines(intervals: dict[str, float]) -> list[str]:
    """Returns what the intervals around predictions cover, as text; no lines without intervals."""
    if not intervals:
        return []
    first, *others = [
        (name.removeprefix("coverage@"), fraction)
        for name, fraction in intervals.items()
        if name.startswith("coverage@")
    ]
    covered = "".join(f", the {level}% interval {fraction:.1%}" for level, fraction in others)
    lines = ["", f"The {first[0]}% interval covers {first[1]:.1%} of ratings{covered}"]
    if intervals["mean_spread"]:
        lines.append(f"Members differ by {intervals['mean_spread']:.3f} stars")
    return lines


def format_figure(value: float) -> str:
    """Returns a number with four decimals; a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def align_columns(rows: list[list[str]]) -> str:
    """Returns rows as text, the first column aligned to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
