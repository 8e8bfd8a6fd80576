"""Progress of training: totals of the steps' errors, records of epochs, and which epoch was best."""

import dataclasses
import math
import operator
import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """The figures of an epoch, counted from 1.

    train_rmse: over the epoch, with dropout, while the parameters moved; None without ratings.
    catalogue_error: over the epoch, as in `StepErrors`; 0 without an implicit-feedback score.
    valid_rmse: after the epoch; None without a validation part.
    seconds: of the epoch with its validation.
    valid_ndcg_at_10: of the lists of a sample of users after the epoch; None where it was not measured.
    """

    epoch: int
    step: int
    train_rmse: float | None
    catalogue_error: float
    valid_rmse: float | None
    seconds: float
    valid_ndcg_at_10: float | None = None


@dataclasses.dataclass(frozen=True)
class ErrorTotals:
    """The errors of some steps, totalled over ratings and over steps, and the seconds they took.

    num_ratings: each counted by its weight.
    """

    num_steps: int = 0
    num_ratings: float = 0.0
    squared_error: float = 0.0
    catalogue_error: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "ErrorTotals") -> "ErrorTotals":
        return ErrorTotals(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))


@dataclasses.dataclass(frozen=True)
class Progress:
    """The records of whole epochs, and the errors of the steps since the last of them."""

    records: tuple[EpochRecord, ...] = ()
    since: ErrorTotals = ErrorTotals()

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return (self.records[-1].step if self.records else 0) + self.since.num_steps

    @property
    def is_at_epochs_end(self) -> bool:
        return self.since.num_steps == 0 and bool(self.records)

    @property
    def best_step(self) -> int:
        """Last step of the best epoch; the last step taken where no epoch has a validation RMSE."""
        is_measured = any(record.valid_rmse is not None for record in self.records)
        return best_record(self.records).step if is_measured else self.step


def add_seconds(errors: ErrorTotals, start: float) -> ErrorTotals:
    """Adds the seconds since `start`, a reading of `time.perf_counter`."""
    return errors + ErrorTotals(seconds=time.perf_counter() - start)


def record_of(
    errors: ErrorTotals, epoch: int, step: int, valid_rmse: float | None, valid_ndcg_at_10: float | None
) -> EpochRecord:
    """Makes the record of an epoch from its errors and from what was measured after it."""
    return EpochRecord(
        epoch=epoch,
        step=step,
        train_rmse=math.sqrt(errors.squared_error / errors.num_ratings) if errors.num_ratings else None,
        catalogue_error=errors.catalogue_error / errors.num_steps,
        valid_rmse=valid_rmse,
        seconds=errors.seconds,
        valid_ndcg_at_10=valid_ndcg_at_10,
    )


def require_finite(values: Float[np.ndarray, " n"], name: str, first: int) -> None:
    """Raises InputError naming the first value that is not finite; `first` is the number of the first value."""
    is_bad = ~np.isfinite(values)
    if is_bad.any():
        raise InputError(
            f"training diverged: the {name} {first + int(is_bad.argmax())} is {values[is_bad.argmax()]}; lower "
            "--learning_rate (and add --overwrite), or look for extreme ratings"
        )


def best_record(records: Sequence[EpochRecord]) -> EpochRecord:
    """Returns the epoch with the lowest validation RMSE, the earliest of equals; without validation the last one."""
    rmse = [record.valid_rmse for record in records if record.valid_rmse is not None]
    return records[rmse.index(min(rmse))] if rmse else records[-1]


def is_finished(records: Sequence[EpochRecord], epochs: int, patience: int) -> bool:
    """Returns whether all epochs are done, or `patience` of them have passed without a better one; 0: no limit."""
    if not records:
        return False
    waited = records[-1].epoch - best_record(records).epoch
    return records[-1].epoch >= epochs or 0 < patience <= waited
