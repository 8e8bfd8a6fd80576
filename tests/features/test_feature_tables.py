"""Columns of feature files become features by their kind; ids that cannot be used are refused with their line."""

import math
import zlib

import numpy as np
import pandas as pd
import pytest
from helpers.content import IDS, NUM_TRAIN, as_dicts, assert_rows, movies_of, table_of

from movierec_jax.data.readers.tables.features_file import read_features
from movierec_jax.data.schema import MOVIE_ID, USER_ID, FeatureBags, FeatureTable, no_tags
from movierec_jax.errors import InputError
from movierec_jax.features.content import movie_content, user_content
from movierec_jax.features.feature_tables import column_kind


def extra_of(*tables: FeatureTable, log=lambda line: None) -> FeatureBags:
    """The features of extra tables alone."""
    return movie_content(movies_of(), no_tags(), tables, IDS, NUM_TRAIN, log=log)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series([1.0, 2.0]), "numbers"),
        (pd.Series(["1", "-2.5", "1e3"], dtype="str"), "numbers"),
        (pd.Series(["1995-11-22", "1996-01-01 10:00"], dtype="str"), "dates"),
        (pd.Series(["true", "false"], dtype="category"), "categories"),
        (pd.Series(["en", "en", "fr"], dtype="str"), "categories"),
        (pd.Series(["True", "False"] * 5, dtype="str"), "categories"),
        (pd.Series([["a", "b"], []]), "sets"),
        (pd.Series(["a|b", *"cdefghijk"], dtype="str"), "sets"),
        (pd.Series(["a|b", *"cdefghijkl"], dtype="str"), "words"),
        (pd.Series(["$1,000", "7"], dtype="str"), "numbers"),
        (pd.Series(["22.11.1995", "1.1.1996"], dtype="str"), "dates"),
        (pd.Series(["Drama,War", "War,Drama", "War"], dtype="str"), "sets split by commas"),
        (pd.Series(["[{'id': 1, 'name': 'War'}]", "[]"], dtype="str"), "sets written as lists"),
        (pd.Series(["1", "2", "unrated"], dtype="str"), "words"),
        (pd.Series(["A toy tells.", "A cat sings."], dtype="str"), "words"),
    ],
)
def test_a_column_is_taken_for_what_its_values_are(values, kind):
    assert column_kind(values) == kind


def test_numbers_are_spreads_from_the_mean_of_train_and_no_more_than_three():
    table = table_of(IDS, minutes=["80", "100", "", "999"])
    # The mean of 80 and 100 is 90, the spread 10.
    assert_rows(extra_of(table), [{"minutes": -1}, {"minutes": 1}, {}, {"minutes": 3}])


def test_dates_are_numbers_of_days():
    table = table_of(IDS, released=["1995-01-01", "1995-01-03", "", "1995-01-04 12:00"])
    assert_rows(extra_of(table), [{"released": -1}, {"released": 1}, {}, {"released": 2.5}])


@pytest.mark.parametrize("numbers", [["5", "5", "5", "9"], ["", "", "", "9"], ["inf", "inf", "1", "2"]])
def test_numbers_that_do_not_differ_in_train_are_left_out(numbers):
    lines: list[str] = []
    assert extra_of(table_of(IDS, minutes=numbers), log=lines.append).names == ()
    assert lines[1] == "  minutes: left out (movies of train have nothing in it, or all the same number)"


def test_numbers_of_any_size_are_finite_values():
    table = table_of(IDS, budget=["1e308", "-1e308", "1e-308", "1e308"], cents=["1e-300", "0", "0", "1e300"])
    bags = extra_of(table)
    assert bags.names == ("budget", "cents")
    assert np.isfinite(bags.value).all()


def test_categories_are_one_feature_each():
    assert_rows(
        extra_of(table_of(IDS, language=["en", "fr", "en", "fr"])),
        [{"language=en": 1}, {"language=fr": 1}, {"language=en": 1}, {"language=fr": 1}],
    )


@pytest.mark.parametrize(
    "cast", [["Ann | Bob|Ann", "Bob", "", "Ann|Cid"], pd.Series([["Ann", "Bob"], ["Bob"], None, ["Ann", "Cid"]])]
)
def test_sets_are_lists_or_texts_with_bars_and_have_each_member_once(cast):
    half = 1 / math.sqrt(2)
    assert_rows(
        extra_of(table_of(IDS, cast=cast)),
        [{"cast=Ann": half, "cast=Bob": half}, {"cast=Bob": 1}, {}, {"cast=Ann": 1}],
    )


def test_words_weigh_more_the_fewer_texts_have_them():
    bags = extra_of(table_of(IDS, plot=["A toy, a TOY!", "a war", "", "toy spaceships"]))
    toy, war, article = (f"plot~{zlib.crc32(word) % 4096}" for word in (b"toy", b"war", b"a"))
    # Of the two texts of train one has "toy" (twice), one "war" and both "a"; "spaceships" is in none.
    rare, common = math.log((1 + 2) / 1), math.log((1 + 2) / 2)
    first, second = math.hypot(2 * rare, 2 * common), math.hypot(rare, common)
    assert_rows(
        bags,
        [
            {toy: 2 * rare / first, article: 2 * common / first},
            {war: rare / second, article: common / second},
            {},
            {toy: 1},
        ],
    )


def test_numbers_and_days_written_in_other_ways_are_said():
    lines: list[str] = []
    extra_of(table_of(IDS, cost=["$1,000", "$2,000", "", "7"], day=["2.1.1990", "3.1.1990", "", ""]), log=lines.append)
    assert lines[1:] == [
        "  cost: numbers ('$2,000' is 2000), 1 feature of 3 movies",
        "  day: dates ('3.1.1990' is 1990-01-03), 1 feature of 2 movies",
    ]


def test_lists_and_names_between_commas_are_sets():
    genres = ["[{'id': 1, 'name': 'War'}]", "[{'id': 2, 'name': 'Drama'}]", "[]", "[{'id': 1, 'name': 'War'}]"]
    table = table_of(IDS, genre=genres, country=["US,UK", "UK", "US", "UK"])
    half = 1 / math.sqrt(2)
    assert_rows(
        extra_of(table),
        [
            {"genre=War": 1, "country=UK": half, "country=US": half},
            {"genre=Drama": 1, "country=UK": 1},
            {"country=US": 1},
            {"genre=War": 1, "country=UK": 1},
        ],
    )


def test_a_column_is_judged_and_fitted_by_train_alone():
    table = table_of(IDS, minutes=["80", "100", "90", "long"], language=["en", "fr", "en", "a very long story"])
    bags = extra_of(table)
    assert bags.names == ("minutes", "language=en", "language=fr")
    assert as_dicts(bags)[3] == {}


@pytest.mark.parametrize(
    ("num_rows", "num_features", "square"),
    [(4, 100, 1), (4, 101, 0.04), (2000, 200, 1), (2000, 201, 0.04)],
    ids=["few", "many", "few for its rows", "many for its rows"],
)
def test_a_column_that_tells_movies_apart_has_small_values(num_rows, num_features, square):
    members = [[] for _ in range(num_rows)]
    for number in range(max(num_rows, num_features)):
        members[number % num_rows].append(f"a{number % num_features}")
    ids = pd.Index(range(num_rows))
    table = table_of(ids, keywords=pd.Series(members), extra=pd.Series(["a", "b"] * (num_rows // 2)))
    bags = movie_content(movies_of(), no_tags(), [table], ids, num_rows, log=lambda line: None)
    is_keyword = bags.feature < num_features
    for which, expected in ((is_keyword, square), (~is_keyword, 1)):
        squares = np.bincount(bags.row[which], bags.value[which].astype(np.float64) ** 2)
        np.testing.assert_allclose(squares, expected, rtol=1e-5)


def test_a_line_is_logged_for_each_table_and_column():
    lines: list[str] = []
    table = table_of([99, 10, 98, 20], minutes=["1", "2", "3", "4"], text=["a", "b", "c", "d"])
    extra_of(table, log=lines.append)
    assert lines == [
        "mine.csv: describes 2 of 4 movies; left out 2 movies that the data does not have, such as 99",
        "  minutes: numbers, 1 feature of 2 movies",
        "  text: words, 2 features of 2 movies",
    ]


def test_columns_that_cannot_be_features_are_logged(tmp_path):
    (tmp_path / "a.csv").write_text("movieId,imdbId,x\n10,1,2\n20,2,3\n")
    lines: list[str] = []
    extra_of(read_features(tmp_path / "a.csv", MOVIE_ID), log=lines.append)
    assert lines[1:] == ["  x: numbers, 1 feature of 2 movies", "  imdbId: left out (another id)"]


def test_a_column_named_as_another_group_has_its_file_before_its_name():
    movies = movies_of((10, 0, "War"))
    tables = [table_of([10, 20], path=f"{folder}/a.csv", genre=["War", "War"]) for folder in "xyz"]
    bags = movie_content(movies, no_tags(), tables, IDS, NUM_TRAIN, log=lambda line: None)
    assert bags.names == ("genre=War", "a.csv:genre=War", "y/a.csv:genre=War", "z/a.csv:genre=War")


def test_a_table_given_twice_is_refused():
    table = table_of(IDS, minutes=["1", "2", "3", "4"])
    with pytest.raises(InputError, match=r"^mine\.csv: given twice$"):
        extra_of(table, table)


@pytest.mark.parametrize("ids", [["10", "x", "030.0"], pd.Series([10, 50, 30])])
def test_text_stands_for_the_integer_it_spells_where_the_ids_are_integers(ids):
    assert extra_of(table_of(ids, minutes=["1", "2", "3"])).row.tolist() == [0, 2]


def test_unknown_ids_of_text_may_be_repeated():
    assert extra_of(table_of(["10", "x", "30", "x"], minutes=["1", "2", "3", "4"])).row.tolist() == [0, 2]


def test_ids_of_text_are_matched_letter_by_letter():
    table = table_of(["007", "7", "a"], minutes=["1", "2", "3"])
    bags = movie_content(movies_of(), no_tags(), [table], pd.Index(["007", "a", "b"]), 3, log=lambda line: None)
    assert bags.row.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([10, 20, 10], r"^mine\.csv:4: movie_id 10 again, first in line 2; keep one$"),
        (["10", "20", "10.0"], r"^mine\.csv:4: movie_id 10\.0 again, first in line 2; keep one$"),
        (
            ["tt1", "tt2", "tt3"],
            r"^mine\.csv: column 'movie_id' has IMDb ids, such as tt1, where the data has ids of its own, such as 10; ",
        ),
        (
            [1, 2, 3],
            r"^mine\.csv: none of its 3 movie_ids, such as 1, 2, 3, is among those of the data, such as 10, 20",
        ),
    ],
)
def test_ids_that_cannot_be_used_are_refused_with_their_line(ids, message):
    table = table_of(ids, minutes=["1", "2", "3"])
    with pytest.raises(InputError, match=message):
        extra_of(table)


@pytest.mark.parametrize(
    ("ids", "note"),
    [
        (["10", None, "30"], "  left out 1 line without a movie_id, such as mine.csv:3"),
        (
            ["10", "1997-08-20", "30"],
            "  left out 1 row with a movie_id that is no integer, as those of the data are, such as '1997-08-20'",
        ),
    ],
)
def test_a_row_whose_id_is_none_is_left_out_and_counted(ids, note):
    lines: list[str] = []
    assert extra_of(table_of(ids, minutes=["1", "2", "3"]), log=lines.append).row.tolist() == [0, 2]
    assert lines[:2] == ["mine.csv: describes 2 of 4 movies", note]


def test_a_row_of_parquet_is_named_as_a_row():
    table = FeatureTable("a.parquet", USER_ID, pd.Series([5, 5]), np.array([1, 2]), "row", pd.DataFrame(), {})
    with pytest.raises(InputError, match=r"^a\.parquet: row 2: user_id 5 again, first in row 1; keep one$"):
        user_content(
            pd.DataFrame({USER_ID: [], "age": [], "gender": [], "occupation": []}).astype(
                {USER_ID: "int64", "age": "int64", "gender": "str", "occupation": "str"}
            ),
            [table],
            pd.Index([5]),
            1,
        )
