import numpy as np
import pytest

from movierec_jax.serve.title_search import Keywords, TitleIndex, split_words

TITLES = [
    "The Matrix",
    "The Matrix Reloaded",
    "Amelie (Fabuleux destin d'Amélie Poulain, Le)",
    "The Godfather: Part II",
    "Heat",
    "Heathers",
    "Schindler's List",
    "七人の侍",
    "",
]
YEARS = np.int32([1999, 2003, 2001, 1974, 1995, 1988, 1993, 1954, 0])

POPULARITY = np.float32([200, 80, 100, 110, 90, 20, 180, 3, 0])


@pytest.fixture(scope="module")
def titles():
    return TitleIndex(TITLES, YEARS, POPULARITY)


def index_of(*titles: str, years: tuple[int, ...] = ()) -> TitleIndex:
    """Titles of rising popularity."""
    count = len(titles)
    return TitleIndex(titles, np.resize(np.int32(years or 0), count), np.arange(count, dtype=np.float32))


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("matrix", "The Matrix"),
        ("matrx", "The Matrix"),
        ("MATRIX, THE", "The Matrix"),
        ("reloaded matrix", "The Matrix Reloaded"),
        ("amélie", TITLES[2]),
        ("Fabuleux destin", TITLES[2]),
        ("godfater part 2", "The Godfather: Part II"),
        ("schindlers list", "Schindler's List"),
        ("schindler’s lst", "Schindler's List"),
        ("heat", "Heat"),
        ("heath", "Heathers"),
        ("七人の侍", "七人の侍"),
    ],
)
def test_a_title_is_found_despite_typos_case_and_accents(titles, query, first):
    assert TITLES[titles.search(query, 5)[0]] == first


@pytest.mark.parametrize("query", ["", "   ", "!?", "zzzzzz", "\u0301", "🎬", "the part seven heat missing"])
def test_queries_without_a_matching_title_find_nothing(titles, query):
    assert len(titles.search(query, 5)) == 0


def test_the_more_popular_of_equal_matches_comes_first(titles):
    assert [TITLES[row] for row in titles.search("the matrix", 5)][:2] == ["The Matrix", "The Matrix Reloaded"]
    assert index_of("Cats one", "Cats two").search("cats", 2).tolist() == [1, 0]


def test_a_year_brings_the_film_of_that_year_to_the_top_and_hides_none():
    psychos = index_of("Psycho", "Psycho", "Psycho", years=(1998, 1959, 1960))
    assert psychos.search("psycho 1998", 3).tolist() == [0, 2, 1]
    # The next year is nearer than any other.
    assert psychos.search("psycho (1958)", 3).tolist() == [1, 2, 0]


def test_a_year_alone_finds_its_films_after_titles_with_it():
    index = index_of("1994", "Heat", "Speed", "Pulp Fiction", years=(2019, 1995, 1994, 1994))
    assert index.search("1994", 5).tolist() == [0, 3, 2]


def test_one_weak_word_does_not_beat_good_ones():
    index = index_of("Harry Potter and the Goblet of Fire", "Insidious: Chapter 3")
    assert index.search("harry potter 3", 2).tolist() == [0]
    assert index_of("Pulp Fiction", "Suspicion").search("pulpfiction", 2).tolist() == [0]


def test_a_number_in_a_title_is_no_year():
    runners = index_of("Blade Runner 2049", "Blade Runner", years=(2017, 1982))
    assert runners.search("blade runner 2049", 1).tolist() == [0]
    assert runners.search("2049", 5).tolist() == [0]


@pytest.mark.parametrize("query", ["Rocky 3", "rocky three", "ROCKY III"])
def test_a_number_has_three_spellings(query):
    assert index_of("Rocky III", "Rocky II").search(query, 1).tolist() == [0]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("spiderman", "Spider-Man"),
        ("spider man", "Spiderman"),
        ("starwars", "Star Wars: Episode IV - A New Hope"),
        ("mash", "M*A*S*H"),
        ("back tothe future", "Back to the Future"),
        ("lilo and stitch", "Lilo & Stitch"),
        ("se7en", "Seven (a.k.a. Se7en)"),
        ("et", "E.T. the Extra-Terrestrial"),
    ],
)
def test_words_may_be_joined_and_split(query, title):
    assert index_of(title, "Superman").search(query, 1).tolist() == [0]


def test_a_name_in_brackets_counts_as_a_title_of_its_own():
    index = TitleIndex(["Se7en (Seven)", "Seven Samurai"], np.int32([1995, 1954]), np.float32([1, 1]))
    assert index.search("seven", 1).tolist() == [0]


def test_movies_found_by_a_keyword_follow_those_found_by_their_title():
    keywords = Keywords(["tom hanks", "steven spielberg"], np.int32([0, 0, 1]), np.int32([0, 1, 1]))
    titles = ["Big", "The Terminal", "Tom Hanks Live"]
    index = TitleIndex(titles, np.int32([1988, 2004, 0]), np.float32([9, 5, 1]), keywords)
    assert index.search("tom hanks", 5).tolist() == [2, 0, 1]
    assert index.search("tom hanks 2004", 5).tolist() == [1, 2, 0]
    assert index.search("spielberg", 5).tolist() == [1]


def test_search_returns_at_most_limit_titles(titles):
    assert len(titles.search("the", 1)) == 1


def test_further_words_of_a_long_query_are_ignored(titles):
    assert titles.search("matrix " * 50, 1).tolist() == [0]


def test_an_empty_index_finds_nothing():
    assert len(index_of().search("heat", 3)) == 0


def test_words_lose_case_accents_and_apostrophes():
    assert split_words("L'Été: Où ça?") == ["lete", "ou", "ca"]
