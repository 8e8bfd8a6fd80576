"""Numbers, days and sets are read as a column writes them, and other text is left alone."""

import pandas as pd
import pytest

from movierec_jax.features.text_values import (
    has_joined_names,
    has_written_lists,
    parse_days,
    parse_lists,
    parse_numbers,
)


def texts(*values) -> pd.Series:
    return pd.Series(values, dtype="str")


def listed(values: pd.Series) -> list:
    return [None if pd.isna(value) else value for value in values]


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (["$0", "$1,000", "$59,000"], [0, 1000, 59000]),
        (["1,5", "2,25", None], [1.5, 2.25, None]),
        (["0,125", "0,250"], [0.125, 0.25]),
        (["1,500", "500"], [1500, 500]),
        (["1.234.567", "890"], [1234567, 890]),
        (["1.500", "2.500"], [1.5, 2.5]),
        (["1.234,5", "0,5"], [1234.5, 0.5]),
        (["1,234.5", "7"], [1234.5, 7]),
        (["1 234", "12\u202f345 678"], [1234, 12345678]),
        (["1'234", "5"], [1234, 5]),
        (["7%", "50 %"], [7, 50]),
        (["136 min", "90 min"], [136, 90]),
        (["-$1,000", "+5"], [-1000, 5]),
        (["€ 1.234,50", "€ 7,00"], [1234.5, 7]),
    ],
    ids=str,
)
def test_numbers_are_read_as_their_column_writes_them(written, numbers):
    assert listed(parse_numbers(texts(*written))) == numbers


@pytest.mark.parametrize("text", ["Film 7", "1,2,3", "1.1.1980", "7 of 9", "tt7", "1,50,000", "--5", "$"])
def test_other_text_is_no_number(text):
    assert listed(parse_numbers(texts("$1,000", text)))[1] is None


@pytest.mark.parametrize(
    ("written", "days"),
    [
        (["1970-01-02", "1970-01-03 12:00"], [1, 2.5]),
        (["2.1.1970", "31.01.1970"], [1, 30]),
        (["31/01/1970", "02/01/1970"], [30, 1]),
        (["01/31/1970", "01/02/1970"], [30, 1]),
        (["2 Jan 1970", None], [1, None]),
        (["January 2, 1970", "January 31, 1970"], [1, 30]),
    ],
    ids=str,
)
def test_days_are_read_in_the_one_way_that_holds_for_a_column(written, days):
    assert listed(parse_days(texts(*written))) == days


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[{'id': 18, 'name': 'Drama'}, {'id': 35, 'name': 'Comedy'}]", ["Drama", "Comedy"]),
        ('[{"id": 18, "name": "Drama", "is_main": true}]', ["Drama"]),
        ("['Drama', 'Comedy']", ["Drama", "Comedy"]),
        ("{'id': 10194, 'name': 'Toy Story Collection', 'poster_path': None}", ["Toy Story Collection"]),
        ("[]", []),
    ],
)
def test_lists_of_json_and_python_are_sets_of_names(text, names):
    assert has_written_lists(texts(text, "[]"))
    assert parse_lists(texts(text, None, "[broken")).tolist() == [names, None, None]


@pytest.mark.parametrize("text", ["[1990s] a film", "{", "[{'id': 1}]", "Drama"])
def test_other_text_is_no_list(text):
    assert not has_written_lists(texts(text, "['Drama']"))


def test_the_same_names_again_and_again_between_commas_are_sets():
    assert has_joined_names(texts("Drama, Comedy", "Comedy,Drama", "Action", "Drama"))


@pytest.mark.parametrize(
    "values",
    [
        ["a wonderful film, great acting", "a dull film, great acting", "no"],
        ["Paris, France", "Lyon, France", "Nice, France"],
        ["Lee, Ang", "Allen, Woody", "Lee, Ang"],
    ],
    ids=str,
)
def test_clauses_and_names_in_two_parts_are_no_sets(values):
    assert not has_joined_names(texts(*values))
