"""Scores and predicted ratings, in tiles of users and pair by pair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_scorer import ALL_USERS, BY_HITS, NUM_MOVIES, NUM_USERS
from hypothesis import given
from hypothesis import strategies as st

from movierec_jax.config import ModelConfig, TrainConfig
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.recommend import scoring
from movierec_jax.recommend.scoring import (
    BLOCK_PAIRS,
    RELEVANCE_WIDTH,
    Order,
    order_of,
    predict_ratings,
    tile_users,
)
from movierec_jax.training.state import TrainingSetup

NO_SCALE = (-1e9, 1e9)

# What lists are ordered by.


def test_a_higher_implicit_feedback_score_or_rating_never_lowers_a_score():
    implicit_score, rating = jnp.meshgrid(jnp.linspace(-0.3, 1.2, 40), jnp.linspace(0, 6, 30), indexing="ij")
    score = np.asarray(BY_HITS.score(implicit_score, rating))
    assert (np.diff(score, axis=0) >= 0).all()
    assert (np.diff(score, axis=1) >= 0).all()


@pytest.mark.parametrize(("implicit_feedback_dim", "by"), [(0, "predicted_rating"), (2, "expected_hits")])
def test_a_model_without_implicit_feedback_orders_by_predicted_rating(implicit_feedback_dim, by):
    model = TwoTowers(1, 1, 0, 0, ModelConfig(implicit_feedback_dim=implicit_feedback_dim))
    config = TrainConfig().for_ratings(1, "any")
    order = order_of(TrainingSetup(model, config, 1, rating_scale=(1.0, 5.0), relevant_rating=3.5))
    assert order == Order(by, relevant_rating=3.5, width=RELEVANCE_WIDTH * 4)


# Tiles.


@given(st.integers(1, 10**8), st.integers(0, 10**4), st.integers(1, 100))
def test_a_tile_is_as_many_users_as_fit_but_1_at_least_and_64_at_most(num_movies, width, num_members):
    model = TwoTowers(1, num_movies, 0, 0, ModelConfig(hidden_dims=(width,) if width else ()))
    tile = tile_users(model, num_members, num_users=9)
    elements_of_user = num_movies * max(1, width) * num_members
    assert tile in (1, 2, 4, 8, 16, 32, 64)
    assert tile == 1 or tile * elements_of_user <= scoring.TILE_ELEMENTS
    assert tile == 64 or 2 * tile * elements_of_user > scoring.TILE_ELEMENTS
    assert tile_users(model, num_members, num_users=8) == min(tile, 8)


# Pairs.


def test_predicted_ratings_and_spreads_are_those_of_the_pairs_one_by_one(scorer, ratings, member_ratings):
    user_row, movie_row = np.int32([0, 7, 7, NUM_USERS]), np.int32([3, NUM_MOVIES, 2, 1])
    together = predict_ratings(scorer, user_row, movie_row, NO_SCALE)
    alone = [predict_ratings(scorer, user_row[[n]], movie_row[[n]], NO_SCALE) for n in range(4)]
    np.testing.assert_array_equal(together, np.squeeze(alone, axis=2).T)
    np.testing.assert_allclose(together[0], ratings[user_row, movie_row], rtol=1e-4, atol=1e-5)
    # The standard deviation of two numbers is half their difference.
    one, other = member_ratings[:, user_row, movie_row]
    np.testing.assert_allclose(together[1], np.abs(one - other) / 2, rtol=1e-4, atol=1e-5)


def test_a_single_member_has_no_spread(scorer):
    one = jax.tree.map(lambda leaf: leaf[:1], scorer)
    assert not predict_ratings(one, ALL_USERS, np.zeros(NUM_USERS, np.int32), NO_SCALE)[1].any()


def test_more_pairs_than_a_block_holds_are_predicted_in_their_order(scorer, ratings):
    rng = np.random.default_rng(3)
    user_row, movie_row = (rng.integers(0, n, BLOCK_PAIRS + 3, np.int32) for n in (NUM_USERS, NUM_MOVIES))
    predicted, _ = predict_ratings(scorer, user_row, movie_row, NO_SCALE)
    np.testing.assert_allclose(predicted, ratings[user_row, movie_row], rtol=1e-4, atol=1e-4)


def test_predicted_ratings_are_clipped_to_the_scale_and_spreads_are_not(scorer, ratings):
    user_row, movie_row = (axis.ravel() for axis in np.indices((NUM_USERS, NUM_MOVIES), np.int32))
    predicted, spread = predict_ratings(scorer, user_row, movie_row, (0.1, 0.7))
    assert (predicted.min(), predicted.max()) == (np.float32(0.1), np.float32(0.7))
    is_inside = (predicted > np.float32(0.1)) & (predicted < np.float32(0.7))
    np.testing.assert_allclose(predicted[is_inside], ratings[user_row, movie_row][is_inside], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(spread, predict_ratings(scorer, user_row, movie_row, NO_SCALE)[1])


def test_no_pairs_have_neither_rating_nor_spread(scorer):
    rating, spread = predict_ratings(scorer, ALL_USERS[:0], ALL_USERS[:0], (1.0, 5.0))
    assert rating.shape == spread.shape == (0,)
