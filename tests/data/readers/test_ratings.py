"""Checks the entrance to ratings: logs, archives, missing paths, and damaged bytes of any kind."""

import bz2
import gzip
import io
import lzma
import pathlib
import zipfile

import hypothesis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.damage import many_files, mutated_files
from helpers.input_files import refusal_by, rows, write_file, write_folder, write_zip
from helpers.movielens import EDITIONS, ML_1M, ML_CSV
from hypothesis import strategies as st

from movierec_jax.data.readers import ratings
from movierec_jax.data.readers.ratings import read_given, read_ratings
from movierec_jax.data.readers.ratings_log.entries import Entry
from movierec_jax.data.readers.ratings_log.log import RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data_config import BUNDLED_RATINGS
from movierec_jax.errors import InputError


def test_an_archive_is_recognised_by_its_bytes_too(tmp_path):
    path = write_zip(tmp_path / "download", ML_1M, "ml-1m/")
    assert read_ratings(path).source == f"MovieLens 1M in {path}"


def test_the_default_ratings_are_found_from_any_folder_with_their_licence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(read_ratings(BUNDLED_RATINGS).ratings) == 100_836
    assert (ratings.BUNDLED / "ml-latest-small" / "README.txt").read_bytes().startswith(b"Summary")


def test_without_the_default_ratings_the_message_says_where_to_get_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ratings, "BUNDLED", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"^data/ml-latest-small: no such file or folder; `movierec data` fetches"):
        read_ratings(BUNDLED_RATINGS)


def test_a_log_is_read_as_its_latest_ratings(tmp_path):
    log = RatingsLog(tmp_path / FILE_NAME)
    log.append([Entry("7", 8, 4.0, 90), Entry("9", 8, 2.0, 91), Entry("7", 8, 4.5, 92), Entry("9", 8, None, 93)])
    data = read_ratings(tmp_path / FILE_NAME)
    log.close()
    assert rows(data.ratings) == [("7", 8, 4.5, 92)]
    assert (data.source, data.rating_scale) == (str(tmp_path / FILE_NAME), None)
    assert [len(table) for table in (data.movies, data.users, data.tags)] == [0, 0, 0]


def test_an_empty_log_has_no_ratings(tmp_path):
    RatingsLog(tmp_path / FILE_NAME).close()
    assert len(read_ratings(tmp_path / FILE_NAME).ratings) == 0


def test_a_log_with_ids_of_both_kinds_is_refused(tmp_path):
    log = RatingsLog(tmp_path / FILE_NAME)
    log.append([Entry(7, "8", 4.0, 90), Entry(7, 8, 2.0, 91)])
    log.close()
    assert refusal_by(read_ratings, tmp_path / FILE_NAME).startswith(
        f"{FILE_NAME}: some movie ids are integers and some are text"
    )


def test_a_missing_path_is_refused(tmp_path):
    assert refusal_by(read_ratings, tmp_path / "none") == "none: no such file or folder"


def test_a_path_that_the_system_refuses_is_refused(tmp_path, monkeypatch):
    path = write_file(tmp_path, "7,8,4\n")

    def deny(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", deny)
    assert refusal_by(read_ratings, path) == "mine.csv: cannot be read: [Errno 13] Permission denied"


def test_a_folder_of_other_files_is_refused_with_what_was_found(tmp_path):
    folder = write_folder(tmp_path / "mine", {"notes.txt": b"", "a.csv": b""})
    found = "mine: no ratings; found a.csv, notes.txt; expected u.data or ratings.dat or ratings.csv or rating.csv, or "
    assert refusal_by(read_ratings, folder).startswith(found)


def test_an_empty_folder_is_refused(tmp_path):
    assert "found nothing; expected u.data" in refusal_by(read_ratings, write_folder(tmp_path / "mine", {}))


def test_an_archive_without_ratings_is_refused_with_what_was_found(tmp_path):
    path = write_zip(tmp_path / "mine.zip", {"a.txt": b"", "b.txt": b"", "ml/movies.dat": b""})
    assert "mine.zip: no ratings; found a.txt, b.txt, ml/movies.dat; expected u.data" in refusal_by(read_ratings, path)


def test_an_archive_of_two_editions_is_refused(tmp_path):
    path = write_zip(tmp_path / "two.zip", {"a/u.data": b"", "b/ratings.csv": b""})
    assert refusal_by(read_ratings, path).startswith("two.zip: ratings in several folders: a, b;")


@pytest.mark.parametrize("name", ["cut.zip", "cut.csv.gz"])
def test_an_archive_cut_short_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 1000, (20_000, 3))
    ratings = b"user,movie,rating\n" + b"".join(b"%d,%d,%d\n" % tuple(row) for row in noise)
    if name.endswith(".zip"):
        whole = write_zip(tmp_path / "whole.zip", {"ratings.csv": ratings}).read_bytes()
    else:
        whole = gzip.compress(ratings)
    assert refusal_by(read_ratings, write_file(tmp_path, whole[: len(whole) // 2], name)).startswith(
        f"{name}: cannot be read: "
    )


def test_a_damaged_member_is_named(tmp_path):
    path = write_zip(tmp_path / "ml.zip", ML_1M, "ml-1m/")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("ml-1m/ratings.dat")
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(info.filename)] ^= 0xFF  # a local header has 30 bytes and the name
    path.write_bytes(content)
    assert refusal_by(read_ratings, path).startswith("ml.zip/ml-1m/ratings.dat: cannot be read: ")


@pytest.mark.parametrize("name", ["mine.parquet", "mine.pq"])
def test_text_with_the_name_of_parquet_is_refused(tmp_path, name):
    assert refusal_by(read_ratings, write_file(tmp_path, "user,movie,rating\n7,8,4\n", name)).startswith(
        f"{name}: cannot be read as Parq"
    )


def test_text_with_the_name_of_gzip_is_read_as_text(tmp_path):
    assert rows(read_ratings(write_file(tmp_path, "7,8,4\n", "mine.csv.gz")).ratings) == [(7, 8, 4.0)]


def assert_read_or_refused(path: pathlib.Path) -> None:
    try:
        data, message = read_ratings(path), None
    except InputError as error:
        data, message = None, str(error)
    if data is None:
        assert str(path) in message
        return
    assert list(data.movies) == ["movie_id", "title", "genres"]
    assert list(data.users) == ["user_id", "age", "gender", "occupation"]
    assert list(data.tags) == ["user_id", "movie_id", "tag", "timestamp"]
    assert {"user_id", "movie_id", "rating"} <= set(data.ratings)
    for column in ("user_id", "movie_id"):
        assert str(data.ratings[column].dtype) in ("int64", "Int64", "str")
        data.ratings[column].tolist()  # undecodable text shows only when it is looked at


NAMES = st.sampled_from(["a.csv", "a.csv.gz", "a.parquet", "a.zip", "a", "u.item", "movies.dat"])


def valid_files() -> list[bytes]:
    """A file of each kind, as bytes."""
    archive, table = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        for name, content in ML_1M.items():
            members.writestr(f"é/{name}", content)
    columns = {"user": ["a", "b"], "movie": [1, 2], "rating": [4.5, 2.0], "time": [None, 9]}
    pyarrow.parquet.write_table(pa.table(columns), table)
    text = [content for files in EDITIONS.values() for content in files.values()]
    packed = [pack(ML_CSV["ratings.csv"]) for pack in (gzip.compress, bz2.compress, lzma.compress)]
    lines = b'{"user": 1, "movie": "a", "rating": 4.5, "x": [1]}\n' * 3
    matrix = b"user," + b",".join(b"%d" % n for n in range(9)) + b"\n7,1,2,3,4,5,,,,1\n8,1,2,3,4,5,,,,1\n"
    formats = [lines, b"[" + b",".join(lines.splitlines()) + b"]", matrix, b"1:\n7,3,2005-09-06\n8,4,2005-09-07\n2:\n"]
    return [*text, *packed, *formats, archive.getvalue(), table.getvalue()]


@many_files
@hypothesis.given(content=st.binary(max_size=200) | st.text('0179.,:;|\t\r\n" aué\x1f\x00').map(str.encode), name=NAMES)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    assert_read_or_refused(write_file(tmp_path, content, name))


@many_files
@hypothesis.given(content=mutated_files(valid_files()), name=NAMES)
def test_any_damage_to_a_good_file_is_read_or_refused_with_the_name_of_the_file(tmp_path, content, name):
    assert_read_or_refused(write_file(tmp_path, content, name))


@many_files
@hypothesis.given(
    content=mutated_files(valid_files()),
    file=st.sampled_from([(name, file) for name in EDITIONS for file in EDITIONS[name]]),
)
def test_any_damage_inside_an_edition_is_read_or_refused_with_its_name(tmp_path, content, file):
    edition, damaged = file
    assert_read_or_refused(write_folder(tmp_path / edition, EDITIONS[edition] | {damaged: content}))


# Tables in pandas.


def test_a_table_is_read_as_its_file_is(tmp_path):
    path = write_file(tmp_path, "User Id,item,stars,date\n7,8,4.5,2024-05-31\n9,8,2,2024-06-01\n")
    of_file, of_table = read_ratings(path), read_given(pd.read_csv(path))
    assert rows(of_table.ratings) == rows(of_file.ratings)
    assert (of_table.source, of_table.notes) == ("DataFrame", of_file.notes)


def test_the_index_of_a_table_counts_where_it_has_a_name():
    table = pd.DataFrame({"user": ["ann", "bob"], "movie": [8, 8], "rating": [4, 5]})
    assert rows(read_given(table.set_index("user")).ratings) == rows(read_given(table).ratings)


def test_categories_decimals_and_times_of_a_table_are_what_they_stand_for():
    times = pd.to_datetime(["2024-05-31T18:30:00+02:00"], utc=True)
    table = pd.DataFrame({"user": pd.Categorical(["ann"]), "movie": [8.0], "rating": ["4.5"], "timestamp": times})
    plain = pd.DataFrame({"user": ["ann"], "movie": [8], "rating": [4.5], "timestamp": times.tz_localize(None)})
    assert rows(read_given(table).ratings) == rows(read_given(plain).ratings)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1], "rating": [2]}, "DataFrame: no movie_id column among 'user', 'rating'"),
        (
            {"user": [1, "ann"], "movie": [2, 2], "rating": [3, 3]},
            "DataFrame: column 'user' has values of several kinds",
        ),
        ({"user": [], "movie": [], "rating": []}, "DataFrame: no ratings"),
    ],
)
def test_a_table_without_usable_columns_is_refused(columns, message):
    with pytest.raises(InputError, match=f"^{message}"):
        read_given(pd.DataFrame(columns))
