"""Means over a table small enough to work out by hand."""

import numpy as np
import pytest

from movierec_jax.data.schema import Ratings
from movierec_jax.evaluation.baselines import MOVIE_DAMPING, USER_DAMPING, popular_lists, rating_baselines
from movierec_jax.recommend.lists import SeenMovies

# Row 2 is that of unknown users and unknown movies; nobody rated movie 2 or is user 2.
UNKNOWN = 2


def ratings(*rows):
    """Ratings of (user row, movie row, stars)."""
    user, movie, stars = zip(*rows, strict=True)
    return Ratings(
        user_row=np.array(user, np.int32),
        movie_row=np.array(movie, np.int32),
        rating=np.array(stars, np.float32),
        timestamp=np.zeros(len(rows), np.int64),
        time_features=np.zeros((len(rows), 0), np.int32),
    )


TRAIN = ratings((0, 0, 5), (0, 1, 2), (1, 0, 5))
MEAN = (5 + 2 + 5) / 3
# What a movie's ratings are above the mean, over their number and the damping; then what is left, by user.
MOVIE_BIAS = [((5 - MEAN) + (5 - MEAN)) / (2 + MOVIE_DAMPING), (2 - MEAN) / (1 + MOVIE_DAMPING), 0]
USER_BIAS = [
    ((5 - MEAN - MOVIE_BIAS[0]) + (2 - MEAN - MOVIE_BIAS[1])) / (2 + USER_DAMPING),
    (5 - MEAN - MOVIE_BIAS[0]) / (1 + USER_DAMPING),
    0,
]


def predicted(name, user, movie):
    """What a baseline of TRAIN says of one rating."""
    return rating_baselines(TRAIN, num_users=2, num_movies=2)[name](ratings((user, movie, 1)))[0]


def test_the_constant_is_the_mean_of_train():
    assert predicted("constant", 0, 1) == MEAN


@pytest.mark.parametrize(("user", "mean"), [(0, (5 + 2) / 2), (1, 5), (UNKNOWN, MEAN)])
def test_the_user_mean_is_of_the_user_alone_or_of_all_for_an_unknown_one(user, mean):
    assert predicted("user mean", user, 0) == pytest.approx(mean)


@pytest.mark.parametrize(("movie", "mean"), [(0, (5 + 5) / 2), (1, 2), (UNKNOWN, MEAN)])
def test_the_movie_mean_is_of_the_movie_alone_or_of_all_for_an_unknown_one(movie, mean):
    assert predicted("movie mean", 1, movie) == pytest.approx(mean)


@pytest.mark.parametrize("movie", [0, 1, UNKNOWN])
@pytest.mark.parametrize("user", [0, 1, UNKNOWN])
def test_biases_add_a_damped_mean_of_the_movie_and_of_what_it_leaves_to_the_user(user, movie):
    assert predicted("biases", user, movie) == pytest.approx(MEAN + USER_BIAS[user] + MOVIE_BIAS[movie])


def test_predictions_are_one_per_rating_in_their_order():
    movie_mean = rating_baselines(TRAIN, 2, 2)["movie mean"]
    assert movie_mean(ratings((0, 1, 1), (0, 0, 1), (1, 1, 1))) == pytest.approx([2, 5, 2])


@pytest.mark.parametrize("name", ["constant", "user mean", "movie mean", "biases"])
def test_one_train_rating_is_what_every_baseline_says(name):
    predict = rating_baselines(ratings((0, 0, 3)), num_users=1, num_movies=1)[name]
    assert predict(ratings((0, 0, 1), (1, 1, 1))).tolist() == [3, 3]


def test_popular_lists_are_by_count_then_row_without_seen_movies():
    seen = SeenMovies.of(np.array([1, 1, 2, 2, 2, 2]), np.int32([0, 2, 0, 1, 2, 3]), num_users=3, num_movies=4)
    lists = popular_lists(np.array([3, 1, 2, 3]), seen, num_users=3, k=3)
    assert lists.tolist() == [[0, 3, 2], [3, 1, 4], [4, 4, 4]]


def test_popular_lists_of_equal_counts_are_by_row():
    nothing = SeenMovies.of(np.zeros(0, np.int64), np.zeros(0, np.int32), num_users=1, num_movies=100)
    lists = popular_lists(np.arange(100) % 2, nothing, num_users=1, k=100)
    assert lists[0].tolist() == [*range(1, 100, 2), *range(0, 100, 2)]
