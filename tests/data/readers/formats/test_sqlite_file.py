"""Checks ratings in tables of SQLite databases."""

import contextlib
import pathlib
import sqlite3

import pytest
from helpers.input_files import refusal_by, rows, types

from movierec_jax.data.readers.ratings import read_ratings

RATINGS = [(1, "tt1", 4.5, 9), (2, "tt2", 3, None)]


def write_database(path: pathlib.Path, *statements: str, ratings=RATINGS) -> pathlib.Path:
    """A database with a table of ratings, changed by the statements."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE ratings (userId, movieId, rating, ts)")
        connection.executemany("INSERT INTO ratings VALUES (?, ?, ?, ?)", ratings)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def test_the_only_table_with_ratings_is_read(tmp_path):
    path = write_database(tmp_path / "mine", "CREATE TABLE notes (id, text)")
    data = read_ratings(path)
    assert rows(data.ratings.drop(columns="timestamp")) == [(1, "tt1", 4.5), (2, "tt2", 3.0)]
    assert data.ratings.timestamp.astype("Float64").to_list()[0] == 9
    assert data.notes == (
        "table 'ratings' of an SQLite database; user from 'userId', movie from 'movieId', rating from 'rating', "
        "timestamp from 'ts'",
    )
    assert sorted(found.name for found in tmp_path.iterdir()) == ["mine"]


def test_a_table_is_named_after_a_colon(tmp_path):
    path = write_database(
        tmp_path / "mine.sqlite",
        'CREATE TABLE "old, ""ratings""" (user, item, stars)',
        'INSERT INTO "old, ""ratings""" VALUES (7, 8, 5)',
    )
    both = 'several tables have columns of ratings; name one of them: mine.sqlite:ratings, mine.sqlite:old, "ratings"'
    assert refusal_by(read_ratings, path) == f"mine.sqlite: {both}"
    assert rows(read_ratings(f'{path}:old, "ratings"').ratings) == [(7, 8, 5.0)]
    assert refusal_by(read_ratings, tmp_path / "mine.sqlite:new") == (
        "mine.sqlite: no table 'new'; found ratings, old, \"ratings\""
    )


def test_ids_of_text_are_integers_where_all_are(tmp_path):
    ratings = [("1", "7", "4.0", "9"), ("2", "007", "3.0", "10")]
    ratings = read_ratings(write_database(tmp_path / "a.db", ratings=ratings)).ratings
    assert types(ratings)["user_id"] == "int64"
    assert ratings.rating.tolist() == ["4.0", "3.0"]


def test_a_view_of_ratings_may_be_named(tmp_path):
    path = write_database(tmp_path / "a.db", "CREATE VIEW best AS SELECT * FROM ratings WHERE rating > 4")
    assert read_ratings(f"{path}:best").ratings.user_id.tolist() == [1]


def test_a_table_of_movies_gives_titles(tmp_path):
    path = write_database(
        tmp_path / "a.db",
        "CREATE TABLE movies (movieId, title, year, genres)",
        "INSERT INTO movies VALUES ('tt1', 'Heat (1995)', 1995, 'Crime|Drama'), ('tt2', NULL, 1, NULL)",
    )
    assert rows(read_ratings(path).movies) == [("tt1", "Heat (1995)", "Crime|Drama"), ("tt2", "", "")]


def test_a_table_of_other_movies_is_left_out_with_a_note(tmp_path):
    path = write_database(
        tmp_path / "a.db",
        "CREATE TABLE movies (movieId, title)",
        "INSERT INTO movies VALUES ('x', 'Heat')",
        ratings=[(1, 2, 3, 4)],
    )
    data = read_ratings(path)
    assert (len(data.movies), len(data.ratings)) == (0, 1)
    assert "its table of movies is not read: " in data.notes[1]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TABLE ratings", "a.db: no table with columns of user, movie and rating; found no table"),
        (
            "ALTER TABLE ratings RENAME COLUMN userId TO colour",
            "a.db: no table with columns of user, movie and rating; found ratings (colour, movieId, rating, ts)",
        ),
        ("DELETE FROM ratings", "a.db:ratings: no ratings"),
        ("UPDATE ratings SET userId = x'00ff'", "a.db:ratings: column 'userId': bytes"),
    ],
)
def test_a_database_without_ratings_is_refused_with_what_it_has(tmp_path, statement, message):
    assert refusal_by(read_ratings, write_database(tmp_path / "a.db", statement)).startswith(message)


def test_a_damaged_database_is_refused(tmp_path):
    path = write_database(tmp_path / "a.db")
    path.write_bytes(path.read_bytes()[:4096])
    assert refusal_by(read_ratings, path).startswith("a.db: cannot be read as an SQLite database: ")
