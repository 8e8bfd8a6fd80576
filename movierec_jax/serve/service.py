"""Answers to the API's requests, from the newest engine and the ratings recorded since training."""

import datetime
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from movierec_jax.data.matching.own_ratings import OwnRatings
from movierec_jax.data.readers.ratings_log.log import LOW_DISK_BYTES, RatingsLog
from movierec_jax.data.readers.ratings_log.reading import FILE_NAME
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.recommend.fold_in import require_on_scale
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.catalogue import rounded
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.errors import Problem, problem_of
from movierec_jax.serve.ids import parse_id
from movierec_jax.serve.imports import read_upload
from movierec_jax.serve.list_options import names_of, require_at_most
from movierec_jax.serve.list_service import ListService
from movierec_jax.serve.new_ratings import NewRatings, require_user
from movierec_jax.serve.request_schemas import BrowseOptions, UserMoviePair
from movierec_jax.serve.users import RequestUser


class Service:
    """Answers the API's requests for a workdir. Each request uses one engine throughout, though it may be replaced."""

    def __init__(
        self,
        workdir: pathlib.Path,
        engine: Engine,
        config: ServeConfig,
        on_batch: Callable[[int], None] = lambda size: None,
        *,
        is_read_only: bool = False,
    ):
        self.config = config
        self.reload_error: str | None = None
        self.log = open_log(workdir / FILE_NAME, is_read_only=is_read_only)
        self.new_ratings = NewRatings(self.log, config.max_new_users)
        self.replace_engine(engine)
        self.lists = ListService(self.new_ratings, config, on_batch)
        self.predictions: Batcher[Sequence[Any], dict[str, Any]] = Batcher(
            lambda batch: [self.predict(pairs) for pairs in batch], max_batch=1, max_waiting=config.max_waiting
        )

    def replace_engine(self, engine: Engine) -> None:
        """Answers further requests with another engine. Raises InputError if recorded ids are not of its ids' type."""
        for vocab, ids in zip((engine.run.users, engine.run.movies), self.new_ratings.id_examples(), strict=True):
            for example in ids:
                vocab.rows([example])
        self.engine, self.loaded_at = engine, datetime.datetime.now(datetime.UTC)

    def close(self) -> None:
        """Answers what is queued, then closes the log."""
        for answering in (self.lists.batcher, self.predictions, self.new_ratings):
            answering.close()

    def is_ready(self) -> bool:
        """Whether all threads run and the queue of lists is not full."""
        threads = [one.thread for one in (self.lists.batcher, self.predictions, self.new_ratings.writer)]
        return all(thread.is_alive() for thread in threads) and self.lists.batcher.num_waiting < self.config.max_waiting

    def storage_problem(self) -> str | None:
        """Says why ratings cannot be recorded any more, None where they can, or never could."""
        moved = None if self.log is None else self.log.moved_file()
        return None if moved is None else f"{moved.name} has been moved or removed; ratings need a restart"

    def warnings(self) -> list[str]:
        """Says what will soon keep the service from recording ratings."""
        if self.log is None or self.log.is_read_only or self.log.free_bytes() >= LOW_DISK_BYTES:
            return []
        free, size = (round(num / 2**20) for num in (self.log.free_bytes(), self.log.num_bytes()))
        return [f"the disk of the ratings log has {free:,} MB left; the log has {size:,} MB"]

    def model_info(self) -> dict[str, Any]:
        """Describes the current model and the limits of requests."""
        engine = self.engine
        return {
            "version": engine.version,
            "loaded_at": self.loaded_at.isoformat(timespec="seconds"),
            "refused": self.reload_error,
            **engine.facts,
            "limits": {
                "k": engine.longest_list,
                "ratings": self.config.max_ratings,
                "pairs": self.config.max_ratings,
                "users": self.lists.max_users,
            },
        }

    def search(self, options: BrowseOptions) -> dict[str, Any]:
        """Returns the movies whose titles match best, or the first in an order. Raises Problem for an unknown genre."""
        catalogue = self.engine.catalogue
        names_of("genre", options.genres, catalogue.browsing.genres)
        return {"movies": catalogue.search(options)}

    def movie(self, movie: str) -> dict[str, Any]:
        """Describes a movie."""
        engine = self.engine
        return engine.catalogue.details(parse_movie(engine, movie)[1])

    def tmdb_id(self, movie: str) -> int | None:
        """Returns TMDb's id of a movie, None if unknown."""
        engine = self.engine
        return engine.catalogue.tmdb_numbers.get(parse_movie(engine, movie)[0])

    def similar(self, movie: str, k: int) -> dict[str, Any]:
        """Returns the movies most similar to one."""
        engine = self.engine
        return {"movies": engine.catalogue.similar(parse_movie(engine, movie)[1], k)}

    def movie_map(self, k: int) -> dict[str, Any]:
        """Returns the k movies with most ratings and their positions on the map."""
        return {"movies": self.engine.catalogue.map_movies(k)}

    def request_user(self, engine: Engine, user: str) -> tuple[int | str, RequestUser]:
        """Returns id and ratings of a user by the id in a path. Raises Problem for a user of whom nothing is known."""
        user_id = require_user(engine, self.new_ratings, user)
        return user_id, RequestUser(user_id, self.new_ratings.of_user(user_id))

    def user(self, user: str) -> dict[str, Any]:
        """Describes a user."""
        engine = self.engine
        user_id, request_user = self.request_user(engine, user)
        return {
            USER_ID: user_id,
            "num_ratings": len(engine.users.ratings(request_user)),
            "is_trained": engine.users.num_train_ratings(user_id) > 0,
        }

    def ratings(self, user: str, k: int) -> dict[str, Any]:
        """Returns the k best ratings of a user, the newest of equal ones first."""
        engine = self.engine
        user_id, request_user = self.request_user(engine, user)
        ratings = engine.users.ratings(request_user).items()
        # Movies watched but not rated come last.
        best_first = sorted(ratings, key=lambda item: (-np.nan_to_num(item[1].rating, nan=-np.inf), -item[1].timestamp))
        return {
            USER_ID: user_id,
            "ratings": [
                {
                    **engine.catalogue.card_by_id(movie_id),
                    RATING: rounded(one.rating),
                    TIMESTAMP: None if one.timestamp == NO_TIMESTAMP else one.timestamp,
                    "is_recorded": movie_id in request_user.new_ratings,
                }
                for movie_id, one in best_first[:k]
            ],
        }

    async def record_rating(self, user: str, movie: str, rating: float) -> dict[str, Any]:
        """Records a rating of a user, who may be new."""
        engine = self.engine
        user_id = parse_id(engine.run.users, user)
        movie_id, _ = parse_movie(engine, movie)
        require_on_scale(np.array([rating]), engine.run.rating_scale)
        timestamp = await self.new_ratings.record(user_id, movie_id, rating)
        return {USER_ID: user_id, MOVIE_ID: movie_id, RATING: rating, TIMESTAMP: timestamp}

    async def delete_rating(self, user: str, movie: str) -> None:
        """Deletes a recorded rating. Raises Problem 404 if there is none."""
        engine = self.engine
        user_id, movie_id = parse_id(engine.run.users, user), parse_id(engine.run.movies, movie)
        if movie_id not in self.new_ratings.of_user(user_id):
            raise Problem("not-recorded", f"No recorded rating of movie {movie_id!r} by user {user_id!r}")
        await self.new_ratings.record(user_id, movie_id, None)

    def not_interested(self, user: str) -> dict[str, Any]:
        """Returns the movies that a user is not interested in, newest first."""
        engine = self.engine
        marked = self.new_ratings.not_interested_of(require_user(engine, self.new_ratings, user))
        return {"movies": [engine.catalogue.card_by_id(movie_id) for movie_id in reversed(marked)]}

    async def add_not_interested(self, user: str, movie: str) -> dict[str, Any]:
        """Records that a user, who may be new, is not interested in a movie."""
        engine = self.engine
        user_id = parse_id(engine.run.users, user)
        movie_id, _ = parse_movie(engine, movie)
        await self.new_ratings.mark(user_id, movie_id, True)
        return {USER_ID: user_id, MOVIE_ID: movie_id}

    async def remove_not_interested(self, user: str, movie: str) -> None:
        """Undoes `add_not_interested`. Raises Problem 404 if there is nothing to undo."""
        engine = self.engine
        user_id, movie_id = parse_id(engine.run.users, user), parse_id(engine.run.movies, movie)
        if movie_id not in self.new_ratings.not_interested_of(user_id):
            raise Problem("not-recorded", f"User {user_id!r} has not marked movie {movie_id!r} as not interested")
        await self.new_ratings.mark(user_id, movie_id, False)

    def read_import(self, body: bytes, filename: str) -> tuple[Engine, OwnRatings]:
        """Reads the ratings in a file of another site, and returns the engine whose movies were found."""
        engine = self.engine
        return engine, read_upload(body, filename, engine)

    def predict(self, pairs: Sequence[Any]) -> dict[str, Any]:
        """Predicts the ratings of pairs of user and movie, in order.

        In the place of a pair that is unknown, or not a UserMoviePair, stands the problem.
        """
        require_at_most("pairs", len(pairs), self.config.max_ratings)
        engine = self.engine
        known: dict[int, tuple[int | str, int | str]] = {}
        answers: dict[int, dict[str, Any]] = {}
        for index, given in enumerate(pairs):
            try:
                pair = UserMoviePair.model_validate(given)
                movie_id, _ = parse_movie(engine, pair.movie_id)
                known[index] = require_user(engine, self.new_ratings, pair.user_id), movie_id
            except (Problem, ValidationError) as error:
                answers[index] = {"index": index, **problem_of(error).body()}
        if known:
            answers |= zip(known, self.predict_known(engine, list(known.values())), strict=True)
        return {"predictions": [answers[index] for index in range(len(pairs))]}

    def predict_known(self, engine: Engine, pairs: Sequence[tuple[int | str, int | str]]) -> list[dict[str, Any]]:
        """Predicts the ratings of pairs of a known user and movie, one at least."""
        user_index = {user_id: index for index, user_id in enumerate(dict.fromkeys(user_id for user_id, _ in pairs))}
        request_users = [RequestUser(user_id, self.new_ratings.of_user(user_id)) for user_id in user_index]
        user = np.array([user_index[user_id] for user_id, _ in pairs], np.int32)
        movie_row = np.array([engine.catalogue.row(movie_id) for _, movie_id in pairs], np.int32)
        ratings, spread = engine.predict(request_users, user, movie_row)
        spreads = [None] * len(pairs) if spread is None else [rounded(value) for value in spread.tolist()]
        return [
            {USER_ID: user_id, MOVIE_ID: movie_id, "predicted_rating": rounded(rating), "spread": value}
            for (user_id, movie_id), rating, value in zip(pairs, ratings.tolist(), spreads, strict=True)
        ]


def open_log(path: pathlib.Path, *, is_read_only: bool) -> RatingsLog | None:
    """Returns the log of a workdir without entries that do not count; None if there is none and none can be made."""
    if is_read_only:
        return RatingsLog(path, is_read_only=True) if path.exists() else None
    log = RatingsLog(path)
    log.compact()
    return log


def parse_movie(engine: Engine, movie: int | str) -> tuple[int | str, int]:
    """Returns id and row of the movie that a request is for. Raises Problem 404 for an unknown id."""
    movie_id = parse_id(engine.run.movies, movie)
    return movie_id, engine.catalogue.row(movie_id, 404)
