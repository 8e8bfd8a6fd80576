import numpy as np
import pytest
from helpers.title_queries import SEEN, UNSEEN, mean_reciprocal_rank

from movierec_jax.data.schema import MOVIE_ID
from movierec_jax.features.bags import build_bags
from movierec_jax.serve.catalogue import Catalogue, keywords_of, map_positions, scaled_ranks
from movierec_jax.serve.request_schemas import BrowseOptions
from movierec_jax.serve.users import Users


@pytest.fixture(scope="module")
def catalogue(films):
    return Catalogue(films, Users(films).movie_rows)


def test_every_movie_of_the_data_has_a_card(catalogue, films):
    assert [card["movie_id"] for card in catalogue.cards] == films.run.movies.ids.tolist()
    assert all(card["title"] for card in catalogue.cards)
    assert catalogue.cards[catalogue.row(1)] == {
        "movie_id": 1,
        "title": "Toy Story",
        "year": 1995,
        "genres": ["Adventure", "Animation", "Children", "Comedy", "Fantasy"],
    }


def test_a_movie_without_genres_or_year_has_none(catalogue, films):
    table = films.run.movie_table
    plain = int(table[(table["genres"] == "") & (table["year"] == 0)]["movie_id"].iloc[0])
    card = catalogue.card_by_id(plain)
    assert (card["year"], card["genres"]) == (None, [])


def test_the_card_of_an_unknown_movie_has_its_id_only(catalogue):
    assert catalogue.card_by_id(10**9) == {"movie_id": 10**9, "title": str(10**9), "year": None, "genres": []}


def test_details_have_reviews_of_movies_without_ratings(reviewed):
    catalogue = Catalogue(reviewed, Users(reviewed).movie_rows)
    found = catalogue.details(catalogue.row(1076))
    assert found["num_ratings"] == 0
    assert {**found["reviews"], "praise": None, "praised": set(found["reviews"]["praised"])} == {
        "num_texts": 1,
        "praise": None,
        "spread": 0.0,
        "praised": {"acting", "music"},
        "blamed": [],
    }
    assert catalogue.details(catalogue.row(1))["reviews"] is None


def test_details_without_reviews_have_none(catalogue):
    assert catalogue.details(catalogue.row(318))["reviews"] is None


def test_details_link_to_imdb_and_tmdb_where_the_data_does(catalogue):
    found = catalogue.details(catalogue.row(1))
    assert found["imdb_url"] == "https://www.imdb.com/title/tt0114709/"
    assert found["tmdb_url"] == "https://www.themoviedb.org/movie/862"


def test_search_results_can_be_narrowed_and_ordered(catalogue):
    found = catalogue.search(BrowseOptions(query="indiana jones", genres=["Adventure"], year_to=1990, sort="oldest"))
    assert [(movie[MOVIE_ID], movie["year"]) for movie in found] == [(1198, 1981), (2115, 1984), (1291, 1989)]


def test_a_few_high_ratings_do_not_make_a_movie_best_rated(catalogue):
    found = catalogue.search(BrowseOptions(sort="rating", k=10))
    assert min(movie["num_ratings"] for movie in found) >= 15
    assert min(movie["mean_rating"] for movie in found) > 4


def test_scaled_ranks_go_from_0_to_1():
    assert scaled_ranks(np.float32([1e9, -3, 0, 7])).tolist() == pytest.approx([1, 0, 1 / 3, 2 / 3])
    assert scaled_ranks(np.float32([5])).tolist() == [0]


def test_the_map_separates_dissimilar_movies():
    generator = np.random.default_rng(0)
    one, other = (centre + 0.01 * generator.normal(size=(20, 4)) for centre in ([1, 0, 0, 0], [0, 1, 0, 0]))
    x = map_positions(np.concatenate([one, other]).astype(np.float32))[:, 0]
    assert max(x[:20]) < min(x[20:]) or max(x[20:]) < min(x[:20])


def test_the_map_is_deterministic():
    direction = np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)
    np.testing.assert_array_equal(map_positions(direction), map_positions(direction))


def test_movies_of_one_feature_have_positions():
    direction = np.random.default_rng(1).normal(size=(30, 1)).astype(np.float32)
    assert map_positions(direction).shape == (30, 2)


@pytest.mark.parametrize("queries", [SEEN, UNSEEN], ids=["seen", "unseen"])
def test_what_people_type_finds_the_film_they_mean(catalogue, queries):
    assert mean_reciprocal_rank(catalogue, queries) >= 0.95


def test_keywords_are_the_names_that_features_have():
    names = ["cast=Tom Hanks", "year~1990", "title=E=mc²", "cast=Tom Hanks"]
    keywords = keywords_of(build_bags([0, 0, 1, 2], names))
    assert [(keywords.names[name], row) for name, row in zip(keywords.name, keywords.title, strict=True)] == [
        ("Tom Hanks", 0),
        ("E=mc²", 1),
        ("Tom Hanks", 2),
    ]
