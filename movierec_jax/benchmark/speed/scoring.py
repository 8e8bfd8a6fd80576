"""Scoring of a large catalogue: every user's best 100 unseen movies into a file, and the list of a single user.

The models have random parameters: the time does not depend on what they have learnt.
"""

import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.entrants import OUR_LABEL
from movierec_jax.benchmark.speed.synthetic_data import TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import Timing, seconds_of, time_in_turn
from movierec_jax.config import Config
from movierec_jax.data.schema import GENRES, MOVIE_ID, TITLE, USER_ID, YEAR, CleanData
from movierec_jax.data.splits import Split
from movierec_jax.packages import import_extra
from movierec_jax.recommend import write_lists
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

NUM_USERS = 8_192

K = 100

DIM = 64

# Single users whose lists are timed, and the length of these lists.
SINGLE_USERS, SINGLE_K = 200, 10

PRODUCT_ALONE = "product of matrices alone"

PRODUCT: dict[str, Any] = {"embedding_dim": DIM, "hidden_dims": (), "implicit_feedback_dim": 0}

MODELS: dict[str, dict[str, Any]] = {
    "a product": PRODUCT,
    "dense layers 64, 32": PRODUCT | {"hidden_dims": (64, 32)},
    "the default model": {"embedding_dim": DIM},
}


def measure(config: BenchmarkConfig) -> Iterator[Timing]:
    """Times all users and single users, for each kind of model."""
    _, num_movies = TABLES["MovieLens 25M"]
    # One user has rated every movie, so that each has a rating.
    table = synthetic_ratings(150 * NUM_USERS, NUM_USERS, num_movies)
    every = pd.DataFrame({MOVIE_ID: np.arange(1, num_movies + 1)}).assign(**table.iloc[0].drop(MOVIE_ID))
    table = pd.concat([table, every]).drop_duplicates([USER_ID, MOVIE_ID]).astype(table.dtypes).reset_index(drop=True)
    for name, settings in MODELS.items():
        model = untrained_model(table, settings)
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            ways: dict[str, Callable[[], object]] = {OUR_LABEL: functools.partial(write_all_lists, model, folder)}
            if settings == PRODUCT:
                ways |= {"implicit": implicit_way(table, num_movies, folder), PRODUCT_ALONE: product_way(num_movies)}
            seconds = time_in_turn(ways, config.repeats)
        yield Timing(
            f"scoring by {name}, {num_movies:,} movies, top {K}", NUM_USERS, "users", *seconds, (PRODUCT_ALONE,)
        )
        yield time_single_users(f"one user by {name}, {num_movies:,} movies, top {SINGLE_K}", model)


def untrained_model(table: pd.DataFrame, settings: dict) -> Recommender:
    """Returns a recommender for these ratings with initial parameters."""
    ids = np.unique(table[MOVIE_ID])
    movies = pd.DataFrame({MOVIE_ID: ids, TITLE: "", YEAR: np.zeros(len(ids), np.int32), GENRES: ""})
    parts = Split.of(train=table, valid=table[:0], test=table[:0])
    run = new_run(Config().replace(**settings), CleanData(table, movies, (0.5, 5.0), "synthetic", {}), parts)
    return Recommender.of(run, new_state(run.setup).params)


def write_all_lists(model: Recommender, folder: pathlib.Path) -> None:
    """Writes all lists to a Parquet file."""
    write_lists.score_to_file(model, model.user_ids(), folder / "ours.parquet", K)


def implicit_way(table: pd.DataFrame, num_movies: int, folder: pathlib.Path) -> Callable[[], None]:
    """Returns a call that writes lists of the implicit library with the same columns."""
    als = import_extra("implicit.als", "bench")
    rng = np.random.default_rng(0)
    model = als.AlternatingLeastSquares(factors=DIM)
    model.user_factors, model.item_factors = (
        np.float32(rng.normal(size=(rows, DIM))) for rows in (NUM_USERS, num_movies)
    )
    pairs = table[USER_ID] - 1, table[MOVIE_ID] - 1
    seen = scipy.sparse.csr_matrix((np.ones(len(table), np.float32), pairs), shape=(NUM_USERS, num_movies))
    users = np.arange(NUM_USERS)

    def run() -> None:
        rows, scores = model.recommend(users, seen, N=K, filter_already_liked_items=True)
        columns = {
            "user_id": np.repeat(users + 1, K),
            "movie_id": rows.ravel() + 1,
            "rank": np.tile(np.arange(1, K + 1, dtype=np.int32), NUM_USERS),
            "score": scores.ravel(),
            "predicted_rating": scores.ravel(),
        }
        pq.write_table(pa.table(columns), folder / "implicit.parquet")

    return run


def product_way(num_movies: int) -> Callable[[], object]:
    """Returns a call that multiplies all users' and movies' vectors and keeps each user's largest product."""
    users, movies = (jnp.ones((rows, DIM), jnp.float32) for rows in (NUM_USERS, num_movies))

    @jax.jit
    def products(users, movies):
        return jax.lax.map(lambda block: jnp.max(block @ movies.T, axis=1), users.reshape(-1, 64, DIM))

    return lambda: products(users, movies).block_until_ready()


def time_single_users(name: str, model: Recommender) -> Timing:
    """Times single users, one after another."""
    users = model.user_ids()[:SINGLE_USERS]
    first = seconds_of(lambda: model.recommend(users[:1], SINGLE_K))
    seconds = [seconds_of(lambda user=user: model.recommend([user], SINGLE_K)) for user in users]
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    note = f"p50 {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms of {len(users)} calls"
    return Timing(name, 1, "users", {OUR_LABEL: seconds}, {OUR_LABEL: first}, note=note)
