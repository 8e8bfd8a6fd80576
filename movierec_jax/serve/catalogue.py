"""The movies of a run as the service describes them: cards, details, search, similar movies and a map."""

import math
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int32

from movierec_jax.data.arrays import damped_group_mean, damped_means
from movierec_jax.data.matching.id_spaces import IMDB, TMDB, id_numbers
from movierec_jax.data.schema import GENRES, IMDB_ID, MOVIE_ID, TITLE, TMDB_ID, YEAR, FeatureBags
from movierec_jax.features.reviews import PRAISE, SPREAD
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.similarity import most_similar
from movierec_jax.runs.run import Run
from movierec_jax.serve.browse import POPULARITY, BrowseIndex
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.request_schemas import BrowseOptions
from movierec_jax.serve.title_search import Keywords, TitleIndex

# Prefix of features that are tags: "tag=atmospheric".
TAG_FEATURE = "tag="

# Ratings of the overall mean added to those of a movie where movies are ordered by rating.
BROWSING_DAMPING = 25.0


class Catalogue:
    """The movies of a run by row: first those with ratings in training, then those with content only.

    rows: the row of each movie id.
    """

    def __init__(self, recommender: Recommender, rows: dict[int | str, int]):
        run = recommender.run
        self.recommender, self.movies, self.rows = recommender, run.movies, rows
        table = run.movie_table.set_index(MOVIE_ID).reindex(run.movies.ids)
        num_ratings = run.movie_count[: len(run.movies.ids)]
        rated = run.train.rated()
        mean = damped_group_mean(rated.movie_row, rated.rating, len(num_ratings), 0.0, rated.weight)[:-1]
        is_rated = np.bincount(rated.movie_row, minlength=len(num_ratings)) > 0
        columns = zip(run.movies.ids.tolist(), table[TITLE], table[YEAR], table[GENRES], strict=True)
        self.cards = [
            {
                MOVIE_ID: movie_id,
                TITLE: title if isinstance(title, str) else str(movie_id),
                YEAR: int(year) if year > 0 else None,
                GENRES: genres.split("|") if isinstance(genres, str) and genres else [],
            }
            for movie_id, title, year, genres in columns
        ]
        self.stats = [
            {"num_ratings": int(count), "mean_rating": round(float(rating), 3) if has_mean else None}
            for count, rating, has_mean in zip(num_ratings, mean, is_rated, strict=True)
        ]
        damped = damped_means(rated.movie_row, rated.rating, len(num_ratings), rated.weight, BROWSING_DAMPING)[:-1]
        self.browsing = BrowseIndex(self.cards, num_ratings.astype(np.int32), damped.astype(np.float32))
        self.by_popularity = self.browsing.orders[POPULARITY]
        self.imdb_numbers = linked_numbers(run, IMDB_ID, IMDB)
        self.tmdb_numbers = linked_numbers(run, TMDB_ID, TMDB)
        self.titles = TitleIndex(
            [card[TITLE] for card in self.cards],
            np.array([card[YEAR] or 0 for card in self.cards], np.int32),
            num_ratings.astype(np.float32),
            keywords_of(run.movie_content),
        )
        reviews = recommender.reviews_of(run.reviews[MOVIE_ID])
        reviews = reviews.astype({PRAISE: np.float64, SPREAD: np.float64}).round(4).set_index(MOVIE_ID)
        self.reviews = dict(zip(reviews.index.tolist(), reviews.to_dict("records"), strict=True))
        self.positions = map_positions(recommender.movie_directions)

    def row(self, movie_id: int | str, status: int = 422) -> int:
        """Returns the row of a movie. Raises Problem with this status for an unknown id."""
        if movie_id not in self.rows:
            raise Problem("unknown-movie", f"Movie {movie_id!r} not found. /v1/movies finds ids by title.", status)
        return self.rows[movie_id]

    def card(self, row: int) -> dict[str, Any]:
        """Returns id, title, year and genres of a movie, with its number of ratings and their mean."""
        return {**self.cards[row], **self.stats[row]}

    def listed(self, rank: int, row: int, score: float, predicted_rating: float) -> dict[str, Any]:
        """Returns a movie of a list. score: NaN where the list is not of scores."""
        return {
            **self.cards[row],
            "rank": rank,
            "score": rounded(score, 6),
            "predicted_rating": rounded(predicted_rating),
        }

    def card_by_id(self, movie_id: int | str) -> dict[str, Any]:
        """Returns id, title, year and genres of a movie; of an unknown movie the id only."""
        if movie_id in self.rows:
            return self.cards[self.rows[movie_id]]
        return {MOVIE_ID: movie_id, TITLE: str(movie_id), YEAR: None, GENRES: []}

    def details(self, row: int) -> dict[str, Any]:
        """Returns the card of a movie with its tags, most used first, its reviews and pages of other sites.

        Those are None where it has none.
        """
        content = self.recommender.run.movie_content
        own = content.entries_of(row)
        by_weight = np.argsort(-content.value[own], kind="stable")
        names = [content.names[feature] for feature in content.feature[own][by_weight]]
        tags = [name.removeprefix(TAG_FEATURE) for name in names if name.startswith(TAG_FEATURE)]
        card = self.card(row)
        imdb, tmdb = (numbers.get(card[MOVIE_ID]) for numbers in (self.imdb_numbers, self.tmdb_numbers))
        return {
            **card,
            "tags": tags,
            "reviews": self.reviews.get(card[MOVIE_ID]),
            "imdb_url": None if imdb is None else f"https://www.imdb.com/title/tt{imdb:07}/",
            "tmdb_url": None if tmdb is None else f"https://www.themoviedb.org/movie/{tmdb}",
        }

    def search(self, options: BrowseOptions) -> list[dict[str, Any]]:
        """Returns the movies that match best; without a query, the first in an order."""
        query, sort = options.query.strip(), options.sort
        rows = self.browsing.orders[sort or POPULARITY]
        if query:
            found = self.titles.search(query, options.k if options.is_plain() else len(self.cards))
            rows = found if sort is None else rows[np.isin(rows, found)]
        if not options.is_plain():
            rows = rows[self.browsing.is_wanted(options.genres, options.year_from, options.year_to)[rows]]
        return [self.card(row) for row in rows[: options.k].tolist()]

    def similar(self, row: int, k: int) -> list[dict[str, Any]]:
        """Returns the k movies most similar to one. Raises Problem for a movie without ratings in training."""
        if row >= len(self.movies):
            movie_id = self.cards[row][MOVIE_ID]
            detail = f"Movie {movie_id!r} has no ratings in training: no similar movies are known"
            raise Problem("no-train-ratings", detail)
        count = self.recommender.run.movie_count[: len(self.movies)]
        found = most_similar(self.recommender.movie_directions, count, row, min(k, len(self.movies) - 1))
        return [
            {**self.cards[row], "similarity": round(similarity, 4)}
            for row, similarity in zip(*(column.tolist() for column in found), strict=True)
        ]

    def map_movies(self, k: int) -> list[dict[str, Any]]:
        """Returns the k movies with most ratings and their positions on the map, `x` and `y` from 0 to 1."""
        rows = self.by_popularity[: min(k, len(self.movies))]
        return [
            {**self.card(row), "x": round(float(x), 4), "y": round(float(y), 4)}
            for row, (x, y) in zip(rows.tolist(), self.positions[rows], strict=True)
        ]


def keywords_of(content: FeatureBags) -> Keywords:
    """Returns the values that features name, such as tags and people: "tom hanks" of "cast=tom hanks"."""
    is_keyword = np.array(["=" in name for name in content.names], bool)
    names = [name.partition("=")[2] for name in content.names if "=" in name]
    number = np.cumsum(is_keyword, dtype=np.int32) - np.int32(1)
    is_entry = is_keyword[content.feature]
    return Keywords(names, number[content.feature[is_entry]], content.row[is_entry])


def linked_numbers(run: Run, column: str, space: str) -> dict[int | str, int]:
    """Returns the numbers of movies' ids of another site, by movie id, where the run has links or such ids itself."""
    if run.movie_id_space == space:
        ids = pd.Series(run.movies.ids)
        table = pd.DataFrame({MOVIE_ID: ids, column: id_numbers(ids, space)})
    else:
        table = run.links[[MOVIE_ID, column]]
    table = table.dropna()
    return dict(zip(table[MOVIE_ID].tolist(), table[column].astype("int64").tolist(), strict=True))


def rounded(value: float, decimals: int = 4) -> float | None:
    """Returns a rounded number; None for NaN, which JSON lacks."""
    return None if math.isnan(value) else round(float(value), decimals)


def map_positions(direction: Float32[np.ndarray, "movies features"]) -> Float32[np.ndarray, "movies 2"]:
    """Returns positions in the unit square, close for similar movies: the ranks of the first two principal components.

    Ranks instead of values spread out the dense middle.
    """
    centred = direction - direction.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    # Eigenvalues ascend, so the last two axes have most variance; their signs are arbitrary and fixed here.
    axes = axes[:, -2:][:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    values = centred @ axes
    if values.shape[1] < 2:
        values = np.concatenate([values, np.zeros_like(values)], axis=1)
    return np.stack([scaled_ranks(values[:, 0]), scaled_ranks(values[:, 1])], axis=1)


def scaled_ranks(values: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Returns the rank of each value, scaled from 0 for the smallest to 1 for the largest."""
    rank: Int32[np.ndarray, " n"] = np.empty(len(values), np.int32)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values), dtype=np.int32)
    return (rank / max(1, len(values) - 1)).astype(np.float32)
