"""A run that is ready to train: settings, ids, ratings and content, and the model and training setup made of them."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import Float32, Float64, Int, Int32, Int64

from movierec_jax.config import SEQUENCE, Config, EvalConfig
from movierec_jax.data.arrays import count_groups, mean_and_spread
from movierec_jax.data.matching.id_join import KnownMovies, NamedIds
from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    OWN,
    USER_ID,
    FeatureBags,
    Ratings,
    in_one_line,
    no_links,
)
from movierec_jax.data.splits import Split
from movierec_jax.data.values.scale import relevant_from
from movierec_jax.data.vocab import Vocab, index_of_ids, ratings_by_row
from movierec_jax.features.rating_time import RatingTimeFeatures, fit_rating_time
from movierec_jax.features.reviews import PRAISED
from movierec_jax.features.trends import half_life_days, recent_shares
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions, concat_ratings, movie_levels
from movierec_jax.model.sharding import grid_of, share_of
from movierec_jax.model.two_tower import TwoTowers
from movierec_jax.model.user_histories import UserHistories, build_histories
from movierec_jax.training.state import TrainingSetup, training_setup


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a workdir holds besides training states.

    movie_table: one row per movie (`movie_id`, `title`, `year`, `genres`), also for movies without ratings.
    parts: the clean ratings in original ids.
    user_content, movie_content: features by row of the vocabularies.
    reviews: what texts say about movies, as `Reviews.movies`.
    links: IMDb and TMDb ids of movies, in the columns of `RawData.links` by the run's `movie_id`.
    movie_id_space: the space of the run's movie ids, as in CleanData.
    mesh: the devices to use; not saved in the workdir.
    warm_start: the workdir of the older run from whose parameters training begins; None: from random ones.
    train_by_row: the train ratings by row, without rating-time features, where they are mapped from files; None where
        they are made of the parts. Not saved in the workdir.
    """

    __repr__ = in_one_line

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
    links: pd.DataFrame = dataclasses.field(default_factory=no_links)
    movie_id_space: str = OWN
    warm_start: str | None = None
    train_by_row: Ratings | None = None

    @functools.cached_property
    def model(self) -> TwoTowers:
        rated = self.train.rated()
        rating_mean, rating_spread = mean_and_spread(rated.rating, rated.weight)
        grid, rows = grid_of(self.mesh), (self.users.unknown + 1, self.movies.unknown + 1)
        return TwoTowers(
            num_users=len(self.users),
            num_movies=len(self.movies),
            num_user_features=len(self.user_content.names),
            num_movie_features=len(self.movie_content.names),
            config=self.config.model,
            rating_mean=rating_mean,
            rating_spread=rating_spread,
            num_time_features=len(self.rating_time) if self.rating_time else 0,
            num_shared_time_features=self.rating_time.num_shared if self.rating_time else 0,
            reads_sequences=self.target == SEQUENCE and self.config.model.implicit_feedback_dim > 0,
            mesh=self.mesh,
            num_rows=(grid.padded(rows[0]), grid.padded(rows[1])) if self.mesh else None,
        )

    @functools.cached_property
    def setup(self) -> TrainingSetup:
        weight = self.train.weight
        return training_setup(
            self.model,
            self.config,
            len(self.train),
            self.rating_scale,
            relevant_rating=self.relevant_from(self.config.evaluation),
            target=self.target,
            rating_weight=None if weight is None else float(weight.sum(dtype=np.float64)),
            is_warm=self.warm_start is not None,
            half_life_days=self.half_life_days,
        )

    @property
    def half_life_days(self) -> float:
        """Half-life of train ratings in trends, where lists are made for the time after train; 0 elsewhere."""
        if self.config.data.split != "time" or self.config.train.half_life_days is not None:
            return 0.0
        return half_life_days(self.train.movie_row, self.train.timestamp, len(self.movies))

    @functools.cached_property
    def trend(self) -> Float32[np.ndarray, " movies"] | None:
        """The share of each movie of train among what people rate lately; None where lists follow no trends."""
        if not self.setup.follows_trends:
            return None
        return recent_shares(
            self.train.movie_row, self.train.timestamp, len(self.movies), self.setup.config.half_life_days
        )

    @functools.cached_property
    def target(self) -> str:
        """What the implicit-feedback score learns to predict: any rating, next ones, or each in the sequence."""
        return self.config.target(has_times(self.train.timestamp))

    @property
    def has_ratings(self) -> bool:
        """Whether train has any rating; if not, it only tells which movies were watched."""
        return self.setup.has_ratings

    def relevant_from(self, config: EvalConfig) -> float:
        """Returns the stars from which a rating is relevant: those of a config, or as train ratings show."""
        return relevant_from(config, self.train.rated().rating, self.rating_scale)

    @property
    def relevant_rating(self) -> float:
        """Stars from which a rating is relevant."""
        return self.setup.relevant_rating

    @functools.cached_property
    def genres(self) -> pd.DataFrame:
        """Which genres each movie of train has: a boolean column per genre, in row order."""
        return self.indicators(self.movie_table, GENRES)

    @functools.cached_property
    def praised(self) -> pd.DataFrame:
        """Which aspects reviews praise of each movie of train, as `genres`; no columns without reviews."""
        return self.indicators(self.reviews, PRAISED)

    def indicators(self, table: pd.DataFrame, column: str) -> pd.DataFrame:
        """Splits a column of names joined by "|" into a boolean column per name, for movies of train in row order."""
        names = table.set_index(MOVIE_ID)[column].reindex(self.movies.ids[: len(self.movies)])
        # pandas makes a column "" for movies without names.
        return names.fillna("").str.get_dummies("|").astype(bool).drop(columns="", errors="ignore")

    @functools.cached_property
    def rating_time(self) -> RatingTimeFeatures | None:
        """Rating-time features fitted on train; None without --rating_time."""
        if not self.config.data.rating_time:
            return None
        return fit_rating_time(self.bare_train.rated(), self.users.unknown)

    @functools.cached_property
    def train(self) -> Ratings:
        """The train ratings by row."""
        return self.with_time_features(self.bare_train)

    @functools.cached_property
    def bare_train(self) -> Ratings:
        """The train ratings by row, without rating-time features."""
        return self.train_by_row or ratings_by_row(self.parts.train, self.users, self.movies)

    @functools.cached_property
    def user_count(self) -> Int64[np.ndarray, " user_rows"]:
        """The number of ratings of each user in train, also of movies watched but not rated; the unknown row last."""
        return count_groups(self.train.user_row, self.users.unknown + 1)

    @functools.cached_property
    def movie_count(self) -> Int64[np.ndarray, " movie_rows"]:
        """The number of ratings of each movie in train, as `user_count`."""
        return count_groups(self.train.movie_row, self.movies.unknown + 1)

    @functools.cached_property
    def from_reviews(self) -> Ratings:
        """What users wrote about movies that they did not rate, read as ratings, by row."""
        return self.by_row(self.parts.from_reviews)

    @functools.cached_property
    def valid(self) -> Ratings:
        """The validation ratings by row."""
        return self.by_row(self.parts.valid)

    def by_row(self, part: pd.DataFrame) -> Ratings:
        """Returns ratings by row, with rating-time features if the run has them."""
        return self.with_time_features(ratings_by_row(part, self.users, self.movies))

    def with_time_features(self, ratings: Ratings) -> Ratings:
        """Adds rating-time features to ratings, if the run has them."""
        return dataclasses.replace(ratings, time_features=self.time_features(ratings.user_row, ratings.timestamp))

    def time_features(
        self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]
    ) -> Int32[np.ndarray, "n m"]:
        """Returns the feature ids of each rating's time; no columns without --rating_time."""
        return (
            self.rating_time.feature_ids(user_row, timestamp)
            if self.rating_time
            else np.zeros((len(user_row), 0), np.int32)
        )

    @functools.cached_property
    def movie_level(self) -> Float64[np.ndarray, " movies"]:
        """Damped mean rating of each movie in train; a user's deviation from it tells about the user."""
        return movie_levels(self.train, self.movies.unknown)

    @functools.cached_property
    def interactions(self) -> Interactions:
        """What the towers read: the train ratings and the content."""
        return build_interactions(
            self.train,
            self.users.unknown,
            self.movies.unknown,
            self.user_content,
            self.movie_content,
            from_reviews=self.from_reviews,
            has_ratings=self.config.model.looks_at_ratings,
            is_recent_most=self.setup.predicts_next,
            sequence_length=self.config.model.sequence_length if self.model.reads_sequences else None,
            share=share_of(self.mesh),
        )

    @functools.cached_property
    def histories(self) -> UserHistories:
        """What the user tower reads, by user."""
        ratings = concat_ratings(self.train, self.from_reviews)
        users = np.arange(self.users.unknown + 1, dtype=np.int32)
        return self.build_histories(ratings, self.train, self.user_content, users)

    def build_histories(
        self, ratings: Ratings, in_order: Ratings, content: FeatureBags, user_row: Int32[np.ndarray, " users"]
    ) -> UserHistories:
        """Gathers what is known of users of the run, or of new ones, as `user_histories.build_histories`."""
        return build_histories(
            ratings,
            in_order,
            self.movie_level,
            content,
            user_row,
            is_recent_most=self.setup.predicts_next,
            sequence_length=self.config.model.sequence_length if self.model.reads_sequences else None,
        )


def user_index_and_movie_row(
    run: Run, users: pd.Index, parts: Sequence[pd.DataFrame]
) -> tuple[Int[np.ndarray, " ratings"], Int32[np.ndarray, " ratings"]]:
    """Returns, for each rating of the parts, its user's index in `users` (-1 if not among them) and its movie row."""
    table = pd.concat(parts, ignore_index=True)
    return index_of_ids(users, pd.Index(table[USER_ID])), run.movies.rows(table[MOVIE_ID])


def has_times(timestamp: Int64[np.ndarray, " ratings"]) -> bool:
    """Whether any rating has a time."""
    return bool(timestamp.max(initial=NO_TIMESTAMP) != NO_TIMESTAMP)


def known_movies_of_run(run: Run) -> KnownMovies:
    """Returns the movies of a run for files that name them by ids of any space.

    The links of a run by IMDb's or TMDb's ids say nothing of the data's own ids, and so join none.
    """
    named = NamedIds(pd.Series(run.movies.ids), run.movie_id_space, "the trained data")
    links = run.links if run.movie_id_space == OWN else run.links.drop(columns=MOVIE_ID).assign(movie_id=None)
    return KnownMovies(named, links)
