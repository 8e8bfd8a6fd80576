"""Synthetic ratings, and measures of training and scoring on something small."""

import importlib.util

import jax
import numpy as np
import pandas as pd
import pytest

from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed import scoring, training, training_by_size
from movierec_jax.benchmark.speed.keras_training import keras_ways
from movierec_jax.benchmark.speed.synthetic_data import synthetic_ratings
from movierec_jax.benchmark.speed.torch_training import torch_ways
from movierec_jax.settings import to_json
from movierec_jax.training import batches


def test_synthetic_ratings_are_clean_uneven_and_predictable():
    table = synthetic_ratings(20_000, 500, 300)
    assert not table.duplicated(["user_id", "movie_id"]).any()
    assert table["user_id"].between(1, 500).all()
    assert table["movie_id"].between(1, 300).all()
    assert set(table["rating"]) <= set(np.arange(1, 11) / 2)
    count = table["movie_id"].value_counts()
    assert count.max() > 5 * count.median()
    # Ratings of one movie are more alike than by chance, because they follow biases and factors.
    means = table.groupby("movie_id")["rating"].mean()[count[count > 100].index]
    assert means.std() > 2 * table["rating"].std() / 100**0.5
    pd.testing.assert_frame_equal(table, synthetic_ratings(20_000, 500, 300))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own parts
@pytest.mark.parametrize("num_users", [9, 70])
def test_all_ways_that_are_timed_learn(num_users):
    # With batches of 16, sparse Adam updates the rows of 70 users; the table of 9 users is updated whole.
    train = training.draw_ratings(64, num_users, 70)
    stacked = batches.stack_batches(train, batches.epoch_order(len(train), training.SEED, 0).ratings(0, len(train)), 16)
    ways = {OUR_LABEL: training.our_way(train, 16, num_users, 70)}
    for library, ways_of in (("torch", torch_ways), ("keras", keras_ways)):
        if importlib.util.find_spec(library):
            ways |= ways_of(stacked, num_users, 70, 4, (3, 2))
    # Keras lets ranks differ.
    with jax.numpy_rank_promotion("allow"):
        for run in ways.values():
            first = run()
            assert min(run() for _ in range(60)) < 0.9 * first


@pytest.mark.slow
def test_memory_grows_by_few_bytes_for_each_rating(monkeypatch):
    # Millions of ratings take longer than to compile as usual.
    monkeypatch.delenv("JAX_DISABLE_MOST_OPTIMIZATIONS")
    few, many = 10**6, 4 * 10**6
    peaks = [
        training_by_size.train_apart(
            {"num_ratings": count, "config": to_json(training_by_size.IDS_ALONE), "num_parts": 1}
        )["peak_memory_mb"]
        for count in (few, many)
    ]
    # User, movie, rating and position in the order of an epoch, 4 bytes each, and what building these takes.
    assert (peaks[1] - peaks[0]) * 2**20 / (many - few) < 100


def test_time_and_memory_by_size_are_plotted(tmp_path):
    training_by_size.plot_sizes({"a model": [(10, 1.0, 2e9), (100, 1.1, 3e9)]}, tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_lists_of_a_model_without_training_can_be_timed(tmp_path):
    table = synthetic_ratings(2_000, 40, 30)
    model = scoring.untrained_model(table, {"embedding_dim": 2, "hidden_dims": (), "implicit_feedback_dim": 0})
    timing = scoring.time_single_users("one user", model)
    assert len(timing.seconds[OUR_LABEL]) == len(model.user_ids())
    assert "p99" in timing.note
