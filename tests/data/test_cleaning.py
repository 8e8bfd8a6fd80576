"""Every row that cannot be used is counted under one reason, and what is left has one form whatever came in."""

import dataclasses
import re

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from movierec_jax.data.cleaning import clean, clean_held_out, describe_dropped
from movierec_jax.data.schema import (
    GENRES,
    IMDB_ID,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    YEAR,
    RawData,
)
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError

COLUMNS = [USER_ID, MOVIE_ID, RATING, TIMESTAMP]
# Two users who rated the same two movies, at 1 to 4 seconds.
GOOD = [(1, 10, 3.0, 1), (1, 20, 4.0, 2), (2, 10, 5.0, 3), (2, 20, 2.0, 4)]

many = hypothesis.settings(deadline=None, max_examples=60)


def raw(rows, movies=(), scale=(1.0, 5.0)):
    """Raw data from tuples in the order of COLUMNS, the last of which may be left out."""
    ratings = pd.DataFrame(list(rows), columns=COLUMNS[: len(rows[0])])
    # As the loader has it: an integer column with a gap is Int64.
    for column in (USER_ID, MOVIE_ID):
        if not any(isinstance(value, str) for value in ratings[column]):
            ratings[column] = ratings[column].astype("Int64" if ratings[column].isna().any() else "int64")
    return RawData(ratings, pd.DataFrame(list(movies), columns=[MOVIE_ID, TITLE, GENRES]), "ratings.csv", scale)


def cleaned(rows, config=None, **kwargs):
    return clean(raw(rows, **kwargs), config or DataConfig())


def as_rows(table):
    return list(table.itertuples(index=False, name=None))


def with_times(times):
    """Ratings by two users at the given times."""
    table = raw([(user, 10 + user, 1.0 + user) for user in range(len(times))])
    return RawData(table.ratings.assign(**{TIMESTAMP: times}), table.movies, table.source, table.rating_scale)


# Extra ratings.


def with_extra(rows, *extra, **kwargs):
    """Clean data of rows and, after them, of each list of extra rows."""
    others = [dataclasses.replace(raw(more, scale=None), source=f"extra{n}.csv") for n, more in enumerate(extra)]
    return clean(raw(rows, **kwargs), DataConfig(), others)


def test_extra_ratings_come_after_the_others():
    data = with_extra(GOOD, [(3, 10, 1.0, 0)], [(3, 30, 2.0, 0)])
    assert as_rows(data.ratings) == [*GOOD, (3, 10, 1.0, 0), (3, 30, 2.0, 0)]
    assert (data.dropped, data.source) == ({}, "ratings.csv")


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ((2, 10, 1.0, 4), (2, 10, 1.0, 4)),
        ((2, 10, 1.0, 3), (2, 10, 1.0, 3)),
        ((2, 10, 1.0, 2), (2, 10, 5.0, 3)),
        ((2, 10, 1.0), (2, 10, 5.0, 3)),
    ],
    ids=["later", "at the same time", "earlier", "without a time"],
)
def test_the_latest_rating_of_a_pair_counts_and_the_extra_one_at_equal_times(extra, kept):
    data = with_extra(GOOD, [extra])
    assert [row for row in as_rows(data.ratings) if row[:2] == (2, 10)] == [kept]
    assert data.dropped == {"repeated pair of user and movie": 1}


def test_an_extra_rating_wins_where_the_others_have_no_times():
    for extra in ((2, 10, 1.0, 4), (2, 10, 1.0)):
        data = with_extra([row[:3] for row in GOOD], [extra])
        assert [row[2] for row in as_rows(data.ratings) if row[:2] == (2, 10)] == [1.0]


def test_the_last_of_many_extra_ratings_at_one_time_counts():
    data = with_extra(GOOD, [(2, 10, 1.0, 9), (2, 10, 2.0, 9)], [(2, 10, 3.0, 9)])
    assert [row[2] for row in as_rows(data.ratings) if row[:2] == (2, 10)] == [3.0]
    assert data.dropped == {"repeated pair of user and movie": 3}


def test_times_of_extra_ratings_may_be_written_in_another_way():
    data = with_extra([(*row[:3], f"1970-01-01 00:00:0{row[3]}") for row in GOOD], [(3, 10, 1.0, 1_500_000_000_000)])
    assert as_rows(data.ratings) == [*GOOD, (3, 10, 1.0, 1_500_000_000)]


def test_extra_ratings_are_held_to_the_scale_of_the_others():
    extra = [(3, 10, 10.0, 5), (3, 20, 7.0, 5), (3, 20, 5.0, 5), (None, 20, 3.0, 5)]
    for scale in ((1.0, 5.0), None):
        data = with_extra(GOOD, extra, scale=scale)
        assert data.rating_scale == (1.0, 5.0)
        assert as_rows(data.ratings) == [*GOOD, (3, 20, 5.0, 5)]
        assert data.dropped == {"rating outside 1 to 5": 2, "no user or movie id": 1}


def test_an_extra_movie_without_a_row_in_the_movie_table_has_no_content():
    data = with_extra(GOOD, [(1, 30, 3.0, 5)], movies=[(10, "Heat (1995)", "Crime")])
    assert as_rows(data.movies) == [(10, "Heat", 1995, "Crime"), (20, "20", 0, ""), (30, "30", 0, "")]


@pytest.mark.parametrize("text", [True, False], ids=["text among integers", "integers among text"])
def test_extra_ids_of_another_kind_are_refused(text):
    words = [(f"u{user}", *rest) for user, *rest in GOOD]
    rows, extra = (GOOD, words) if text else (words, GOOD)
    found, other = ("'u1'", "1") if text else ("1", "'u1'")
    with pytest.raises(InputError, match=rf"^extra0\.csv: user_id such as {found} where .* have {other}: write"):
        with_extra(rows, extra)


def test_extra_ratings_that_are_all_dropped_are_refused_and_none_change_nothing():
    with pytest.raises(InputError, match=r"extra0\.csv: 1 of 1 rows .* such as rating 9\.0 of user u1 for movie m1"):
        with_extra(GOOD, [("u1", "m1", 9.0, 1)])
    empty = dataclasses.replace(raw(GOOD), ratings=raw(GOOD).ratings.head(0))
    pd.testing.assert_frame_equal(clean(raw(GOOD), DataConfig(), [empty]).ratings, cleaned(GOOD).ratings)


# Reasons.


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((None, 10, 3.0, 9), "no user or movie id"),
        ((3, None, 3.0, 9), "no user or movie id"),
        ((3, 10, None, 9), "no rating"),
        ((3, 10, "five", 9), "rating is not a number"),
        ((3, 10, "inf", 9), "rating is not a number"),
        ((3, 10, "1e300", 9), "rating is not a number"),
        ((3, 10, 0.5, 9), "rating outside 1 to 5"),
        ((3, 10, 5.5, 9), "rating outside 1 to 5"),
        ((1, 10, 3.0, 0), "repeated pair of user and movie"),
        ((3, 10, 3.0, 9), "user with too few ratings"),
        # Of several reasons the first in this order.
        ((None, 10, None, 9), "no user or movie id"),
        ((1, 10, None, 9), "no rating"),
        ((1, 10, "five", 9), "rating is not a number"),
        ((1, 10, 9.0, 9), "rating outside 1 to 5"),
        ((3, 30, 3.0, 9), "user with too few ratings"),
    ],
)
def test_a_row_that_cannot_be_used_is_dropped_and_counted_under_the_first_reason(row, reason):
    data = cleaned([*GOOD, row], DataConfig(min_user_ratings=2))
    assert data.dropped == {reason: 1}
    assert as_rows(data.ratings) == GOOD


def test_good_ratings_are_all_kept_and_no_reason_is_counted():
    data = cleaned(GOOD)
    assert as_rows(data.ratings) == GOOD
    assert data.dropped == {}


def test_a_repeated_rating_does_not_count_towards_the_ratings_of_a_user():
    repeated = [(3, 10, 3.0, 1), (3, 10, 4.0, 2)]
    data = cleaned([*GOOD, *repeated], DataConfig(min_user_ratings=2))
    assert data.dropped == {"repeated pair of user and movie": 1, "user with too few ratings": 1}


def test_ratings_of_movies_are_counted_after_users_are_dropped():
    # Movie 30 has two ratings, one of them by user 3, who has no other.
    rows = [*GOOD, (1, 30, 3.0, 5), (3, 30, 3.0, 6)]
    data = cleaned(rows, DataConfig(min_user_ratings=2, min_movie_ratings=2))
    assert data.dropped == {"user with too few ratings": 1, "movie with too few ratings": 1}
    assert as_rows(data.ratings) == GOOD


def test_exactly_the_minimum_number_of_ratings_is_enough():
    assert cleaned(GOOD, DataConfig(min_user_ratings=2, min_movie_ratings=2)).dropped == {}


# Two users and three movies of their own that stay whatever `least_numbers` are drawn.
RATED_ENOUGH = [(user, movie, float(user - 5), 0) for user in (8, 9) for movie in (80, 81, 82)]
raw_rows = st.tuples(
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 10, 20, 30]),
    st.sampled_from([None, 0.0, 1.0, 3.0, 5.0, "x"]),
    st.sampled_from([None, 1, 2]),
)
least_numbers = {"min_user_ratings": st.integers(1, 3), "min_movie_ratings": st.integers(1, 2)}


@many
@hypothesis.given(rows=st.lists(raw_rows, max_size=20), **least_numbers)
def test_every_row_is_either_kept_or_counted_under_one_reason(rows, **least):
    data = cleaned([*RATED_ENOUGH, *rows], DataConfig(**least, max_dropped_fraction=1.0))
    assert len(data.ratings) + sum(data.dropped.values()) == len(RATED_ENOUGH) + len(rows)


@many
@hypothesis.given(rows=st.lists(raw_rows, max_size=12, unique_by=lambda row: row[:2]), data=st.data(), **least_numbers)
def test_the_order_of_rows_does_not_matter_without_repeated_pairs(rows, data, **least):
    rows = [*RATED_ENOUGH, *rows]
    shuffled = data.draw(st.permutations(rows))
    one, other = (cleaned(table, DataConfig(**least, max_dropped_fraction=1.0)) for table in (rows, shuffled))
    assert sorted(as_rows(one.ratings)) == sorted(as_rows(other.ratings))
    assert one.dropped == other.dropped
    pd.testing.assert_frame_equal(one.movies, other.movies)


# Repeated pairs.


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ((7, 9, 8), "second"),
        ((9, 9, 8), "second"),
        ((8, 9, 9), "third"),
        ((7, 7, 7), "third"),
        ((None, None, None), "third"),
        ((7, None, None), "first"),
    ],
)
def test_the_latest_of_repeated_pairs_stays_and_the_last_in_the_file_at_equal_times(times, kept):
    stars = {"first": 1.0, "second": 2.0, "third": 3.0}
    repeated = [(7, 10, rating, time) for rating, time in zip(stars.values(), times, strict=True)]
    # The other ratings stand between the repeated ones.
    data = cleaned([repeated[0], *GOOD[:2], repeated[1], *GOOD[2:], repeated[2]])
    assert data.ratings[RATING][data.ratings[USER_ID] == 7].tolist() == [stars[kept]]
    assert data.dropped == {"repeated pair of user and movie": 2}


def test_without_timestamps_the_last_of_repeated_pairs_stays():
    rows = [(1, 10, 1.0), (2, 20, 3.0), (1, 10, 2.0)]
    data = cleaned(rows)
    assert as_rows(data.ratings) == [(2, 20, 3.0, NO_TIMESTAMP), (1, 10, 2.0, NO_TIMESTAMP)]


# Scales.


def rated(stars):
    return [(row, row, value) for row, value in enumerate(stars)]


def test_without_a_stated_scale_it_is_inferred_and_few_ratings_outside_are_dropped():
    data = cleaned(rated([1.0, 5.0] * 50 + [99.0]), scale=None)
    assert (data.rating_scale, data.dropped) == ((1.0, 5.0), {"rating outside 1 to 5": 1})


def test_the_scale_of_the_config_comes_before_that_of_the_format():
    data = cleaned(rated([1.0, 3.0, 5.0]), DataConfig(rating_scale=(2.0, 6.0)), scale=(1.0, 5.0))
    assert (data.rating_scale, data.dropped) == ((2, 6), {"rating outside 2 to 6": 1})


def test_the_scale_of_the_format_comes_before_that_of_the_ratings():
    assert cleaned(rated([1.0, 3.0]), scale=(0.5, 5.0)).rating_scale == (0.5, 5)


def test_a_scale_includes_ends_that_float32_cannot_represent():
    data = cleaned(rated([0.1, 0.4, 0.7]), scale=(0.1, 0.7))
    assert data.dropped == {}


# Timestamps.

DAY = 24 * 60 * 60


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([10, 20], [10, 20]),
        (["1000000000000", "2000000000000"], [1_000_000_000, 2_000_000_000]),
        (["soon", "1970-01-02"], [NO_TIMESTAMP, DAY]),
        (pd.to_datetime([None, "1970-01-02"]), [NO_TIMESTAMP, DAY]),
    ],
)
def test_times_become_seconds_or_are_marked(times, seconds):
    table = clean(with_times(times), DataConfig()).ratings
    assert table[TIMESTAMP].tolist() == seconds
    assert table[TIMESTAMP].dtype == np.int64


def test_without_a_time_column_every_time_is_marked_missing():
    assert cleaned([row[:3] for row in GOOD]).ratings[TIMESTAMP].tolist() == [NO_TIMESTAMP] * len(GOOD)


# Ids.


def test_integer_ids_stay_integers_where_a_missing_one_is_dropped():
    table = cleaned([*GOOD, (None, 10, 3.0, 9)]).ratings
    assert (table[USER_ID].dtype, table[MOVIE_ID].dtype) == (np.int64, np.int64)


def test_string_ids_stay_as_they_are_written():
    rows = [("01", "b", 1.0, 1), ("1", "a", 2.0, 2)]
    data = cleaned(rows)
    assert as_rows(data.ratings) == rows
    assert data.movies[MOVIE_ID].tolist() == ["a", "b"]


def test_ratings_are_float32_under_a_dense_index():
    table = cleaned([(9, 30, 3.0, 9), *GOOD], DataConfig(min_user_ratings=2)).ratings
    assert table[RATING].dtype == np.float32
    assert table.index.tolist() == [0, 1, 2, 3]


# Movies.


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Heat (1995)", "Heat", 1995),
        ("Heat (1995) ", "Heat", 1995),
        (" Heat(1995)", "Heat", 1995),
        ("Babylon 5 (1994-1998)", "Babylon 5", 1994),
        ("Dark (2017–2020)", "Dark", 2017),
        ("Dark (2017-)", "Dark", 2017),
        ("Shall We Dance? (Shall We Dansu?) (1996)", "Shall We Dance? (Shall We Dansu?)", 1996),
        ("Postman, The (Postino, Il) (1994)", "The Postman (Il Postino)", 1994),
        ("Heat", "Heat", 0),
        ("Heat (1995) (TV)", "Heat (1995) (TV)", 0),
        ("Heat 1995", "Heat 1995", 0),
        ("Heat (95)", "Heat (95)", 0),
        ("(1995)", "(1995)", 0),
        ("  ", "10", 0),
        (None, "10", 0),
    ],
)
def test_the_year_of_a_title_is_taken_out_of_it_and_articles_come_first(written, title, year):
    movies = cleaned(GOOD, movies=[(10, written, "Drama")]).movies
    assert as_rows(movies[movies[MOVIE_ID] == 10]) == [(10, title, year, "Drama")]


def test_a_movie_without_a_row_has_its_id_as_title_and_no_year_or_genres():
    movies = cleaned(GOOD, movies=[(20, "Heat (1995)", "Crime|Drama")]).movies
    assert as_rows(movies) == [(10, "10", 0, ""), (20, "Heat", 1995, "Crime|Drama")]
    assert movies[YEAR].dtype == np.int32


def test_movies_that_nobody_rated_are_kept_in_the_order_of_ids():
    movies = cleaned(GOOD, movies=[(30, "C", ""), (20, "B", ""), (5, "A", "")]).movies
    assert movies[MOVIE_ID].tolist() == [5, 10, 20, 30]


# What cannot be learnt from, and what cannot be held against it.


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([(1, 10, 1.0), (1, 20, 2.0)], "users"),
        ([(1, 10, 1.0), (2, 10, 2.0)], "movies"),
        ([(1, 10, 1.0)], "users"),
    ],
)
def test_fewer_than_two_users_or_movies_are_refused(rows, name):
    with pytest.raises(InputError, match=rf"^ratings\.csv: at least 2 {name} are needed, 1 found$"):
        cleaned(rows)


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            GOOD,
            {"rating_scale": (6.0, 7.0)},
            r"\(100%\) left out: rating outside 6 to 7, .*--rating_scale",
        ),
        ([(1, 10, "good"), (2, 20, "bad")], {}, r"rating is not a number, such as 'good'\. .*--columns"),
        ([(1, 10, None), (2, 20, None), (3, 10, 4.0)], {}, r"67%\) left out: no rating.*--unrated_value=nan"),
        ([(None, 10, 3.0), (None, 20, 2.0), (3, 10, 4.0)], {}, r"67%\) left out: no user or movie id"),
    ],
)
def test_a_file_that_loses_more_than_half_of_its_rows_is_refused_with_an_example(rows, settings, message):
    with pytest.raises(InputError, match=message):
        cleaned(rows, DataConfig(**settings), scale=None)
    kept = DataConfig(**settings, max_dropped_fraction=1.0)
    with pytest.raises(InputError, match=r"at least 2 \w+ are needed, \d found after dropping"):
        cleaned(rows, kept, scale=None)


def test_many_rows_left_out_are_shown_with_an_example():
    rows = [(user, movie, 1.0 + user % 5) for user in range(10) for movie in (1, 2)] + [(11, 1, 99.0), (12, 2, 99.0)]
    data = cleaned(rows)
    assert (
        "warning: 2 of 22 rows (9%) left out: rating outside 1 to 5, such as rating 99.0 of user 11 for movie 1"
        in data.notes
    )


def test_times_that_cannot_be_read_are_shown_and_refused_where_they_are_most():
    data = clean(with_times(["soon", "1970-01-02"]), DataConfig())
    assert any("1 of 2 times cannot be read, such as 'soon'" in note for note in data.notes)
    with pytest.raises(InputError, match=r"2 of 2 times cannot be read, such as 'soon'; .*--time_format"):
        clean(with_times(["soon", "later"]), DataConfig())


def test_a_value_that_stands_apart_is_shown_and_counts_as_watched_if_the_flag_says_so():
    rows = [(user, movie, float(rating)) for user in range(9) for movie, rating in enumerate([0, 0, 0, 5, 6, 7, 8])]
    noticed = cleaned(rows, scale=None)
    assert any("43% of the ratings are 0" in note and "--unrated_value=0" in note for note in noticed.notes)
    watched = cleaned(rows, DataConfig(unrated_value=0.0), scale=None)
    assert (watched.ratings["weight"] == 0).sum() == 27
    assert not any("--unrated_value" in note for note in watched.notes)


def test_rows_without_a_rating_are_watched_if_the_flag_says_so_and_unreadable_ones_are_not():
    rows = [(1, 10, "4"), (1, 20, None), (2, 10, None), (2, 30, "2"), (3, 30, "good"), (3, 10, "5")]
    data = cleaned(rows, DataConfig(unrated_value=float("nan")))
    assert data.ratings["weight"].tolist() == [1, 0, 0, 1, 1]
    assert data.dropped == {"rating is not a number": 1}


def test_dropped_rows_are_described_with_their_reasons():
    text = describe_dropped({"no rating": 1234, "rating is not a number": 1})
    assert text == "1,234 rows (no rating), 1 row (rating is not a number)"


def held_out(rows):
    return clean_held_out(raw(rows, scale=(0.0, 100.0)), cleaned(GOOD).ratings, (1.0, 5.0), DataConfig())


def test_held_out_ratings_use_the_scale_of_train():
    rows = held_out([(1, 30, 4.0, 5), (1, 40, 50.0, 6)])
    assert as_rows(rows.table) == [(1, 30, 4.0, 5)]
    assert rows.dropped == {"rating outside 1 to 5": 1}


def test_held_out_ratings_that_are_all_dropped_are_refused():
    with pytest.raises(InputError, match=re.escape("1 of 1 rows (100%) left out: rating outside 1 to 5")):
        held_out([(1, 10, 50.0, 5)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("1", 10, 4.0, 5), "ratings.csv: user_id such as '1' where train has 1: write ids the same way"),
        ((1, "ten", 4.0, 5), "ratings.csv: movie_id such as 'ten' where train has 10: write ids the same way"),
    ],
)
def test_held_out_ids_of_another_kind_are_refused_with_an_example_of_each(row, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        held_out([row])


# Users and tags.


def with_users_and_tags(user_ids, movie_ids, times=(1.0, 2.0)):
    """Good ratings with a user and a tag for each of the ids."""
    users = pd.DataFrame({USER_ID: user_ids, "age": 30, "gender": "F", "occupation": "writer"})
    tags = pd.DataFrame({USER_ID: 1, MOVIE_ID: movie_ids, "tag": "war", TIMESTAMP: times})
    return dataclasses.replace(raw(GOOD), users=users, tags=tags)


def test_users_and_tags_have_ids_of_the_ratings_type_and_lose_other_ids():
    data = clean(with_users_and_tags(["2", "x"], ["10", "y"]), DataConfig())
    assert (data.users[USER_ID].tolist(), data.tags[MOVIE_ID].tolist()) == ([2], [10])
    assert (data.users[USER_ID].dtype, data.tags[MOVIE_ID].dtype) == (np.int64, np.int64)


def test_users_and_movies_without_ratings_keep_their_rows():
    data = clean(with_users_and_tags([2, 99], [10, 77]), DataConfig())
    assert (data.users[USER_ID].tolist(), data.tags[MOVIE_ID].tolist()) == ([2, 99], [10, 77])


def test_times_of_tags_are_seconds_like_times_of_ratings():
    data = clean(with_users_and_tags([1, 2], [10, 20], ["1970-01-01 00:01:00", None]), DataConfig())
    assert data.tags[TIMESTAMP].tolist() == [60, NO_TIMESTAMP]


def test_links_have_movie_ids_of_the_ratings_type():
    links = pd.DataFrame({MOVIE_ID: ["10", "x", "77"], IMDB_ID: [1, 2, 3]})
    data = clean(dataclasses.replace(raw(GOOD), links=links), DataConfig())
    assert as_rows(data.links) == [(10, 1), (77, 3)]
    assert data.links[MOVIE_ID].dtype == np.int64


def test_data_without_users_and_tags_has_their_columns():
    data = cleaned([(f"u{user}", f"m{movie}", rating, time) for user, movie, rating, time in GOOD])
    assert list(data.users) == [USER_ID, "age", "gender", "occupation"]
    assert list(data.tags) == [USER_ID, MOVIE_ID, "tag", TIMESTAMP]
    assert (len(data.users), len(data.tags)) == (0, 0)


def test_a_word_for_no_value_that_is_an_id_of_several_rows_is_mentioned():
    rows = [("ann", 1, 5.0, 0), ("NULL", 1, 1.0, 0), ("NULL", 2, 4.0, 0), ("bob", 2, 3.0, 0)]
    assert "warning: 2 rows have the user_id 'NULL', which is an id like any other" in cleaned(rows).notes


def test_an_id_that_makes_a_column_of_numbers_text_is_shown():
    rows = [(str(user), 10 + movie, 3.0, 1) for user in range(10) for movie in range(2)] + [("7x", 10, 3.0, 1)]
    assert "warning: the user_ids are text, not numbers, because of 1 of 21, such as '7x'" in cleaned(rows).notes
    assert not [note for note in cleaned([("a", 10, 3.0, 1), *rows[:2], ("b", 11, 3.0, 1)]).notes if "text" in note]
