"""Losses by arithmetic, and shapes that would broadcast into a wrong one."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.config import TrainConfig
from movierec_jax.model.inputs import Batch, Interactions, UserBatches
from movierec_jax.model.interactions import pad_links
from movierec_jax.model.tables import LEARNT_TABLES
from movierec_jax.model.two_tower import Encoded
from movierec_jax.training.losses import (
    SHRINKAGE_DAMPING,
    catalogue_error,
    decay,
    factor_variance,
    implicit_feedback_decay,
    ratings_of_rows,
    squared_error,
    summed_catalogue_error,
)

# What the strengths of learnt tables begin with.
UNCHANGED = jnp.zeros(len(LEARNT_TABLES))


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


def interactions_with(user_count, movie_count) -> Interactions:
    """Interactions with these counts, which are all that decay reads."""
    return Interactions(*[None] * 6, floats(*user_count), floats(*movie_count))


def test_each_kind_of_row_decays_by_its_setting_per_rating():
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
            "embedding": floats([1, 1], [1, 0], [2, 0]),
            "bias": floats([0], [0], [1]),
            "explicit": floats([5], [1]),
            # It has no table for the days of single users.
            "time_features": floats([3]),
        },
        "head": {"offset": jnp.float32(7)},
    }
    # The last count is of the unknown row; the third user has content alone.
    interactions = interactions_with([3, 1, 0, 0], [2, 1, 1, 0])
    config = TrainConfig(
        embedding_decay=2.0,
        bias_decay=3.0,
        history_explicit_decay=5.0,
        history_implicit_decay=7.0,
        feature_decay=11.0,
        rating_time_decay=13.0,
    ).for_ratings(3 + 1, "any")
    of_users = (
        2 * (1**2 + 2**2)
        + 3 * (3**2 + 1**2)
        + 5 * (1**2 + 2**2 + 3**2)
        + 7 * (2**2 + 0 + 1**2)
        + 11 * (4**2 + 1**2)
        + 13 * (1**2 + 2**2)
    )
    of_movies = 2 * (1**2 + 1**2 + 1**2 + 2**2) + 3 * 1**2 + 5 * (5**2 + 1**2) + 13 * 3**2
    assert decay(params, interactions, config, UNCHANGED) == pytest.approx((of_users + of_movies) / (3 + 1))


def test_a_decay_is_as_strong_as_so_many_ratings_at_the_mean():
    deviations, strength = floats(2, 1, 1.5), 4.0

    def objective(bias):
        params = {"user_tower": {"bias": bias[None, None]}, "movie_tower": {}}
        config = TrainConfig(bias_decay=strength).for_ratings(3, "any")
        return jnp.mean(jnp.square(deviations - bias)) + decay(
            params, interactions_with([3, 0], [3, 0]), config, UNCHANGED
        )

    assert jax.grad(objective)((2 + 1 + 1.5) / (3 + strength)) == pytest.approx(0, abs=1e-6)


# Of three batches of two ratings each: the rows of the users and movies who gave and have them.
USER_ROWS, MOVIE_ROWS = np.int32([[0, 1], [0, 0], [2, 1]]), np.int32([[0, 1], [2, 1], [1, 0]])
OF_BATCHES = interactions_with([3, 2, 1, 0], [2, 3, 1, 0])
DEFAULTS = TrainConfig().for_ratings(6, "any")


def batch_decay(params, number: int) -> float:
    """The decay of the parameters in one of the batches, whose last slot is filling."""
    rows = (np.append(rows[number], 0) for rows in (USER_ROWS, MOVIE_ROWS))
    nothing = np.zeros(3, np.int32)
    batch = Batch(*rows, nothing[:, None], nothing.astype(np.float32), np.float32([1, 1, 0]), nothing)
    return float(decay(params, OF_BATCHES, DEFAULTS, UNCHANGED, ratings_of_rows(jax.device_put(batch), OF_BATCHES)))


def test_a_row_decays_in_a_batch_by_the_share_of_its_ratings_there_and_not_at_all_without_any():
    params = {"user_tower": {"bias": floats([1], [2], [3])}, "movie_tower": {}}
    strength = TrainConfig.bias_decay
    assert batch_decay(params, 1) == pytest.approx(strength * (1**2 * 2 / 3) / 2)
    assert batch_decay(params, 2) == pytest.approx(strength * (2**2 * 1 / 2 + 3**2 * 1 / 1) / 2)


@pytest.mark.parametrize(
    ("tower", "name"),
    [
        ("user_tower", "bias"),
        ("movie_tower", "embedding"),
        ("user_tower", "explicit"),
        ("movie_tower", "implicit"),
        ("user_tower", "time_features"),
    ],
)
def test_the_decay_of_batches_is_in_the_mean_that_of_all_ratings(tower, name):
    params = {"user_tower": {}, "movie_tower": {}, tower: {name: floats([1, 2], [0, 3], [2, 1])}}
    in_batches = [batch_decay(params, number) for number in range(3)]
    assert np.mean(in_batches) == pytest.approx(float(decay(params, OF_BATCHES, DEFAULTS, UNCHANGED)))


# Uncertainty.


def encoded(factors) -> Encoded:
    return Encoded(
        bias=9 * jnp.ones(len(factors)),
        factors=floats(*factors),
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
        deviation=nothing.astype(jnp.float32),
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
    config = TrainConfig(implicit_feedback_decay=10.0, masked_fraction=0.5).for_ratings(4, "any")
    sizes = [1 + 4 + 0 + 1, 9 + 0 + 1 + 1]
    assert implicit_feedback_decay(params, interactions, config) == pytest.approx(0.5 * 10 / 2 * sum(sizes))
