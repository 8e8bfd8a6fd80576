"""Texts find the movies they are about, every row that cannot be used is counted, and what is left has one form."""

import dataclasses
import math

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.readers.tables.reviews_file import says_something
from movierec_jax.data.schema import (
    GENRES,
    IMDB_ID,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    STARS,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
    YEAR,
    CleanData,
    RawReviews,
)
from movierec_jax.errors import InputError
from movierec_jax.features.review_cleaning import clean_reviews

MOVIES = [10, 20, 30]
LINKS = [(10, 114709), (20, 113497), (99, 113228)]


def data(ids=int, scale=(0.5, 5.0), links=LINKS) -> CleanData:
    """Data of users 1 and 2 and three movies, of which the last is not rated; ids are integers or text."""
    rated = [(ids(user), ids(movie), 3.0, 1) for user in (1, 2) for movie in MOVIES[:2]]
    ratings = pd.DataFrame(rated, columns=[USER_ID, MOVIE_ID, RATING, TIMESTAMP])
    movies = pd.DataFrame({MOVIE_ID: [ids(movie) for movie in MOVIES], TITLE: "x", YEAR: 0, GENRES: ""})
    linked = pd.DataFrame([(ids(movie), imdb) for movie, imdb in links], columns=[MOVIE_ID, IMDB_ID])
    return CleanData(ratings, movies, scale, "ratings.csv", {}, links=linked)


def raw(**columns) -> RawReviews:
    """Reviews of columns side by side; text is missing where it is None, and so are ids."""
    table = pd.DataFrame(columns)
    # As the reader has it: an integer column with a gap is Int64.
    for column in {MOVIE_ID, IMDB_ID, USER_ID} & set(columns):
        if not any(isinstance(value, str) for value in columns[column]):
            table[column] = table[column].astype("Int64")
    return RawReviews("reviews.csv", table.astype({TEXT: "str"}), np.arange(2, len(table) + 2), "line")


def cleaned(ids=int, scale=(0.5, 5.0), **columns) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """The clean table, the counts of dropped rows, and the lines logged."""
    lines: list[str] = []
    table, dropped = clean_reviews(raw(**columns), data(ids, scale), lines.append)
    return table, dropped, lines


def listed(column: pd.Series) -> list:
    return [None if pd.isna(value) else value for value in column]


def test_what_is_left_has_the_columns_and_types_of_the_data():
    table, dropped, lines = cleaned(movie_id=["10", "30"], text=["a", "b"])
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        MOVIE_ID: "int64",
        USER_ID: "Int64",
        TEXT: "str",
        STARS: "float32",
        TIMESTAMP: "int64",
    }
    assert (listed(table[MOVIE_ID]), listed(table[USER_ID]), listed(table[TEXT])) == ([10, 30], [None] * 2, ["a", "b"])
    assert (listed(table[STARS]), listed(table[TIMESTAMP])) == ([None, None], [NO_TIMESTAMP] * 2)
    assert (dropped, lines) == ({}, [])


def test_data_with_ids_of_text_has_reviews_with_ids_of_text():
    for movie_id, user_id in ((["10", "20"], ["1", "ann"]), ([10, 20], [1, None])):
        table, _, _ = cleaned(str, movie_id=movie_id, user_id=user_id, text=["a", "b"])
        assert (str(table[MOVIE_ID].dtype), str(table[USER_ID].dtype)) == ("str", "str")
        assert listed(table[MOVIE_ID]) == ["10", "20"]
        assert listed(table[USER_ID]) == ["1", "ann" if "ann" in user_id else None]


@pytest.mark.parametrize(
    "ids", [["tt0114709", "tt0113497"], ["0114709", "113497"], [114709, 113497], ["114709.0", "113497.0"]]
)
@pytest.mark.parametrize("kind", [int, str])
def test_ids_of_imdb_find_their_movies_however_they_are_written(ids, kind):
    table, dropped, _ = cleaned(kind, imdb_id=ids, text=["a", "b"])
    assert (listed(table[MOVIE_ID]), dropped) == ([kind(10), kind(20)], {})


def test_an_imdb_id_of_several_movies_stands_for_the_one_that_the_data_has():
    linked = data(links=[(77, 5), (20, 5), (10, 5)])
    table, _ = clean_reviews(raw(imdb_id=["5"], text=["a"]), linked)
    assert listed(table[MOVIE_ID]) == [20]


GOOD = {"imdb_id": "114709", "user_id": "1", "text": "good"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"imdb_id": None}, "no movie id"),
        ({"text": None}, "no text"),
        ({"text": " <br /> &nbsp;<p class='x'>"}, "no text"),
        ({"imdb_id": "5"}, "IMDb id without a link to a movie, such as 5"),
        ({"imdb_id": "nm5"}, "IMDb id without a link to a movie, such as nm5"),
        ({"imdb_id": "tt0113228"}, "movie that the data does not have"),
        ({}, "same text of the same movie and user again"),
        # Of several reasons the first in this order.
        ({"imdb_id": None, "text": None}, "no movie id"),
        ({"imdb_id": "5", "text": None}, "no text"),
    ],
)
def test_a_row_that_cannot_be_used_is_dropped_and_counted_under_the_first_reason(row, reason):
    rows = pd.DataFrame([GOOD, GOOD | row]).to_dict("list")
    table, dropped, _ = cleaned(**rows)
    assert (listed(table[TEXT]), dropped) == (["good"], {reason: 1})


@pytest.mark.parametrize("row", [{"imdb_id": "113497"}, {"user_id": "2"}, {"user_id": None}, {"text": "Good"}])
def test_a_text_of_another_movie_or_user_is_no_repetition(row):
    table, dropped, _ = cleaned(**pd.DataFrame([GOOD, GOOD | row]).to_dict("list"))
    assert (len(table), dropped) == (2, {})


def test_without_users_a_text_counts_once_for_each_movie():
    table, dropped, _ = cleaned(movie_id=[10, 20, 10, 10], text=["good", "good", "good", "evil"])
    assert listed(table[MOVIE_ID]) == [10, 20, 10]
    assert listed(table[TEXT]) == ["good", "good", "evil"]
    assert dropped == {"same text of the same movie and user again": 1}


@pytest.mark.parametrize("text", ["a", "👍", "!", "<br>a", "a &amp; b", "1 < 2", "&", "<3", "a\n"])
def test_text_with_anything_but_spaces_and_markup_says_something(text):
    assert says_something(pd.Series([text, None], dtype="str")).tolist() == [True, False]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "<br />", "<a href='x'\n></a> &nbsp; &#160;&#xa0;", "\u00a0\u200b"])
def test_spaces_and_markup_say_nothing(text):
    assert says_something(pd.Series([text], dtype="str")).tolist() == [False]


# Stars.


@pytest.mark.parametrize(
    ("stars", "scale", "expected"),
    [
        # On the scale of the data, half stars or not.
        ([1.0, 3.0, 5.0], (0.5, 5.0), [1, 3, 5]),
        ([0.5, 5.0], (1.0, 5.0), [None, 5]),
        (["4", "2"], (1.0, 5.0), [4, 2]),
        ([3.0, 3.0], (1.0, 10.0), [3, 3]),
        ([0.0, 4.0], (0.0, 4.0), [0, 4]),
        # On another.
        ([1, 10], (0.5, 5.0), [0.5, 5]),
        ([1.0, 10.0, 5.5], (1.0, 5.0), [1, 5, 3]),
        ([0.0, 100.0, 50.0], (1.0, 5.0), [1, 5, 3]),
        ([1.0, 5.0, 3.0], (1.0, 10.0), [1, 10, 5.5]),
        ([0.0, 1.0], (1.0, 5.0), [1, 5]),
        # Missing, or no number.
        ([4.0, math.nan], (1.0, 5.0), [4, None]),
        (["4", "good"], (1.0, 5.0), [4, None]),
        (["good", "bad"], (1.0, 5.0), [None, None]),
        ([4.0, math.inf], (1.0, 5.0), [4, None]),
    ],
)
def test_stars_are_rescaled_to_the_scale_of_the_ratings(stars, scale, expected):
    table, dropped, _ = cleaned(scale=scale, movie_id=[10] * len(stars), text=list("abc")[: len(stars)], stars=stars)
    assert (listed(table[STARS]), table[STARS].dtype, dropped) == (expected, np.float32, {})


def test_stars_of_another_scale_and_those_left_out_are_logged():
    stars = ["1", "10", "good", "99", None] + ["1", "10"] * 100
    texts = [str(number) for number in range(len(stars))]
    table, dropped, lines = cleaned(movie_id=[10] * len(stars), text=texts, stars=stars)
    assert listed(table[STARS])[:5] == [0.5, 5, None, None, None]
    assert dropped == {}
    assert lines == [
        "reviews.csv: stars left out of 2 texts: 1 are no number, 1 lie outside 1 to 10",
        "reviews.csv: stars of 1 to 10 (inferred) count as 0.5 to 5",
    ]


# Users and times.


def test_users_need_not_have_rated_and_may_be_missing():
    table, _, lines = cleaned(movie_id=[10] * 3, user_id=["1", "77.0", None], text=["a", "b", "c"])
    assert (listed(table[USER_ID]), lines) == ([1, 77, None], [])


def test_users_with_ids_of_another_kind_are_logged_and_count_as_nobody():
    table, dropped, lines = cleaned(movie_id=[10] * 3, user_id=["1", "ann", "bob"], text=["a"] * 3)
    assert (listed(table[USER_ID]), dropped) == ([1, None, None], {})
    assert lines == [
        "reviews.csv: the users of 2 texts, such as 'ann', have no integer for an id, as those of the data have; their "
        "texts count as nobody's"
    ]


@pytest.mark.parametrize("times", [["60", "x"], ["1970-01-01T00:01:00Z", ""], [60.0, math.nan], [60, None]])
def test_times_are_seconds_as_those_of_ratings(times):
    table, _, _ = cleaned(movie_id=[10, 10], text=["a", "b"], timestamp=times)
    assert listed(table[TIMESTAMP]) == [60, NO_TIMESTAMP]


# Nothing left.


def test_ids_of_imdb_without_links_are_refused_with_what_to_give():
    with pytest.raises(
        InputError,
        match=r"^reviews\.csv: column 'movie_id' has IMDb ids, such as 1, where ratings\.csv .*; give --links=",
    ):
        clean_reviews(raw(imdb_id=["1"], text=["a"]), data(links=[]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"movie_id": ["x", "y"]},
            "reviews.csv: no text can be used, after dropping 2 rows (movie that the data does not have); its "
            "movie_ids are such as 'x', 'y', the movie_ids of the data such as 10, 20, 30",
        ),
        (
            {"imdb_id": ["tt1", "tt0113228"]},
            "reviews.csv: no text can be used, after dropping 1 row (IMDb id without a link to a movie, such as tt1), "
            "1 row (movie that the data does not have); its movie_ids are such as 'tt1', 'tt0113228', the movie_ids of "
            "the data such as 10, 20, 30",
        ),
    ],
)
def test_where_nothing_is_left_the_ids_of_both_sides_are_shown(columns, message):
    with pytest.raises(InputError) as error:
        cleaned(**columns, text=["a", "b"])
    assert str(error.value) == message


rows = st.tuples(
    st.sampled_from([None, "114709", "tt0113497", "113228", "5"]),
    st.sampled_from([None, "1", "7", "ann"]),
    st.sampled_from([None, "a", "b", "<br>"]),
    st.sampled_from([None, "1", "5", "x"]),
)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(drawn=st.lists(rows, max_size=12))
def test_every_row_is_either_kept_in_its_order_or_counted_under_one_reason(drawn):
    drawn = [("114709", "1", "first", "3"), *drawn]
    columns = dict(zip([IMDB_ID, USER_ID, TEXT, STARS], map(list, zip(*drawn, strict=True)), strict=True))
    table, dropped = clean_reviews(raw(**columns, timestamp=range(len(drawn))), data(), lambda line: None)
    assert len(table) + sum(dropped.values()) == len(drawn)
    number = table[TIMESTAMP].tolist()
    assert number == sorted(set(number))
    assert table[TEXT].tolist() == [drawn[row][2] for row in number]
    kept = [(movie, *drawn[row][1:3]) for movie, row in zip(table[MOVIE_ID], number, strict=True)]
    assert len(set(kept)) == len(kept)
    assert table.index.tolist() == list(range(len(table)))


def test_ratings_may_be_empty():
    whole = data()
    table, _ = clean_reviews(raw(movie_id=[30], text=["a"]), dataclasses.replace(whole, ratings=whole.ratings.head(0)))
    assert listed(table[MOVIE_ID]) == [30]
