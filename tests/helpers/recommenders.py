"""Recommenders with random or hand-made parameters, to compare ways of getting lists from them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from helpers import checkerboard
from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, TIMESTAMP, USER_ID, CleanData
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

COLD_USER = 5000
# This user has rated all movies of the catalogue but two.
BUSY_USER = 1000
NUM_MOVIES = checkerboard.NUM_MOVIES
CASES = {
    "the default's parts": (ModelConfig(hidden_dims=(6, 5)), TrainConfig(), DataConfig()),
    "many members, text ids": (ModelConfig(hidden_dims=(6,)), TrainConfig(ensemble_size=3), DataConfig()),
    "no implicit feedback, movies' history, times": (
        ModelConfig(hidden_dims=(6,), history=("movie",), implicit_feedback_dim=0),
        TrainConfig(),
        DataConfig(rating_time=True),
    ),
    "ids alone": (ModelConfig(hidden_dims=(), history=()), TrainConfig(), DataConfig(content=())),
    "the next movies": (ModelConfig(hidden_dims=()), TrainConfig(implicit_feedback_target="next"), DataConfig()),
    "the sequence": (
        ModelConfig(hidden_dims=(), sequence_dim=4, sequence_blocks=1, sequence_heads=1, sequence_length=8),
        TrainConfig(implicit_feedback_target="sequence"),
        DataConfig(),
    ),
    "bfloat16": (ModelConfig(hidden_dims=(6, 5), precision="bfloat16"), TrainConfig(), DataConfig()),
}

# Each case as a parameter of a test: the first runs always, the others with the slow tests.
PARAMS = [case if case == "the default's parts" else pytest.param(case, marks=pytest.mark.slow) for case in CASES]


def random_recommender(name: str) -> Recommender:
    """Returns a recommender of the checkerboard with random parameters, a cold user, a cold movie and a busy user."""
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
    return Recommender.of(run, params)


def hand_made_recommender(movie_bias, factors=None, train=None, ids=str, mean=(3,)) -> Recommender:
    """Returns a recommender of users a, b, c and a movie for each bias, which predicts 3 stars plus the bias.

    Movies are 1, 2, ... as `ids` writes them; user c has a rating in the test part alone. mean: of each member.
    """
    movies = [ids(n) for n in range(1, len(movie_bias) + 1)]
    train = train or [("a", movies[0]), *(("b", movie) for movie in movies)]
    users, rated = zip(*train, strict=True)
    parts = Split.of(
        train=checkerboard.table(users, rated, [3] * len(rated)),
        valid=checkerboard.table(["a"], [movies[1]], [3])[:0],
        test=checkerboard.table(["c"], [movies[1]], [4]),
    )
    factors = np.zeros((len(movies), 1)) if factors is None else np.array(factors)
    params = {
        # Train ratings of 3 stars alone, whose spread is taken for 1.
        "head": {"offset": jnp.float32(mean) - 3},
        "user_tower": {"bias": jnp.zeros((2, 1)), "embedding": jnp.zeros((2, factors.shape[1]))},
        "movie_tower": {"bias": jnp.float32(movie_bias)[:, None], "embedding": jnp.float32(factors)},
    }
    for tower in ("user_tower", "movie_tower"):
        params[tower] = {name: jnp.stack([rows] * len(mean)) for name, rows in params[tower].items()}
    model = ModelConfig(embedding_dim=factors.shape[1], hidden_dims=(), history=(), implicit_feedback_dim=0)
    config = Config(data=DataConfig(content=()), model=model)
    return Recommender.of(new_run(config, checkerboard.clean_data(parts), parts), params)


def positive_recommender(implicit_feedback_target: str) -> Recommender:
    """Returns one of two members with histories, content and implicit feedback, and random parameters of 0 or more."""
    config = Config().replace(
        embedding_dim=3,
        hidden_dims=(),
        implicit_feedback_dim=4,
        ensemble_size=2,
        implicit_feedback_target=implicit_feedback_target,
    )
    rng = np.random.default_rng(0)
    train = checkerboard.crowds().train.assign(timestamp=rng.permutation(len(checkerboard.crowds().train)))
    parts = Split.of(train=train, valid=train[:0], test=train[:0])
    run = new_run(config, checkerboard.clean_data(parts), parts)
    shapes = jax.eval_shape(lambda: new_state(run.setup)).params
    return Recommender.of(run, jax.tree.map(lambda leaf: jnp.float32(np.abs(rng.normal(size=leaf.shape))), shapes))


def own_train_ratings(recommender: Recommender, user_id) -> pd.DataFrame:
    """Returns the train ratings of a user."""
    train = recommender.run.parts.train
    return train[train[USER_ID] == user_id]
