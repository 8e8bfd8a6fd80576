"""Cold movies are predicted from their content, cold users from the ratings they are given."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.suites import cold
from movierec_jax.config import Config
from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.ratings import read_ratings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A MovieLens folder in which comedies get 5 stars from everybody, and all other films 1."""
    folder = tmp_path_factory.mktemp("ml")
    movies = pd.DataFrame({"movieId": range(1, 61), "title": [f"Film {n} (1990)" for n in range(60)]})
    movies["genres"] = np.where(movies["movieId"] % 2, "Comedy", "Drama")
    pairs = pd.DataFrame([(user, movie) for user in range(1, 41) for movie in range(1, 61) if (user + movie) % 3])
    pairs.columns = ["userId", "movieId"]
    pairs["rating"] = np.where(pairs["movieId"] % 2, 5.0, 1.0)
    pairs["timestamp"] = 1_000_000_000
    movies.to_csv(folder / "movies.csv", index=False)
    pairs.to_csv(folder / "ratings.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def config(folder):
    return Config().replace(
        ratings=str(folder),
        epochs=10,
        cold_start_fraction=0.2,
        embedding_dim=4,
        hidden_dims=(),
        learning_rate=0.05,
        rating_scale=(1.0, 5.0),
    )


@pytest.mark.slow
def test_content_predicts_the_ratings_of_movies_that_nobody_has_rated(config):
    rmse = cold.cold_movies(config, clean(read_ratings(config.data.ratings), config.data))
    assert rmse["movierec_jax, + content"] < 0.5 * rmse["movie mean"]
    assert rmse["movierec_jax, ids + history"] == pytest.approx(rmse["movie mean"], abs=0.3)


@pytest.mark.slow
def test_new_users_are_predicted_from_the_movies_means_where_all_agree(config):
    rmse = cold.cold_users(config, clean(read_ratings(config.data.ratings), config.data))
    assert rmse["movierec_jax, ids + history"] < 0.5 < rmse["user mean"]


def test_no_held_out_movie_is_in_train_and_the_same_seed_holds_out_the_same():
    ids = pd.Series(np.repeat(np.arange(50), 3))
    is_cold = cold.draw_held_out(ids, seed=1)
    assert set(ids[is_cold]).isdisjoint(ids[~is_cold])
    assert ids[is_cold].nunique() == 5
    assert is_cold.equals(cold.draw_held_out(ids, seed=1))


@pytest.mark.slow
def test_the_suite_leaves_table_and_figures(config, tmp_path):
    figures = cold.run_suite(config, BenchmarkConfig(suite="cold", output=str(tmp_path / "out")), "the command")
    assert json.loads((tmp_path / "out" / "cold.json").read_text())["rmse"] == figures["rmse"]
    assert "| movierec_jax, + content |" in (tmp_path / "out" / "cold.md").read_text()
