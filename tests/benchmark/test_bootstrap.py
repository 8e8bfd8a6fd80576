"""Intervals with predictable ends, for so few users that every draw can be written down."""

import numpy as np
import pytest

from movierec_jax.benchmark.bootstrap import Difference, bootstrap_mean, bootstrap_rmse, differences_to, interval

ONE_RATING_EACH = np.array([[1, 1]])


def errors(*models):
    """Squared errors [models, 1 part, users] of models given by their errors."""
    return np.square(np.array(models, np.float64))[:, None, :]


def test_two_users_give_the_three_figures_that_can_be_drawn():
    # Twice the first user, one of each, twice the second.
    drawn = bootstrap_rmse(errors([1, 3]), ONE_RATING_EACH, num_resamples=200)[:, 0]
    assert np.unique(drawn) == pytest.approx([1, np.sqrt((1 + 9) / 2), 3])


def test_each_of_these_figures_is_drawn_with_its_probability():
    drawn = bootstrap_rmse(errors([1, 3]), ONE_RATING_EACH, num_resamples=4000)[:, 0]
    shares = [np.mean(np.isclose(drawn, value)) for value in (1, np.sqrt(5), 3)]
    # Four standard errors of a share of 1/2 in 4000.
    assert shares == pytest.approx([1 / 4, 1 / 2, 1 / 4], abs=4 * np.sqrt(0.5 * 0.5 / 4000))


def test_a_model_that_errs_twice_as_much_on_every_rating_has_twice_the_rmse_in_every_draw():
    drawn = bootstrap_rmse(errors([1, 2, 5], [2, 4, 10]), np.array([[1, 1, 1]]), num_resamples=50)
    assert drawn[:, 1] == pytest.approx(2 * drawn[:, 0])


def test_a_constant_difference_has_an_interval_of_no_width():
    drawn = bootstrap_rmse(errors([1, 1, 1], [3, 3, 3]), np.array([[1, 1, 1]]), num_resamples=50)
    assert interval(drawn[:, 1] - drawn[:, 0]) == (2, 2)


def test_users_are_drawn_with_all_their_ratings():
    # 99 ratings with an error of 1 each, and one with 3: never a mixture other than these three.
    squared_error, num_ratings = np.array([[[99.0, 9.0]]]), np.array([[99, 1]])
    drawn = bootstrap_rmse(squared_error, num_ratings, num_resamples=200)[:, 0]
    assert np.unique(drawn) == pytest.approx([1, np.sqrt((99 + 9) / (99 + 1)), 3])


def test_parts_count_alike_whatever_their_size():
    # One user, so that every draw is the data: part RMSEs of 1 and 3, of 100 ratings and of 1.
    assert bootstrap_rmse(np.array([[[100.0], [9.0]]]), np.array([[100], [1]]), num_resamples=3) == pytest.approx(2)


def test_a_part_without_a_drawn_rating_is_left_out():
    # Each user is in one part alone; whoever is drawn twice leaves the other part empty.
    squared_error, num_ratings = np.array([[[1.0, 0.0], [0.0, 9.0]]]), np.array([[1, 0], [0, 1]])
    drawn = bootstrap_rmse(squared_error, num_ratings, num_resamples=100)[:, 0]
    assert np.unique(drawn) == pytest.approx([1, (1 + 3) / 2, 3])


def test_the_interval_agrees_with_the_theory_for_many_users():
    # Of n equal users the mean squared error varies with std(errors^2) / sqrt(n), and its root with half that over it.
    values = np.random.default_rng(0).normal(size=4000)
    low, high = interval(bootstrap_rmse(errors(values), np.ones((1, 4000), int))[:, 0])
    rmse = np.sqrt(np.mean(values**2))
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(values**2) / np.sqrt(4000) / (2 * rmse), rel=0.1)


def test_the_same_seed_gives_the_same_draws():
    once, again = (bootstrap_rmse(errors([1, 2, 3]), np.array([[1, 1, 1]]), num_resamples=20) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_an_interval_leaves_out_as_many_values_below_as_above():
    assert interval(np.arange(101.0), confidence=0.9) == pytest.approx((5, 95))


def test_means_are_over_all_figures_of_the_users_drawn():
    # The first user has one figure of 2, the second three that sum to 3.
    drawn = bootstrap_mean(np.array([[2.0, 3.0]]), np.array([1, 3]), num_resamples=200)[:, 0]
    assert np.unique(drawn) == pytest.approx([3 / 3, (2 + 3) / 4, 2 / 1])


def test_differences_are_to_the_reference_and_leave_it_out():
    resampled = np.array([[3.0, 1.0, 2.0]] * 5)
    found = differences_to("b", {"a": 3.5, "b": 1.5, "c": 2.0}, resampled)
    assert found == {"a": Difference("b", 2.0, (2.0, 2.0)), "c": Difference("b", 0.5, (1.0, 1.0))}


def test_a_difference_in_words_has_signs_and_its_interval():
    assert Difference("b", -0.01, (-0.02, 0.005)).in_words(3) == "-0.010 (-0.020 to +0.005)"
