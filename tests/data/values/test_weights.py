"""Weights of ratings, and movies watched but not rated, from a raw table to a clean one."""

import numpy as np
import pandas as pd
import pytest

from movierec_jax.data.arrays import damped_means, mean_and_spread
from movierec_jax.data.cleaning import clean
from movierec_jax.data.schema import GENRES, MOVIE_ID, RATING, TIMESTAMP, TITLE, USER_ID, WEIGHT, RawData
from movierec_jax.data.vocab import Vocab, ratings_by_row
from movierec_jax.data_config import DataConfig

# Two users who rated the same three movies.
PAIRS = {USER_ID: [1, 1, 1, 2, 2, 2], MOVIE_ID: [10, 20, 30, 10, 20, 30]}
STARS = [1.0, 5.0, 3.0, 4.0, 2.0, 5.0]


def raw(scale=None, **columns) -> RawData:
    movies = pd.DataFrame({MOVIE_ID: [10], TITLE: ["Heat (1995)"], GENRES: [""]})
    return RawData(pd.DataFrame(PAIRS | columns), movies, "ratings.csv", scale)


def cleaned(config=None, extra=(), **columns):
    return clean(raw(**columns), config or DataConfig(), extra)


def test_weights_are_kept_as_float32_whether_numbers_or_text():
    for weight in ([2, 0.5, 1, 1, 1, 1e-3], ["2", "0.5", "1", "1", "1", "1e-3"]):
        table = cleaned(rating=STARS, weight=weight).ratings
        assert table[WEIGHT].dtype == np.float32
        assert table[WEIGHT].tolist() == np.float32([2, 0.5, 1, 1, 1, 1e-3]).tolist()
        assert table[RATING].tolist() == STARS


def test_equal_weights_of_1_leave_the_table_as_it_is_without_them():
    with_ones, without = cleaned(rating=STARS, weight=[1.0] * 6), cleaned(rating=STARS)
    pd.testing.assert_frame_equal(with_ones.ratings, without.ratings)
    assert WEIGHT not in without.ratings


@pytest.mark.parametrize("bad", ["-1", "heavy", "inf", "nan", None])
def test_a_weight_that_is_no_number_of_0_or_more_is_counted_and_its_row_dropped(bad):
    data = cleaned(rating=STARS, weight=["2", bad, "1", "1", "1", "1"])
    assert data.ratings[WEIGHT].tolist() == [2, 1, 1, 1, 1]
    assert sum(data.dropped.values()) == 1
    assert "weight" in next(iter(data.dropped))


def test_a_rating_of_weight_0_is_watched_and_need_not_be_a_rating():
    table = cleaned(rating=["1", "none", "3", "4", None, "5"], weight=[1, 0, 1, 1, 0, 1]).ratings
    assert table[RATING].isna().tolist() == [False, True, False, False, True, False]
    assert table[WEIGHT].tolist() == [1, 0, 1, 1, 0, 1]


def test_the_unrated_value_is_watched_and_has_no_part_in_the_scale():
    data = cleaned(DataConfig(unrated_value=-1.0), rating=[1.0, -1.0, 3.0, 4.0, -1.0, 5.0])
    assert data.rating_scale == (1.0, 5.0)
    assert data.dropped == {}
    assert data.ratings[WEIGHT].tolist() == [1, 0, 1, 1, 0, 1]
    np.testing.assert_array_equal(data.ratings[RATING], np.float32([1, np.nan, 3, 4, np.nan, 5]))


def test_an_unrated_value_within_the_scale_of_the_format_is_watched_too():
    config = DataConfig(unrated_value=0.0)
    data = clean(raw(scale=(0.0, 5.0), rating=[1.0, 0.0, 3.0, 4.0, 2.0, 5.0]), config)
    assert data.rating_scale == (0.0, 5.0)
    assert data.ratings[RATING].isna().tolist() == [False, True, False, False, False, False]


@pytest.mark.parametrize("columns", [{}, {RATING: [1.0] * 6}, {RATING: [4.5] * 6}], ids=["none", "ones", "all 4.5"])
def test_where_no_two_ratings_differ_every_movie_is_watched(columns):
    data = cleaned(**columns)
    assert data.ratings[RATING].dtype == data.ratings[WEIGHT].dtype == np.float32
    assert data.ratings[RATING].isna().all()
    assert not data.ratings[WEIGHT].any()
    assert data.rating_scale == (0.0, 1.0)


def test_extra_ratings_give_the_scale_where_the_others_have_no_ratings():
    more = RawData(
        pd.DataFrame({USER_ID: [1, 2], MOVIE_ID: [40, 40], RATING: [10.0, 1.0]}), raw().movies, "more.csv", (1.0, 10.0)
    )
    data = cleaned(extra=[more])
    assert data.rating_scale == (1.0, 10.0)
    assert data.ratings[WEIGHT].tolist() == [0] * 6 + [1] * 2


@pytest.mark.parametrize("rated_at", [1, 9], ids=["earlier", "later"])
def test_a_rating_goes_before_having_watched_the_same_movie(rated_at):
    watched = RawData(pd.DataFrame({USER_ID: [1], MOVIE_ID: [20], TIMESTAMP: [5]}), raw().movies, "watched.csv")
    table = cleaned(extra=[watched], rating=STARS, timestamp=[rated_at] * 6).ratings
    assert table[RATING].tolist() == STARS
    assert WEIGHT not in table or (table[WEIGHT] == 1).all()


def test_by_row_a_movie_watched_has_weight_0_and_is_not_rated():
    table = cleaned(DataConfig(unrated_value=3.0), rating=STARS, weight=[2.0, 1, 1, 1, 1, 1]).ratings
    ratings = ratings_by_row(table, Vocab.of(table[USER_ID], "user"), Vocab.of(table[MOVIE_ID], "movie"))
    assert ratings.weight.tolist() == [2, 1, 0, 1, 1, 1]
    assert ratings.total_weight() == 6
    rated = ratings.rated()
    assert rated.rating.tolist() == [1, 5, 4, 2, 5]
    assert rated.movie_row.tolist() == [0, 1, 0, 1, 2]
    assert rated.weight.tolist() == [2, 1, 1, 1, 1]


# A rating of weight n is n ratings.


def repeated(column, weight=(3, 1, 2)):
    return np.repeat(column, weight)


def test_means_and_spreads_count_a_rating_by_its_weight():
    rating, weight, row = np.float32([1, 4, 5]), np.float32([3, 1, 2]), np.int32([0, 1, 1])
    weighted = damped_means(row, rating, 2, weight)
    np.testing.assert_allclose(weighted, damped_means(repeated(row), repeated(rating), 2))
    stars = rating.astype(np.float64)
    np.testing.assert_allclose(mean_and_spread(stars, weight), mean_and_spread(repeated(stars)))


def test_without_ratings_the_mean_is_0_and_the_spread_1():
    nothing = np.zeros(0, np.float32)
    assert mean_and_spread(nothing.astype(np.float64)) == (0, 1)
    assert damped_means(np.zeros(0, np.int32), nothing, 2).tolist() == [0, 0, 0]
