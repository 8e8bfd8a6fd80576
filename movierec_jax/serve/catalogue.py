"""What the service says of movies: cards, search, those alike, and a map of them all."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from movierec_jax.data.schema import GENRES, MOVIE_ID, RATING, TITLE, YEAR
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import PRAISE, SPREAD
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.serve.title_search import Titles, readable

# Names of the features that are tags: "tag=atmospheric".
TAG_FEATURE = "tag="


class Catalogue:
    """The movies of a run, in the order of their rows: those of train, then those of which content alone is known.

    rows: the row of each id.
    """

    def __init__(self, recommender: Recommender, rows: dict[int | str, int]):
        run = recommender.run
        self.recommender, self.movies, self.rows = recommender, run.movies, rows
        table = run.movie_table.set_index(MOVIE_ID).reindex(run.movies.ids)
        count = np.bincount(run.train.movie_row, minlength=len(run.movies.ids))[: len(run.movies.ids)]
        total = np.bincount(run.train.movie_row, run.parts.train[RATING], minlength=len(count))[: len(count)]
        ids = run.movies.ids.tolist()
        columns = zip(ids, table[TITLE], table[YEAR], table[GENRES], strict=True)
        self.cards = [
            {
                MOVIE_ID: movie_id,
                TITLE: readable(title) if isinstance(title, str) else str(movie_id),
                YEAR: int(year) if year > 0 else None,
                GENRES: genres.split("|") if isinstance(genres, str) and genres else [],
            }
            for movie_id, title, year, genres in columns
        ]
        self.figures = [
            {"num_ratings": int(n), "mean_rating": round(float(mean), 3) if n else None}
            for n, mean in zip(count, total / np.maximum(count, 1), strict=True)
        ]
        self.by_popularity = np.argsort(-count, kind="stable")
        self.titles = Titles([card[TITLE] for card in self.cards], count.astype(np.float32))
        said = recommender.reviews_of(run.reviews[MOVIE_ID])
        said = said.astype({PRAISE: np.float64, SPREAD: np.float64}).round(4).set_index(MOVIE_ID)
        self.reviews = dict(zip(said.index.tolist(), said.to_dict("records"), strict=True))
        self.map = positions(recommender.movie_directions)

    def row(self, movie_id: int | str) -> int:
        """The row of a movie. Raises InputError where the data has none of this id."""
        if movie_id not in self.rows:
            raise InputError(f"no movie has the id {movie_id!r}")
        return self.rows[movie_id]

    def card(self, row: int, *, figures: bool = False) -> dict[str, Any]:
        """What is told of a movie wherever it stands; figures: with its number of ratings and their mean."""
        return {**self.cards[row], **self.figures[row]} if figures else self.cards[row]

    def card_of(self, movie_id: int | str) -> dict[str, Any]:
        """The card of a movie by its id, also of one that the catalogue does not have."""
        unknown: dict[str, Any] = {MOVIE_ID: movie_id, TITLE: str(movie_id), YEAR: None, GENRES: []}
        return self.cards[self.rows[movie_id]] if movie_id in self.rows else unknown

    def details(self, row: int) -> dict[str, Any]:
        """All that is told of a movie."""
        content = self.recommender.run.movie_content
        own = content.entries_of(row)
        # Those that most users wrote come first.
        order = np.argsort(-content.value[own], kind="stable")
        names = [content.names[feature] for feature in content.feature[own][order]]
        tags = [name.removeprefix(TAG_FEATURE) for name in names if name.startswith(TAG_FEATURE)]
        card = self.card(row, figures=True)
        return {**card, "tags": tags, "reviews": self.reviews.get(card[MOVIE_ID])}

    def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """The movies whose titles match best, or without a query those with most ratings."""
        rows = self.titles.search(query, limit)[0] if query.strip() else self.by_popularity[:limit]
        return [self.card(row, figures=True) for row in rows.tolist()]

    def similar(self, row: int, k: int) -> list[dict[str, Any]]:
        """The k movies most like one. Raises InputError for one that train has no rating of."""
        if row >= len(self.movies):
            raise InputError(f"movie {self.movies.ids[row]!r} had no rating in training: none is known to be like it")
        found = self.recommender.similar(self.movies.ids[row], min(k, len(self.movies) - 1))
        rows = self.movies.rows(found[MOVIE_ID])
        return [
            {**self.card(row), "similarity": round(float(similarity), 4)}
            for row, similarity in zip(rows.tolist(), found["similarity"], strict=True)
        ]

    def on_map(self, limit: int) -> list[dict[str, Any]]:
        """The movies with most ratings, each with its place on the map: `x` and `y` of 0 to 1."""
        rows = self.by_popularity[: min(limit, len(self.movies))]
        return [
            {**self.card(row, figures=True), "x": round(float(x), 4), "y": round(float(y), 4)}
            for row, (x, y) in zip(rows.tolist(), self.map[rows], strict=True)
        ]


def positions(direction: Float32[np.ndarray, "movies features"]) -> Float32[np.ndarray, "movies 2"]:
    """Places in a square, near each other for movies that are alike: their first two principal components, by rank.

    Ranks in place of values keep the dense middle readable.
    """
    centred = direction - direction.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    # What stands along the last axes spreads movies most; the sign of each is a convention.
    axes = axes[:, -2:][:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    values = centred @ axes
    if values.shape[1] < 2:
        values = np.concatenate([values, np.zeros_like(values)], axis=1)
    return np.stack([rank(values[:, 0]), rank(values[:, 1])], axis=1)


def rank(values: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """The place of each value among all, as a number from 0 to 1."""
    place: Int32[np.ndarray, " n"] = np.empty(len(values), np.int32)
    place[np.argsort(values, kind="stable")] = np.arange(len(values), dtype=np.int32)
    return (place / max(1, len(values) - 1)).astype(np.float32)
