"""Movies by genre, years and order, for those who browse rather than search."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Int32

from movierec_jax.data.schema import GENRES, TITLE, YEAR

Order = Literal["popularity", "rating", "newest", "oldest", "title"]

POPULARITY = "popularity"

# Beyond any year of the data.
LAST_YEAR = 9999


class BrowseIndex:
    """The movies of a catalogue by genre and year, in each order.

    cards: id, title, year and genres of each movie. genres: all of them. num_ratings: of each movie.
    mean_rating: damped, so that a few high ratings do not outrank many.
    """

    def __init__(
        self,
        cards: Sequence[Mapping[str, Any]],
        num_ratings: Int32[np.ndarray, " movies"],
        mean_rating: Float32[np.ndarray, " movies"],
    ):
        self.genres = sorted({genre for card in cards for genre in card[GENRES]})
        self.year = np.array([card[YEAR] or 0 for card in cards], np.int32)
        rows: dict[str, list[int]] = {}
        for row, card in enumerate(cards):
            for genre in card[GENRES]:
                rows.setdefault(genre.casefold(), []).append(row)
        self.rows_of_genre = {genre: np.array(found, np.int32) for genre, found in rows.items()}
        self.popular = np.argsort(-num_ratings, kind="stable").astype(np.int32)
        by_title = sorted(self.popular.tolist(), key=lambda row: cards[row][TITLE].casefold())
        # Movies without a year come last.
        self.orders = {
            POPULARITY: self.popular,
            "rating": self.order_by(-mean_rating),
            "newest": self.order_by(-self.year),
            "oldest": self.order_by(np.where(self.year > 0, self.year, LAST_YEAR)),
            "title": np.array(by_title, np.int32),
        }

    def order_by(self, value: np.ndarray) -> Int32[np.ndarray, " movies"]:
        """Returns the rows by ascending value, those of equal ones by popularity."""
        return self.popular[np.argsort(value[self.popular], kind="stable")]

    def is_wanted(
        self, genres: Sequence[str], year_from: int | None, year_to: int | None
    ) -> Bool[np.ndarray, " movies"]:
        """Returns which movies have one of the genres, and are of the years; one without a year is of no years.

        Without genres or years, all have them.
        """
        wanted = np.full(len(self.year), not genres)
        for genre in genres:
            wanted[self.rows_of_genre.get(genre.casefold(), [])] = True
        if year_from is not None or year_to is not None:
            wanted &= (self.year >= (year_from or 1)) & (self.year <= (year_to or LAST_YEAR))
        return wanted
