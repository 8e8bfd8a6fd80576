"""Checks ratings of the Netflix Prize: one file, parts of it, and titles beside it."""

import numpy as np
import pytest
from helpers.input_files import refusal_by, rows, write_file, write_folder

from movierec_jax.data.readers.formats import netflix_file
from movierec_jax.data.readers.ratings import read_ratings

FIRST = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n3:\n885013,4,2005-10-19\n"

TITLES = b'1,2003,Dinosaur Planet\n2,NULL,Isle of Man\n3,1997,"Character", part 1, cut\xe9\n'


def in_seconds(times) -> list[str]:
    return np.datetime_as_string(times.to_numpy("datetime64[D]")).tolist()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 30, 1 << 20])
def test_a_movie_line_holds_for_the_ratings_below_it(tmp_path, monkeypatch, line_end, block):
    monkeypatch.setattr(netflix_file, "BLOCK_BYTES", block)
    data = read_ratings(write_file(tmp_path, FIRST.replace("\n", line_end).rstrip(), "combined_data_1.txt"))
    ratings = data.ratings
    assert rows(ratings[["user_id", "movie_id", "rating"]]) == [(1488844, 1, 3.0), (822109, 1, 5.0), (885013, 3, 4.0)]
    assert in_seconds(ratings.timestamp) == ["2005-09-06", "2005-05-13", "2005-10-19"]
    assert data.notes == ("a file of the Netflix Prize: movie lines, then user, rating and date",)


def test_titles_beside_the_ratings_may_have_commas_and_no_year(tmp_path):
    write_file(tmp_path, TITLES, "movie_titles.csv")
    data = read_ratings(write_file(tmp_path, FIRST, "combined_data_1.txt"))
    assert rows(data.movies)[:2] == [(1, "Dinosaur Planet (2003)", ""), (2, "Isle of Man", "")]
    assert data.movies.title[2] == '"Character", part 1, cuté (1997)'


def test_the_parts_in_a_folder_are_read_by_their_numbers(tmp_path):
    parts = {f"combined_data_{n}.txt": f"{n}:\n7,{n % 5},2005-01-01\n".encode() for n in (10, 2, 1)}
    others = {"movie_titles.csv": TITLES, "probe.txt": b"1:\n7\n8\n", "qualifying.txt": b"1:\n7,2005-01-01\n"}
    data = read_ratings(write_folder(tmp_path / "netflix", parts | others | {"README": b"read me"}))
    assert data.ratings.movie_id.tolist() == [1, 2, 10]
    assert len(data.movies) == 3
    assert data.notes[0] == "3 parts, combined_data_1.txt to combined_data_10.txt"


@pytest.mark.parametrize("line", ["7,3", "x,3,2005-01-01", "7,3,yesterday", "7,3,2005-01-01,9", "a:"])
def test_any_other_line_is_named(tmp_path, monkeypatch, line):
    monkeypatch.setattr(netflix_file, "BLOCK_BYTES", 50)
    path = write_file(tmp_path, FIRST * 10 + line + "\n" + FIRST, "mine.txt")
    assert refusal_by(read_ratings, path).startswith(f"mine.txt:61: {line!r}; a file of the Netflix Prize has lines")
