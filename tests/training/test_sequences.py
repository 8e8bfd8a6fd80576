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


def test_a_new_user_who_goes_the_other_way_does_not_get_the_same_list(workdir):
    recommender = load(workdir)
    onward = dict.fromkeys((4, 5, 6), 3.0)
    back = dict.fromkeys((6, 5, 4), 3.0)
    best = [recommender.recommend_for(ratings, 1)["movie_id"].tolist() for ratings in (onward, back)]
    assert best[0] == [7]
    assert best[1] != [7]
