"""A run made ready: its settings, ids, ratings and content, and the model and recipe that follow from them."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import Float64, Int, Int32, Int64

from movierec_jax.cleaning import describe_dropped
from movierec_jax.config import Config
from movierec_jax.content import join, movie_content, require_different, user_content
from movierec_jax.features_file import read_features
from movierec_jax.known import NO_MOMENTS, known_of, levels
from movierec_jax.model import TwoTowers
from movierec_jax.moments import Moments, moments_of
from movierec_jax.recipe import Recipe, recipe_for
from movierec_jax.review_cleaning import clean_reviews
from movierec_jax.reviews import IS_TAG, PRAISED, Reviews, known_texts, no_reviews, reviews_of
from movierec_jax.reviews_file import read_reviews
from movierec_jax.schema import (
    GENRES,
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    STARS,
    TAG,
    TEXT,
    TIMESTAMP,
    USER_ID,
    Bags,
    CleanData,
    InputError,
    Known,
    Ratings,
)
from movierec_jax.sentiment.stored import DEFAULT, load_sentiment
from movierec_jax.sharding import grid_of
from movierec_jax.splits import Split
from movierec_jax.vocab import Vocab, places, to_rows


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
    user_content: Bags
    movie_content: Bags
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
            num_moments=len(self.moments) if self.moments else 0,
            num_shared_moments=self.moments.num_shared if self.moments else 0,
            mesh=self.mesh,
            num_rows=(grid.padded(rows[0]), grid.padded(rows[1])) if self.mesh else None,
        )

    @functools.cached_property
    def recipe(self) -> Recipe:
        train, is_random = self.parts.train, self.config.data.split == "random"
        is_by_time = not is_random and has_times(train)
        return recipe_for(self.model, self.config, len(train), self.rating_scale, is_by_time=is_by_time)

    @property
    def relevant_rating(self) -> float:
        """Stars from which a rating is relevant."""
        return self.recipe.relevant_rating

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
    def moments(self) -> Moments | None:
        """The times of the train ratings; None where they do not count."""
        if not self.config.data.rating_time:
            return None
        train = to_rows(self.parts.train, self.users, self.movies)
        return moments_of(train, self.users.unknown)

    @functools.cached_property
    def train(self) -> Ratings:
        """The train ratings by row."""
        return self.to_rows(self.parts.train)

    @functools.cached_property
    def told(self) -> Ratings:
        """What users wrote of movies that they have not rated, as ratings by row."""
        return self.to_rows(self.parts.told)

    @functools.cached_property
    def valid(self) -> Ratings:
        """The validation ratings by row."""
        return self.to_rows(self.parts.valid)

    def to_rows(self, part: pd.DataFrame) -> Ratings:
        """Ratings by row, with their moments if times count."""
        ratings = to_rows(part, self.users, self.movies)
        return dataclasses.replace(ratings, moment=self.moment(ratings.user_row, ratings.timestamp))

    def moment(self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]) -> Int32[np.ndarray, "n m"]:
        """What the model knows of when each user rates; nothing unless times count."""
        return self.moments.rows(user_row, timestamp) if self.moments else np.zeros((len(user_row), 0), np.int32)

    @functools.cached_property
    def movie_level(self) -> Float64[np.ndarray, " movies"]:
        """The level of each movie in train, from which a rating of it tells something of its user."""
        return levels(self.train.movie_row, self.train.rating, self.movies.unknown)

    @functools.cached_property
    def known(self) -> Known:
        """What the towers see: the train ratings and the content."""
        sizes = self.users.unknown, self.movies.unknown
        moment_count = self.moments.count(self.train) if self.moments else NO_MOMENTS
        content = self.user_content, self.movie_content
        return known_of(
            self.train,
            *sizes,
            *content,
            moment_count,
            told=self.told,
            has_ratings=self.config.model.looks_at_ratings,
            is_recent_most=self.recipe.looks_at_next,
            grid=grid_of(self.mesh),
        )


def places_and_rows(
    run: Run, users: pd.Index, parts: Sequence[pd.DataFrame]
) -> tuple[Int[np.ndarray, " ratings"], Int32[np.ndarray, " ratings"]]:
    """For each rating of the parts its user's place in a list of users, -1 for others, and its movie row."""
    table = pd.concat(parts, ignore_index=True)
    return places(users, pd.Index(table[USER_ID])), run.movies.rows(table[MOVIE_ID])


def new_run(config: Config, data: CleanData, parts: Split, mesh: Mesh | None = None) -> Run:
    """A run on clean, split data; its vocabularies and features are fitted on the train part alone.

    Users and movies of the other parts and of the data's tables have rows too, without an embedding: of them the model
    knows the content. Raises InputError for a table of features that cannot be used, and for settings that need to know
    when ratings were given where none has a time.
    """
    needs_times = {"rating_time": config.data.rating_time, "exposure_to=next": config.train.exposure_to == "next"}
    for flag, is_asked in needs_times.items():
        if is_asked and not has_times(parts.train):
            raise InputError(f"--{flag}: no rating of {config.data.ratings} has a time; leave the flag out")
    everybody = pd.concat([*(part[USER_ID].drop_duplicates() for part in parts.all()), data.users[USER_ID]])
    users = Vocab.of(parts.train[USER_ID], "user", others=everybody)
    movies = Vocab.of(parts.train[MOVIE_ID], "movie", others=data.movies[MOVIE_ID])
    settings = config.data
    tags = data.tags[data.tags[MOVIE_ID].isin(data.movies[MOVIE_ID])].rename(columns={TAG: TEXT})
    tags = known_texts(tags, parts, settings.split)
    content = movie_content(
        data.movies,
        tags.rename(columns={TEXT: TAG}),
        [read_features(path, MOVIE_ID) for path in settings.movie_features],
        movies.ids,
        len(movies),
        groups=settings.content,
    )
    reviews = reviews_of_run(config, data, tags, parts, movies)
    return Run(
        config=config,
        rating_scale=data.rating_scale,
        users=users,
        movies=movies,
        movie_table=data.movies,
        parts=dataclasses.replace(parts, told=reviews.told) if reviews else parts,
        user_content=user_content(
            data.users,
            [read_features(path, USER_ID) for path in settings.user_features],
            users.ids,
            len(users),
            groups=settings.content,
        ),
        movie_content=join([content, reviews.content]) if reviews else content,
        reviews=reviews.movies if reviews else no_reviews(movies.ids.dtype),
        mesh=mesh,
    )


def reviews_of_run(config: Config, data: CleanData, tags: pd.DataFrame, parts: Split, movies: Vocab) -> Reviews | None:
    """What reviews and tags tell that a model of the train part may know, printing what was left out.

    None where there are none, or nothing is to be known of them.
    """
    settings = config.data
    require_different(settings.reviews)
    texts = [known_reviews(path, data, parts, settings.split) for path in settings.reviews]
    tags = tags if "reviews" in settings.content else tags[:0]
    tags = tags.assign(is_tag=True, stars=np.float32(np.nan))
    texts.append(tags.rename(columns={"is_tag": IS_TAG, "stars": STARS}))
    if not any(map(len, texts)):
        return None
    folders = settings.sentiment or (str(DEFAULT),)
    ask = {folder: load_sentiment(folder).opinions for folder in dict.fromkeys(folders)}
    of_table = folders if len(folders) == len(texts) else folders * len(texts)
    tables = [(table, ask[folder]) for table, folder in zip(texts, of_table, strict=True) if len(table)]
    reviews = reviews_of(tables, parts, movies.ids, len(movies), data.rating_scale)
    if len(reviews.told):
        print(f"texts on {len(reviews.told):,} pairs of user and movie without a rating stand for one in histories")
    return reviews


def known_reviews(path: str, data: CleanData, parts: Split, rule: str) -> pd.DataFrame:
    """The reviews of a file that a model of the train part may know, printing how many they are."""
    found, dropped = clean_reviews(read_reviews(path), data)
    known = known_texts(found, parts, rule)
    if len(known) < len(found):
        dropped["text of a rating that is held out, or written after train"] = len(found) - len(known)
    writers, users = found[USER_ID].dropna(), pd.concat([part[USER_ID] for part in parts.all()]).unique()
    if len(writers) and not writers.isin(users).any():
        print(f"{path}: none of its users, such as {writers.iloc[0]!r}, is one of the data, such as {users[0]!r}")
    print(f"{path}: {len(known):,} texts on {known[MOVIE_ID].nunique():,} of {len(data.movies):,} movies")
    if dropped:
        print(f"  left out {describe_dropped(dropped)}")
    if known.empty:
        raise InputError(
            f"{path}: no text is left; those of ratings of the validation and test part are not used"
            + (f", nor with --split={rule} those that are not known to be of train's time" if rule != "random" else "")
        )
    return known.assign(**{IS_TAG: False})


def has_times(ratings: pd.DataFrame) -> bool:
    """Whether any of the ratings has a time."""
    return bool((ratings[TIMESTAMP] != NO_TIMESTAMP).any())
