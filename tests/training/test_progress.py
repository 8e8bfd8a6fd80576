"""Which epoch is the best, when training is at its end, and what is no error at all."""

import itertools

import numpy as np
import pytest

from movierec_jax.errors import InputError
from movierec_jax.training.progress import EpochRecord, ErrorTotals, Progress, best_record, is_finished, require_finite


def test_the_first_bad_value_is_named_counting_from_the_start_of_the_run():
    require_finite(np.float32([1, 2]), "error at step", first=10)
    with pytest.raises(InputError, match="the error at step 11 is nan"):
        require_finite(np.float32([1, np.nan, np.inf]), "error at step", first=10)


def records_of(*valid_rmses):
    return tuple(EpochRecord(n, 10 * n, 1.0, 0.0, rmse, 0.1) for n, rmse in enumerate(valid_rmses, start=1))


@pytest.mark.parametrize(
    ("valid_rmses", "best_epoch"),
    [([0.9], 1), ([0.9, 0.8, 0.85], 2), ([0.9, 0.8, 0.8], 2), ([0.7, 0.8, 0.9], 1), ([None, None, None], 3)],
)
def test_the_best_epoch_has_the_lowest_validation_rmse_the_earliest_of_equals(valid_rmses, best_epoch):
    assert best_record(records_of(*valid_rmses)).epoch == best_epoch


def test_the_best_step_is_the_last_of_the_best_epoch_or_the_last_of_all_where_none_was_measured():
    some_steps = ErrorTotals(num_steps=3)
    assert Progress(records_of(0.9, 0.8, 0.85), some_steps).best_step == 20
    assert Progress(records_of(None, None), some_steps).best_step == 23
    assert Progress(since=some_steps).best_step == 3


@pytest.mark.parametrize(
    ("valid_rmses", "patience", "expected"),
    [
        ([], 1, False),
        ([0.9], 1, False),
        ([0.9, 0.8], 1, False),
        ([0.9, 0.9], 1, True),
        ([0.8, 0.9], 2, False),
        ([0.8, 0.9, 0.85], 2, True),
        ([0.8, 0.9, 0.7], 2, False),
        ([0.7, 0.8, 0.9, 1.0], 0, False),
        ([0.9, 0.8, 0.7, 0.6, 0.5], 0, True),
        ([None, None, None, None], 1, False),
        ([None, None, None, None, None], 1, True),
    ],
)
def test_a_run_of_five_epochs_ends_at_the_last_or_after_patience_epochs_without_a_better_one(
    valid_rmses, patience, expected
):
    assert is_finished(records_of(*valid_rmses), epochs=5, patience=patience) is expected


def test_every_prefix_of_a_falling_curve_goes_on():
    falling = [1 / n for n in range(1, 5)]
    prefixes = itertools.accumulate(falling, lambda curve, rmse: [*curve, rmse], initial=[])
    assert not any(is_finished(records_of(*curve), epochs=5, patience=1) for curve in prefixes)
