"""Files about movies and users, in every form, as tables of plain columns."""

import datetime
import decimal
import gzip
import io
import pathlib

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.damage import many_files, mutated_files
from helpers.input_files import parquet_bytes, refusal_by, write_file
from hypothesis import strategies as st

from movierec_jax.data.readers.tables.features_file import read_features
from movierec_jax.data.schema import MOVIE_ID, USER_ID, FeatureTable
from movierec_jax.errors import InputError


def read(folder: pathlib.Path, content: str | bytes, name: str = "mine.csv", id_column: str = MOVIE_ID) -> FeatureTable:
    return read_features(write_file(folder, content, name), id_column)


def values(column: pd.Series) -> list:
    """The values, None where missing."""
    return [value if isinstance(value, list) else None if pd.isna(value) else value for value in column]


def refusal(folder: pathlib.Path, content: str | bytes, name: str = "mine.csv") -> str:
    return refusal_by(lambda path: read_features(path, MOVIE_ID), write_file(folder, content, name))


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_the_separator_is_seen_from_the_header(tmp_path, separator):
    lines = [["length", "movieId", "plot"], ["1.5", "7", "so, a"], ["", "8", "b"]]
    quoted = [[f'"{field}"' if separator in field else field for field in line] for line in lines]
    table = read(tmp_path, "\n".join(map(separator.join, quoted)))
    assert values(table.ids) == ["7", "8"]
    assert {name: values(column) for name, column in table.columns.items()} == {
        "length": ["1.5", None],
        "plot": ["so, a", "b"],
    }


@pytest.mark.parametrize(
    ("name", "id_column"),
    [("movieId", MOVIE_ID), ("Movie ID", MOVIE_ID), ("asin", MOVIE_ID), ("uid", USER_ID), ("reviewer-id", USER_ID)],
)
def test_ids_may_be_spelled_as_in_files_of_ratings(tmp_path, name, id_column):
    assert values(read(tmp_path, f"x,{name}\n1,7\n", id_column=id_column).ids) == ["7"]


def test_ids_of_text_stay_as_they_are_written(tmp_path):
    assert values(read(tmp_path, "movie,x\n007,1\n tt1 ,2\n").ids) == ["007", "tt1"]


def test_ids_of_the_datas_own_are_taken_and_others_are_left_out(tmp_path):
    table = read(tmp_path, "imdbId,movieId,tmdbId,id,x\n1,7,3,4,5\n")
    assert (values(table.ids), list(table.columns), table.left_out) == (
        ["7"],
        ["x"],
        dict.fromkeys(["imdbId", "tmdbId", "id"], "another id"),
    )


def test_without_ids_of_the_datas_own_a_file_names_movies_by_imdb_or_tmdb_ids(tmp_path):
    table = read(tmp_path, "id,tmdb_id,imdb_id,x\n4,3,tt01,5\n")
    assert (values(table.ids), table.id_space, table.id_name) == (["tt01"], "imdb", "imdb_id")
    path = write_file(tmp_path, "tmdb_id,imdb_id,x\n3,tt01,5\n")
    assert read_features(path, MOVIE_ID, ["tmdb", "imdb"]).id_name == "tmdb_id"


def test_quotes_that_are_not_closed_are_text_where_every_line_is_a_row(tmp_path):
    table = read(tmp_path, 'tconst\ttitle\ntt1\t"Heat\ntt2\tRan\ntt3\t"Up" twice\n', "a.tsv")
    assert values(table.columns["title"]) == ['"Heat', "Ran", '"Up" twice']
    assert table.note == "quotation marks are read as text: that of line 2 is not closed"


def test_a_column_without_a_name_is_left_out(tmp_path):
    table = read(tmp_path, pd.DataFrame({"movie": [7], "x": [1]}).to_csv())
    assert (list(table.columns), table.left_out) == (["x"], {"": "it has no name"})


@pytest.mark.parametrize("missing", ["", "NA", "nan", "null", " N/A ", "<NA>", "\\N"])
def test_usual_words_for_missing_values_are_missing(tmp_path, missing):
    assert values(read(tmp_path, f"movie,x\n7,{missing}\n8,none\n").columns["x"]) == [None, "none"]


def test_lines_are_counted_as_in_the_file_after_text_of_several_lines(tmp_path):
    table = read(tmp_path, '\r\nmovie,x\r\n\r\n7,"two\r\nlines"\r\n\r\n8,b\r\n')
    assert (table.line.tolist(), table.unit) == ([5, 7], "line")
    assert values(table.columns["x"]) == ["two\r\nlines", "b"]


def test_text_may_be_packed_or_latin1_or_have_a_byte_order_mark(tmp_path):
    for content, name in [
        (gzip.compress("movie,x\n7,é\n".encode()), "a.tsv.gz"),
        ("movie,x\n7,é\n".encode("latin-1"), "a.csv"),
        (b"\xef\xbb\xbf" + "movie,x\n7,é\n".encode(), "a.txt"),
    ]:
        assert values(read(tmp_path, content, name).columns["x"]) == ["é"]


@pytest.mark.parametrize(
    ("column", "expected", "dtype"),
    [
        (pa.array([1, None], pa.int8()), [1.0, None], "float64"),
        (pa.array([1.5, float("nan")]), [1.5, None], "float64"),
        (pa.array([decimal.Decimal("1.5"), None]), [1.5, None], "float64"),
        (pa.array([None, None]), [None, None], "float64"),
        (pa.array([datetime.date(1970, 1, 3), None]), [2.0, None], "float64"),
        (pa.array([43_200_000, None], pa.timestamp("ms", "Asia/Tokyo")), [0.5, None], "float64"),
        (pa.array([True, None]), ["true", None], "category"),
        (pa.array(["a", None]).dictionary_encode(), ["a", None], "category"),
        (pa.array([" a ", ""]), ["a", None], "str"),
        (pa.array(["a", None], pa.large_string()), ["a", None], "str"),
        (pa.array([["a", None], None]), [["a"], None], "object"),
        (pa.array([[1, 2], []], pa.large_list(pa.int64())), [["1", "2"], []], "object"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_columns_keep_their_types_as_far_as_features_need_them(tmp_path, column, expected, dtype):
    table = read(tmp_path, parquet_bytes(movie=[7, 8], x=column), "a.parquet")
    assert (values(table.columns["x"]), str(table.columns["x"].dtype)) == (expected, dtype)
    assert (table.line.tolist(), table.unit) == ([1, 2], "row")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[0.5], [1.5]]), "list<element: double>"),
        (pa.array([{"a": 1}, None]), "struct<a: int64>"),
        (pa.array([b"a", b"b"]), "binary"),
    ],
)
def test_parquet_columns_that_are_no_features_are_left_out(tmp_path, column, kind):
    table = read(tmp_path, parquet_bytes(movie=[7, 8], x=column), "a.parquet")
    assert len(table.columns.columns) == 0
    assert table.left_out == {"x": f"of type {kind}"}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, 8], pa.int32()), [7, 8]),
        (pa.array([7.0, 8.0]), [7, 8]),
        (pa.array(["007", " a "]), ["007", "a"]),
    ],
)
def test_parquet_ids_are_integers_or_text(tmp_path, ids, expected):
    assert values(read(tmp_path, parquet_bytes(movie=ids, x=[1, 2]), "a.parquet").ids) == expected


def test_parquet_is_recognised_by_name_or_bytes_and_may_be_packed(tmp_path):
    content = parquet_bytes(movie=[7], x=[1])
    for name, packed in [("a.pq", content), ("a", content), ("a.parquet.gz", gzip.compress(content))]:
        assert values(read(tmp_path, packed, name).ids) == [7]


def test_row_numbers_that_pandas_wrote_are_left_out(tmp_path):
    table = pd.DataFrame({"movie": [7], "x": [1.0]}, index=[3])
    stream = io.BytesIO()
    table.to_parquet(stream)
    assert list(read(tmp_path, stream.getvalue(), "a.parquet").left_out) == ["__index_level_0__"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected a column of movie_id and others"),
        ("\n \n", "mine.csv: empty; expected a column of movie_id and others"),
        ("movie,x\n", "mine.csv: no rows below the columns movie, x"),
        ("\nid,x\n1,2\n", "mine.csv:2: no movie_id column among 'id', 'x'; accepted names: movieid, movie, "),
        ("movie,Movie\n1,2\n", "mine.csv:1: columns 'movie' and 'Movie' could each be the movie_id; keep one"),
        ("movie,x,x\n1,2,3\n", "mine.csv:1: column 'x' twice; rename one of them"),
        ("movie,x\n1,2\n\n1\n", "mine.csv:4: 1 column; line 1 has 2, split by ','"),
        ("movie::x\n1::2\n1::2::3\n", "mine.csv:3: 3 columns; line 1 has 2, split by '::'"),
        ('movie,x\n1,"a"\n2,"b\n', "mine.csv:3: unexpected end of data"),
        (b"\x7fELF\0\0", "mine.csv: a binary file; expected text or Parquet"),
        (b"PAR1movie,x\n1,2\n", "mine.csv: cannot be read as Parquet: "),
    ],
)
def test_a_file_that_is_no_table_of_features_is_refused(tmp_path, content, message):
    assert refusal(tmp_path, content).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1]}, "a.parquet: no movie_id column among 'x'; accepted names: movieid, "),
        ({"movie": [[1]], "x": [1]}, "a.parquet: column 'movie' cannot be the movie_id: "),
        ({"movie": [], "x": []}, "a.parquet: no rows below the columns movie, x"),
    ],
)
def test_parquet_that_is_no_table_of_features_is_refused(tmp_path, columns, message):
    assert refusal(tmp_path, parquet_bytes(**columns), "a.parquet").startswith(message)


def test_a_missing_file_and_a_damaged_one_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file$"):
        read_features(tmp_path / "none.csv", MOVIE_ID)
    cut = gzip.compress(b"movie,x\n1,2\n")[:-3]
    assert refusal(tmp_path, cut, "a.csv").startswith("a.csv: cannot be read: ")


VALID = [
    b'movie,x,y\n1,"a, b",2\n2,c|d,\n',
    "movieId::été\n1::2\n".encode(),
    gzip.compress(b"movie\tx\n1\t2\n"),
    parquet_bytes(movie=[1, 2], x=["a", None], y=[[1], None], z=[1.5, 2]),
]


@many_files
@hypothesis.given(content=mutated_files(VALID), name=st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a"]))
def test_any_damage_to_a_good_file_is_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    path = write_file(tmp_path, content, name)
    try:
        table = read_features(path, MOVIE_ID)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert len(table.ids) == len(table.columns) == len(table.line) > 0
    assert {str(dtype) for dtype in table.columns.dtypes} <= {"float64", "category", "str", "object"}
    assert np.all(np.diff(table.line) > 0)
