"""What to change where a run went wrong: said at its end, and kept in its report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from movierec_jax.config import Config, differences
from movierec_jax.errors import InputError
from movierec_jax.training.progress import EpochRecord, best_record

# A run overfits if its best epoch comes in the first part of all, and its last one is worse by more than this fraction.
EARLY_PART, WORSE = 0.7, 0.001

# Settings that are no cause of bad figures.
HARMLESS = ("--seed=", "--ensemble_size=", "--ratings_at_once=", "--precision=")

# Held-out ratings by which a model is told from a constant; fewer may be worse by chance.
ENOUGH_RATINGS = 100


def advise(records: Sequence[EpochRecord], held_out: Mapping[str, Any], config: Config) -> list[str]:
    """Returns a sentence for each thing that is wrong with a run, with what to change; none where all is well.

    held_out: as `report.held_out_figures`. config: the run's, with its own number of epochs.
    """
    model, biases = (held_out["rating"][name]["all"]["rmse"] for name in ("model", "biases"))
    ours, popular = (next(iter(held_out["ranking"][name].items())) for name in ("model", "popularity"))
    advice = []
    if is_no_better(model, biases):
        text = f"test RMSE {model:.4f} is no better than the {biases:.4f} of user and movie biases"
        advice.append(f"{text}: {remedy(config)}")
    if is_no_better(popular[1], ours[1]):
        text = f"{ours[0].upper()} {ours[1]:.4f} is no better than the {popular[1]:.4f} of popularity"
        advice.append(f"{text}: {remedy(config)}")
    return advice or overfit(records)


def overfit(records: Sequence[EpochRecord]) -> list[str]:
    """Returns advice for a run whose later epochs only fit the train ratings better."""
    best, last = best_record(records), records[-1]
    if best.valid_rmse is None or last.valid_rmse is None:
        return []
    if best.epoch > EARLY_PART * last.epoch or last.valid_rmse <= (1 + WORSE) * best.valid_rmse:
        return []
    text = (
        f"best epoch {best.epoch} of {last.epoch}: the later ones overfit (validation RMSE {last.valid_rmse:.4f} after "
        f"{best.valid_rmse:.4f}). Try --epochs={best.epoch}, with which the learning rate falls sooner"
    )
    if (best.valid_ndcg_at_10 or 0) < (last.valid_ndcg_at_10 or 0):
        text += (
            f", unless lists matter more: NDCG@10 rose from {best.valid_ndcg_at_10:.4f} to {last.valid_ndcg_at_10:.4f}"
        )
    return [text]


def remedy(config: Config) -> str:
    """Returns what to change in a run that learns too little."""
    usual = Config(data=config.data, evaluation=config.evaluation)
    changed = [text.split(" (was ")[0] for text in differences(config, usual) if not text.startswith(HARMLESS)]
    if changed:
        return f"leave out {', '.join(changed)}"
    return "the ratings may be too few for more; movierec tune finds settings that suit them"


def is_no_better(error: float | None, of_baseline: float | None) -> bool:
    """Whether both errors are known and the first is as large as that of a baseline, or larger."""
    known = [value for value in (error, of_baseline) if value is not None and not math.isnan(value)]
    return len(known) == 2 and known[0] >= known[1]


def require_learnt(report: Mapping[str, Any], config: Config, workdir: str) -> None:
    """Raises InputError for a finished run that predicts ratings no better than their mean does."""
    held_out = report["held_out"]
    model, constant = (held_out["rating"][name]["all"]["rmse"] for name in ("model", "constant"))
    if held_out["counts"]["rated_rows"] >= ENOUGH_RATINGS and is_no_better(model, constant):
        raise InputError(
            f"{workdir}: the model has learnt nothing; its test RMSE is {model:.4f}, and {constant:.4f} that of always "
            f"predicting the mean. Train anew with --overwrite, and {remedy(config)}"
        )
