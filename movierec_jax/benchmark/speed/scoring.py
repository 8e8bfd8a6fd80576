"""Every user's best 100 of a large catalogue into a file, without what they have rated, and one user at once.

The models have random parameters: how long lists take does not depend on what has been learnt.
"""

import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed.synthetic import TABLES, synthetic_ratings
from movierec_jax.benchmark.speed.timing import OURS, Figure, seconds_of, take_turns
from movierec_jax.config import Config
from movierec_jax.data.schema import GENRES, MOVIE_ID, TITLE, USER_ID, YEAR, CleanData
from movierec_jax.data.splits import Split
from movierec_jax.model.two_tower import encode
from movierec_jax.packages import import_extra
from movierec_jax.recommend import write_lists
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

NUM_USERS = 8_192

K = 100

DIM = 64

# Lists of one user that are timed, and how long each is.
SINGLE_USERS, SINGLE_K = 200, 10

LIMIT = "product of matrices alone"

PRODUCT: dict[str, Any] = {"embedding_dim": DIM, "hidden_dims": (), "implicit_feedback_dim": 0}

MODELS: dict[str, dict[str, Any]] = {
    "a product": PRODUCT,
    "dense layers 64, 32": PRODUCT | {"hidden_dims": (64, 32)},
    "the default model": {"embedding_dim": DIM},
}


def measure(config: BenchmarkConfig) -> Iterator[Figure]:
    """Users for each kind of model, and seconds of one user."""
    _, num_movies = TABLES["MovieLens 25M"]
    # One user has rated everything, so that every movie has a rating.
    table = synthetic_ratings(150 * NUM_USERS, NUM_USERS, num_movies)
    every = pd.DataFrame({MOVIE_ID: np.arange(1, num_movies + 1)}).assign(**table.iloc[0].drop(MOVIE_ID))
    table = pd.concat([table, every]).drop_duplicates([USER_ID, MOVIE_ID]).astype(table.dtypes).reset_index(drop=True)
    for name, settings in MODELS.items():
        model = untrained(table, settings)
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            ways = {OURS: lambda model=model, folder=folder: score(model, folder)}
            if settings == PRODUCT:
                ways |= {"implicit": implicit_way(table, num_movies, folder), LIMIT: product_way(num_movies)}
            seconds = take_turns(ways, config.repeats)
        yield Figure(f"scoring by {name}, {num_movies:,} movies, top {K}", NUM_USERS, "users", *seconds, (LIMIT,))
        yield single_figure(f"one user by {name}, {num_movies:,} movies, top {SINGLE_K}", model)


def untrained(table: pd.DataFrame, settings: dict) -> Recommender:
    """A recommender for these ratings with the parameters it begins with."""
    ids = np.unique(table[MOVIE_ID])
    movies = pd.DataFrame({MOVIE_ID: ids, TITLE: "", YEAR: np.zeros(len(ids), np.int32), GENRES: ""})
    parts = Split.of(train=table, valid=table[:0], test=table[:0])
    run = new_run(Config().replace(**settings), CleanData(table, movies, (0.5, 5.0), "synthetic", {}), parts)
    params = new_state(run.setup).params
    return Recommender(run, params, encode(params, run.interactions, model=run.model), run.users, parts)


def score(model: Recommender, folder: pathlib.Path) -> None:
    """All lists into a Parquet file."""
    write_lists.score_to_file(model, model.user_ids(), folder / "ours.parquet", K)


def implicit_way(table: pd.DataFrame, num_movies: int, folder: pathlib.Path):
    """The same with the implicit library, into the same columns."""
    als = import_extra("implicit.als", "bench")
    rng = np.random.default_rng(0)
    model = als.AlternatingLeastSquares(factors=DIM)
    model.user_factors, model.item_factors = (
        np.float32(rng.normal(size=(rows, DIM))) for rows in (NUM_USERS, num_movies)
    )
    places = table[USER_ID] - 1, table[MOVIE_ID] - 1
    seen = scipy.sparse.csr_matrix((np.ones(len(table), np.float32), places), shape=(NUM_USERS, num_movies))
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


def product_way(num_movies: int):
    """The product of all users' and movies' vectors, block by block, of which each user's largest number is kept."""
    users, movies = (jnp.ones((rows, DIM), jnp.float32) for rows in (NUM_USERS, num_movies))

    @jax.jit
    def products(users, movies):
        return jax.lax.map(lambda block: jnp.max(block @ movies.T, axis=1), users.reshape(-1, 64, DIM))

    return lambda: products(users, movies).block_until_ready()


def single_figure(name: str, model: Recommender) -> Figure:
    """How long one user's list takes, of many one after another."""
    users = model.user_ids()[:SINGLE_USERS]
    first = seconds_of(lambda: model.recommend(users[:1], SINGLE_K))
    seconds = [seconds_of(lambda user=user: model.recommend([user], SINGLE_K)) for user in users]
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    note = f"p50 {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f} ms of {len(users)} calls"
    return Figure(name, 1, "users", {OURS: seconds}, {OURS: first}, note=note)
