"""Files that link movies to IMDb and TMDb have usual names, and are refused with the line of what is no id."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.input_files import rows, types, write_file

from movierec_jax.data.matching.id_spaces import has_links
from movierec_jax.data.readers.tables.links_file import read_links
from movierec_jax.errors import InputError


def listed(links: pd.DataFrame) -> list[tuple]:
    """The rows, None where an id is unknown."""
    assert types(links)["imdb_id"] == types(links)["tmdb_id"] == "Int64"
    return [tuple(None if pd.isna(value) else value for value in row) for row in rows(links)]


@pytest.mark.parametrize(
    "header", ["movieId,imdbId,tmdbId", "item_id,tconst,tmdb", "mid,Const,TMDB ID", "movie,IMDB ID,tmdb_id"]
)
def test_usual_spellings_are_known(tmp_path, header):
    links = read_links(write_file(tmp_path, f"{header}\n1,0114709,862\n2,,8844\n3,tt0113228,\n4,,\n"))
    assert listed(links) == [(1, 114709, 862), (2, None, 8844), (3, 113228, None)]
    assert types(links)["movie_id"] == "int64"


def test_links_to_imdb_or_tmdb_alone_are_enough(tmp_path):
    assert listed(read_links(write_file(tmp_path, "movieId,tmdbId\n1,862.0\n"))) == [(1, None, 862)]
    assert listed(read_links(write_file(tmp_path, "movieId,imdb_id,title\n1,5,x\n"))) == [(1, 5, None)]


def test_movie_ids_may_be_text_and_the_file_parquet(tmp_path):
    pyarrow.parquet.write_table(pa.table({"movie": ["a", "", "07"], "imdb": [3, 4, None]}), tmp_path / "a.parquet")
    for path in (tmp_path / "a.parquet", write_file(tmp_path, "movie;imdb\na;3\n;4\n07;\n")):
        assert listed(read_links(path)) == [("a", 3, None)]


def test_a_file_of_ratings_with_ids_of_two_spaces_has_links():
    assert has_links(["userId", "movieId", "imdbId", "rating"])
    assert not has_links(["userId", "imdbId", "tmdbId", "rating"])
    assert not has_links(["userId", "movieId", "rating"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.csv: empty; expected columns of a movie_id and an imdb_id or tmdb_id"),
        ("movieId,imdbId\n", "mine.csv: no rows below the columns movieId, imdbId"),
        ("title,imdbId\nx,1\n", "mine.csv:1: no movie_id column among 'title', 'imdbId'; accepted names: movieid, "),
        ("movieId,x\n1,1\n", "mine.csv:1: no imdb_id or tmdb_id column among 'movieId', 'x'; accepted names: imdbid, "),
        ("movieId,imdbId,imdb_id\n1,1,1\n", "mine.csv:1: columns 'imdbId' and 'imdb_id' could each be the imdb_id"),
        ("movieId,imdbId\n1,1\n\n2,zz\n", "mine.csv:4: IMDb id 'zz'; expected one such as tt0114709 or 114709"),
        ("movieId,tmdbId\n1,tt5\n", "mine.csv:2: TMDb id 'tt5'; expected one such as 862"),
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
