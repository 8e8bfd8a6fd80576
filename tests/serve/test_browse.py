import numpy as np
import pytest

from movierec_jax.serve.browse import BrowseIndex

TITLES = ["Zulu", "alien", "Heat", "Untitled", "Brazil"]
YEARS = [1964, 1979, 1995, None, 1985]
GENRES = [["War"], ["Sci-Fi", "Horror"], ["Crime"], [], ["Sci-Fi"]]
NUM_RATINGS, MEAN = np.int32([3, 9, 7, 1, 9]), np.float32([4.5, 4.0, 4.0, 1.0, 3.5])


@pytest.fixture(scope="module")
def browsing():
    cards = [
        {"title": title, "year": year, "genres": genres}
        for title, year, genres in zip(TITLES, YEARS, GENRES, strict=True)
    ]
    return BrowseIndex(cards, NUM_RATINGS, MEAN)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("popularity", [1, 4, 2, 0, 3]),
        ("rating", [0, 1, 2, 4, 3]),
        ("newest", [2, 4, 1, 0, 3]),
        ("oldest", [0, 1, 4, 2, 3]),
        ("title", [1, 4, 2, 3, 0]),
    ],
)
def test_movies_come_in_order_and_equal_ones_by_popularity(browsing, order, expected):
    assert browsing.orders[order].tolist() == expected


@pytest.mark.parametrize(
    ("genres", "year_from", "year_to", "expected"),
    [
        ([], None, None, [0, 1, 2, 3, 4]),
        (["sci-fi"], None, None, [1, 4]),
        (["Sci-Fi"], 1980, None, [4]),
        ([], None, 1979, [0, 1]),
        ([], 1964, 1964, [0]),
        (["Western"], None, None, []),
        (["Western", "sci-fi"], 1980, None, [4]),
    ],
)
def test_movies_are_chosen_by_genre_and_years(browsing, genres, year_from, year_to, expected):
    assert np.flatnonzero(browsing.is_wanted(genres, year_from, year_to)).tolist() == expected
