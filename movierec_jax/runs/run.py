"""A run made ready: its settings, ids, ratings and content, and the model and recipe that follow from them."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import Float64, Int, Int32, Int64

from movierec_jax.config import Config
from movierec_jax.data.arrays import damped_means
from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    TIMESTAMP,
    USER_ID,
    FeatureBags,
    Ratings,
)
from movierec_jax.data.splits import Split
from movierec_jax.data.vocab import Vocab, index_of_ids, ratings_by_row
from movierec_jax.features.rating_time import RatingTimeFeatures, fit_rating_time
from movierec_jax.features.reviews import PRAISED
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import NO_TIME_FEATURES, build_interactions
from movierec_jax.model.sharding import grid_of
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.training.state import TrainingSetup, training_setup


@dataclasses.dataclass(frozen=True)
class Run:
    """What a workdir knows besides the training state: settings, ids, movies and ratings.

    movie_table: one row per movie (`movie_id`, `title`, `year`, `genres`), also movies without ratings.
    parts: the clean ratings in original ids.
    user_content, movie_content: features of the rows of the vocabularies.
    reviews: what texts say of movies, as `Reviews.movies`.
    mesh: the devices that this process has for it, which are no part of what the workdir keeps.
    """

    config: Config
    rating_scale: tuple[float, float]
    users: Vocab
    movies: Vocab
    movie_table: pd.DataFrame
    parts: Split
    user_content: FeatureBags
    movie_content: FeatureBags
    reviews: pd.DataFrame
    mesh: Mesh | None = None

    @functools.cached_property
    def model(self) -> TwoTowers:
        rating_mean = float(self.parts.train[RATING].mean())
        grid, rows = grid_of(self.mesh), (self.users.unknown + 1, self.movies.unknown + 1)
        return TwoTowers(
            num_users=len(self.users),
            num_movies=len(self.movies),
            num_user_features=len(self.user_content.names),
            num_movie_features=len(self.movie_content.names),
            config=self.config.model,
            rating_mean=rating_mean,
            num_time_features=len(self.moments) if self.moments else 0,
            num_shared_time_features=self.moments.num_shared if self.moments else 0,
            mesh=self.mesh,
            num_rows=(grid.padded(rows[0]), grid.padded(rows[1])) if self.mesh else None,
        )

    @functools.cached_property
    def setup(self) -> TrainingSetup:
        train, is_random = self.parts.train, self.config.data.split == "random"
        is_by_time = not is_random and has_times(train)
        return training_setup(self.model, self.config, len(train), self.rating_scale, is_by_time=is_by_time)

    @property
    def relevant_rating(self) -> float:
        """Stars from which a rating is relevant."""
        return self.setup.relevant_rating

    @functools.cached_property
    def genres(self) -> pd.DataFrame:
        """Whether each movie of train, in the order of rows, is of each genre: a column for each, by name."""
        return self.is_of(self.movie_table, GENRES)

    @functools.cached_property
    def praised(self) -> pd.DataFrame:
        """Whether reviews of each movie of train praise each aspect, as `genres`; no columns where there are none."""
        return self.is_of(self.reviews, PRAISED)

    def is_of(self, table: pd.DataFrame, column: str) -> pd.DataFrame:
        """Whether each movie of train, in the order of rows, has each of the names that a table joins by "|"."""
        names = table.set_index(MOVIE_ID)[column].reindex(self.movies.ids[: len(self.movies)])
        # pandas takes what a movie without names has for one of no name.
        return names.fillna("").str.get_dummies("|").astype(bool).drop(columns="", errors="ignore")

    @functools.cached_property
    def moments(self) -> RatingTimeFeatures | None:
        """The times of the train ratings; None where they do not count."""
        if not self.config.data.rating_time:
            return None
        train = ratings_by_row(self.parts.train, self.users, self.movies)
        return fit_rating_time(train, self.users.unknown)

    @functools.cached_property
    def train(self) -> Ratings:
        """The train ratings by row."""
        return self.to_rows(self.parts.train)

    @functools.cached_property
    def from_reviews(self) -> Ratings:
        """What users wrote of movies that they have not rated, as ratings by row."""
        return self.to_rows(self.parts.from_reviews)

    @functools.cached_property
    def valid(self) -> Ratings:
        """The validation ratings by row."""
        return self.to_rows(self.parts.valid)

    def to_rows(self, part: pd.DataFrame) -> Ratings:
        """Ratings by row, with their moments if times count."""
        ratings = ratings_by_row(part, self.users, self.movies)
        return dataclasses.replace(ratings, time_features=self.time_features(ratings.user_row, ratings.timestamp))

    def time_features(
        self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]
    ) -> Int32[np.ndarray, "n m"]:
        """What the model knows of when each user rates; nothing unless times count."""
        return self.moments.feature_ids(user_row, timestamp) if self.moments else np.zeros((len(user_row), 0), np.int32)

    @functools.cached_property
    def movie_level(self) -> Float64[np.ndarray, " movies"]:
        """The level of each movie in train, from which a rating of it tells something of its user."""
        return damped_means(self.train.movie_row, self.train.rating, self.movies.unknown)

    @functools.cached_property
    def interactions(self) -> Interactions:
        """What the towers see: the train ratings and the content."""
        sizes = self.users.unknown, self.movies.unknown
        time_feature_count = self.moments.count_ratings(self.train) if self.moments else NO_TIME_FEATURES
        content = self.user_content, self.movie_content
        return build_interactions(
            self.train,
            *sizes,
            *content,
            time_feature_count,
            from_reviews=self.from_reviews,
            has_ratings=self.config.model.looks_at_ratings,
            is_recent_most=self.setup.looks_at_next,
            grid=grid_of(self.mesh),
        )


def places_and_rows(
    run: Run, users: pd.Index, parts: Sequence[pd.DataFrame]
) -> tuple[Int[np.ndarray, " ratings"], Int32[np.ndarray, " ratings"]]:
    """For each rating of the parts its user's place in a list of users, -1 for others, and its movie row."""
    table = pd.concat(parts, ignore_index=True)
    return index_of_ids(users, pd.Index(table[USER_ID])), run.movies.rows(table[MOVIE_ID])


def has_times(ratings: pd.DataFrame) -> bool:
    """Whether any of the ratings has a time."""
    return bool((ratings[TIMESTAMP] != NO_TIMESTAMP).any())
