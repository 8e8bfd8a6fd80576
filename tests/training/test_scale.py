"""The rating scale changes nothing but the unit: ratings times c plus d train to predictions times c plus d."""

import functools

import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, CleanData
from movierec_jax.data.splits import Split
from movierec_jax.data_config import DataConfig
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.scoring import predict_ratings
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.loop import initial_state, train_epochs

NUM_USERS, NUM_MOVIES = 60, 40
CONFIG = Config(
    data=DataConfig(content=()),
    model=ModelConfig(embedding_dim=4, hidden_dims=(6,), implicit_feedback_dim=4),
    train=TrainConfig(epochs=3, learning_rate=0.02),
)


@functools.cache
def ratings() -> pd.DataFrame:
    """Ratings of 0.5 to 5 stars by users and of movies with tastes and levels of their own, and noise."""
    rng = np.random.default_rng(0)
    users, movies = (rng.normal(0, 1, (number, 3)) for number in (NUM_USERS, NUM_MOVIES))
    user, movie = np.nonzero(rng.random((NUM_USERS, NUM_MOVIES)) < 0.4)
    stars = 3 + users[user, 0] / 2 + movies[movie, 0] / 2 + users[user, 1] * movies[movie, 1]
    stars = np.clip(np.round(2 * (stars + rng.normal(0, 0.5, len(user)))) / 2, 0.5, 5)
    return checkerboard.table(1000 + user, 500 + movie, stars)


def trained(rating: np.ndarray) -> Recommender:
    """Returns a recommender trained on these values in place of the ratings but every tenth, the test part."""
    table = ratings().assign(**{RATING: rating.astype(np.float32)})
    is_test = np.arange(len(table)) % 10 == 0
    parts = Split.of(train=table[~is_test].reset_index(drop=True), valid=table[:0], test=table[is_test])
    scale = float(rating.min()), float(rating.max())
    movies = checkerboard.movie_table(table[MOVIE_ID].drop_duplicates().sort_values())
    run = new_run(CONFIG, CleanData(table, movies, scale, "made", {}), parts)
    state = initial_state(run.train, run.interactions, setup=run.setup)
    *_, (state, _) = train_epochs(state, run.train, run.valid, run.interactions, setup=run.setup)
    return Recommender.of(run, state.params)


def predictions(recommender: Recommender) -> np.ndarray:
    """Returns what is predicted for all ratings, not held to the scale."""
    rows = recommender.users.rows(ratings()[USER_ID]), recommender.run.movies.rows(ratings()[MOVIE_ID])
    return predict_ratings(recommender.scorer, *rows, (-np.inf, np.inf))[0].astype(np.float64)


@functools.cache
def in_stars() -> Recommender:
    return trained(ratings()[RATING].to_numpy(np.float64))


@pytest.mark.parametrize(
    ("factor", "shift"),
    [(20.0, 7.0), *(pytest.param(*one, marks=pytest.mark.slow) for one in [(0.1, 0.0), (2.0, -3.0)])],
)
def test_ratings_times_c_plus_d_give_predictions_times_c_plus_d_and_the_same_lists(factor, shift):
    scaled = trained(factor * ratings()[RATING].to_numpy(np.float64) + shift)
    spread = scaled.run.model.rating_spread
    expected = factor * predictions(in_stars()) + shift
    np.testing.assert_allclose(predictions(scaled), expected, rtol=0, atol=1e-3 * spread)
    lists = [one.recommend(one.user_ids()[:20], k=5)[[USER_ID, MOVIE_ID]] for one in (in_stars(), scaled)]
    pd.testing.assert_frame_equal(*lists)


def test_a_reversed_scale_is_predicted_as_well():
    rating = ratings()[RATING].to_numpy(np.float64)
    is_test = np.arange(len(rating)) % 10 == 0
    rmse = [
        np.sqrt(np.mean((sign * predictions(one) - rating)[is_test] ** 2))
        for sign, one in ((1, in_stars()), (-1, trained(-rating)))
    ]
    assert rmse[1] == pytest.approx(rmse[0], rel=0.01)
    assert rmse[0] < 0.95 * rating.std()


@pytest.mark.parametrize(
    "kind", ["all equal", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ["thumbs", "heavy-tailed"])]
)
def test_ratings_of_any_distribution_train_to_predictions_within_a_spread_of_their_scale(kind):
    stars = ratings()[RATING].to_numpy(np.float64)
    rating = {
        "all equal": np.full(len(stars), 4.0),
        "thumbs": (stars > stars.mean()).astype(np.float64),
        "heavy-tailed": np.where(np.arange(len(stars)) % 97 == 5, 1000 * stars, stars),
    }[kind]
    recommender = trained(rating)
    found, spread = predictions(recommender), recommender.run.model.rating_spread
    assert rating.min() - spread < found.min()
    assert found.max() < rating.max() + spread
    if kind == "thumbs":
        assert found[rating == 1].mean() > found[rating == 0].mean() + 0.1
