"""Users who go round a ring of movies: only the order of what they rated tells which one comes next."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax.config import Config
from movierec_jax.recommend.recommender import load
from movierec_jax.train import train_run

NUM_MOVIES, NUM_USERS, NUM_RATED = 24, 120, 8


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run on users who begin anywhere in the ring and all go one way, with ratings that say nothing."""
    folder = tmp_path_factory.mktemp("ring")
    start = np.random.default_rng(0).integers(0, NUM_MOVIES, NUM_USERS)
    user, step = (grid.ravel() for grid in np.indices((NUM_USERS, NUM_RATED)))
    rating = np.random.default_rng(1).integers(1, 6, len(user))
    table = pd.DataFrame(
        {"user": user, "movie": (start[user] + step) % NUM_MOVIES, "rating": rating, "timestamp": 10**9 + step}
    )
    table.sample(frac=1, random_state=0).to_csv(folder / "ring.csv", index=False)
    config = Config().replace(
        ratings=str(folder / "ring.csv"),
        split="leave_last_out",
        relevant_rating=1.0,
        rating_scale=(1.0, 5.0),
        embedding_dim=2,
        hidden_dims=(),
        history=(),
        sequence_dim=16,
        sequence_blocks=1,
        sequence_length=16,
        learning_rate=0.02,
        epochs=10,
        eval_k=(1,),
        valid_fraction=0.0,
    )
    train_run(config, folder / "run")
    return folder / "run"


def test_the_next_movie_is_found_from_the_order_alone(workdir):
    report = json.loads((workdir / "report.json").read_text())["test"]
    assert report["hit_rate@1"] > 0.9


@pytest.mark.parametrize(("rated", "following"), [((10, 4), 5), ((4, 10), 11)])
def test_what_a_new_user_gets_first_follows_what_they_rated_last(workdir, rated, following):
    best = load(workdir).recommend_for(dict.fromkeys(rated, 3.0), 1)
    assert best["movie_id"].tolist() == [following]
