"""What a run works out of its train ratings: here trends."""

import dataclasses

import numpy as np
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.features.rating_time import SECONDS_PER_DAY
from movierec_jax.model.two_tower import encode
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

PARTS = checkerboard.parts(num_users=90, num_movies=18)
NUM_RATINGS = len(PARTS.train)
FIRST, SECOND = PARTS.train["movie_id"].unique()[:2]
# A rating a day. First one movie is in fashion, and in the last fifth of the time another.
DAY = np.arange(NUM_RATINGS)
IN_FASHION = np.select([DAY < 0.5 * NUM_RATINGS, DAY < 0.8 * NUM_RATINGS], [0, FIRST], SECOND)
TRAIN = PARTS.train.assign(
    timestamp=SECONDS_PER_DAY * DAY,
    movie_id=np.where(IN_FASHION > 0, IN_FASHION, PARTS.train["movie_id"]),
)
CONFIG = Config(
    model=ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=3), train=TrainConfig(epochs=1)
)


def run_of(**settings):
    parts = dataclasses.replace(PARTS, train=TRAIN)
    return new_run(CONFIG.replace(**settings), checkerboard.clean_data(parts), parts)


def test_after_a_date_lists_follow_what_is_rated_lately():
    run = run_of(split="time")
    assert 0 < run.setup.config.half_life_days < NUM_RATINGS
    assert TRAIN["movie_id"].mode().item() == FIRST
    assert run.movies.ids[run.trend.argmax()] == SECOND
    assert run_of(split="time", half_life_days=7.0).setup.config.half_life_days == 7


@pytest.mark.parametrize(
    "settings",
    [
        {"split": "random"},
        {"split": "user_time"},
        {"split": "time", "half_life_days": 0.0},
        {"split": "time", "implicit_feedback_dim": 0},
        {"split": "time", "implicit_feedback_target": "sequence"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_elsewhere_they_follow_no_trend(settings):
    run = run_of(**settings)
    assert run.trend is None
    _, movies = encode(new_state(run.setup).params, run.interactions, model=run.model)
    assert np.isfinite(movies.implicit_feedback).all()
