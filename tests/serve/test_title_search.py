import numpy as np
import pytest

from movierec_jax.serve.title_search import TitleIndex, split_words

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
POPULARITY = np.float32([200, 80, 100, 110, 90, 20, 180, 3, 0])


@pytest.fixture(scope="module")
def titles():
    return TitleIndex(TITLES, POPULARITY)


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
    rows, match = titles.search(query, 5)
    assert TITLES[rows[0]] == first
    assert ((match > 0) & (match <= 100)).all()


@pytest.mark.parametrize("query", ["", "   ", "!?", "zzzzzz", "\u0301", "🎬", "the part seven heat missing"])
def test_queries_without_a_matching_title_find_nothing(titles, query):
    rows, match = titles.search(query, 5)
    assert len(rows) == len(match) == 0


def test_the_more_popular_of_equal_matches_comes_first(titles):
    assert [TITLES[row] for row in titles.search("the matrix", 5)[0]][:2] == ["The Matrix", "The Matrix Reloaded"]
    other = TitleIndex(["Cats one", "Cats two"], np.float32([1, 9]))
    assert other.search("cats", 2)[0].tolist() == [1, 0]


def test_search_returns_at_most_limit_titles(titles):
    assert len(titles.search("the", 1)[0]) == 1


def test_further_words_of_a_long_query_are_ignored(titles):
    assert titles.search("matrix " * 50, 1)[0].tolist() == [0]


def test_an_empty_index_finds_nothing():
    assert len(TitleIndex([], np.zeros(0, np.float32)).search("heat", 3)[0]) == 0


def test_words_lose_case_accents_and_apostrophes():
    assert split_words("L'Été: Où ça?") == ["lete", "ou", "ca"]
