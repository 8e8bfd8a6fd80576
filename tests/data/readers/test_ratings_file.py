"""Checks files of ratings: spellings, separators, types of columns, and messages with the line of what is wrong."""

import decimal
import gzip
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.input_files import parquet_bytes, refusal_by, rows, types, write_file
from helpers.movielens import ML_CSV

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.schema import MOVIE_ID, USER_ID


def write_parquet(folder: pathlib.Path, columns: dict[str, pa.Array | list]) -> pathlib.Path:
    return write_file(folder, parquet_bytes(**columns), "mine.parquet")


@pytest.mark.parametrize(
    "header",
    [
        "user,movie,rating,timestamp",
        "userId,movieId,rating,timestamp",
        "User ID,Movie-ID,RATING,Time Stamp",
        " uid , iid , stars , ts ",
        "reviewerID,asin,overall,unixReviewTime",
        "Customer_Id,product_id,score,date",
        "member,film,value,rated_at",
        "profile,imdbId,ratings,datetime",
        '"user","title id","rating","time"',
    ],
)
def test_usual_spellings_of_the_columns_are_known(tmp_path, header):
    data = read_ratings(write_file(tmp_path, f"{header}\n7,8,4.5,100\n"))
    assert rows(data.ratings) == [(7, 8, 4.5, 100)]
    assert list(data.ratings) == ["user_id", "movie_id", "rating", "timestamp"]


@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", "|"])
@pytest.mark.parametrize("header", [True, False])
def test_the_separator_is_seen_from_the_first_line(tmp_path, separator, header):
    lines = [["user", "movie", "rating", "time"]] * header + [["7", "8", "4.5", "100"], ["9", "8", "2", "101"]]
    data = read_ratings(write_file(tmp_path, "\n".join(map(separator.join, lines))))
    assert rows(data.ratings) == [(7, 8, 4.5, 100), (9, 8, 2.0, 101)]


def test_a_file_without_header_may_have_no_times(tmp_path):
    data = read_ratings(write_file(tmp_path, "1::1193::5\n1::661::3\n", "no_ts.dat"))
    assert rows(data.ratings) == [(1, 1193, 5.0), (1, 661, 3.0)]
    assert (list(data.ratings), data.rating_scale) == (["user_id", "movie_id", "rating"], None)


def test_columns_may_stand_in_any_order_among_others(tmp_path):
    text = "row,rating,comment,movie,user\n0,4.5,\"good, very\",8,7\n1,2,'so so',9,7\n"
    assert rows(read_ratings(write_file(tmp_path, text)).ratings) == [(4.5, 8, 7), (2.0, 9, 7)]


def test_unused_columns_may_have_any_encoding(tmp_path):
    data = read_ratings(write_file(tmp_path, b"user,movie,rating,t\xeftre\n7,8,4,Mis\xe9rables\n"))
    assert rows(data.ratings) == [(7, 8, 4.0)]


def test_gzip_reads_as_the_plain_file(tmp_path):
    path = write_file(tmp_path, gzip.compress(ML_CSV["ratings.csv"]), "ratings.csv.gz")
    assert rows(read_ratings(path).ratings) == [(1, 296, 5.0, 1147880044), (2, 306, 3.5, 1147868817)]


def test_empty_lines_do_not_count(tmp_path):
    data = read_ratings(write_file(tmp_path, "\n\nuser,movie,rating\n\n7,8,4\n\n\n9,8,5\n\n"))
    assert rows(data.ratings) == [(7, 8, 4.0), (9, 8, 5.0)]


def test_the_ratings_can_be_changed_in_place(tmp_path):
    ratings = read_ratings(write_file(tmp_path, "7,8,4\n")).ratings
    ratings.loc[0, "rating"] = 2
    assert rows(ratings) == [(7, 8, 2.0)]


def test_one_rating_without_line_end_is_a_file(tmp_path):
    assert rows(read_ratings(write_file(tmp_path, "7,8,4")).ratings) == [(7, 8, 4.0)]


@pytest.mark.parametrize("column", ["user", "movie"])
@pytest.mark.parametrize(
    ("ids", "expected", "dtype"),
    [
        (["1", "2"], [1, 2], "int64"),
        (["-1", "9223372036854775807"], [-1, 2**63 - 1], "int64"),
        (["12", "a2"], ["12", "a2"], "str"),
        (["12", "123456789012345678901234567890"], ["12", "123456789012345678901234567890"], "str"),
        (["9007199254740993", ""], [2**53 + 1, None], "Int64"),
        (["1.0", "2.00", "3"], [1, 2, 3], "int64"),
        (["9007199254740993.0", ""], [2**53 + 1, None], "Int64"),
        (["1.5", "2.0"], ["1.5", "2.0"], "str"),
        (["a", ""], ["a", None], "str"),
        (["", ""], [None, None], "Int64"),
        (['"a,b"', '"c""d"'], ["a,b", 'c"d'], "str"),
    ],
)
def test_ids_are_exact_integers_or_text(tmp_path, column, ids, expected, dtype):
    header = {"user": "user,movie,rating", "movie": "movie,user,rating"}[column]
    data = read_ratings(write_file(tmp_path, header + "\n" + "".join(f"{found},8,4\n" for found in ids)))
    read = data.ratings[f"{column}_id"]
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


@pytest.mark.parametrize(
    ("ratings", "expected", "dtype"),
    [
        (["4.5", "3"], [4.5, 3.0], "float32"),
        (["4.5", ""], [4.5, np.nan], "float32"),
        (["nan", "inf", "-inf", "1e1"], [np.nan, np.inf, -np.inf, 10.0], "float32"),
        (["4.5", "good", ""], ["4.5", "good", np.nan], "str"),
    ],
)
def test_ratings_are_float32_or_text_where_one_is_no_number(tmp_path, ratings, expected, dtype):
    data = read_ratings(write_file(tmp_path, "user,movie,rating\n" + "".join(f"7,8,{rating}\n" for rating in ratings)))
    pd.testing.assert_series_equal(data.ratings.rating, pd.Series(expected, dtype=dtype, name="rating"))


@pytest.mark.parametrize(
    ("times", "expected", "dtype"),
    [
        (["978300760", "978302109"], [978300760, 978302109], "int64"),
        (["978300760", ""], [978300760, None], "Int64"),
        (["978300760.5", ""], [978300760.5, None], "float64"),
        (["2000-12-31", "2001-01-01 00:01:49"], ["2000-12-31", "2001-01-01 00:01:49"], "str"),
    ],
)
def test_times_are_left_as_they_are(tmp_path, times, expected, dtype):
    text = "user\tmovie\trating\ttime\n" + "".join(f"7\t8\t4\t{time}\n" for time in times)
    read = read_ratings(write_file(tmp_path, text)).ratings.timestamp
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


def test_times_with_colons_may_stand_between_double_colons(tmp_path):
    data = read_ratings(write_file(tmp_path, "7::8::4::2001-01-01 00:01:49\n"))
    assert rows(data.ratings) == [(7, 8, 4.0, "2001-01-01 00:01:49")]


def test_parquet_of_integers_reads_as_csv_does(tmp_path):
    path = write_parquet(
        tmp_path, {"userId": [1, 2], "x": [[], []], "movieId": [3, 4], "rating": [4.5, 2], "ts": [5, 6]}
    )
    data = read_ratings(path)
    assert rows(data.ratings) == [(1, 3, 4.5, 5), (2, 4, 2.0, 6)]
    assert types(data.ratings)["rating"] == "float32"


@pytest.mark.parametrize(
    ("ids", "expected", "dtype"),
    [
        (pa.array([1, 2], pa.int32()), [1, 2], "int64"),
        (pa.array([1.0, None]), [1, None], "Int64"),
        (pa.array([1.0, float("nan")]), [1, None], "Int64"),
        (pa.array([1.5, 2.0]), ["1.5", "2"], "str"),
        (pa.array([2**64 - 1, 2], pa.uint64()), [str(2**64 - 1), "2"], "str"),
        (pa.array(["007", None]), ["007", None], "str"),
        (pa.array([b"a", b"b"]), ["a", "b"], "str"),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"], "str"),
        (pa.array([7, 9]).dictionary_encode(), [7, 9], "int64"),
        (pa.array([decimal.Decimal(7), None]), [7, None], "Int64"),
    ],
)
def test_parquet_ids_are_exact_integers_or_text(tmp_path, ids, expected, dtype):
    read = read_ratings(write_parquet(tmp_path, {"user": ids, "movie": [3, 4], "rating": [4.5, 2]})).ratings.user_id
    assert [None if pd.isna(value) else value for value in read] == expected
    assert str(read.dtype) == dtype


@pytest.mark.parametrize(
    ("ratings", "expected", "dtype"),
    [
        (pa.array([4, 5]), [4.0, 5.0], "float32"),
        (pa.array([4.5, None]), [4.5, np.nan], "float32"),
        (pa.array(["4.5", "3"]), [4.5, 3.0], "float32"),
        (pa.array(["4.5", "good"]), ["4.5", "good"], "str"),
    ],
)
def test_parquet_ratings_are_float32_or_text_where_one_is_no_number(tmp_path, ratings, expected, dtype):
    data = read_ratings(write_parquet(tmp_path, {"user": [1, 2], "movie": [3, 4], "rating": ratings}))
    pd.testing.assert_series_equal(data.ratings.rating, pd.Series(expected, dtype=dtype, name="rating"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([60_000], pa.timestamp("ms")), pd.Timestamp("1970-01-01 00:01")),
        (pa.array([60_000], pa.timestamp("ms", "Asia/Tokyo")), pd.Timestamp("1970-01-01 00:01")),
        (pa.array([1], pa.date32()), pd.Timestamp("1970-01-02")),
        (pa.array([60.5]), 60.5),
        (pa.array(["1970-01-02"]), "1970-01-02"),
    ],
)
def test_parquet_times_are_left_as_they_are_in_utc(tmp_path, times, expected):
    data = read_ratings(write_parquet(tmp_path, {"user": [1], "movie": [3], "rating": [4.5], "time": times}))
    assert data.ratings.timestamp.tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": empty; expected ratings"),
        ("\n \n", ": empty; expected ratings"),
        ("user,movie,rating\n", ": no ratings"),
        ("user,movie,rating", ": no ratings"),
        ("ratings\n4\n", ":1: one column; expected user, movie and rating columns, split by one of '::'"),
        ("user,movie,rating\n7,8,4\n7,8,4,1\n", ":3: 4 columns; line 1 has 3, split by ','"),
        ("\nuser,movie,rating\n\n7,8\n", ":4: 2 columns; line 2 has 3, split by ','"),
        ("1,2,3,4\n1,2,3", ":2: 3 columns; line 1 has 4, split by ','"),
        ("1,2,3,4,5\n", ":1: 5 columns, split by ',', and none has a known name; a file without a header has"),
        ("1,2\n", ":1: 2 columns, split by ',', and none has a known name; a file without a header has 3 or 4"),
        ("user,movie,stars,Score\n7,8,4,5\n", ":1: columns 'stars' and 'Score' could each be the rating; keep one"),
        ("user,user,movie,rating\n7,7,8,4\n", ":1: columns 'user' and 'user' could each be the user_id; keep one"),
    ],
)
def test_a_file_that_is_no_table_of_ratings_is_refused(tmp_path, text, message):
    assert refusal_by(read_ratings, write_file(tmp_path, text)).startswith(f"mine.csv{message}")


@pytest.mark.parametrize(("missing", "spelling"), [("user", "reviewerid"), ("movie", "asin"), ("rating", "stars")])
def test_a_missing_column_is_named_with_what_was_found_and_what_is_accepted(tmp_path, missing, spelling):
    names = [name for name in ("user", "movie", "rating", "other") if name != missing]
    message = refusal_by(read_ratings, write_file(tmp_path, ",".join(names) + "\n7,8,4\n"))
    assert message.startswith(f"mine.csv:1: no {missing}")
    assert "'other'" in message
    assert f" {spelling}," in message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_ids_are_read_in_the_encoding_of_the_file(tmp_path, encoding):
    text = "user,movie,rating\n" + "b,8,4\n" * 3 + "Zoë,8,4\n"
    assert rows(read_ratings(write_file(tmp_path, text.encode(encoding))).ratings)[-1] == ("Zoë", 8, 4.0)


def test_a_broken_line_after_many_is_refused_with_its_line(tmp_path):
    text = "user,movie,rating\r\n" + "\r\n7,8,4\r\n" * 200_000 + "7,8\r\n"
    assert (
        refusal_by(read_ratings, write_file(tmp_path, text)) == "mine.csv:400002: 2 columns; line 1 has 3, split by ','"
    )


def test_a_line_longer_than_arrow_takes_is_refused(tmp_path):
    text = "user,movie,rating,note\n7,8,4,x\n" + "7,8,4," + "x" * 3_000_000 + "\n"
    assert refusal_by(read_ratings, write_file(tmp_path, text)).startswith("mine.csv: a line of more than 1 MiB")


def test_a_binary_file_is_refused(tmp_path):
    assert (
        refusal_by(read_ratings, write_file(tmp_path, b"\x7fELF\0\0"))
        == "mine.csv: a binary file; expected text or Parquet"
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"user": [1], "rating": [4]},
            "mine.parquet: no movie_id column among 'user', 'rating'; accepted names: movieid, ",
        ),
        (
            {"user": [1], "movie": [1], "rating": [4], "score": [4]},
            "mine.parquet: columns 'rating' and 'score' could each be",
        ),
        ({"user": [[1]], "movie": [1], "rating": [4]}, "mine.parquet: column 'user' cannot be the user_id: "),
        ({"user": [1], "movie": [1], "rating": [{"a": 1}]}, "mine.parquet: column 'rating' cannot be the rating: "),
        ({"user": [], "movie": [], "rating": []}, "mine.parquet: no ratings"),
    ],
)
def test_parquet_without_usable_columns_is_refused(tmp_path, columns, message):
    assert refusal_by(read_ratings, write_parquet(tmp_path, columns)).startswith(message)


def test_hexadecimal_ids_are_text(tmp_path):
    found = read_ratings(write_file(tmp_path, "userId,movieId,rating\n0x10,1,5\n16,1,1\n0x10,2,4\n"))
    assert found.ratings[USER_ID].tolist() == ["0x10", "16", "0x10"]


@pytest.mark.parametrize("rows", ["4,32,Film,0.5,", "4,32,Film,NA,7", "4,,Film,0.5,7"])
def test_a_quote_that_would_take_in_a_row_with_a_missing_number_is_text(tmp_path, rows):
    text = f'userId,movieId,title,rating,timestamp\n1,2,a,3,4\n3,31,"Film 31,2,1\n{rows}\n6,32,Film 32",2.5,1\n'
    found = read_ratings(write_file(tmp_path, text))
    assert found.ratings[USER_ID].tolist() == [1, 3, 4, 6]
    assert "quotation marks are read as text: that of line 3 is not closed" in found.notes


def test_ten_digits_are_products_only_as_isbns(tmp_path):
    users = write_file(tmp_path, "".join(f"100000{n},10,3,1400000000\n" for n in range(7910, 7920)))
    assert read_ratings(users).ratings[USER_ID].iloc[0] == 1000007910
    books = write_file(tmp_path, "0439023483,A1,5,1400000000\n0439554934,A2,4,1400000000\n")
    assert read_ratings(books).ratings[MOVIE_ID].tolist() == ["0439023483", "0439554934"]


def test_a_column_of_ids_goes_before_one_of_names(tmp_path):
    found = read_ratings(write_file(tmp_path, "user,user_id,movie,movie_id,rating\nAnn,1,Heat,7,3\nAnn,2,Heat,8,4\n"))
    assert found.ratings[[USER_ID, MOVIE_ID]].to_numpy().tolist() == [[1, 7], [2, 8]]


def test_a_column_that_may_hold_times_is_named_where_none_is_known(tmp_path):
    found = read_ratings(write_file(tmp_path, "user,movie,rating,the_datetime\n1,2,3,4\n"))
    assert any(
        note.startswith("no column of times has a known name; if 'the_datetime' has them") for note in found.notes
    )


@pytest.mark.parametrize(("data_type", "number"), [(pa.float64(), 2.0**53 + 2), (pa.float32(), 2.0**24 + 2)])
def test_float_ids_beyond_what_is_exact_are_refused(tmp_path, data_type, number):
    ids = pa.array([number, 1.0], data_type)
    message = refusal_by(read_ratings, write_parquet(tmp_path, {"user": ids, "movie": [1, 2], "rating": [3, 4]}))
    assert message.startswith(f"mine.parquet: column 'user' cannot be the user_id: {number:.0f} is a rounded number")


def test_text_ids_in_parquet_are_trimmed(tmp_path):
    path = write_parquet(tmp_path, {"user": [" ann", "ann", ""], "movie": [1, 2, 3], "rating": [3, 4, 5]})
    assert read_ratings(path).ratings[USER_ID].fillna("missing").tolist() == ["ann", "ann", "missing"]


@pytest.mark.parametrize("header", ['"user" "movie" "rating"', "user movie rating"])
def test_quotes_in_a_file_split_by_blanks_are_refused(tmp_path, header):
    text = header + '\n"u1" "m 1" 3\n"u2" "m2" 4\n'
    message = refusal_by(read_ratings, write_file(tmp_path, text))
    assert message.startswith(f"mine.csv:{1 + (header[0] != chr(34))}: quotation marks in a file split by blanks")
