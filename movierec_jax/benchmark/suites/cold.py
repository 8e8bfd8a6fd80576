"""RMSE for movies and for users without a train rating: a random part of each is held out whole.

For a held-out movie the model has the content. For a held-out user it gets NUM_GIVEN ratings after training, and
encodes them without further training.
"""

from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.benchmark import our_model
from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.provenance import provenance
from movierec_jax.benchmark.table import Table, output_folder, publish, with_spread
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, CleanData
from movierec_jax.data.vocab import Vocab, ratings_by_row
from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.baselines import rating_baselines
from movierec_jax.runs.prepare import read_clean

# Fraction of movies, and then of users, that are held out.
HELD_OUT = 0.1

# Ratings of each held-out user given to the model, drawn at random; users with no more than these are left out.
NUM_GIVEN = 10

# Our rows, with the settings in which they differ.
OUR_SETTINGS: dict[str, dict[str, Any]] = {
    "movierec_jax, ids + history": {"content": ()},
    "movierec_jax, + content": {},
}


def run_suite(config: Config, benchmark: BenchmarkConfig, command: str) -> dict[str, Any]:
    """Measures cold movies and cold users, and publishes the table."""
    data = read_clean(config.data)
    output = output_folder(benchmark.output)
    rmse: dict[str, dict[str, list[float]]] = {}
    cases = {"cold movies": cold_movies, "cold users": cold_users}
    for seed in benchmark.seeds or (config.train.seed,):
        for case, measure in cases.items():
            for label, figure in measure(config.replace(seed=seed), data).items():
                rmse.setdefault(label, {}).setdefault(case, []).append(figure)
                print(f"seed {seed}  {case}  {label}: RMSE {figure:.4f}", flush=True)
    cells = [
        (label, *(with_spread(by_case[case], 4) if case in by_case else "-" for case in cases))
        for label, by_case in rmse.items()
    ]
    notes = (
        f"RMSE; {HELD_OUT:.0%} of the movies, and separately of the users, held out whole; of each such user "
        f"{NUM_GIVEN} ratings are given after training, and the others predicted",
        "the biases of a held-out user are computed from the given ratings and the movies' biases",
    )
    table = Table(f"{benchmark.suite}: {data.source}", ("", *cases), tuple(cells), notes)
    figures = {**provenance(benchmark.suite, command), "rmse": rmse}
    publish(output, benchmark.suite, table, figures)
    return figures


def cold_movies(config: Config, data: CleanData) -> dict[str, float]:
    """Returns the RMSE of each predictor on all ratings of movies absent from train."""
    is_cold = draw_held_out(data.ratings[MOVIE_ID], config.train.seed)
    train, test = data.ratings[~is_cold], data.ratings[is_cold]
    predicted = predict_by_baselines(train, test)
    for label, settings in OUR_SETTINGS.items():
        model = our_model.fit_model(config.replace(**settings), data, train)
        predicted[label] = model.predict(test[USER_ID], test[MOVIE_ID])
    return rmse_by_label(predicted, test, data)


def cold_users(config: Config, data: CleanData) -> dict[str, float]:
    """Returns the RMSE of each predictor on ratings, other than the given ones, of users absent from train."""
    ratings = data.ratings.sample(frac=1, random_state=config.train.seed)
    is_cold = draw_held_out(ratings[USER_ID], config.train.seed)
    train = ratings[~is_cold].sort_index()
    others = ratings[is_cold & ratings[MOVIE_ID].isin(train[MOVIE_ID])]
    position = others.groupby(USER_ID).cumcount()
    given, test = others[position < NUM_GIVEN], others[position >= NUM_GIVEN]
    given = given[given[USER_ID].isin(test[USER_ID])]
    # Baselines may learn from the given ratings as from any others.
    predicted = predict_by_baselines(pd.concat([train, given]), test)
    for label, settings in OUR_SETTINGS.items():
        model = our_model.fit_model(config.replace(**settings), data, train).with_new_users(given)
        predicted[label] = model.predict(test[USER_ID], test[MOVIE_ID])
    return rmse_by_label(predicted, test, data)


def draw_held_out(ids: pd.Series, seed: int) -> pd.Series:
    """Draws ids at random, and returns whether each row has one of them."""
    distinct = np.sort(ids.unique())
    held_out = np.random.default_rng(seed).choice(distinct, round(HELD_OUT * len(distinct)), replace=False)
    return ids.isin(held_out)


def predict_by_baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns the predictions of means and biases, by label."""
    users, movies = Vocab.of(train[USER_ID], "user"), Vocab.of(train[MOVIE_ID], "movie")
    predictors = rating_baselines(ratings_by_row(train, users, movies), len(users), len(movies))
    ratings = ratings_by_row(test, users, movies)
    return {label: predict(ratings) for label, predict in predictors.items()}


def rmse_by_label(predicted: dict[str, np.ndarray], test: pd.DataFrame, data: CleanData) -> dict[str, float]:
    """Returns the RMSE of each prediction, clipped to the rating scale."""
    rating = test[RATING].to_numpy(np.float64)
    return {label: metrics.rmse(np.clip(found, *data.rating_scale), rating) for label, found in predicted.items()}
