"""How far stars are off for movies and for users without a rating in train: held out whole, by chance.

Of a held-out movie the model knows the content. Of a held-out user it is given NUM_GIVEN ratings once it is trained,
and encodes them without training further.
"""

import pathlib
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.benchmark import ours
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.environment import machine, versions
from movierec_jax.benchmark.table import Table, as_text, with_spread, write_table
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, CleanData
from movierec_jax.data.vocab import Vocab, ratings_by_row
from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.baselines import rating_baselines
from movierec_jax.runs.prepare import read_clean

# Share of all movies, and then of all users, that train does not see.
HELD_OUT = 0.1

# Ratings of each held-out user that the model is given, by chance; users with fewer and one to predict are left out.
NUM_GIVEN = 10

OURS = {"ours, ids + history": (), "ours, + content": None}


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Measures cold movies and cold users, prints the table, writes it as Markdown and JSON, and returns the latter."""
    data = read_clean(config.data)
    # A folder that cannot be made is told of before anything is fitted.
    output = pathlib.Path(benchmark.output)
    output.mkdir(parents=True, exist_ok=True)
    rmse: dict[str, dict[str, list[float]]] = {}
    for seed in benchmark.seeds or (config.train.seed,):
        for case, measure in (("cold movies", cold_movies), ("cold users", cold_users)):
            for label, figure in measure(config.replace(seed=seed), data).items():
                rmse.setdefault(label, {}).setdefault(case, []).append(figure)
                print(f"seed {seed}  {case}  {label}: RMSE {figure:.4f}", flush=True)
    cells = [
        (label, *(with_spread(by_case[case], 4) if case in by_case else "-" for case in ("cold movies", "cold users")))
        for label, by_case in rmse.items()
    ]
    notes = (
        f"RMSE; {HELD_OUT:.0%} of the movies, and apart from that of the users, held out whole; of each such user "
        f"{NUM_GIVEN} ratings are given after training, and the others predicted",
        "the biases of a held-out user are those that the given ratings have beside the movies'",
    )
    table = Table(f"cold stars: {data.source}", ("", "cold movies", "cold users"), tuple(cells), notes)
    print(f"\n{as_text(table)}\n")
    figures = {"suite": "cold", "command": command, "versions": versions(), "machine": machine(), "rmse": rmse}
    write_table(output, benchmark.suite, table, figures)
    return figures


def cold_movies(config: Config, data: CleanData) -> dict[str, float]:
    """RMSE by predictor on all ratings of movies that train lacks."""
    is_cold = chosen(data.ratings[MOVIE_ID], config.train.seed)
    train, test = data.ratings[~is_cold], data.ratings[is_cold]
    found = baseline_stars(train, test)
    for label, content in OURS.items():
        model = ours.fitted(with_content(config, content), data, train)
        found[label] = model.predict(test[USER_ID], test[MOVIE_ID])
    return rmse_of(found, test, data)


def cold_users(config: Config, data: CleanData) -> dict[str, float]:
    """RMSE by predictor on the ratings of users that train lacks, beside those that are given."""
    ratings = data.ratings.sample(frac=1, random_state=config.train.seed)
    is_cold = chosen(ratings[USER_ID], config.train.seed)
    train = ratings[~is_cold].sort_index()
    others = ratings[is_cold & ratings[MOVIE_ID].isin(train[MOVIE_ID])]
    place = others.groupby(USER_ID).cumcount()
    given, test = others[place < NUM_GIVEN], others[place >= NUM_GIVEN]
    given = given[given[USER_ID].isin(test[USER_ID])]
    # Baselines may learn from the given ratings as from any others.
    found = baseline_stars(pd.concat([train, given]), test)
    for label, content in OURS.items():
        model = ours.fitted(with_content(config, content), data, train).with_new_users(given)
        found[label] = model.predict(test[USER_ID], test[MOVIE_ID])
    return rmse_of(found, test, data)


def chosen(ids: pd.Series, seed: int) -> pd.Series:
    """Whether each id is among those held out."""
    every = np.sort(ids.unique())
    held_out = np.random.default_rng(seed).choice(every, round(HELD_OUT * len(every)), replace=False)
    return ids.isin(held_out)


def with_content(config: Config, content: tuple[str, ...] | None) -> Config:
    """The config with another `content`, if one is given."""
    return config if content is None else config.replace(content=content)


def baseline_stars(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """What means and biases say."""
    users, movies = Vocab.of(train[USER_ID], "user"), Vocab.of(train[MOVIE_ID], "movie")
    predictors = rating_baselines(ratings_by_row(train, users, movies), len(users), len(movies))
    ratings = ratings_by_row(test, users, movies)
    return {name: predict(ratings) for name, predict in predictors.items()}


def rmse_of(stars: dict[str, np.ndarray], test: pd.DataFrame, data: CleanData) -> dict[str, float]:
    """The RMSE of each prediction, held to the rating scale."""
    rating = test[RATING].to_numpy(np.float64)
    return {name: metrics.rmse(np.clip(found, *data.rating_scale), rating) for name, found in stars.items()}
