"""Rates and speedups by arithmetic, and the order in which ways are timed."""

from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.timing import Timing, time_in_turn

TIMING = Timing(
    name="counting",
    amount=100,
    unit="sheep",
    seconds={OUR_LABEL: [1.0, 2.0, 4.0], "slow": [3.0, 4.0, 6.0], "fast": [1.0, 1.0, 2.0], "half": [0.1, 0.1, 0.1]},
    first_seconds={OUR_LABEL: 9.0, "slow": 9.0, "fast": 9.0, "half": 9.0},
    partial=("half",),
)


def test_a_rate_is_that_of_the_median_repeat():
    assert TIMING.rate(OUR_LABEL) == 100 / 2


def test_the_best_baseline_does_all_of_the_work_fastest():
    assert TIMING.best_baseline == "fast"
    assert Timing("alone", 1, "sheep", {OUR_LABEL: [1.0]}, {OUR_LABEL: 1.0}).best_baseline is None


def test_ratios_compare_what_was_timed_in_the_same_repeat():
    assert TIMING.speedup("slow") == (2.0, 1.5, 3.0)
    assert TIMING.speedup("fast") == (0.5, 0.5, 1.0)


def test_ways_are_timed_in_turn_after_a_first_time_of_each():
    calls = []
    seconds, first = time_in_turn({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=2)
    assert calls == ["a", "b"] + ["a", "b"] * 2
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    assert all(time >= 0 for time in [*first.values(), *seconds["a"], *seconds["b"]])
