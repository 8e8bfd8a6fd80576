"""Checks ratings of JSON in every arrangement, with values of every kind."""

import json

import hypothesis
import pandas as pd
import pytest
from helpers.damage import many_files
from helpers.input_files import refusal_by, rows, types, write_file
from hypothesis import strategies as st

from movierec_jax.data.readers.formats import json_file
from movierec_jax.data.readers.ratings import read_ratings

AMAZON = {
    "reviewerID": "A1",
    "asin": "0031415989",
    "overall": 5.0,
    "reviewText": 'a "b"\n{',
    "unixReviewTime": 1393545600,
}


def read_rows(folder, text: str, name: str = "mine.json"):
    return rows(read_ratings(write_file(folder, text, name)).ratings)


def test_json_lines_of_amazon_have_ids_of_text_with_their_zeros(tmp_path):
    data = read_ratings(write_file(tmp_path, json.dumps(AMAZON) + "\n", "Movies.json"))
    assert rows(data.ratings) == [("A1", "0031415989", 5.0, 1393545600)]
    assert types(data.ratings) == {"user_id": "str", "movie_id": "str", "rating": "float32", "timestamp": "int64"}
    assert data.notes == (
        "JSON; user from 'reviewerID', movie from 'asin', rating from 'overall', timestamp from 'unixReviewTime'",
    )


OBJECTS = [{"userId": 1, "movieId": 2, "rating": 4}, {"userId": 3, "movieId": 4, "rating": 4.5}]


@pytest.mark.parametrize(
    "text",
    [
        '{"userId":1,"movieId":2,"rating":4}\n{"userId":3,"movieId":4,"rating":4.5}',
        '\ufeff{"userId":1,"movieId":2,"rating":4}\r\n\r\n{"rating":4.5,"movieId":4,"userId":3}\r\n',
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=4),
        f"{json.dumps(OBJECTS[:1])}\n{json.dumps(OBJECTS[1:])}\n",
        "\n".join(json.dumps(found, indent=1) for found in OBJECTS),
        '[\n{"userId":1,"movieId":2,"rating":4,"tags":[1,[2]],"x":{"y":[]}},\n{"userId":3,"movieId":4,"rating":4.5}\n]\n',
    ],
)
def test_objects_may_be_on_lines_in_an_array_or_after_each_other(tmp_path, text):
    assert read_rows(tmp_path, text) == [(1, 2, 4.0), (3, 4, 4.5)]


def test_large_integers_are_exact(tmp_path):
    ids = [2**53 + 1, -(2**63), 2**63 - 1]
    text = "".join(f'{{"user": {number}, "movie": 1, "rating": 3}}\n' for number in ids)
    assert [user for user, _, _ in read_rows(tmp_path, text)] == ids


def test_integers_beyond_64_bits_are_text(tmp_path):
    text = '{"user": 18446744073709551615, "movie": 1, "rating": 3}\n{"user": 7, "movie": 1, "rating": 3}\n'
    assert [user for user, _, _ in read_rows(tmp_path, text)] == ["18446744073709551615", "7"]


def test_ids_of_two_kinds_are_text(tmp_path):
    text = '{"user": "007", "movie": 1.0, "rating": "4/5"}\n{"user": 7, "movie": 2, "rating": true}\n'
    assert read_rows(tmp_path, text) == [("007", 1, "4/5"), ("7", 2, "True")]


def test_a_kind_that_comes_late_is_taken_too(tmp_path):
    first = '{"user": 1, "movie": 2, "rating": 3, "date": 5}\n' * 1200
    found = read_rows(tmp_path, first + '{"user": "x", "movie": 2, "rating": 3.5, "date": "2015-01-02 00:00:00"}\n')
    assert found[0] == ("1", 2, 3.0, "5")
    assert found[-1] == ("x", 2, 3.5, "2015-01-02 00:00:00")


def test_values_that_an_object_lacks_are_missing(tmp_path):
    text = '{"user": 1, "movie": 2, "rating": null}\n{"user": 3, "movie": 4, "rating": 4, "time": 9}\n'
    ratings = read_ratings(write_file(tmp_path, text)).ratings
    assert ratings.rating.isna().tolist() == [True, False]
    assert (ratings.timestamp.isna().tolist(), ratings.timestamp.iloc[1]) == ([True, False], 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"user": 1, "movie": 2, "rating": 3}\n{"user": 1, "movie": 2,\n "rating" 3}\n', ":3: no JSON: Expecting ':'"),
        ('{"user": 1, "movie": 2, "rating": 3}\n\n{"user": 1, "mov', ":3: no JSON: Unterminated string"),
        ('{"user": 1, "movie": 2, "rating": 3}\n\n{"user": 1', ":3: no JSON: Expecting ',' delimiter, found the end"),
        ('[{"user": 1, "movie": 2, "rating": 3},\n', ":2: the file ends amid the array of JSON"),
        ('{"user": 1, "movie": 2, "rating": 3}\n[1, 2]\n', ":2: '1' among the objects of JSON; expected objects"),
        ('{"user": 1, "movie": 2, "rating": 3}\n{"user": {"a": 1}, "movie": 2, "rating": 3}\n', ":2: 'user': dict"),
        ('{"stars": 1}\n', ":1: no user"),
        ("[]", ": no ratings"),
        ("[[1, 2, 3]]", ":1: '1' among the objects of JSON"),
    ],
)
def test_what_is_no_rating_is_refused_with_its_line(tmp_path, text, message):
    assert refusal_by(read_ratings, write_file(tmp_path, text, "a.json")).startswith(f"a.json{message}")


def test_an_error_early_in_a_long_file_is_found_at_its_line(tmp_path):
    good = '{"user": 1, "movie": 2, "rating": 3}\n'
    path = write_file(tmp_path, good * 2000 + "{user: 1}\n" + good * 2000, "a.json")
    assert refusal_by(read_ratings, path).startswith("a.json:2001: no JSON: Expecting property name")


VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.text(min_size=1, max_size=5).filter(lambda text: text.strip() == text)
)


@many_files
@hypothesis.given(
    table=st.lists(st.tuples(VALUES, VALUES, st.floats(0, 5, width=32)), min_size=1, max_size=8),
    arrangement=st.sampled_from(["lines", "array", "indented"]),
    block=st.sampled_from([1, 7, 1 << 20]),
)
def test_any_ids_come_back_as_they_were_written(tmp_path, table, arrangement, block):
    objects = [dict(zip(("user", "movie", "rating"), row, strict=True)) for row in table]
    if arrangement == "lines":
        text = "\n".join(map(json.dumps, objects))
    else:
        text = json.dumps(objects, indent=2 if arrangement == "indented" else None, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_file, "BLOCK_LETTERS", block)
        found = read_rows(tmp_path, text)
    for column in (0, 1):
        ids = [row[column] for row in table]
        is_text = any(isinstance(found_id, str) for found_id in ids)
        assert [row[column] for row in found] == (list(map(str, ids)) if is_text else ids)
    assert [row[2] for row in found] == [row[2] for row in table]


def test_ids_of_text_are_trimmed_and_empty_ones_are_missing(tmp_path):
    found = read_rows(
        tmp_path, '[{"user": " ann", "movie": "m ", "rating": 3}, {"user": "", "movie": "m", "rating": 4}]'
    )
    assert found[0] == ("ann", "m", 3)
    assert pd.isna(found[1][0])


def test_rounded_ids_are_refused(tmp_path):
    text = "".join(f'{{"user": 7.6561198{n}e+16, "movie": 2, "rating": 3}}\n' for n in range(3))
    message = refusal_by(read_ratings, write_file(tmp_path, text, "a.json"))
    assert "the number 7.6561198e+16, which has lost digits, cannot be the user_id; write ids as text" in message
