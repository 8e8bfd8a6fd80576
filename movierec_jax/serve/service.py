"""What can be asked of a service: the newest run, with the ratings that came since, behind one object."""

import datetime
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from movierec_jax.config import TABLE_TOP_K
from movierec_jax.data.readers.ratings_log import FILE_NAME, RatingsLog
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.errors import InputError
from movierec_jax.recommend.filters import ListFilter
from movierec_jax.recommend.fold_in import require_on_scale
from movierec_jax.serve.batching import Batcher
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine, Listed, Question
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.new_ratings import NewRatings
from movierec_jax.serve.schemas import GivenRating, ListOptions
from movierec_jax.serve.users import Rating, RequestUser

# First and last year where a list is bounded on one side alone.
ANY_YEAR = (1, 9999)


class Service:
    """A workdir in service. The run may be replaced by a newer one between two questions, never within one."""

    def __init__(
        self,
        workdir: pathlib.Path,
        engine: Engine,
        config: ServeConfig,
        on_batch: Callable[[int], None] = lambda size: None,
    ):
        self.config = config
        self.refused: str | None = None
        self.recorded = NewRatings(RatingsLog(workdir / FILE_NAME))
        self.take(engine)
        self.lists: Batcher[tuple[Engine, Question], Listed] = Batcher(
            answer_all,
            max_batch=config.max_batch,
            max_waiting=config.max_waiting,
            wait_seconds=config.batch_ms / 1000,
            on_batch=on_batch,
        )
        self.predictions: Batcher[Sequence[tuple[int | str, int | str]], dict[str, Any]] = Batcher(
            lambda asked: [self.predict(pairs) for pairs in asked],
            max_batch=1,
            max_waiting=config.max_waiting,
            wait_seconds=0.0,
        )

    def take(self, engine: Engine) -> None:
        """Answers with this run from now on. Raises InputError where its ids are not of the kind of those recorded."""
        # A copy: others rate meanwhile.
        for user_id, ratings in self.recorded.by_user.copy().items():
            engine.run.users.rows([user_id])
            engine.run.movies.rows(list(ratings))
        self.engine, self.loaded_at = engine, datetime.datetime.now(datetime.UTC)

    def close(self) -> None:
        """Answers what waits, and closes the log."""
        for answering in (self.lists, self.predictions, self.recorded):
            answering.close()

    def is_answering(self) -> bool:
        """Whether the threads that list, predict and record are there, and not too many lists wait."""
        threads = [one.thread for one in (self.lists, self.predictions, self.recorded.writer)]
        return all(thread.is_alive() for thread in threads) and self.lists.num_waiting < self.config.max_waiting

    # The model.

    def about(self) -> dict[str, Any]:
        """What is to be known of the model before it is asked."""
        engine = self.engine
        return {
            "version": engine.version,
            "loaded_at": self.loaded_at.isoformat(timespec="seconds"),
            "refused": self.refused,
            **engine.facts,
            "limits": {"k": engine.longest_list, "ratings": self.config.max_ratings, "pairs": self.config.max_ratings},
        }

    # Movies.

    def search(self, query: str, limit: int) -> dict[str, Any]:
        """The movies whose titles match best."""
        return {"movies": self.engine.catalogue.search(query, limit)}

    def movie(self, text: str) -> dict[str, Any]:
        """All that is known of a movie."""
        engine = self.engine
        return engine.catalogue.details(movie_row(engine, text))

    def similar(self, text: str, k: int) -> dict[str, Any]:
        """The movies most like one."""
        engine = self.engine
        return {"movies": engine.catalogue.similar(movie_row(engine, text), k)}

    def on_map(self, limit: int) -> dict[str, Any]:
        """The movies with most ratings, and where they stand."""
        return {"movies": self.engine.catalogue.on_map(limit)}

    # Users.

    def request_user(self, engine: Engine, text: str) -> RequestUser:
        """A user by the id in a path. Raises Problem 404 where neither the data nor the ratings since have one."""
        id = user_id(engine, text)
        recorded = self.recorded.of(id)
        if not recorded and not engine.people.is_in_data(id):
            raise Problem(404, f"no user has the id {id!r}; one who is new begins with a rating")
        return RequestUser(id, recorded)

    def user(self, text: str) -> dict[str, Any]:
        """What is known of a user."""
        engine = self.engine
        request_user = self.request_user(engine, text)
        return {
            USER_ID: request_user.user_id,
            "num_ratings": len(engine.people.rated(request_user)),
            "is_trained": engine.people.num_known_users(request_user.user_id) > 0,
        }

    def ratings(self, text: str, limit: int) -> dict[str, Any]:
        """What a user has rated, best first."""
        engine = self.engine
        request_user = self.request_user(engine, text)
        rated = sorted(engine.people.rated(request_user).items(), key=lambda one: (-one[1].rating, -one[1].timestamp))
        return {
            USER_ID: request_user.user_id,
            "ratings": [
                {
                    **engine.catalogue.card_of(movie_id),
                    RATING: round(float(one.rating), 4),
                    TIMESTAMP: None if one.timestamp == NO_TIMESTAMP else one.timestamp,
                }
                for movie_id, one in rated[:limit]
            ],
        }

    async def record(self, user: str, movie: str, rating: float) -> dict[str, Any]:
        """Keeps a rating of a user, who may be new, and knows it from then on."""
        engine = self.engine
        id, movie_id = user_id(engine, user), engine.catalogue.card(movie_row(engine, movie))[MOVIE_ID]
        require_on_scale(np.array([rating]), engine.run.rating_scale)
        timestamp = await self.recorded.record(id, movie_id, rating)
        return {USER_ID: id, MOVIE_ID: movie_id, RATING: rating, TIMESTAMP: timestamp}

    async def take_back(self, user: str, movie: str) -> None:
        """Forgets what was recorded of a user and a movie. Raises Problem 404 where nothing was."""
        engine = self.engine
        id, movie_id = user_id(engine, user), parsed(engine.run.movies, movie)
        if movie_id not in self.recorded.of(id):
            raise Problem(404, f"no rating of movie {movie_id!r} by user {id!r} has been recorded")
        await self.recorded.record(id, movie_id, None)

    # Lists.

    async def recommend(self, text: str, options: ListOptions) -> dict[str, Any]:
        """The list of a user."""
        engine = self.engine
        request_user = self.request_user(engine, text)
        return {USER_ID: request_user.user_id, **await self.list_for(engine, request_user, options)}

    async def recommend_for(self, ratings: Sequence[GivenRating], options: ListOptions) -> dict[str, Any]:
        """The list of somebody new with these ratings. Raises InputError for ratings that cannot be used."""
        engine = self.engine
        if len(ratings) > self.config.max_ratings:
            raise InputError(f"ratings: {len(ratings):,}; must be {self.config.max_ratings:,} at most")
        require_on_scale(np.array([one.rating for one in ratings]), engine.run.rating_scale)
        now, recorded = int(time.time()), {}
        for one in ratings:
            if one.movie_id in recorded:
                raise InputError(f"ratings: movie {one.movie_id!r} stands more than once; give one rating of it")
            engine.catalogue.row(one.movie_id)
            recorded[one.movie_id] = Rating(one.rating, now if one.timestamp is None else one.timestamp)
        return await self.list_for(engine, RequestUser(None, recorded), options)

    async def list_for(self, engine: Engine, request_user: RequestUser, options: ListOptions) -> dict[str, Any]:
        """A list with what is told of its movies. Raises InputError for options that cannot be met."""
        k = min(TABLE_TOP_K, engine.longest_list) if options.k is None else options.k
        if k > engine.longest_list:
            raise InputError(f"k: {k:,}; must be 1 to {engine.longest_list:,}")
        wanted = filter_of(options)
        is_listed = None if wanted == ListFilter() else engine.filter_movies(wanted)
        question = Question(request_user, k, is_listed, options.include_seen, options.diversity, options.explain)
        listed = await self.lists.ask((engine, question))
        columns = listed.movie_row.tolist(), listed.score.tolist(), listed.predicted_rating.tolist()
        movies = [
            {
                **engine.catalogue.cards[row],
                "rank": rank,
                "score": round(score, 6),
                "predicted_rating": round(rating, 4),
            }
            for rank, (row, score, rating) in enumerate(zip(*columns, strict=True), start=1)
        ]
        for movie, reasons in zip(movies, listed.reasons or [], strict=False):
            movie["reasons"] = reasons
        return {"movies": movies, "ignored_movies": engine.people.ignored(request_user.recorded)}

    # Stars.

    def predict(self, pairs: Sequence[tuple[int | str, int | str]]) -> dict[str, Any]:
        """The stars of users and movies. Raises InputError for ids that are not known."""
        if len(pairs) > self.config.max_ratings:
            raise InputError(f"pairs: {len(pairs):,}; must be {self.config.max_ratings:,} at most")
        engine = self.engine
        users: dict[int | str, int] = {}
        for user_id, _ in pairs:
            if user_id not in users and not (self.recorded.of(user_id) or engine.people.is_in_data(user_id)):
                raise InputError(f"no user has the id {user_id!r}")
            users.setdefault(user_id, len(users))
        rows = np.array([engine.catalogue.row(movie_id) for _, movie_id in pairs], np.int32)
        request_users = [RequestUser(user_id, self.recorded.of(user_id)) for user_id in users]
        place = np.array([users[user_id] for user_id, _ in pairs], np.int32)
        stars, spread = engine.predict(request_users, place, rows)
        widths = [None] * len(pairs) if spread is None else [round(width, 4) for width in spread.tolist()]
        return {
            "predictions": [
                {USER_ID: user_id, MOVIE_ID: movie_id, "predicted_rating": round(star, 4), "spread": width}
                for (user_id, movie_id), star, width in zip(pairs, stars.tolist(), widths, strict=True)
            ]
        }


def user_id(engine: Engine, text: str) -> int | str:
    """The id of a user in a path, as the data writes it. Raises Problem 404 where it cannot be one."""
    return parsed(engine.run.users, text)


def movie_row(engine: Engine, text: str) -> int:
    """The row of a movie by its id in a path. Raises Problem 404 where there is none."""
    movie_id = parsed(engine.run.movies, text)
    try:
        return engine.catalogue.row(movie_id)
    except InputError as error:
        raise Problem(404, str(error)) from None


def parsed(vocab: Vocab, text: str) -> int | str:
    """An id in a path as the data writes it. Raises Problem 404 where it cannot be one."""
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


def answer_all(asked: list[tuple[Engine, Question]]) -> list[Listed]:
    """The lists that are asked for, each of the run that its question is for."""
    answers: dict[int, Listed] = {}
    for engine in {id(engine): engine for engine, _ in asked}.values():
        place = [n for n, (own, _) in enumerate(asked) if own is engine]
        answers |= zip(place, engine.answer([asked[n][1] for n in place]), strict=True)
    return [answers[n] for n in range(len(asked))]
