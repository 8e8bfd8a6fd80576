"""Recommendations for somebody whose ratings come in a file."""

import pandas as pd
import pytest
from helpers import exports
from helpers.input_files import write_file

from movierec_jax.errors import InputError
from movierec_jax.recommend.own_ratings import describe, read_own_ratings, with_own_ratings

FILMS = exports.films()
RATED = dict(zip(FILMS["movieId"].astype(int), FILMS["rating"], strict=True))


@pytest.mark.parametrize("name", exports.EXPORTS)
def test_an_export_gives_the_list_of_its_ratings(films, tmp_path, name):
    own = read_own_ratings(exports.write_export(tmp_path, name), films.run)
    assert dict(zip(own.ratings["movie_id"], own.ratings["rating"], strict=True)) == RATED
    assert own.not_found.empty
    found = with_own_ratings(films, own).recommend(["me"], 10)
    # Equal times and scale: the same user, but for the order of ratings.
    expected = films.recommend_for(RATED, 10)
    assert found["movie_id"].tolist() == expected["movie_id"].tolist()


def test_watched_movies_are_left_out_of_lists(films, tmp_path):
    rated, path = FILMS.head(10), tmp_path / "letterboxd.zip"
    plain = read_own_ratings(write_file(tmp_path, exports.letterboxd(rated)), films.run)
    listed = with_own_ratings(films, plain).recommend(["me"], 5)["movie_id"]
    titles = films.run.movie_table.set_index("movie_id").loc[listed]
    watched = pd.DataFrame(
        {"movieId": listed.to_numpy(), "title": titles["title"].tolist(), "year": titles["year"].tolist()}
    )
    own = read_own_ratings(exports.write_letterboxd_zip(path, rated, watched), films.run)
    assert sorted(own.watched["movie_id"]) == sorted(listed)
    found = with_own_ratings(films, own).recommend(["me"], 5)
    assert not set(found["movie_id"]) & {*listed, *plain.ratings["movie_id"]}
    assert "  5 films without a rating: counted as watched, not as stars" in describe(own, films.run)


def test_a_file_without_any_stars_says_what_is_watched(films, tmp_path):
    own = read_own_ratings(write_file(tmp_path, exports.letterboxd_watched(FILMS)), films.run)
    user = with_own_ratings(films, own)
    assert user.parts.train["rating"].isna().all()
    listed = user.recommend(["me"], 10)["movie_id"]
    assert not {*listed} & {*RATED}
    assert user.recommend(["me"], 10, include_seen=True)["movie_id"].tolist() != listed.tolist()


def test_movies_without_ratings_in_train_are_said_to_teach_nothing(films, tmp_path):
    cold = films.run.movies.ids[len(films.run.movies)]
    own = read_own_ratings(write_file(tmp_path, f"movieId,rating\n{cold},4\n1,3\n"), films.run)
    assert describe(own, films.run)[-1] == "  1 film without a rating in train: nothing is learnt from them"
    assert with_own_ratings(films, own).parts.train["movie_id"].tolist() == [1]
    alone = read_own_ratings(write_file(tmp_path, f"movieId,rating\n{cold},4\n"), films.run)
    with pytest.raises(InputError, match="none of its 1 films has a rating in train"):
        with_own_ratings(films, alone)


def test_a_file_without_any_movie_of_the_run_is_refused_with_what_it_names(films, tmp_path):
    path = write_file(tmp_path, "Const,Your Rating,Title,Year\ntt0000001,8,Carmencita,1894\n")
    with pytest.raises(InputError, match=r"0 matched; not found: Carmencita \(1894\).*none of them is one of the run"):
        read_own_ratings(path, films.run)
    with pytest.raises(InputError, match="1 rows; at most 0 are looked up"):
        read_own_ratings(path, films.run, max_rows=0)
