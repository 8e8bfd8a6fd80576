"""Answers to the API's requests, from the newest engine and the ratings recorded since training."""

import datetime
import math
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32

from movierec_jax.config import TABLE_TOP_K
from movierec_jax.data.matching.own_ratings import OwnRatings
from movierec_jax.data.readers.ratings_log import FILE_NAME, RatingsLog
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.recommend.filters import ListFilter
from movierec_jax.recommend.fold_in import require_on_scale
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine, ListQuery, RankedMovies, no_rows
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.ids import as_data_id
from movierec_jax.serve.imports import import_report, newest_first, read_upload
from movierec_jax.serve.new_ratings import NewRatings
from movierec_jax.serve.schemas import ListOptions, NewUserRequest
from movierec_jax.serve.users import Rating, RequestUser

# Bounds of a list without a first or a last year.
ANY_YEAR = (1, 9999)


class Service:
    """Answers the API's requests for a workdir. Each request uses one engine throughout, though it may be replaced."""

    def __init__(
        self,
        workdir: pathlib.Path,
        engine: Engine,
        config: ServeConfig,
        on_batch: Callable[[int], None] = lambda size: None,
    ):
        self.config = config
        self.reload_error: str | None = None
        self.new_ratings = NewRatings(RatingsLog(workdir / FILE_NAME))
        self.replace_engine(engine)
        self.lists: Batcher[tuple[Engine, ListQuery], RankedMovies] = Batcher(
            answer_batch, max_batch=config.max_batch, max_waiting=config.max_waiting, on_batch=on_batch
        )
        self.predictions: Batcher[Sequence[tuple[int | str, int | str]], dict[str, Any]] = Batcher(
            lambda batch: [self.predict(pairs) for pairs in batch], max_batch=1, max_waiting=config.max_waiting
        )

    def replace_engine(self, engine: Engine) -> None:
        """Answers further requests with another engine. Raises InputError if recorded ids are not of its ids' type."""
        # A copy, since users rate meanwhile.
        for recorded in (self.new_ratings.by_user.copy(), self.new_ratings.not_interested.copy()):
            for user_id, movies in recorded.items():
                engine.run.users.rows([user_id])
                engine.run.movies.rows(list(movies))
        self.engine, self.loaded_at = engine, datetime.datetime.now(datetime.UTC)

    def close(self) -> None:
        """Answers what is queued, then closes the log."""
        for answering in (self.lists, self.predictions, self.new_ratings):
            answering.close()

    def is_ready(self) -> bool:
        """Whether all threads run and the queue of lists is not full."""
        threads = [one.thread for one in (self.lists, self.predictions, self.new_ratings.writer)]
        return all(thread.is_alive() for thread in threads) and self.lists.num_waiting < self.config.max_waiting

    def model_info(self) -> dict[str, Any]:
        """Describes the current model and the limits of requests."""
        engine = self.engine
        return {
            "version": engine.version,
            "loaded_at": self.loaded_at.isoformat(timespec="seconds"),
            "refused": self.reload_error,
            **engine.facts,
            "limits": {"k": engine.longest_list, "ratings": self.config.max_ratings, "pairs": self.config.max_ratings},
        }

    def search(self, query: str, limit: int) -> dict[str, Any]:
        """Returns the movies whose titles match best."""
        return {"movies": self.engine.catalogue.search(query, limit)}

    def movie(self, movie: str) -> dict[str, Any]:
        """Describes a movie."""
        engine = self.engine
        return engine.catalogue.details(parse_movie_row(engine, movie))

    def similar(self, movie: str, k: int) -> dict[str, Any]:
        """Returns the movies most similar to one."""
        engine = self.engine
        return {"movies": engine.catalogue.similar(parse_movie_row(engine, movie), k)}

    def movie_map(self, limit: int) -> dict[str, Any]:
        """Returns the movies with most ratings and their positions on the map."""
        return {"movies": self.engine.catalogue.map_movies(limit)}

    def request_user(self, engine: Engine, user: str) -> RequestUser:
        """Returns a user by the id in a path. Raises Problem 404 for a user of whom nothing is known."""
        user_id = parse_id(engine.run.users, user)
        if not self.is_known(engine, user_id):
            raise Problem(404, f"User {user_id!r} not found. Rate a film to create it.")
        return RequestUser(user_id, self.new_ratings.of_user(user_id))

    def is_known(self, engine: Engine, user_id: int | str) -> bool:
        """Whether the data has a user, or something has been recorded of them since."""
        return engine.users.is_in_data(user_id) or self.new_ratings.has_user(user_id)

    def user(self, user: str) -> dict[str, Any]:
        """Describes a user."""
        engine = self.engine
        request_user = self.request_user(engine, user)
        return {
            USER_ID: request_user.user_id,
            "num_ratings": len(engine.users.ratings(request_user)),
            "is_trained": engine.users.num_train_ratings(request_user.user_id) > 0,
        }

    def ratings(self, user: str, limit: int) -> dict[str, Any]:
        """Returns a user's ratings, best first, the newest of equal ones first."""
        engine = self.engine
        request_user = self.request_user(engine, user)
        ratings = engine.users.ratings(request_user).items()
        # Movies watched but not rated come last.
        best_first = sorted(ratings, key=lambda item: (-np.nan_to_num(item[1].rating, nan=-np.inf), -item[1].timestamp))
        return {
            USER_ID: request_user.user_id,
            "ratings": [
                {
                    **engine.catalogue.card_by_id(movie_id),
                    RATING: rounded(one.rating),
                    TIMESTAMP: None if one.timestamp == NO_TIMESTAMP else one.timestamp,
                }
                for movie_id, one in best_first[:limit]
            ],
        }

    async def record_rating(self, user: str, movie: str, rating: float) -> dict[str, Any]:
        """Records a rating of a user, who may be new."""
        engine = self.engine
        user_id = parse_id(engine.run.users, user)
        movie_id = engine.catalogue.cards[parse_movie_row(engine, movie)][MOVIE_ID]
        require_on_scale(np.array([rating]), engine.run.rating_scale)
        timestamp = await self.new_ratings.record(user_id, movie_id, rating)
        return {USER_ID: user_id, MOVIE_ID: movie_id, RATING: rating, TIMESTAMP: timestamp}

    async def delete_rating(self, user: str, movie: str) -> None:
        """Deletes a recorded rating. Raises Problem 404 if there is none."""
        engine = self.engine
        user_id, movie_id = parse_id(engine.run.users, user), parse_id(engine.run.movies, movie)
        if movie_id not in self.new_ratings.of_user(user_id):
            raise Problem(404, f"No recorded rating of movie {movie_id!r} by user {user_id!r}")
        await self.new_ratings.record(user_id, movie_id, None)

    def not_interested(self, user: str) -> dict[str, Any]:
        """Returns the movies that a user is not interested in, newest first."""
        engine = self.engine
        marked = self.new_ratings.not_interested_of(self.request_user(engine, user).user_id)
        return {"movies": [engine.catalogue.card_by_id(movie_id) for movie_id in reversed(marked)]}

    async def add_not_interested(self, user: str, movie: str) -> dict[str, Any]:
        """Records that a user, who may be new, is not interested in a movie."""
        engine = self.engine
        user_id = parse_id(engine.run.users, user)
        movie_id = engine.catalogue.cards[parse_movie_row(engine, movie)][MOVIE_ID]
        await self.new_ratings.mark(user_id, movie_id, True)
        return {USER_ID: user_id, MOVIE_ID: movie_id}

    async def remove_not_interested(self, user: str, movie: str) -> None:
        """Undoes `add_not_interested`. Raises Problem 404 if there is nothing to undo."""
        engine = self.engine
        user_id, movie_id = parse_id(engine.run.users, user), parse_id(engine.run.movies, movie)
        if movie_id not in self.new_ratings.not_interested_of(user_id):
            raise Problem(404, f"User {user_id!r} has not marked movie {movie_id!r} as not interested")
        await self.new_ratings.mark(user_id, movie_id, False)

    async def recommend(self, user: str, options: ListOptions) -> dict[str, Any]:
        """Returns the list of a user."""
        engine = self.engine
        request_user = self.request_user(engine, user)
        left_out = trained_rows(engine, self.new_ratings.not_interested_of(request_user.user_id))
        found = await self.list_for(engine, request_user, options, left_out)
        return {USER_ID: request_user.user_id, **found}

    async def recommend_for(self, new_user: NewUserRequest) -> dict[str, Any]:
        """Returns the list of a new user. Raises InputError for unusable ratings."""
        engine, ratings = self.engine, new_user.ratings
        if len(ratings) > self.config.max_ratings:
            raise InputError(f"ratings: {len(ratings):,}; must be {self.config.max_ratings:,} at most")
        require_on_scale(np.array([one.rating for one in ratings]), engine.run.rating_scale)
        now, new_ratings = int(time.time()), {}
        for one in ratings:
            movie_id = as_data_id(engine.run.movies, one.movie_id)
            if movie_id in new_ratings:
                raise InputError(f"ratings: movie {movie_id!r} is rated more than once; send one rating of it")
            engine.catalogue.row(movie_id)
            new_ratings[movie_id] = Rating(one.rating, now if one.timestamp is None else one.timestamp)
        watched, not_interested = (
            trained_rows(engine, [as_data_id(engine.run.movies, one) for one in ids])
            for ids in (new_user.watched, new_user.not_interested)
        )
        return await self.list_for_new(engine, new_ratings, watched, new_user, not_interested)

    def read_import(self, body: bytes, filename: str) -> tuple[Engine, OwnRatings]:
        """Reads the ratings in a file of another site, and returns the engine whose movies were found."""
        engine = self.engine
        return engine, read_upload(body, filename, engine)

    async def recommend_import(self, engine: Engine, own: OwnRatings, options: ListOptions) -> dict[str, Any]:
        """Returns what was found of a file, and the list of its user; the newest `max_ratings` ratings count."""
        report, ratings = import_report(own, engine), newest_first(own)
        num_left = len(ratings) - self.config.max_ratings
        if num_left > 0:
            report["summary"].append(f"the newest {self.config.max_ratings:,} ratings count; {num_left:,} are older")
        columns = (ratings[column].tolist() for column in (MOVIE_ID, RATING, TIMESTAMP))
        entries = [(movie_id, Rating(rating, time)) for movie_id, rating, time in zip(*columns, strict=True)]
        newest, older = (
            dict(entries[: self.config.max_ratings]),
            [movie_id for movie_id, _ in entries[self.config.max_ratings :]],
        )
        watched = trained_rows(engine, [*older, *own.watched[MOVIE_ID].tolist()])
        return {**report, **await self.list_for_new(engine, newest, watched, options, no_rows())}

    async def list_for_new(
        self,
        engine: Engine,
        ratings: dict[int | str, Rating],
        watched: Int32[np.ndarray, " watched"],
        options: ListOptions,
        left_out: Int32[np.ndarray, " left_out"],
    ) -> dict[str, Any]:
        """Returns the list of a new user, without the movies watched, which say what the user watches.

        watched: their rows. left_out: as for `list_for`.
        """
        known = engine.run.movies.ids_of(watched[: max(0, self.config.max_ratings - len(ratings))]).tolist()
        seen = dict.fromkeys(known, Rating(math.nan, NO_TIMESTAMP)) | ratings
        if not options.include_seen:
            left_out = np.concatenate([left_out, watched])
        return await self.list_for(engine, RequestUser(None, seen), options, left_out)

    async def list_for(
        self,
        engine: Engine,
        request_user: RequestUser,
        options: ListOptions,
        left_out: Int32[np.ndarray, " left_out"],
    ) -> dict[str, Any]:
        """Returns a list with the cards of its movies. Raises InputError for options that cannot be met.

        left_out: rows of movies in train that the list never has, also where it has rated ones.
        """
        k = min(TABLE_TOP_K, engine.longest_list) if options.k is None else options.k
        if k > engine.longest_list:
            raise InputError(f"k: {k:,}; must be 1 to {engine.longest_list:,}")
        wanted = filter_of(options)
        is_listed = None if wanted == ListFilter() else engine.filter_movies(wanted)
        query = ListQuery(
            request_user, k, is_listed, left_out, options.include_seen, options.diversity, options.explain
        )
        ranked = await self.lists.ask((engine, query))
        columns = ranked.movie_row.tolist(), ranked.score.tolist(), ranked.predicted_rating.tolist()
        movies = [
            {
                **engine.catalogue.cards[row],
                "rank": rank,
                "score": round(score, 6),
                "predicted_rating": rounded(rating),
            }
            for rank, (row, score, rating) in enumerate(zip(*columns, strict=True), start=1)
        ]
        for movie, reasons in zip(movies, ranked.reasons or [], strict=False):
            movie["reasons"] = reasons
        return {"movies": movies, "ignored_movies": engine.users.ignored_movies(request_user.new_ratings)}

    def predict(self, pairs: Sequence[tuple[int | str, int | str]]) -> dict[str, Any]:
        """Predicts the ratings of pairs of user and movie. Raises InputError for unknown ids."""
        if len(pairs) > self.config.max_ratings:
            raise InputError(f"pairs: {len(pairs):,}; must be {self.config.max_ratings:,} at most")
        engine = self.engine
        pairs = [
            (as_data_id(engine.run.users, user_id), as_data_id(engine.run.movies, movie_id))
            for user_id, movie_id in pairs
        ]
        user_index: dict[int | str, int] = {}
        for user_id, _ in pairs:
            if user_id not in user_index and not self.is_known(engine, user_id):
                raise InputError(f"User {user_id!r} not found")
            user_index.setdefault(user_id, len(user_index))
        movie_row = np.array([engine.catalogue.row(movie_id) for _, movie_id in pairs], np.int32)
        request_users = [RequestUser(user_id, self.new_ratings.of_user(user_id)) for user_id in user_index]
        user = np.array([user_index[user_id] for user_id, _ in pairs], np.int32)
        ratings, spread = engine.predict(request_users, user, movie_row)
        spreads = [None] * len(pairs) if spread is None else [rounded(value) for value in spread.tolist()]
        return {
            "predictions": [
                {USER_ID: user_id, MOVIE_ID: movie_id, "predicted_rating": rounded(rating), "spread": value}
                for (user_id, movie_id), rating, value in zip(pairs, ratings.tolist(), spreads, strict=True)
            ]
        }


def trained_rows(engine: Engine, movie_ids: Iterable[int | str]) -> Int32[np.ndarray, " rows"]:
    """Returns the rows of movies, without those that the data or training lacks."""
    rows = (engine.catalogue.rows.get(movie_id, engine.num_movies) for movie_id in movie_ids)
    return np.array([row for row in rows if row < engine.num_movies], np.int32)


def rounded(stars: float) -> float | None:
    """Returns stars to four decimals; None for NaN, which JSON lacks."""
    return None if math.isnan(stars) else round(float(stars), 4)


def parse_movie_row(engine: Engine, movie: str) -> int:
    """Returns the row of the movie whose id is in a path. Raises Problem 404 for an unknown id."""
    movie_id = parse_id(engine.run.movies, movie)
    try:
        return engine.catalogue.row(movie_id)
    except InputError as error:
        raise Problem(404, str(error)) from None


def parse_id(vocab: Vocab, text: str) -> int | str:
    """Returns an id in a path in the type of the data's ids. Raises Problem 404 for text that cannot be one."""
    try:
        return vocab.parse(text)
    except InputError as error:
        raise Problem(404, str(error)) from None


def filter_of(options: ListOptions) -> ListFilter:
    """Returns the filter of a request; equal ones are equal whatever the order of names."""
    years = options.year_from, options.year_to
    bounds = tuple(bound if year is None else year for bound, year in zip(ANY_YEAR, years, strict=True))
    genres, praised = (tuple(sorted(set(names))) for names in (options.genres, options.praised))
    return ListFilter(genres, () if years == (None, None) else bounds, options.min_ratings, praised)


def answer_batch(batch: list[tuple[Engine, ListQuery]]) -> list[RankedMovies]:
    """Returns the lists of a batch; after a reload, a batch may hold requests for two engines."""
    answers: dict[int, RankedMovies] = {}
    for engine in {id(engine): engine for engine, _ in batch}.values():
        indices = [n for n, (own, _) in enumerate(batch) if own is engine]
        answers |= zip(indices, engine.answer([batch[n][1] for n in indices]), strict=True)
    return [answers[n] for n in range(len(batch))]
