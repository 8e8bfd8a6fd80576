"""Checks files of texts about movies, in every form."""

import datetime
import gzip
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

from movierec_jax.data.cleaning import clean
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.tables.labelled_file import read_labelled
from movierec_jax.data.readers.tables.reviews_file import read_reviews
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.features.review_cleaning import clean_reviews

ROOT = pathlib.Path(__file__).parents[4]
REAL = ROOT.parent / "shared" / "data" / "reviews" / "aclimdb_labelled_50k.parquet"
LONG = "so very long " * 20_000


def read(folder: pathlib.Path, content: str | bytes, name: str = "mine.csv") -> dict[str, list]:
    """The columns of a file, None where a value is missing."""
    table = read_reviews(write_file(folder, content, name)).table
    return {column: [None if pd.isna(value) else value for value in table[column]] for column in table}


@pytest.mark.parametrize(
    "header",
    [
        "movieId,text,userId,rating,timestamp",
        "asin,reviewText,reviewerID,overall,unixReviewTime",
        "item,Review,user,STARS,date",
        "film id,comment,member,score,time",
        "mid,tag,uid,value,ts",
        "movie,body,profile,stars,created_at",
        '"movie","content","user","rating","rated at"',
    ],
)
def test_usual_spellings_are_known(tmp_path, header):
    columns = read(tmp_path, f"{header}\n7,good,3,4.5,100\n")
    expected = {"movie_id": [7], "text": ["good"], "user_id": [3], "stars": ["4.5"], "timestamp": ["100"]}
    assert columns == expected


@pytest.mark.parametrize("name", ["imdbId", "imdb", "tconst", "IMDB Title Id"])
def test_movie_ids_come_before_imdb_ids_and_these_before_tmdb_ids(tmp_path, name):
    assert read(tmp_path, f"{name},text\ntt01,a\n") == {"imdb_id": ["tt01"], "text": ["a"]}
    assert read(tmp_path, f"{name},movie,text\ntt01,7,a\n") == {"movie_id": [7], "text": ["a"]}
    assert read(tmp_path, f"tmdbId,{name},text\n5,tt01,a\n") == {"imdb_id": ["tt01"], "text": ["a"]}
    assert read(tmp_path, "tmdbId,text\n5,a\n") == {"tmdb_id": [5], "text": ["a"]}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_the_separator_is_seen_from_the_header(tmp_path, separator):
    columns = read(tmp_path, f"n{separator}movie{separator}text\n1{separator}7{separator}so so\n")
    assert columns == {"movie_id": [7], "text": ["so so"]}


def test_text_keeps_quotes_line_ends_emoji_and_length_and_lines_are_counted_as_in_the_file(tmp_path):
    path = write_file(
        tmp_path, f'movie,text\r\n7,"""so"",\r\n\r\nso"\r\n\r\n8,🎬 née <br />\r\n9,{LONG}\r\n10,\r\n11, NA \r\n'
    )
    raw = read_reviews(path)
    assert raw.table["text"].tolist()[:3] == ['"so",\r\n\r\nso', "🎬 née <br />", LONG.strip()]
    assert raw.table["text"].isna().tolist() == [False, False, False, True, True]
    assert (raw.path, raw.unit, raw.line.tolist()) == (str(path), "line", [4, 6, 7, 8, 9])
    assert (raw.table["text"].dtype, raw.table["movie_id"].dtype) == ("str", "int64")


def test_text_may_be_packed_or_latin1_or_have_a_byte_order_mark(tmp_path):
    for content, name in [
        (gzip.compress("movie\ttext\n7,é\n".replace(",", "\t").encode()), "a.tsv.gz"),
        ("movie,text\n7,é\n".encode("latin-1"), "a.csv"),
        (b"\xef\xbb\xbf" + "movie,text\n7,é\n".encode(), "a.txt"),
        (parquet_bytes(movie=[7], text=["é"]), "a.parquet"),
        (gzip.compress(parquet_bytes(movie=[7], text=["é"])), "a.pq.gz"),
    ]:
        assert read(tmp_path, content, name) == {"movie_id": [7], "text": ["é"]}


def test_reviews_may_be_at_a_url(tmp_path):
    write_file(tmp_path, "movie,text\n7,good\n")
    raw = read_reviews(f"file://{tmp_path}/mine.csv")
    assert (raw.path, raw.table["text"].tolist()) == (f"file://{tmp_path}/mine.csv", ["good"])


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("movie", pa.array([7, None], pa.int32()), [7, None]),
        ("movie", pa.array([7.0, 8.0]), [7, 8]),
        ("movie", pa.array(["007", ""]), ["007", None]),
        ("text", pa.array([" a ", "null"], pa.large_string()), ["a", None]),
        ("text", pa.array(["a", None]).dictionary_encode(), ["a", None]),
        ("user", pa.array([1, None]), [1, None]),
        ("user", pa.array(["ann", None], pa.large_string()), ["ann", None]),
        ("stars", pa.array([9, None], pa.int8()), [9.0, None]),
        ("stars", pa.array(["9.5", "good"]), ["9.5", "good"]),
        ("timestamp", pa.array([5, None]), [5, None]),
        ("timestamp", pa.array([5.5, float("nan")]), [5.5, None]),
        ("timestamp", pa.array([datetime.date(1970, 1, 3), None]), [pd.Timestamp("1970-01-03"), None]),
        ("timestamp", pa.array(["1970-01-03", None]), ["1970-01-03", None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_columns_may_have_any_type_that_fits(tmp_path, column, values, expected):
    columns = {"movie": [1, 2], "text": ["a", "b"]} | {column: values}
    name = {"movie": "movie_id", "user": "user_id"}.get(column, column)
    assert read(tmp_path, parquet_bytes(**columns), "a.parquet")[name] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected columns of a movie_id, imdb_id or tmdb_id, and of text"),
        ("movie,text\n", "mine.csv: no rows below the columns movie, text"),
        (
            "thing,text\n1,a\n",
            "mine.csv:1: no movie_id, imdb_id or tmdb_id column among 'thing', 'text'; accepted names: movieid, ",
        ),
        ("movie,plot\n1,a\n", "mine.csv:1: no text column among 'movie', 'plot'; accepted names: text, review, "),
        ("movie,text,review\n1,a,b\n", "mine.csv:1: columns 'text' and 'review' could each be the text; keep one"),
        ("movie,text,stars,score\n1,a,1,1\n", "mine.csv:1: columns 'stars' and 'score' could each be the stars; keep"),
        ("movie,Movie,text\n1,2,a\n", "mine.csv:1: columns 'movie' and 'Movie' could each be the movie_id; keep one"),
        ("movie,text,text\n1,a,b\n", "mine.csv:1: column 'text' twice; rename one of them"),
        ("movie,text\n1,a\n\n1,a,b\n", "mine.csv:4: 3 columns; line 1 has 2, split by ','"),
        ('movie,text\n1,"a"\n2,"a\n', "mine.csv:3: unexpected end of data"),
        ('movie,text\n1,"a, b"\n2,"a" b\n', "mine.csv:3: ',' expected after '\"'"),
        (b"PAR1movie,text\n1,a\n", "mine.csv: cannot be read as Parquet: "),
    ],
)
def test_a_file_that_has_no_reviews_is_refused(tmp_path, content, message):
    assert refusal_by(read_reviews, write_file(tmp_path, content)).startswith(message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"movie": [[1]], "text": ["a"]}, "a.parquet: column 'movie' cannot be the movie_id: "),
        ({"movie": [1], "text": [["a"]]}, "a.parquet: column 'text' cannot be the text: "),
        ({"movie": [1], "text": ["a"], "stars": [[1]]}, "a.parquet: column 'stars' cannot be the stars: "),
        ({"movie": [1], "text": ["a"], "user": [{"a": 1}]}, "a.parquet: column 'user' cannot be the user_id: "),
        ({"movie": [], "text": []}, "a.parquet: no rows below the columns movie, text"),
        ({"text": ["a"]}, "a.parquet: no movie_id, imdb_id or tmdb_id column among 'text'; accepted names: movieid, "),
    ],
)
def test_parquet_that_has_no_reviews_is_refused(tmp_path, columns, message):
    assert refusal_by(read_reviews, write_file(tmp_path, parquet_bytes(**columns), "a.parquet")).startswith(message)


def test_a_missing_file_and_cut_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file$"):
        read_reviews(tmp_path / "none.csv")
    packed = gzip.compress(b"movie,text\n1,a\n")
    assert refusal_by(read_reviews, write_file(tmp_path, packed[:-9], "a.csv.gz")).startswith(
        "a.csv.gz: cannot be read: "
    )
    whole = parquet_bytes(movie=[1], text=["a"])
    assert refusal_by(read_reviews, write_file(tmp_path, whole[:-9], "a.pq")).startswith(
        "a.pq: cannot be read as Parquet: "
    )


VALID = [
    b'movie,text,user,stars,date\n1,"a, b",2,5,1970-01-02\n2,"c\n\nd",,x,\n',
    "imdbId::text::label\ntt1::né::pos\n".encode(),
    gzip.compress(b"movie\ttext\n1\ta\n"),
    parquet_bytes(movie=[1, 2], text=["a", None], stars=[1.5, None], timestamp=[1, 2]),
]


@many_files
@hypothesis.given(content=mutated_files(VALID), name=st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a"]))
def test_any_damage_to_a_good_file_is_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    path = write_file(tmp_path, content, name)
    try:
        read_labelled(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    try:
        raw = read_reviews(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert len(raw.table) == len(raw.line) > 0
    assert raw.table["text"].dtype == "str"
    assert np.all(np.diff(raw.line) > 0)


def test_the_real_reviews_are_about_1210_movies_of_the_bundled_data(tmp_path):
    # Without them, one text about the first movie of the bundled data that they name, as they write it.
    path, num_movies = REAL, 1210
    if not REAL.exists():
        path = write_file(
            tmp_path, parquet_bytes(text=["Good."], imdbId=["0114709"], stars=[9], label=["pos"]), "one.parquet"
        )
        num_movies = 1
    data = clean(read_ratings(ROOT / "data" / "ml-latest-small"), DataConfig())
    raw = read_reviews(path)
    table, dropped = clean_reviews(raw, data)
    assert table["movie_id"].nunique() == num_movies
    assert len(table) + sum(dropped.values()) == len(raw.table)
    assert table["stars"].between(0.5, 5).all()
    if path == REAL:
        labelled = read_labelled(path)
        assert (len(labelled), labelled.is_praise.sum(), labelled.scale) == (50_000, 25_000, (1.0, 10.0))
        assert labelled.is_test is not None
        assert labelled.is_test.sum() == 25_000
        # The parts are of different movies, its README says: all but "The Guardian". Praise has 7 stars or more of 10.
        assert len(set(labelled.group[labelled.is_test]) & set(labelled.group[~labelled.is_test])) == 1
        np.testing.assert_array_equal(labelled.is_praise, labelled.stars >= 7)
