"""Checks wide tables: a row for each user and a column for each movie, or the other way round."""

import numpy as np
import pandas as pd
import pytest
from helpers.input_files import refusal_by, rows, types, write_file

from movierec_jax.data.readers.formats import matrix_file
from movierec_jax.data.readers.ratings import read_ratings


def long_table() -> pd.DataFrame:
    """Ratings of 6 users and 12 movies, of which a third is missing, in the order of a wide table."""
    pairs = [(user, movie) for user in range(1, 7) for movie in range(12) if (user + movie) % 3]
    table = pd.DataFrame(pairs, columns=["user_id", "movie_id"])
    return table.assign(rating=((table.user_id * table.movie_id) % 10 / 2 + 0.5).astype(np.float32))


def wide_table() -> pd.DataFrame:
    return long_table().pivot_table(index="user_id", columns="movie_id", values="rating")


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert rows(found[["user_id", "movie_id", "rating"]]) == rows(expected)


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), ("\t", "."), (";", ",")])
def test_a_pivot_table_is_read_as_the_ratings_it_was_made_of(tmp_path, monkeypatch, separator, decimal, block):
    monkeypatch.setattr(matrix_file, "BLOCK_BYTES", max(block, 100))
    path = tmp_path / "matrix.csv"
    wide_table().to_csv(path, sep=separator, decimal=decimal)
    data = read_ratings(path)
    assert_same(data.ratings, long_table())
    assert types(data.ratings) == {"user_id": "int64", "movie_id": "int64", "rating": "float32"}
    assert data.notes == ("a table of 6 users (rows) by 12 movies (columns), empty for no rating",)


def test_titles_above_the_columns_are_ids_of_text(tmp_path):
    path = tmp_path / "matrix.csv"
    names = [f'Film "{n}", The (1999), é' for n in range(12)]
    wide_table().set_axis(names, axis=1).to_csv(path, encoding="latin-1")
    assert_same(
        read_ratings(path).ratings, long_table().assign(movie_id=lambda table: [names[n] for n in table.movie_id])
    )


@pytest.mark.parametrize("name", ["movie_id", "item"])
def test_a_first_column_of_movies_makes_columns_of_users(tmp_path, name):
    path = tmp_path / "matrix.csv"
    wide = pd.concat([wide_table().T] * 2, axis=1).set_axis([f"u{n}" for n in range(12)], axis=1)
    wide.rename_axis(index=name).to_csv(path)
    ratings = read_ratings(path).ratings
    assert len(ratings) == 2 * len(long_table())
    assert rows(ratings)[0] == ("u0", 0, 0.5)


def test_zeros_that_fill_a_table_are_no_ratings(tmp_path):
    path = tmp_path / "matrix.csv"
    sparse = wide_table().mask(lambda table: table > 2.5).fillna(0)
    sparse.to_csv(path)
    expected = long_table()
    data = read_ratings(path)
    assert_same(data.ratings, expected[expected.rating <= 2.5])
    assert data.notes[0].endswith(", empty for no rating, and 0 for no rating")


def jester_text() -> str:
    wide = wide_table().fillna(99.0).to_numpy()
    return "".join(f"{(row != 99).sum()}," + ",".join(f"{value:.2f}" for value in row) + "\n" for row in wide)


def test_jesters_form_has_counts_first_and_99_for_no_rating(tmp_path):
    data = read_ratings(write_file(tmp_path, jester_text(), "jester.csv"))
    assert_same(data.ratings, long_table().assign(movie_id=lambda table: table.movie_id + 1))
    assert "Jester's form" in data.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (jester_text().replace("8,", "7,", 1), "mine.csv:1: "),
        ("user," + ",".join(f"m{n}" for n in range(5)) + "\n1,1,2,3,4,5\n", "mine.csv:1: no movie"),
        ("user," + ",".join(f"m{n}" for n in range(9)) + "\n1,1,2,3,4,5,x,7,8,9\n", "mine.csv:1: no movie"),
        (
            "user," + ",".join(f"m{n}" for n in range(9)) + "\n" + "1,1,2,3,4,5,6,7,8,9\n" * 2,
            "mine.csv: two rows of 1 in a table of users by movies",
        ),
        (
            "user," + "m," * 8 + "m\n1,1,2,3,4,5,6,7,8,9\n",
            "mine.csv: two columns 'm' in a table of users by movies",
        ),
        (
            "user,"
            + ",".join(f"m{n}" for n in range(9))
            + "\n"
            + "1,1,2,3,4,5,6,7,8,9\n" * 30
            + "2,1,2,3,4,5,6,x,8,9\n",
            "mine.csv: cannot be read as a table of users by movies: In CSV column #7: ",
        ),
    ],
)
def test_what_is_surely_no_table_of_ratings_is_refused(tmp_path, text, message):
    assert refusal_by(read_ratings, write_file(tmp_path, text)).startswith(message)
