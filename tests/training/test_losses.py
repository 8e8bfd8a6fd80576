"""Losses by arithmetic, and shapes that would broadcast into a wrong one."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.config import TrainConfig
from movierec_jax.model.inputs import Interactions, UserBatches
from movierec_jax.model.interactions import pad_links
from movierec_jax.model.two_tower import Encoded
from movierec_jax.training.losses import (
    SHRINKAGE_DAMPING,
    TYPICAL_COUNT,
    catalogue_error,
    decay,
    factor_variance,
    implicit_feedback_decay,
    row_weights,
    squared_error,
    summed_catalogue_error,
    weighted_size,
)

# Settings that make decay 0.
NO_DECAY = TrainConfig(
    embedding_decay=0.0,
    bias_decay=0.0,
    history_explicit_decay=0.0,
    history_implicit_decay=0.0,
    feature_decay=0.0,
    decay_power=1.0,
)


def floats(*values):
    return jnp.array(values, jnp.float32)


def without_shape_checks(function):
    """The function as a user's program calls it: in the test run a hook checks annotated shapes and refuses first."""
    return inspect.unwrap(function)


@pytest.mark.parametrize("other", [(3, 1), (1,), (), (1, 3), (2,)])
def test_unequal_shapes_are_refused(other):
    with pytest.raises(ValueError, match=r"\(3,\).*differ in shape"):
        without_shape_checks(squared_error)(jnp.zeros(3), jnp.zeros(other))


def test_squared_error_is_the_square_of_the_difference():
    np.testing.assert_array_equal(squared_error(floats(3, 4.5, 1), floats(4, 4.5, 3)), [1, 0, 4])


# The size of rows.


def interactions_with(
    user_count, movie_count, user_feature_count=(), movie_feature_count=(), time_feature_count=()
) -> Interactions:
    """Interactions with these counts, which are all that decay reads."""
    counts = user_count, movie_count, user_feature_count, movie_feature_count, time_feature_count
    return Interactions(*[None] * 6, *map(floats_of, counts))


def floats_of(values):
    return jnp.array(values, jnp.float32)


def test_power_1_weighs_a_row_by_its_share_of_the_ratings():
    np.testing.assert_allclose(row_weights(floats(1, 3, 0, 6), 1.0), [1 / 10, 3 / 10, 0, 6 / 10], rtol=1e-6)


def test_power_0_weighs_all_rated_rows_alike_and_others_not_at_all():
    weight = TYPICAL_COUNT / (1 + 3 + 6)
    np.testing.assert_allclose(row_weights(floats(1, 3, 0, 6), 0.0), [weight, weight, 0, weight], rtol=1e-6)


@pytest.mark.parametrize("power", [0.0, 0.67, 1.0, 2.0])
def test_no_power_changes_the_weight_of_a_row_with_a_typical_number_of_ratings(power):
    share = TYPICAL_COUNT / (TYPICAL_COUNT + 10)
    assert row_weights(floats(TYPICAL_COUNT, 10), power)[0] == pytest.approx(share)


def test_a_power_between_weighs_as_that_power_of_the_number_of_ratings():
    weights = row_weights(floats(1, 4, 16), 0.5)
    np.testing.assert_allclose(weights / weights[0], [1, 4**0.5, 16**0.5], rtol=1e-6)


def test_the_size_of_rows_is_the_sum_of_squares_with_a_weight_for_each_row():
    assert weighted_size(floats([1, 2], [3, 0]), floats(1, 0.5)) == (1**2 + 2**2) * 1 + 3**2 * 0.5


def test_each_kind_of_row_decays_by_its_setting_and_the_ratings_of_what_it_stands_for():
    params = {
        "user_tower": {
            "embedding": floats([1], [2]),
            "bias": floats([3], [1]),
            # A row for each of the three movies, of a user's history.
            "explicit": floats([1], [2], [3]),
            "implicit": floats([2], [0], [1]),
            "features": floats([4], [1]),
            "time_features": floats([1], [2]),
            "hidden": {"kernel": floats([9])},
        },
        "movie_tower": {
            "embedding": floats([1], [1], [2]),
            "bias": floats([0], [0], [1]),
            "explicit": floats([5], [1]),
            # It has no table for the days of single users.
            "time_features": floats([3]),
        },
        "head": {"offset": jnp.float32(7)},
    }
    # The last count is of the unknown row; the third user has content alone.
    interactions = interactions_with([3, 1, 0, 0], [2, 1, 1, 0], user_feature_count=[3, 1], time_feature_count=[4, 1])
    config = TrainConfig(
        embedding_decay=2.0,
        bias_decay=3.0,
        history_explicit_decay=5.0,
        history_implicit_decay=7.0,
        feature_decay=11.0,
        rating_time_decay=13.0,
        decay_power=1.0,
    )
    of_users = (
        2 * (1**2 * 3 / 4 + 2**2 * 1 / 4)
        + 3 * (3**2 * 3 / 4 + 1**2 * 1 / 4)
        + 5 * (1**2 * 2 / 4 + 2**2 * 1 / 4 + 3**2 * 1 / 4)
        + 7 * (2**2 * 2 / 4 + 0 + 1**2 * 1 / 4)
        + 11 * (4**2 * 3 / 4 + 1**2 * 1 / 4)
        + 13 * (1**2 * 4 / 5 + 2**2 * 1 / 5)
    )
    of_movies = (
        2 * (1**2 * 2 / 4 + 1**2 * 1 / 4 + 2**2 * 1 / 4)
        + 3 * (1**2 * 1 / 4)
        + 5 * (5**2 * 3 / 4 + 1**2 * 1 / 4)
        + 13 * (3**2 * 4 / 5)
    )
    assert decay(params, interactions, config) == pytest.approx(of_users + of_movies)


@pytest.mark.parametrize(("setting", "size"), [("embedding_decay", 1**2 + 2**2), ("bias_decay", 3**2 + 4**2)])
def test_each_decay_is_of_its_own_parameters_alone(setting, size):
    params = {
        "user_tower": {"embedding": floats([1]), "bias": floats([3])},
        "movie_tower": {"embedding": floats([2]), "bias": floats([4])},
    }
    interactions, config = interactions_with([4, 0], [4, 0]), TrainConfig(**{**vars(NO_DECAY), setting: 1.0})
    assert decay(params, interactions, config) == size
    assert decay(params, interactions, NO_DECAY) == 0


def test_with_power_1_decay_is_the_mean_over_ratings_of_the_size_of_their_user_and_movie():
    user, movie, pairs = floats([1, 2], [3, 4]), floats([2, 0], [0, 1]), [(0, 0), (0, 1), (1, 1)]
    params = {"user_tower": {"embedding": user}, "movie_tower": {"embedding": movie}}
    config = TrainConfig(**{**vars(NO_DECAY), "embedding_decay": 1.0})
    sizes = [np.sum(user[one] ** 2) + np.sum(movie[other] ** 2) for one, other in pairs]
    assert decay(params, interactions_with([2, 1, 0], [1, 2, 0]), config) == pytest.approx(np.mean(sizes))


# Uncertainty.


def encoded(factors) -> Encoded:
    return Encoded(
        bias=9 * jnp.ones(len(factors)),
        factors=floats_of(factors),
        hidden=9 * jnp.ones((len(factors), 2)),
        implicit_feedback=9 * jnp.ones((len(factors), 3)),
    )


def test_the_variance_of_a_pair_is_that_of_either_side_times_the_size_of_the_other():
    user, movie = encoded([[1, 2], [0, 0]]), encoded([[3, 0], [1, 1]])
    result = factor_variance(user, movie, floats(10, 0), floats(2, 7))
    expected = [
        (1**2 + 2**2) / (2 + SHRINKAGE_DAMPING) + 3**2 / (10 + SHRINKAGE_DAMPING),
        0 / (7 + SHRINKAGE_DAMPING) + (1**2 + 1**2) / (0 + SHRINKAGE_DAMPING),
    ]
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_many_ratings_leave_no_variance():
    many = floats(1e9)
    assert factor_variance(encoded([[1, 2]]), encoded([[3, 4]]), many, many)[0] < 1e-7


# The whole catalogue.


def test_the_error_over_the_catalogue_is_a_sum_over_movies_and_a_mean_over_users_who_count():
    implicit_score, label = floats([0.5, 0, 1], [1, 1, 0], [7, 7, 7]), floats([1, 0, 0], [1, 0, 0], [0, 0, 0])
    weight = floats([1, 0.5, 0.5], [0, 0.5, 0.5], [0, 0, 0])
    expected = ((1 * 0.5**2 + 0 + 0.5 * 1**2) + (0 + 0.5 * 1**2 + 0)) / 2
    assert catalogue_error(implicit_score, label, weight) == expected


def test_the_error_over_the_catalogue_by_sums_has_the_value_and_the_gradient_of_that_by_tables():
    rng = np.random.default_rng(0)
    num_users, num_movies, weight = 5, 7, 0.3
    # User 3 has rated nothing, and user 5 is filling.
    user, movie = (axis.astype(np.int32) for axis in np.nonzero(rng.random((num_users, num_movies)) < 0.5))
    user, movie = user[user != 3], movie[user != 3]
    links = jax.device_put((pad_links(user, movie), pad_links(movie, user)))
    is_masked = np.float32(rng.random(len(user)) < 0.5)
    nothing = jnp.zeros(len(user) + 1, jnp.int32)
    user_batch = UserBatches(
        user=jnp.append(jnp.asarray(user), num_users),
        movie_row=jnp.append(jnp.asarray(movie), 0),
        position=nothing,
        num_ratings=nothing,
    )
    sides = tuple(jnp.float32(rng.normal(size=(rows, 4))) for rows in (num_users, num_movies))

    def table(entries):
        return jnp.zeros((num_users, num_movies)).at[user, movie].set(entries)

    weights = (table(is_masked) + weight * (1 - table(jnp.ones(len(user))))) * (jnp.arange(num_users) != 3)[:, None]

    def by_tables(users, movies):
        return catalogue_error(users @ movies.T, table(is_masked), weights)

    def by_sums(users, movies):
        return summed_catalogue_error(users, movies, user_batch, links, jnp.append(is_masked, 0), weight)

    for one, other in zip(
        *(jax.tree.leaves(jax.value_and_grad(error, argnums=(0, 1))(*sides)) for error in (by_tables, by_sums)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_error_over_the_catalogue_is_0_where_no_movie_counts():
    assert catalogue_error(floats([1, 2]), floats([0, 1]), floats([0, 0])) == 0


def test_tables_of_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        without_shape_checks(catalogue_error)(jnp.zeros((2, 3)), jnp.zeros((2, 3)), jnp.zeros((2, 1)))


def test_rows_of_the_implicit_feedback_score_decay_alike_as_a_share_of_a_users_error():
    params = {"rated": floats([1, 2], [3, 0]), "movie": floats([0, 1], [1, 1]), "bias": floats([9], [9])}
    # Three users, one of whom has no ratings; of the movies the third has content alone.
    interactions = interactions_with([3, 1, 0, 0], [0, 2, 0, 0])
    config = TrainConfig(implicit_feedback_decay=10.0, masked_fraction=0.5).for_ratings(4, is_by_time=False)
    sizes = [1 + 4 + 0 + 1, 9 + 0 + 1 + 1]
    assert implicit_feedback_decay(params, interactions, config) == pytest.approx(0.5 * 10 / 2 * sum(sizes))
