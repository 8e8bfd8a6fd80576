"""The table of the suite of speed, and the suite with two of its measures."""

import json

import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.timing import Timing
from movierec_jax.benchmark.suites.speed import run_suite, timing_rows
from movierec_jax.config import Config

TIMING = Timing(
    "counting",
    100,
    "sheep",
    {OUR_LABEL: [1.0, 2.0, 4.0], "slow": [3.0, 4.0, 6.0], "fast": [1.0, 1.0, 2.0], "half": [0.1, 0.1, 0.1]},
    {OUR_LABEL: 9.0, "slow": 9.0, "fast": 9.0, "half": 9.0},
    partial=("half",),
)


def test_rows_say_who_is_best_and_what_is_a_part_of_the_work():
    rows = timing_rows(TIMING)
    assert [row[1] for row in rows] == [OUR_LABEL, "slow", "fast", "half (a part of the work)"]
    assert [row[2] for row in rows] == ["50 sheep", "25 sheep", "100 sheep", "1,000 sheep"]
    assert [row[5] for row in rows][:3] == ["-", "2.00 (1.50 to 3.00)", "0.50 (0.50 to 1.00) best baseline"]


@pytest.mark.slow
def test_the_suite_writes_its_table_and_all_figures(tmp_path):
    benchmark = BenchmarkConfig(
        suite="speed", measures=("hardware_limits", "reading"), repeats=1, num_ratings=2_000, output=str(tmp_path)
    )
    found = run_suite(Config(), benchmark, "the command")
    assert json.loads((tmp_path / "speed.json").read_text()) == found
    assert "| copy through memory | NumPy |" in (tmp_path / "speed.md").read_text()
    assert [figure["name"].split()[0] for figure in found["figures"]] == ["product", "copy", *["reading"] * 3]
    assert found["figures"][2]["best_baseline"] == "pandas.read_csv"
