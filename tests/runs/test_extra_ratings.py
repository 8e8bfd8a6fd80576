"""One person's export as extra ratings of a user."""

import pandas as pd
import pytest
from helpers import exports
from helpers.input_files import write_file

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import read_clean

FILMS = exports.films()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A MovieLens folder with the 30 films, links to IMDb, and a few ratings."""
    folder = tmp_path_factory.mktemp("ml")
    ratings = pd.DataFrame({"userId": 1 + FILMS.index % 3, "movieId": FILMS["movieId"], "rating": FILMS["rating"]})
    ratings.assign(timestamp=10**9).to_csv(folder / "ratings.csv", index=False)
    movies = FILMS.assign(title=FILMS["title"] + " (" + FILMS["year"] + ")")
    movies[["movieId", "title", "genres"]].to_csv(folder / "movies.csv", index=False)
    FILMS[["movieId", "imdbId", "tmdbId"]].to_csv(folder / "links.csv", index=False)
    return str(folder)


def clean_with(data, *paths, user="7", **settings):
    return read_clean(DataConfig(ratings=data, extra_ratings=tuple(map(str, paths)), extra_user=user, **settings))


@pytest.mark.parametrize("name", exports.EXPORTS)
def test_an_export_becomes_the_ratings_of_a_user(data, tmp_path, name, capsys):
    clean = clean_with(data, exports.write_export(tmp_path, name))
    mine = clean.ratings[clean.ratings["user_id"] == 7]
    assert mine["movie_id"].tolist() == [int(movie) for movie in FILMS["movieId"]]
    assert mine["rating"].tolist() == FILMS["rating"].tolist()
    printed = capsys.readouterr().out
    assert "30 matched (30 by " in printed
    assert "with 30 extra ratings" in printed


def test_some_times_may_be_missing(data, tmp_path):
    rated = "2024-03-01,Toy Story,1995,x,4\n,GoldenEye,1995,x,3\n"
    path = write_file(tmp_path, f"Date,Name,Year,Letterboxd URI,Rating\n{rated}")
    mine = clean_with(data, path).ratings.query("user_id == 7")
    assert mine["timestamp"].tolist() == [1709251200, NO_TIMESTAMP]


def test_other_files_of_extra_ratings_keep_their_users(data, tmp_path):
    other = write_file(tmp_path, "userId,movieId,rating,timestamp\n9,1,3,5\n", "other.csv")
    clean = clean_with(data, other, exports.write_export(tmp_path, "imdb"))
    assert set(clean.ratings["user_id"]) == {1, 2, 3, 7, 9}


def test_without_the_name_of_the_user_an_export_is_refused(data, tmp_path):
    path = exports.write_export(tmp_path, "letterboxd")
    with pytest.raises(InputError, match=r"letterboxd\.csv: ratings without a column of users; --extra_user=NAME says"):
        clean_with(data, path, user=None)


def test_a_name_of_a_user_without_an_export_is_refused(data, tmp_path):
    other = write_file(tmp_path, "userId,movieId,rating,timestamp\n9,1,3,5\n")
    with pytest.raises(InputError, match="--extra_user=7: names the user of --extra_ratings without a column of users"):
        clean_with(data, other)


def test_a_user_that_the_data_cannot_have_is_refused_with_one_that_it_can(data, tmp_path):
    with pytest.raises(
        InputError, match="--extra_user=bob: the user ids of the data are integers; 4 is not in use yet"
    ):
        clean_with(data, exports.write_export(tmp_path, "imdb"), user="bob")


def test_an_export_without_a_movie_of_the_data_is_refused(data, tmp_path):
    path = write_file(tmp_path, "Const,Your Rating,Title,Year\ntt0000001,8,Carmencita,1894\n")
    with pytest.raises(InputError, match="none of its 1 films is one of the data"):
        clean_with(data, path)


def test_watched_movies_count_as_watched(data, tmp_path):
    path = exports.write_letterboxd_zip(tmp_path / "mine.zip", FILMS.head(20), FILMS)
    mine = clean_with(data, path).ratings.query("user_id == 7")
    assert mine["weight"].tolist() == [1] * 20 + [0] * 10
    assert mine["rating"].isna().tolist() == [False] * 20 + [True] * 10
