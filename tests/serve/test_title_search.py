import numpy as np
import pytest

from movierec_jax.serve.title_search import TitleIndex, article_first, split_words

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
def test_a_title_is_found_by_its_words_as_people_write_them(titles, query, first):
    places, match = titles.search(query, 5)
    assert TITLES[places[0]] == first
    assert ((match > 0) & (match <= 100)).all()


@pytest.mark.parametrize("query", ["", "   ", "!?", "zzzzzz", "\u0301", "🎬", "the part seven heat missing"])
def test_nothing_is_found_where_there_is_nothing_to_find(titles, query):
    places, match = titles.search(query, 5)
    assert len(places) == len(match) == 0


def test_of_titles_that_match_alike_the_more_popular_comes_first(titles):
    assert [TITLES[place] for place in titles.search("the matrix", 5)[0]][:2] == ["The Matrix", "The Matrix Reloaded"]
    other = TitleIndex(["Cats one", "Cats two"], np.float32([1, 9]))
    assert other.search("cats", 2)[0].tolist() == [1, 0]


def test_the_limit_holds(titles):
    assert len(titles.search("the", 1)[0]) == 1


def test_a_query_of_very_many_words_is_cut_short(titles):
    assert titles.search("matrix " * 50, 1)[0].tolist() == [0]


def test_there_may_be_no_titles():
    assert len(TitleIndex([], np.zeros(0, np.float32)).search("heat", 3)[0]) == 0


def test_words_lose_case_accents_and_apostrophes():
    assert split_words("L'Été: Où ça?") == ["lete", "ou", "ca"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Matrix, The", "The Matrix"),
        ("Avventura, L'", "L'Avventura"),
        ("Good, the Bad and the Ugly, The", "The Good, the Bad and the Ugly"),
        ("Heat", "Heat"),
        ("Me, Myself & Irene", "Me, Myself & Irene"),
    ],
)
def test_an_article_at_the_end_is_read_first(title, expected):
    assert article_first(title) == expected
