"""Why a process of a fit ended."""

import pytest

from movierec_jax.benchmark.process import failure_reason


@pytest.mark.parametrize(
    ("status", "log", "expected"),
    [
        (-9, "epoch 1\n", "killed by SIGKILL"),
        (1, "epoch 1\nerror: training diverged\n\n", "training diverged"),
        (3, "", "ended with status 3"),
    ],
)
def test_the_reason_of_a_failure_is_the_signal_or_the_last_line(status, log, expected):
    assert failure_reason(status, log) == expected
