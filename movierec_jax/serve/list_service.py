"""Answers to requests for lists: of known and new users, one or many, and of files of ratings."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32
from pydantic import ValidationError

from movierec_jax.data.matching.own_ratings import OwnRatings
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.recommend.fold_in import require_on_scale
from movierec_jax.serve.batching import Batcher, Busy
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine, ListQuery, RankedMovies, no_rows
from movierec_jax.serve.errors import Problem, problem_of
from movierec_jax.serve.ids import as_data_id, id_or_text
from movierec_jax.serve.imports import import_report, newest_first
from movierec_jax.serve.list_options import Choice, choice_of, page_of, require_at_most, rows_of, trained_rows
from movierec_jax.serve.new_ratings import NewRatings, require_user
from movierec_jax.serve.request_schemas import BatchRequest, BatchUser, ListOptions, MovieRatingInput, UserListOptions
from movierec_jax.serve.users import Rating, RequestUser


class ListService:
    """Answers requests for lists, each with the engine that it is given."""

    def __init__(self, new_ratings: NewRatings, config: ServeConfig, on_batch: Callable[[int], None]):
        self.new_ratings, self.config = new_ratings, config
        self.batcher: Batcher[tuple[Engine, ListQuery], RankedMovies] = Batcher(
            answer_batch, max_batch=config.max_batch, max_waiting=config.max_waiting, on_batch=on_batch
        )

    @property
    def max_users(self) -> int:
        """Maximum users of one request."""
        return min(self.config.max_users, self.config.max_waiting)

    async def recommend_for_user(self, engine: Engine, given: int | str, options: UserListOptions) -> dict[str, Any]:
        """Returns the list of a user. Raises Problem for an unknown one unless popular movies are asked for instead."""
        try:
            user_id = require_user(engine, self.new_ratings, given)
        except Problem:
            if options.fallback is None:
                raise
            return {USER_ID: id_or_text(engine.run.users, given), "fallback": True, **popular_list(engine, options)}
        request_user = RequestUser(user_id, self.new_ratings.of_user(user_id))
        left_out = trained_rows(engine, self.new_ratings.not_interested_of(user_id))
        return {USER_ID: user_id, "fallback": False, **await self.make_list(engine, request_user, options, left_out)}

    async def recommend_for_new_user(
        self,
        engine: Engine,
        given: Sequence[MovieRatingInput],
        watched: Sequence[int | str],
        not_interested: Sequence[int | str],
        options: ListOptions,
    ) -> dict[str, Any]:
        """Returns the list of a new user. Raises Problem and InputError for unusable ratings."""
        require_at_most("ratings", len(given), self.config.max_ratings)
        ratings = ratings_of(engine, given)
        watched_rows, left_out = (rows_of(engine, ids) for ids in (watched, not_interested))
        return await self.recommend_for_ratings(engine, ratings, watched_rows, options, left_out)

    async def recommend_for_many(self, engine: Engine, request: BatchRequest) -> dict[str, Any]:
        """Returns the lists of many users in order; in the place of one that cannot be made stands the problem."""
        require_at_most("users", len(request.users), self.max_users)
        if self.batcher.num_waiting + len(request.users) > self.config.max_waiting:
            raise Busy
        common = request.model_dump(exclude={"users"}, exclude_unset=True)
        users = (self.answer_user(engine, index, common, user) for index, user in enumerate(request.users))
        return {"lists": await asyncio.gather(*users)}

    async def answer_user(self, engine: Engine, index: int, common: Mapping[str, Any], user: Any) -> dict[str, Any]:
        """Returns the list of one of many users, whose own options replace the common ones, or the problem with it."""
        try:
            asked = BatchUser.model_validate({**common, **user} if isinstance(user, dict) else user)
            if asked.user_id is not None:
                return await self.recommend_for_user(engine, asked.user_id, asked)
            new_user = asked.ratings or [], asked.watched, asked.not_interested
            return {USER_ID: None, "fallback": False, **await self.recommend_for_new_user(engine, *new_user, asked)}
        except (Problem, InputError, ValidationError) as error:
            return {"index": index, **problem_of(error).body()}

    async def recommend_for_import(self, engine: Engine, own: OwnRatings, options: ListOptions) -> dict[str, Any]:
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
        return {**report, **await self.recommend_for_ratings(engine, newest, watched, options, no_rows())}

    async def recommend_for_ratings(
        self,
        engine: Engine,
        ratings: dict[int | str, Rating],
        watched: Int32[np.ndarray, " watched"],
        options: ListOptions,
        left_out: Int32[np.ndarray, " left_out"],
    ) -> dict[str, Any]:
        """Returns the list of a new user, without the movies watched, which say what the user watches.

        watched: their rows. left_out: as for `make_list`.
        """
        known = engine.run.movies.ids_of(watched[: max(0, self.config.max_ratings - len(ratings))]).tolist()
        seen = dict.fromkeys(known, Rating(math.nan, NO_TIMESTAMP)) | ratings
        if not options.include_seen:
            left_out = np.concatenate([left_out, watched])
        return await self.make_list(engine, RequestUser(None, seen), options, left_out)

    async def make_list(
        self, engine: Engine, request_user: RequestUser, options: ListOptions, left_out: Int32[np.ndarray, " left_out"]
    ) -> dict[str, Any]:
        """Returns a list with the cards of its movies. Raises Problem for options that cannot be met.

        left_out: rows of movies in train that the list never has, also where it has rated ones.
        """
        (skip, end), choice = page_of(engine, options), choice_of(engine, options, left_out)
        query = ListQuery(
            request_user,
            end,
            choice.is_listed,
            choice.left_out,
            options.include_seen,
            options.diversity,
            options.explain,
            skip,
        )
        ranked = await self.batcher.ask((engine, query))
        columns = ranked.movie_row.tolist(), ranked.score.tolist(), ranked.predicted_rating.tolist()
        movies = [
            engine.catalogue.listed(rank, *movie)
            for rank, movie in enumerate(zip(*columns, strict=True), start=skip + 1)
        ]
        for movie, reasons in zip(movies, ranked.reasons or [], strict=False):
            movie["reasons"] = reasons
        ignored = engine.users.ignored_movies(request_user.new_ratings)
        return {"movies": movies, "ignored_movies": list(dict.fromkeys([*ignored, *choice.ignored]))}


def popular_list(engine: Engine, options: ListOptions) -> dict[str, Any]:
    """Returns the list of the movies with most ratings in train, which has no scores."""
    (skip, end), choice = page_of(engine, options), choice_of(engine, options, no_rows())
    rows = popular_rows(engine, choice)[skip:end].tolist()
    movies = [engine.catalogue.listed(rank, row, math.nan, math.nan) for rank, row in enumerate(rows, start=skip + 1)]
    return {"movies": movies, "ignored_movies": choice.ignored}


def popular_rows(engine: Engine, choice: Choice) -> Int32[np.ndarray, " listed"]:
    """Returns the movies in train of a choice, those with most ratings first."""
    is_listed = np.ones(engine.num_movies, bool) if choice.is_listed is None else choice.is_listed.copy()
    is_listed[choice.left_out] = False
    rows = engine.catalogue.by_popularity
    rows = rows[rows < engine.num_movies]
    return rows[is_listed[rows]].astype(np.int32)


def ratings_of(engine: Engine, given: Sequence[MovieRatingInput]) -> dict[int | str, Rating]:
    """Returns the ratings of a request by movie. Raises Problem and InputError for ratings that cannot be used."""
    require_on_scale(np.array([one.rating for one in given]), engine.run.rating_scale)
    now, ratings = int(time.time()), {}
    for one in given:
        movie_id = as_data_id(engine.run.movies, one.movie_id)
        if movie_id in ratings:
            raise InputError(f"ratings: movie {movie_id!r} is rated more than once; send one rating of it")
        engine.catalogue.row(movie_id)
        ratings[movie_id] = Rating(one.rating, now if one.timestamp is None else one.timestamp)
    return ratings


def answer_batch(batch: list[tuple[Engine, ListQuery]]) -> list[RankedMovies]:
    """Returns the lists of a batch; after a reload, a batch may hold requests for two engines."""
    answers: dict[int, RankedMovies] = {}
    for engine in {id(engine): engine for engine, _ in batch}.values():
        indices = [n for n, (own, _) in enumerate(batch) if own is engine]
        answers |= zip(indices, engine.answer([batch[n][1] for n in indices]), strict=True)
    return [answers[n] for n in range(len(batch))]
