"""A trained run that answers in the ids of the data: lists for users, ratings for pairs, similar movies, reasons."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
import optax
import pandas as pd
from jax.sharding import Mesh
from jaxtyping import Array, Float32, Int32

from movierec_jax.config import ScoreConfig
from movierec_jax.data.matching.given_ids import as_id, as_ids
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.data.storage import is_url, synced_folder
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.features.reviews import BLAMED, PRAISED
from movierec_jax.model.sharding import new_mesh
from movierec_jax.model.two_tower import Encoded, Members
from movierec_jax.recommend.attribution import RatedMovies, find_reasons
from movierec_jax.recommend.block_scorer import BlockScorer, scorer_of_run
from movierec_jax.recommend.copies import Copied, Origin
from movierec_jax.recommend.filters import ListFilter, as_tuple, filter_movies
from movierec_jax.recommend.fold_in import fold_in
from movierec_jax.recommend.given_ratings import ANYBODY, ratings_of_one, ratings_of_users, seconds_of
from movierec_jax.recommend.lists import ListRequest, SeenMovies
from movierec_jax.recommend.scoring import predict_ratings
from movierec_jax.recommend.similarity import directions, most_similar, movie_vectors
from movierec_jax.recommend.titles import add_titles
from movierec_jax.recommend.top_k import top_k_blocks
from movierec_jax.runs.checkpoint import Checkpoints, checksums
from movierec_jax.runs.forks import require_not_forked
from movierec_jax.runs.replacement import consistent
from movierec_jax.runs.run import Run, user_index_and_movie_row
from movierec_jax.runs.workdir import load_run

RANK = "rank"

SCORE = "score"

PREDICTED_RATING = "predicted_rating"

IMPLICIT_SCORE = "implicit_score"


@dataclasses.dataclass(frozen=True, eq=False)
class Recommender(Copied):
    """A run with its best parameters (`Checkpoints.best_state`). Ids go in and come out as the data writes them.

    Where ids are integers, 42, "42" and 42.0 all mean 42, alone or in any sequence or column; where they are text, 42
    means "42" if the data has it. Values that can be no id of the data raise InputError.

    scorer: what scores are computed from.
    users, parts: the users that can be asked about and what they have rated: those of the run, or new ones.
    origin: what it was loaded from. Another process that is sent it loads it from there again, at its first use.
    """

    run: Run
    scorer: BlockScorer
    users: Vocab
    parts: Split
    origin: Origin | None = None

    @classmethod
    def of(cls, run: Run, params: Members) -> "Recommender":
        """A recommender for the users of a run, with these parameters."""
        return cls(run, scorer_of_run(run, params), run.users, run.parts)

    def __repr__(self) -> str:
        workdir = f"{self.origin.workdir!r}, " if self.origin else ""
        if not self.is_loaded:
            return f"Recommender({workdir}not loaded yet)"
        users = f"{len(self.users):,} {'new users' if self.has_new_users else 'users'}"
        lowest, highest = self.run.rating_scale
        return f"Recommender({workdir}{users}, {len(self.run.movies):,} movies, {lowest:g} to {highest:g} stars)"

    @functools.cached_property
    def checksums(self) -> tuple[int, ...]:
        """Numbers that tell these parameters from others."""
        return tuple(int(total) for total in checksums(self.params))

    @property
    def params(self) -> Members:
        """The parameters of all members."""
        return self.scorer.params

    def user_ids(self) -> pd.Index:
        """Returns all users of the data in rising order, also those without a rating in train."""
        return self.all_user_ids

    @functools.cached_property
    def all_user_ids(self) -> pd.Index:
        """Cached sorted user ids."""
        return pd.Index(np.concatenate([part[USER_ID].unique() for part in self.parts.all()])).unique().sort_values()

    @functools.cached_property
    def on_host(self) -> tuple[Members, Encoded]:
        """The parameters and the encoded movies as NumPy arrays."""
        return jax.device_get((self.params, self.scorer.movies))

    @functools.cached_property
    def movie_directions(self) -> Float32[np.ndarray, "movies features"]:
        """`similarity.directions` of the movies trained on, as a NumPy array."""
        return np.asarray(directions(self.scorer.movies, has_ratings=self.run.has_ratings))[: len(self.run.movies)]

    @functools.cached_property
    def spare(self) -> list[tuple[Array, ...]]:
        """Score buffers for the next lists; fresh memory would take longer than one list."""
        return []

    @functools.cached_property
    def seen(self) -> SeenMovies:
        """What each of `all_user_ids` has rated in any part."""
        users_and_rows = user_index_and_movie_row(self.run, self.all_user_ids, self.parts.seen())
        return SeenMovies.of(*users_and_rows, len(self.all_user_ids), len(self.run.movies))

    def recommend(
        self,
        user_ids: Any,
        k: int = 10,
        *,
        include_seen: bool = False,
        movies: Any = None,
        diversity: float = ScoreConfig.diversity,
    ) -> pd.DataFrame:
        """Returns each user's best k movies, best first: `user_id, movie_id, rank, score, predicted_rating`.

        The catalogue is every movie with a rating in train. What the user has rated in any part is left out, unless
        `include_seen`. A user without ratings in train gets the list of an average user. Where train has no ratings,
        only movies watched, lists are ordered by the implicit-feedback score alone and predicted ratings are NaN.

        user_ids: one id or many; each user has one list.
        movies: ids that lists may hold, such as `select_movies` returns; without it all of the catalogue.
        diversity: 0 to below 1, how much similarity to movies above it counts against a movie. Lists are then ordered
            by both, not by score.
        Raises InputError for users that the data does not have, and for k below 1 or above the number of movies.
        """
        users = self.as_users(user_ids).unique()
        blocks = self.recommend_blocks(users, k, include_seen=include_seen, movies=movies, diversity=diversity)
        return pd.concat(list(blocks), ignore_index=True)

    def recommend_blocks(
        self,
        users: Any,
        k: int,
        *,
        include_seen: bool = False,
        movies: Any = None,
        diversity: float = ScoreConfig.diversity,
        block_users: int = ScoreConfig.block_users,
    ) -> Iterator[pd.DataFrame]:
        """Yields the lists of `recommend` as a table for each block of users, for more than fit in memory at once."""
        require_not_forked()
        users = self.as_users(users)
        self.require_users(users)
        self.require_top_k(k)
        ScoreConfig(diversity=diversity, block_users=block_users)
        num_movies = len(self.run.movies)
        is_listed = None
        if movies is not None:
            is_listed = np.zeros((1, num_movies), bool)
            is_listed[0, self.run.movies.require_rows_in_train(self.as_movies(movies))] = True
        index = self.all_user_ids.get_indexer(users)
        seen = self.seen.of_users(np.full_like(index, -1) if include_seen else index)
        request = ListRequest(self.users.rows(users), seen, k, is_listed, diversity)
        for block, top in top_k_blocks(self.scorer, request, block_users, spare=self.spare):
            is_filled = top.movie_row < num_movies
            rating_scale = np.array(self.run.rating_scale, np.float32)
            yield pd.DataFrame(
                {
                    USER_ID: users[block].repeat(is_filled.sum(axis=1)),
                    MOVIE_ID: self.run.movies.ids[top.movie_row[is_filled]],
                    RANK: np.broadcast_to(np.arange(1, k + 1, dtype=np.int32), is_filled.shape)[is_filled],
                    SCORE: top.score[is_filled],
                    PREDICTED_RATING: np.clip(top.predicted_rating[is_filled], *rating_scale),
                }
            )

    def select_movies(
        self,
        genres: str | Iterable[str] = (),
        years: tuple[int, ...] = (),
        min_ratings: int = 0,
        exclude_movies: Any = (),
        praised: str | Iterable[str] = (),
    ) -> pd.Index:
        """Returns the ids of the movies trained on that lists may hold, as `filters.ListFilter` describes.

        genres, praised: one name or many. Raises InputError as `filters.filter_movies`, and where no movie is left.
        """
        left_out = tuple(self.as_movies(exclude_movies))
        wanted = ListFilter(as_tuple(genres), tuple(years), min_ratings, as_tuple(praised), left_out)
        is_listed = filter_movies(self.run, wanted)
        if not is_listed.any():
            narrowing = "--genres, --praised, --years, --min_ratings and --exclude_movies"
            raise InputError(f"{narrowing} leave no movie; ask for less")
        return self.run.movies.ids[: len(self.run.movies)][is_listed]

    def reviews_of(self, movie_ids: Any) -> pd.DataFrame:
        """Returns what reviews say of movies: a row for each of these that has any, in their order.

        Columns `movie_id`, `num_texts`, `praise` (the mean probability that a review praises it), `spread` (its
        standard deviation over the reviews), `praised` and `blamed` (lists of aspects, most first). Raises InputError
        for movies that the data does not have.
        """
        ids = self.as_movies(movie_ids)
        is_unknown = self.run.movies.rows(ids) == self.run.movies.unknown
        if is_unknown.any():
            raise InputError(f"unknown movie id {ids[is_unknown][0]}: no movie of the data has it")
        reviews = self.run.reviews
        index = pd.Index(reviews[MOVIE_ID]).get_indexer(ids)
        found = reviews.iloc[index[index >= 0]].reset_index(drop=True)
        # An empty text would split into one empty name.
        return found.assign(
            **{name: [text.split("|") if text else [] for text in found[name]] for name in (PRAISED, BLAMED)}
        )

    def explain(self, user_id, movie_ids: Any, k: int = 3) -> pd.DataFrame:
        """Returns what speaks for each movie to a user, strongest first: up to k rated movies and k of its features.

        Columns `movie_id`, `source` ("rated"; "text" for a movie that only a text of the user's rates; "content"),
        `reason` (the id of a movie, or the name of a feature), `implicit_score` and `predicted_rating`: what the reason
        adds to each, as `attribution.find_reasons` defines it. Raises InputError for movies not trained on, users that
        the data does not have, and k below 1.
        """
        require_not_forked()
        user_id, movie_ids = self.as_user(user_id), self.as_movies(movie_ids).tolist()
        self.require_users(pd.Index([user_id]))
        if k < 1:
            raise InputError(f"k={k}: must be 1 or more")
        movie_row = self.run.movies.require_rows_in_train(movie_ids)
        parts = [part[part[USER_ID] == user_id] for part in (self.parts.train, self.parts.from_reviews)]
        source, mine = np.repeat(["rated", "text"], [len(part) for part in parts]), pd.concat(parts, ignore_index=True)
        rated = RatedMovies(
            self.run.movies.require_rows_in_train(mine[MOVIE_ID]),
            mine[RATING].to_numpy(np.float32),
            mine[TIMESTAMP].to_numpy(np.int64),
        )
        params, movies = self.on_host
        user = self.scorer.encode_on_host(self.users.rows([user_id]))[:, 0]
        rows = []
        reasons_by_movie = find_reasons(self.run, params, user, rated, movies, movie_row, k)
        for movie_id, reasons in zip(movie_ids, reasons_by_movie, strict=True):
            for one in reasons.rated:
                reason = mine[MOVIE_ID].iloc[one.position]
                rows.append((movie_id, source[one.position], reason, one.implicit_score, one.predicted_rating))
            rows += [(movie_id, "content", one.name, 0.0, one.predicted_rating) for one in reasons.features]
        table = pd.DataFrame(rows, columns=[MOVIE_ID, "source", "reason", IMPLICIT_SCORE, PREDICTED_RATING])
        return table.astype({IMPLICIT_SCORE: np.float32, PREDICTED_RATING: np.float32})

    def recommend_for(self, ratings: Any, k: int = 10, **options: Any) -> pd.DataFrame:
        """Returns the best k movies for a new user with these ratings, as `recommend` does. Nothing is trained.

        ratings: by movie id, a table, or rows, with times or without, as `given_ratings.ratings_of_one` takes them.
            Where train has no ratings, any value says that the movie was watched.
        options: keyword arguments of `recommend`.
        Raises InputError for ratings that cannot be read, no ratings, ratings off the scale, and movies not trained on.
        """
        table = ratings_of_one(ratings, self.run.movies.ids, self.stars)
        return self.with_new_users(table).recommend(ANYBODY, k, **options).drop(columns=USER_ID)

    @property
    def stars(self) -> tuple[float, float] | None:
        """The rating scale; None where train has no ratings, only movies watched."""
        return self.run.rating_scale if self.run.has_ratings else None

    def with_new_users(self, ratings: Any) -> "Recommender":
        """Returns the same model for new users, from their ratings alone. Nothing is trained.

        ratings: as `given_ratings.ratings_of_users` takes them. Where they have times, the latest ratings count most in
            what these users rate next, if the model was trained for that.
        Raises InputError for ratings that cannot be read, no ratings, ratings off the scale, and movies not trained on.
        """
        require_not_forked()
        table = ratings_of_users(ratings, self.run.movies.ids, self.stars)
        users, parts, histories = fold_in(self.run, table)
        scorer = dataclasses.replace(self.scorer, histories=histories)
        return dataclasses.replace(self, scorer=scorer, users=users, parts=parts)

    def predict(
        self, user_ids: Any, movie_ids: Any, timestamps: Iterable | None = None
    ) -> Float32[np.ndarray, " pairs"]:
        """Returns the predicted rating of each pair of user and movie. An unknown id counts as an average one.

        NaN where train has no ratings, only movies watched.

        timestamps: when each would be given, as seconds since 1970, dates or ISO text; only a run with --rating_time
            looks at them.
        """
        user_row, movie_row = self.rows_of_pairs(user_ids, movie_ids)
        return self.predict_rows(user_row, movie_row, timestamps)[0]

    def spread(self, user_ids: Any, movie_ids: Any) -> Float32[np.ndarray, " pairs"]:
        """Returns the standard deviation of each pair's predicted rating over the members of the ensemble, in stars."""
        return self.predict_rows(*self.rows_of_pairs(user_ids, movie_ids))[1]

    def rows_of_pairs(self, user_ids: Any, movie_ids: Any):
        """Returns the rows of the users and of the movies of pairs. Raises InputError for unequal numbers of them."""
        user_row, movie_row = self.users.rows(self.as_users(user_ids)), self.run.movies.rows(self.as_movies(movie_ids))
        if len(user_row) != len(movie_row):
            raise InputError(f"{len(user_row)} users and {len(movie_row)} movies: give one movie for each user")
        return user_row, movie_row

    def predict_rows(
        self,
        user_row: Int32[np.ndarray, " pairs"],
        movie_row: Int32[np.ndarray, " pairs"],
        timestamps: Iterable | None = None,
    ):
        """Returns predicted rating and spread of each pair of rows.

        Raises InputError unless there is one timestamp for each, or none.
        """
        require_not_forked()
        times = np.full(len(user_row), NO_TIMESTAMP) if timestamps is None else seconds_of(timestamps)
        if len(times) != len(user_row):
            raise InputError(f"{len(times)} timestamps for {len(user_row)} pairs: give one for each")
        # When new users rate is unknown to the run.
        timed_row = np.full_like(user_row, self.run.users.unknown) if self.has_new_users else user_row
        time_features = self.run.time_features(timed_row, times)
        return predict_ratings(self.scorer, user_row, movie_row, self.run.rating_scale, time_features)

    def similar(self, movie_id, k: int = 10) -> pd.DataFrame:
        """Returns the k movies most similar to one, best first: `movie_id, similarity`.

        Similarity is defined in `similarity.most_similar`. Raises InputError for a movie without ratings in train, and
        for k outside 1 to the number of other movies.
        """
        require_not_forked()
        movie_id = as_id(movie_id, self.run.movies.ids, "movie")
        row = int(self.run.movies.require_rows_in_train([movie_id])[0])
        num_movies = len(self.run.movies)
        if not 1 <= k < num_movies:
            raise InputError(f"k={k}: must be 1 to {num_movies - 1:,}, the number of other movies")
        num_ratings = self.run.movie_count[:num_movies]
        best, similarity = most_similar(self.movie_directions, num_ratings, row, k)
        return pd.DataFrame({MOVIE_ID: self.run.movies.ids_of(best), "similarity": similarity})

    def movie_factors(self) -> pd.DataFrame:
        """Returns the `similarity.movie_vectors` of every movie trained on, a row each, by movie id."""
        vectors = np.asarray(movie_vectors(self.scorer.movies, has_ratings=self.run.has_ratings))
        return pd.DataFrame(vectors[: len(self.run.movies)], index=self.run.movies.ids[: len(self.run.movies)])

    def with_titles(self, table: pd.DataFrame) -> pd.DataFrame:
        """Returns a table with movie ids, and `title`, `year` and `genres`; the id stands in for a missing title."""
        return add_titles(table, self.run.movie_table, self.run.movies.ids)

    def rated_by(self, user_id) -> pd.DataFrame:
        """Returns a user's ratings of all parts, best first; NaN, last, for movies watched but not rated."""
        user_id = self.as_user(user_id)
        ratings = pd.concat([part[part[USER_ID] == user_id] for part in self.parts.all()])
        return ratings.sort_values([RATING, MOVIE_ID], ascending=[False, True])[[MOVIE_ID, RATING]]

    def as_users(self, user_ids: Any) -> pd.Index:
        """Returns user ids as the data writes them."""
        return as_ids(user_ids, self.all_user_ids, "user")

    def as_user(self, user_id: Any) -> int | str:
        """Returns one user id as the data writes it."""
        return as_id(user_id, self.all_user_ids, "user")

    def as_movies(self, movie_ids: Any) -> pd.Index:
        """Returns movie ids as the data writes them."""
        return as_ids(movie_ids, self.run.movies.ids, "movie")

    def parse_users(self, texts: Iterable[str]) -> pd.Index:
        """Returns user ids typed on a command line as the data writes them, each once."""
        return pd.Index([self.users.parse(text) for text in texts]).unique()

    def require_top_k(self, k: int) -> None:
        """Raises InputError unless the catalogue has lists of k movies."""
        num_movies = len(self.run.movies)
        if not 1 <= k <= num_movies:
            raise InputError(f"--top_k={k}: must be 1 to {num_movies:,}, the number of movies trained on")

    def require_users(self, users: pd.Index) -> None:
        """Raises InputError naming the first users that no part of the data has."""
        all_users = self.all_user_ids
        missing = users[all_users.get_indexer(users) < 0]
        if len(missing):
            raise InputError(
                f"unknown user id {', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}: not among "
                f"the {len(all_users):,} users of the data, {all_users[0]} to {all_users[-1]}"
            )


def load(workdir: str | os.PathLike, mesh: str | None = None) -> Recommender:
    """Returns the trained run of a workdir, at its best epoch by validation.

    mesh: devices as in `DeviceConfig.mesh`; all of this process's devices unless given.
    Raises InputError where the folder holds no run that can be read.
    """
    require_not_forked()
    with synced_folder(workdir) as (folder, _):
        run, params = consistent(folder, lambda: load_best(folder, new_mesh(mesh, jax.local_devices())))
    origin = Origin(load, str(workdir) if is_url(workdir) else os.path.abspath(workdir), mesh)
    return dataclasses.replace(Recommender.of(run, params), origin=origin)


def load_best(folder: pathlib.Path, mesh: Mesh | None) -> tuple[Run, optax.Params]:
    """Loads the run of a workdir and the parameters of its best epoch. Raises InputError where they cannot be read."""
    run = load_run(folder, mesh)
    with contextlib.closing(Checkpoints(folder, read_only=True)) as checkpoints:
        return run, checkpoints.best_params(run.setup, warnings.warn)
