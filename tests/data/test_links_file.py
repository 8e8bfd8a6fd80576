"""IMDb's ids are the same however they are written, and files that link movies to them have usual names."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.input_files import rows, write_file

from movierec_jax.data.readers.links_file import imdb_numbers, read_links
from movierec_jax.errors import InputError


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series(["tt0114709", None, "x"], dtype="str"),
        pd.Series(["TT114709", "", "nm0114709"], dtype="str"),
        pd.Series(["0114709", "0", "tt"], dtype="str"),
        pd.Series(["114709.0", "114709.5", "-3"], dtype="str"),
        pd.Series([114709, None, 0], dtype="Int64"),
        pd.Series([114709, 0, -1]),
        pd.Series([114709.0, np.nan, 0.5]),
    ],
    ids=str,
)
def test_an_id_of_imdb_is_one_number_however_it_is_written(ids):
    numbers = imdb_numbers(ids)
    assert numbers.dtype == "Int64"
    assert numbers.tolist()[0] == 114709
    assert numbers.isna().tolist() == [False, True, True]


def test_an_id_of_many_digits_is_exact():
    assert imdb_numbers(pd.Series(["tt009007199254740993", None], dtype="str")).tolist()[0] == 2**53 + 1


@pytest.mark.parametrize(
    "header", ["movieId,imdbId,tmdbId", "item_id,tconst,x", "mid,Const,x", "movie,IMDB ID,other id"]
)
def test_usual_spellings_are_known(tmp_path, header):
    links = read_links(write_file(tmp_path, f"{header}\n1,0114709,862\n2,,8844\n3,tt0113228,\n"))
    assert rows(links) == [(1, 114709), (3, 113228)]
    assert {str(dtype) for dtype in links.dtypes} == {"int64"}


def test_movie_ids_may_be_text_and_the_file_parquet(tmp_path):
    pyarrow.parquet.write_table(pa.table({"movie": ["a", "", "07"], "imdb": [3, 4, None]}), tmp_path / "a.parquet")
    for path in (tmp_path / "a.parquet", write_file(tmp_path, "movie;imdb\na;3\n;4\n07;\n")):
        assert rows(read_links(path)) == [("a", 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected columns of a movie_id and an imdb_id"),
        ("movieId,imdbId\n", "mine.csv: no rows below the columns movieId, imdbId"),
        ("title,imdbId\nx,1\n", "mine.csv:1: no movie_id column among 'title', 'imdbId'; accepted names: movie, "),
        ("movieId,tmdbId\n1,1\n", "mine.csv:1: no imdb_id column among 'movieId', 'tmdbId'; accepted names: imdb, "),
        ("movieId,imdbId,imdb_id\n1,1,1\n", "mine.csv:1: columns 'imdbId' and 'imdb_id' could each be the imdb_id"),
        ("movieId,imdbId\n1,1\n\n2,zz\n", "mine.csv:4: IMDb id 'zz'; expected one such as tt0114709 or 114709"),
        ("movieId,imdbId\n1,1\n2\n", "mine.csv:3: 1 column; line 1 has 2"),
    ],
)
def test_a_file_that_has_no_links_is_refused(tmp_path, content, message):
    with pytest.raises(InputError) as error:
        read_links(write_file(tmp_path, content))
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(message)


def test_a_missing_file_and_parquet_of_other_types_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file$"):
        read_links(tmp_path / "none.csv")
    pyarrow.parquet.write_table(pa.table({"movie": [[1]], "imdb": [3]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: column 'movie' cannot be the movie_id: "):
        read_links(tmp_path / "a.parquet")
