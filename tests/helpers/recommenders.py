"""Recommenders of random parameters, with one part of the model or another, to hold ways of asking them together."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest

from helpers import checkerboard
from movierec_jax.config import Config, DataConfig, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, TIMESTAMP, USER_ID, CleanData
from movierec_jax.data.splits import Split
from movierec_jax.model.two_tower import encode
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

COLD_USER = 5000
# Who has rated all movies of the catalogue but two.
BUSY_USER = 1000
NUM_MOVIES = checkerboard.NUM_MOVIES
CASES = {
    "the default's parts": (ModelConfig(hidden_dims=(6, 5)), TrainConfig(), DataConfig()),
    "many members, text ids": (ModelConfig(hidden_dims=(6,)), TrainConfig(ensemble_size=3), DataConfig()),
    "no exposure, movies' history, times": (
        ModelConfig(hidden_dims=(6,), history=("movie",), implicit_feedback_dim=0),
        TrainConfig(),
        DataConfig(rating_time=True),
    ),
    "ids alone": (ModelConfig(hidden_dims=(), history=()), TrainConfig(), DataConfig(content=())),
    "the next movies": (ModelConfig(hidden_dims=()), TrainConfig(implicit_feedback_target="next"), DataConfig()),
    "bfloat16": (ModelConfig(hidden_dims=(6, 5), precision="bfloat16"), TrainConfig(), DataConfig()),
}

# Each case as a parameter of a test: two that differ in every part run always, the others with the slow tests.
ALWAYS = ("the default's parts", "no exposure, movies' history, times")
PARAMS = [case if case in ALWAYS else pytest.param(case, marks=pytest.mark.slow) for case in CASES]


def random_recommender(name: str) -> Recommender:
    """A recommender of random parameters on the checkerboard, with a cold user, a cold movie, and a busy user."""
    model, train, data = CASES[name]
    board = checkerboard.parts()
    rated = pd.concat([part.movie_id[part.user_id == BUSY_USER] for part in board.all()])
    rest = sorted(set(range(500, 500 + NUM_MOVIES)) - set(rated))[2:]
    more = checkerboard.table([COLD_USER, COLD_USER, 1001, *[BUSY_USER] * len(rest)], [500, 501, 900, *rest], 4)
    parts = Split.of(*(part.copy() for part in (board.train, board.valid, pd.concat([board.test, more]))))
    for part in parts.all():
        part[TIMESTAMP] = np.int64(10**9 + 10**5 * np.random.default_rng(0).permutation(len(part)))
        if "text" in name:
            for column in (USER_ID, MOVIE_ID):
                part[column] = "n=" + part[column].astype("str")
    whole = pd.concat(parts.all(), ignore_index=True)
    ids = pd.Index(whole[MOVIE_ID].drop_duplicates().sort_values())
    movies = checkerboard.movie_table(ids.str[2:]).assign(movie_id=ids) if "text" in name else None
    clean = CleanData(
        whole, checkerboard.movie_table(ids) if movies is None else movies, (1.0, 5.0), "checkerboard", {}
    )
    model = dataclasses.replace(model, embedding_dim=4, implicit_feedback_dim=model.implicit_feedback_dim and 3)
    run = new_run(Config(data=data, model=model, train=train), clean, parts)
    leaves, structure = jax.tree.flatten(new_state(run.setup).params)
    rng = np.random.default_rng(1)
    params = jax.tree.unflatten(structure, [leaf + np.float32(0.3 * rng.normal(size=leaf.shape)) for leaf in leaves])
    return Recommender(run, params, encode(params, run.interactions, model=run.model), run.users, run.parts)
