"""Movies of a personal file are found by id, by links, or by title and year."""

import pandas as pd
import pytest

from movierec_jax.data.matching.match_movies import BY_IMDB_ID, BY_MOVIE_ID, BY_TITLE, BY_TMDB_ID, MovieIndex
from movierec_jax.data.schema import no_links

MOVIES = [
    (1, "Heat", 1995),
    (2, "Matrix, The", 1999),
    (3, "Seven (a.k.a. Se7en)", 1995),
    (4, "Star Wars: Episode IV - A New Hope", 1977),
    (5, "Hamlet", 1990),
    (6, "Hamlet", 1996),
    (7, "Emma", 1996),
    (8, "Emma", 1996),
    (9, "Hate (Haine, La)", 1995),
    (10, "Solaris", 0),
    (11, "11", 0),
    (12, "Dune: Part Two", 2024),
]
LINKS = pd.DataFrame({"movie_id": [1, 2, 99], "imdb_id": [113277, 133093, 5], "tmdb_id": [949, None, 6]}).astype(
    {"tmdb_id": "Int64"}
)


def index_of(movies=MOVIES, links=LINKS) -> MovieIndex:
    return MovieIndex(pd.DataFrame(movies, columns=["movie_id", "title", "year"]), links)


def match(*, index=None, movie_id=None, imdb_id=None, tmdb_id=None, title=None, original_title=None, year=0):
    """Returns the id of the movie found, what it was found by, and whether several fitted."""
    row = {"movie_id": movie_id, "title": title, "original_title": original_title}
    table = pd.DataFrame({column: pd.Series([value], dtype="str") for column, value in row.items()})
    numbers = {"imdb_id": imdb_id, "tmdb_id": tmdb_id}
    table = table.assign(**{column: pd.array([value], "Int64") for column, value in numbers.items()}, year=year)
    found = (index or index_of()).match(table)
    position = int(found.index[0])
    return (MOVIES[position][0] if position >= 0 else None), found.by[0], bool(found.is_ambiguous[0])


def test_ids_are_tried_before_titles():
    assert match(movie_id="2", title="Matrix", year=1950) == (2, BY_MOVIE_ID, False)
    assert match(imdb_id=113277, title="Something else") == (1, BY_IMDB_ID, False)
    assert match(tmdb_id=949, imdb_id=7) == (1, BY_TMDB_ID, False)
    assert match(imdb_id=7, tmdb_id=8, title="Heat", year=1995) == (1, BY_TITLE, False)


def test_links_to_movies_that_the_data_lacks_find_nothing():
    assert match(imdb_id=5) == (None, "", False)


def test_an_id_with_another_title_is_of_another_space():
    assert match(movie_id="1", title="Toy Story", year=1995) == (None, "", False)
    assert match(movie_id="1", title="The Matrix", year=1999) == (2, BY_TITLE, False)
    # A movie whose title the data does not know.
    assert match(movie_id="11", title="Toy Story") == (11, BY_MOVIE_ID, False)


@pytest.mark.parametrize(
    ("title", "year", "movie"),
    [
        ("heat", 1995, 1),
        ("The Matrix", 1999, 2),
        ("The Matrix", 1998, 2),
        ("The Matrix", 0, 2),
        ("Se7en", 1995, 3),
        ("Seven", 1995, 3),
        ("Star Wars", 1977, 4),
        ("La Haine", 1995, 9),
        ("Solaris", 1972, 10),
        ("Hamlet", 1996, 6),
        ("Hamlet", 1991, 5),
        ("Heat (1995)", 1995, 1),
        ("The Matrix", 2001, None),
        ("Star Wars", 1978, None),
        ("Star Wars", 0, None),
        ("Dune", 2023, None),
        ("Dune", 1984, None),
        ("11", 0, None),
    ],
)
def test_a_title_is_found_with_a_year_one_off_at_most(title, year, movie):
    assert match(title=title, year=year)[0] == movie


@pytest.mark.parametrize(("title", "year"), [("Emma", 1996), ("Hamlet", 0)])
def test_of_several_movies_with_a_title_none_is_taken(title, year):
    assert match(title=title, year=year) == (None, "", True)


def test_an_original_title_is_a_title():
    assert match(title="Hass", original_title="La Haine", year=1995) == (9, BY_TITLE, False)


def test_ids_of_the_data_may_be_imdbs_or_any_text():
    imdb = index_of([("tt0113277", "Heat", 1995), ("tt0133093", "Matrix, The", 1999)], no_links())
    assert match(index=imdb, imdb_id=133093)[:2] == (2, BY_IMDB_ID)
    addresses = index_of([("https://boxd.it/1", "https://boxd.it/1", 0)], no_links())
    assert match(index=addresses, movie_id="https://boxd.it/1", title="Heat")[:2] == (1, BY_MOVIE_ID)


def test_a_movie_without_anything_known_is_not_found():
    assert match() == (None, "", False)
