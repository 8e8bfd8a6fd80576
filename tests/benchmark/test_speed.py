"""Figures of speed by arithmetic, synthetic ratings, and every measure on something small."""

import importlib.util
import json

import jax
import numpy as np
import pandas as pd
import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed import scoring, sizes, suite, training
from movierec_jax.benchmark.speed.synthetic import synthetic_ratings
from movierec_jax.benchmark.speed.timing import OURS, Figure, take_turns
from movierec_jax.benchmark.speed.with_keras import keras_ways
from movierec_jax.benchmark.speed.with_torch import torch_ways
from movierec_jax.config import Config
from movierec_jax.settings import to_json
from movierec_jax.training import batches

FIGURE = Figure(
    name="counting",
    amount=100,
    unit="sheep",
    seconds={OURS: [1.0, 2.0, 4.0], "slow": [3.0, 4.0, 6.0], "fast": [1.0, 1.0, 2.0], "half": [0.1, 0.1, 0.1]},
    first_seconds={OURS: 9.0, "slow": 9.0, "fast": 9.0, "half": 9.0},
    limits=("half",),
)


def test_a_rate_is_that_of_the_median_repeat():
    assert FIGURE.rate(OURS) == 100 / 2


def test_the_best_other_does_all_of_the_work_fastest():
    assert FIGURE.best_other == "fast"
    assert Figure("alone", 1, "sheep", {OURS: [1.0]}, {OURS: 1.0}).best_other is None


def test_ratios_compare_what_was_timed_in_the_same_repeat():
    assert FIGURE.ratio("slow") == (2.0, 1.5, 3.0)
    assert FIGURE.ratio("fast") == (0.5, 0.5, 1.0)


def test_rows_say_who_is_best_and_what_is_a_part_of_the_work():
    rows = suite.rows_of(FIGURE)
    assert [row[1] for row in rows] == [OURS, "slow", "fast", "half (a part of the work)"]
    assert [row[2] for row in rows] == ["50 sheep", "25 sheep", "100 sheep", "1,000 sheep"]
    assert [row[5] for row in rows][:3] == ["-", "2.00 (1.50 to 3.00)", "0.50 (0.50 to 1.00) best other"]


def test_ways_take_turns_after_a_first_time_of_each():
    calls = []
    seconds, first = take_turns({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=2)
    assert calls == ["a", "b"] + ["a", "b"] * 2
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}
    assert all(time >= 0 for time in [*first.values(), *seconds["a"], *seconds["b"]])


def test_synthetic_ratings_are_clean_and_uneven_and_can_be_told():
    table = synthetic_ratings(20_000, 500, 300)
    assert not table.duplicated(["user_id", "movie_id"]).any()
    assert table["user_id"].between(1, 500).all()
    assert table["movie_id"].between(1, 300).all()
    assert set(table["rating"]) <= set(np.arange(1, 11) / 2)
    count = table["movie_id"].value_counts()
    assert count.max() > 5 * count.median()
    # Stars of one movie are alike beyond chance, as they follow hidden factors.
    means = table.groupby("movie_id")["rating"].mean()[count[count > 100].index]
    assert means.std() > 2 * table["rating"].std() / 100**0.5
    pd.testing.assert_frame_equal(table, synthetic_ratings(20_000, 500, 300))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own parts
@pytest.mark.parametrize("num_users", [9, 70])
def test_ours_and_others_that_are_timed_learn(num_users):
    # In batches of 16 the rows of 70 users are taken alone, those of 9 all together.
    train = training.ratings_of(64, num_users, 70)
    stacked = batches.stack_batches(train, batches.epoch_order(len(train), training.SEED, 0), 16)
    ways = {OURS: training.ours(train, 16, num_users, 70)}
    for library, ways_of in (("torch", torch_ways), ("keras", keras_ways)):
        if importlib.util.find_spec(library):
            ways |= ways_of(stacked, num_users, 70, 4, (3, 2))
    # Keras lets ranks differ.
    with jax.numpy_rank_promotion("allow"):
        for run in ways.values():
            first = run()
            assert min(run() for _ in range(60)) < 0.9 * first


@pytest.mark.slow
def test_memory_grows_by_few_bytes_for_each_rating():
    few, many = 10**6, 4 * 10**6
    peaks = [
        sizes.train_apart({"num_ratings": count, "config": to_json(sizes.IDS_ALONE), "num_parts": 1})["peak_memory_mb"]
        for count in (few, many)
    ]
    # User, movie, stars and place in the order of an epoch, 4 bytes each, and what building these takes.
    assert (peaks[1] - peaks[0]) * 2**20 / (many - few) < 100


def test_sizes_are_plotted(tmp_path):
    sizes.draw({"a model": [(10, 1.0, 2e9), (100, 1.1, 3e9)]}, tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_lists_of_a_model_without_training_can_be_timed(tmp_path):
    table = synthetic_ratings(2_000, 40, 30)
    model = scoring.untrained(table, {"embedding_dim": 2, "hidden_dims": (), "implicit_feedback_dim": 0})
    figure = scoring.single_figure("one user", model)
    assert len(figure.seconds[OURS]) == len(model.user_ids())
    assert "p99" in figure.note


def test_the_suite_writes_its_table_and_all_figures(tmp_path):
    benchmark = BenchmarkConfig(
        suite="speed", measures=("limits", "reading"), repeats=1, num_ratings=2_000, output=str(tmp_path)
    )
    found = suite.run_suite(Config(), benchmark, "the command")
    assert json.loads((tmp_path / "speed.json").read_text()) == found
    assert "| copy through memory | NumPy |" in (tmp_path / "speed.md").read_text()
    assert [figure["name"].split()[0] for figure in found["figures"]] == ["product", "copy", *["reading"] * 3]
    assert found["figures"][2]["best_other"] == "pandas.read_csv"
