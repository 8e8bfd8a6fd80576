"""Ratings as programs give them: every form means the same table, and what cannot be told is refused."""

import datetime
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.errors import InputError
from movierec_jax.recommend.given_ratings import ratings_of_one, ratings_of_users, seconds_of

MOVIES = pd.Index([500, 501, 502])
SCALE = (1.0, 5.0)
DAY = 24 * 60 * 60


class Rated(NamedTuple):
    movie_id: int
    rating: float


def of_one(given):
    return ratings_of_one(given, MOVIES, SCALE)


def of_users(given):
    return ratings_of_users(given, MOVIES, SCALE)


TABLE = pd.DataFrame({"movie_id": [501, 500], "rating": [4.5, 2.0]})
FORMS = {
    "dict": {501: 4.5, 500: 2},
    "dict by text": {"501": "4.5", " 500": 2},
    "Series by movie": pd.Series([4.5, 2.0], index=[501, 500]),
    "rows": [(501, 4.5), (500, 2)],
    "generator of rows": (row for row in [(501, 4.5), (500, 2)]),
    "lists": [[501, 4.5], [500, 2.0]],
    "matrix": np.array([[501, 4.5], [500, 2.0]]),
    "named rows": [Rated(501, 4.5), Rated(500, 2)],
    "records": [{"movie_id": 501, "rating": 4.5}, {"rating": 2, "movie_id": 500}],
    "table": TABLE,
    "table of MovieLens": pd.DataFrame({"userId": [1, 1], "movieId": [501, 500], "rating": [4.5, 2], "title": "x"}),
    "table by index": TABLE.set_index("movie_id"),
    "table of text": pd.DataFrame({"Film ID": ["501", "500"], "Stars": ["4.5", "2"]}),
    "Arrow table": pytest.importorskip("pyarrow").Table.from_pandas(TABLE),
    "repeated alike": [(501, 4.5), (500, 2), (501, 4.5)],
}


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
def test_every_form_of_one_users_ratings_means_the_same(given):
    table = of_one(given)
    assert [str(dtype) for dtype in table.dtypes] == ["int64", "int64", "float32", "int64"]
    assert table.to_dict("list") == {
        "user_id": [0, 0],
        "movie_id": [501, 500],
        "rating": [4.5, 2],
        "timestamp": [NO_TIMESTAMP] * 2,
    }


@pytest.mark.parametrize(
    "given",
    [
        {"ann": {501: 4.5, 500: 2}, "bob": {500: 3}},
        [("ann", 501, 4.5), ("ann", "500", 2), ("bob", 500, 3)],
        pd.DataFrame({"USER": ["ann", "ann", "bob"], "item": [501, 500, 500], "note": 0, "stars": ["4.5", 2, 3.0]}),
    ],
    ids=["dicts", "rows", "table"],
)
def test_every_form_of_several_users_ratings_means_the_same(given):
    assert of_users(given).drop(columns="timestamp").to_dict("list") == {
        "user_id": ["ann", "ann", "bob"],
        "movie_id": [501, 500, 500],
        "rating": [4.5, 2, 3],
    }


@pytest.mark.parametrize("users", [[7, 8], [7.0, 8.0], np.array([7, 8], "object")])
def test_whole_numbers_are_integer_ids_of_new_users(users):
    assert of_users(pd.DataFrame({"user": users, "movie": [500, 501], "rating": 3})).user_id.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no ratings: give one or more"),
        ([], "no ratings: give one or more"),
        (TABLE[:0], "no ratings: give one or more"),
        (None, "ratings given as NoneType None: give a dict"),
        ("ratings.csv", "ratings given as str 'ratings.csv': give a dict"),
        ([500, 501], "rows of 1 values, such as (500,): give a dict"),
        ([(1, 500, 3, 4, 5)], "rows of 5 values"),
        ({500: True}, "rating=true: must be 1 to 5 stars"),
        ({500: None}, "rating=unset: must be 1 to 5 stars"),
        ({500: "4,5"}, "rating=4,5: must be 1 to 5 stars"),
        ({500: 10}, "rating=10: must be 1 to 5 stars"),
        ({None: 3}, "movie id None: the ids of this data are integers, such as 500"),
        ([(500, 3), ("500", 4)], "user 0 has rated movie 500 more than once: give one rating of it, or the time"),
        (pd.DataFrame({"title": ["Heat"], "rating": [3]}), "ratings: no column movie_id among title, rating; give a"),
        (pd.DataFrame({"movie": [500], "Stars": 3, "overall": 4}), "ratings: columns 'Stars' and 'overall' could each"),
        (TABLE.assign(user_id=[1, 2]), "ratings of several users"),
    ],
)
def test_ratings_of_one_user_that_cannot_be_told_are_refused(given, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        of_one(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({500: 4.0}, "ratings of one user, as recommend_for takes them: give a table"),
        ([(500, 4.0)], "rows of 2 values"),
        ([("ann", 500, 4), (7, 500, 4)], "user id 'ann' among 'ann': write all as integers, or all as text"),
        ([(1.5, 500, 4)], "user id 1.5 among 1.5: write all as integers, or all as text"),
        ([("ann", 500, 4), (None, 500, 4)], "a rating without a user id"),
    ],
)
def test_ratings_of_users_that_cannot_be_told_are_refused(given, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        of_users(given)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_the_latest_rating_of_a_movie_counts_and_the_others_are_counted(order):
    rows = [(500, 1, "2024-05-01"), (500, 5, "2024-05-02"), (501, 3, "2023-01-01")]
    with pytest.warns(UserWarning, match=r"^1 ratings have a later one of the same user and movie, which counts, such"):
        table = of_one([rows[n] for n in order])
    assert dict(zip(table.movie_id, table.rating, strict=True)) == {500: 5, 501: 3}


# Times.


@pytest.mark.parametrize(
    "times",
    [
        [DAY, 2 * DAY],
        [float(DAY), 2.0 * DAY],
        [str(DAY), str(2 * DAY)],
        ["1970-01-02", "1970-01-03"],
        ["1970-01-02T00:00:00Z", "1970-01-03T01:00:00+01:00"],
        [datetime.date(1970, 1, 2), datetime.date(1970, 1, 3)],
        [datetime.datetime(1970, 1, 2), datetime.datetime(1970, 1, 3, tzinfo=datetime.UTC)],
        [pd.Timestamp("1970-01-02"), pd.Timestamp("1970-01-03")],
        pd.Series(pd.to_datetime(["1970-01-02", "1970-01-03"]), index=[5, 6]),
        np.array(["1970-01-02", "1970-01-03"], "datetime64[s]"),
        pd.to_datetime(["1970-01-02", "1970-01-03"]).tz_localize("UTC"),
    ],
    ids=lambda times: f"{type(times).__name__} {times[0] if isinstance(times, list) else ''}",
)
def test_times_of_every_kind_are_seconds_since_1970(times):
    assert seconds_of(times).tolist() == [DAY, 2 * DAY]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NaT])
def test_a_missing_time_is_none(missing):
    assert seconds_of(["1970-01-02", missing]).tolist() == [DAY, NO_TIMESTAMP]
    assert seconds_of([]).tolist() == []


@pytest.mark.parametrize("times", [["yesterday"], ["1970-01-02", DAY], ["1970-01-02", "soon"]])
def test_a_time_that_cannot_be_read_is_refused(times):
    with pytest.raises(InputError, match=r"^timestamp.*give seconds since 1970, dates, or ISO text"):
        seconds_of(times)
