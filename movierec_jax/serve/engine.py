"""A trained run in memory, which answers many questions at once with programs of a few sizes, compiled at start."""

import dataclasses
import functools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, TIMESTAMP, TITLE, YEAR
from movierec_jax.errors import InputError
from movierec_jax.evaluation.evaluate import noise_of
from movierec_jax.model.interactions import pad_links, pad_segments, rating_deviation
from movierec_jax.model.two_tower import Encoded, encode_histories, own_vectors
from movierec_jax.recommend.attribution import RatedMovies, RatedReason, find_reasons
from movierec_jax.recommend.candidates import candidate_top_k, settles
from movierec_jax.recommend.filters import ListFilter, filter_movies
from movierec_jax.recommend.fold_in import implicit_feedback_weights
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.top_k import Rated, TopK, predict_ratings, top_k_blocks
from movierec_jax.serve.catalogue import Catalogue
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.users import RequestUser, UserHistory, Users

# There are programs for numbers of pieces, and for lengths of lists, each so many times the one before it.
GROWTH = 4

# Ratings of the pieces that histories are laid out in, and the fewest pieces that there is a program for.
SEGMENT_LENGTH = 16

FEWEST_SEGMENTS = 4

# The shortest list that there is a program for.
SHORTEST = 16

# Users whose encoded histories are kept, beside those of the run.
KEPT_VECTORS = 10_000

# Masks of filtered movies that are kept in memory.
MAX_CACHED_MASKS = 256

# Rated movies, and features, given as reasons for one movie.
NUM_REASONS = 2


@dataclasses.dataclass(frozen=True)
class ListRequest:
    """One list that is asked for. is_listed: whether it may hold each movie; None where it may hold all."""

    request_user: RequestUser
    k: int
    is_listed: Bool[np.ndarray, " movies"] | None = None
    include_seen: bool = False
    diversity: float = 0.0
    explain: bool = False


@dataclasses.dataclass(frozen=True)
class RankedMovies:
    """A list, best first. reasons: for each movie those for it, if asked for."""

    movie_row: Int32[np.ndarray, " listed"]
    score: Float32[np.ndarray, " listed"]
    predicted_rating: Float32[np.ndarray, " listed"]
    reasons: list[list[dict[str, Any]]] | None


class Engine:
    """A run ready to answer: its catalogue, its users' histories and its compiled programs.

    Its methods may be called from several threads.
    """

    def __init__(self, recommender: Recommender, config: ServeConfig, version: str):
        self.recommender, self.config, self.version = recommender, config, version
        self.run, self.model = recommender.run, recommender.run.model
        self.users = Users(recommender)
        self.catalogue = Catalogue(recommender, self.users.movie_rows)
        self.own = np.asarray(own_vectors(recommender.params, self.run.interactions, model=self.model))
        self.vectors: dict[int | str, tuple[Mapping, Encoded]] = {}
        self.spare: dict[int, list[tuple[Array, ...]]] = {}
        self.masks: dict[ListFilter, Bool[np.ndarray, " movies"]] = {}
        self.lock = threading.Lock()
        self.noise = self.noise_of_ratings()
        self.warm()

    @property
    def longest_list(self) -> int:
        """Movies of a list at most."""
        return min(self.config.max_k, self.num_movies)

    @property
    def num_movies(self) -> int:
        """Movies that lists are made of: those that train has."""
        return len(self.run.movies)

    def noise_of_ratings(self) -> float | None:
        """The spread of ratings around predictions, by the validation part; None without one."""
        if self.run.parts.valid.empty:
            return None
        valid = self.run.valid
        times = self.run.parts.valid[TIMESTAMP] if self.run.rating_time else None
        stars, spread = self.recommender.predict_rows(valid.user_row, valid.movie_row, times)
        return noise_of(stars, spread, valid.rating)

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """What is to be known of the run before it is asked."""
        run = self.run
        years = run.movie_table[YEAR][run.movie_table[YEAR] > 0]
        return {
            "num_users": len(run.users),
            "num_movies": len(run.movies),
            "num_ratings": len(run.train),
            "rating_scale": list(run.rating_scale),
            "rating_step": rating_step(run.train.rating),
            "genres": list(run.genres.columns),
            "praised": list(run.praised.columns),
            "years": [int(years.min()), int(years.max())] if len(years) else None,
            "first_user_id": self.recommender.everybody[:1].tolist()[0],
        }

    # Users.

    def encoded(self, request_users: Sequence[RequestUser]) -> list[Encoded]:
        """Everybody as the model sees them: `[members, ...]` each, in NumPy's arrays."""
        found: list[Encoded | None] = [self.known_vector(request_user) for request_user in request_users]
        missing = [place for place, vector in enumerate(found) if vector is None]
        for part in in_batches(missing, self.config.max_batch):
            fresh = self.encode([self.users.history(request_users[place]) for place in part])
            for number, place in enumerate(part):
                # A copy: what is kept would hold the whole batch.
                vector = jax.tree.map(lambda array, number=number: array[:, number].copy(), fresh)
                found[place] = vector
                self.keep(request_users[place], vector)
        return [vector for vector in found if vector is not None]

    def known_vector(self, request_user: RequestUser) -> Encoded | None:
        """What is known of somebody without encoding them anew."""
        if request_user.user_id is None:
            return None
        if not request_user.new_ratings:
            return self.recommender.on_host[1][0][:, self.users.user_row(request_user.user_id)]
        recorded, vector = self.vectors.get(request_user.user_id, (None, None))
        # Who has rated more since has other ratings, not the same ones changed.
        return vector if recorded is request_user.new_ratings else None

    def keep(self, request_user: RequestUser, vector: Encoded) -> None:
        """Keeps an encoded user until they rate again; the longest kept go first."""
        if request_user.user_id is not None:
            self.vectors.pop(request_user.user_id, None)
            self.vectors[request_user.user_id] = request_user.new_ratings, vector
            if len(self.vectors) > KEPT_VECTORS:
                del self.vectors[next(iter(self.vectors))]

    def encode(self, histories: Sequence[UserHistory]) -> Encoded:
        """Histories, `max_batch` of them at most, as the model sees them: `[members, max_batch, ...]`."""
        owner = np.repeat(np.arange(len(histories), dtype=np.int32), [len(one.rating) for one in histories])
        movie_row, rating, timestamp = (np.concatenate([one[field] for one in histories]) for field in (1, 2, 3))
        value = rating_deviation(self.run.movie_level, movie_row, rating)
        counts = implicit_feedback_weights(self.run, owner, timestamp)
        links = pad_links(owner, movie_row, value, counts, length=SEGMENT_LENGTH)
        links = pad_segments(links, grown(len(links.owner), GROWTH, FEWEST_SEGMENTS))
        own = np.zeros((len(self.own), self.config.max_batch, self.own.shape[2]), np.float32)
        own[:, : len(histories)] = self.own[:, [one.user_row for one in histories]]
        return jax.device_get(encode_histories(self.recommender.params, own, links, model=self.model))

    # Lists.

    def answer(self, questions: Sequence[ListRequest]) -> list[RankedMovies]:
        """The lists that are asked for."""
        with self.lock:
            return self.lists(questions)

    def lists(self, questions: Sequence[ListRequest]) -> list[RankedMovies]:
        """The same, by one thread at a time: by a close look where that may settle a list, by all movies where not."""
        asked = list(zip(questions, self.encoded([question.request_user for question in questions]), strict=True))
        found: dict[int, tuple[TopK, int]] = {}
        close = [n for n, (question, _) in enumerate(asked) if self.may_settle(question)]
        for batch in in_batches(close, self.config.max_batch):
            top, is_settled = self.candidate_top_k([asked[n] for n in batch])
            found |= {n: (top, place) for place, n in enumerate(batch) if is_settled[place]}
        rest = [n for n in range(len(asked)) if n not in found]
        for diversity in {questions[n].diversity for n in rest}:
            same = [n for n in rest if questions[n].diversity == diversity]
            for batch in in_batches(same, 1 if diversity else self.config.max_batch):
                top = self.whole_top_k([asked[n] for n in batch], diversity)
                found |= {n: (top, place) for place, n in enumerate(batch)}
        return [self.listed(*one, *found[n]) for n, one in enumerate(asked)]

    def may_settle(self, question: ListRequest) -> bool:
        """Whether a close look may settle a list. It is for processors whose memory is the host's too."""
        is_plain = question.diversity == 0 and settles(self.recommender.order, question.k)
        return is_plain and jax.default_backend() == "cpu"

    def candidate_top_k(self, asked: Sequence[tuple[ListRequest, Encoded]]) -> tuple[TopK, Bool[np.ndarray, " asked"]]:
        """The lists of a batch by a close look, and which of them are settled."""
        listed = [None if question.is_listed is None else np.flatnonzero(question.is_listed) for question, _ in asked]
        k = max(question.k for question, _ in asked)
        run = self.recommender
        return candidate_top_k(
            self.model, run.order, run.params, self.stacked(asked), run.encoded[1], self.left_out(asked), k, listed
        )

    def whole_top_k(self, asked: Sequence[tuple[ListRequest, Encoded]], diversity: float) -> TopK:
        """The lists of a batch by the scores of all movies."""
        users, seen = self.stacked(asked), self.left_out(asked)
        size = users.bias.shape[1]
        k = min(grown(max(question.k for question, _ in asked), GROWTH, SHORTEST), self.longest_list)
        is_listed = np.ones((size, self.num_movies), bool)
        for row, (question, _) in zip(is_listed, asked, strict=False):
            row[:] = True if question.is_listed is None else question.is_listed
        rated = Rated(np.cumsum([0, *map(len, seen), *[0] * (size - len(seen))]), np.concatenate(seen))
        run, rows = self.recommender, np.arange(size, dtype=np.int32)
        spare = self.spare.setdefault(size, [])
        blocks = top_k_blocks(
            self.model,
            run.order,
            run.params,
            users,
            run.encoded[1],
            rows,
            rated,
            k,
            size,
            is_listed,
            diversity,
            spare=spare,
        )
        return next(top for _, top in blocks)

    def stacked(self, asked: Sequence[tuple[ListRequest, Encoded]]) -> Encoded:
        """The users of a batch side by side, filled up to a size that there are programs for."""
        vectors = [vector for _, vector in asked]
        size = min(grown(len(vectors), 2), self.config.max_batch)
        return jax.tree.map(lambda *rows: np.stack(rows + rows[:1] * (size - len(rows)), axis=1), *vectors)

    def left_out(self, asked: Sequence[tuple[ListRequest, Encoded]]) -> list[Int32[np.ndarray, " _seen"]]:
        """The rows of movies that each list of a batch may not hold."""
        nothing = np.zeros(0, np.int32)
        return [
            nothing if question.include_seen else self.users.seen_rows(question.request_user) for question, _ in asked
        ]

    def listed(self, question: ListRequest, vector: Encoded, top: TopK, place: int) -> RankedMovies:
        """One list of a batch, as long as it is asked for, with its reasons."""
        is_filled = top.movie_row[place, : question.k] < self.num_movies
        row, score, stars = (table[place, : question.k][is_filled] for table in (top.movie_row, top.score, top.stars))
        reasons = self.reasons(question.request_user, vector, row) if question.explain else None
        return RankedMovies(row, score, np.clip(stars, *np.array(self.run.rating_scale, np.float32)), reasons)

    def reasons(
        self, request_user: RequestUser, vector: Encoded, movie_row: Int32[np.ndarray, " listed"]
    ) -> list[list[dict[str, Any]]]:
        """Returns the reasons for each movie in the API's form: rated movies, then features of the movie itself."""
        history = self.users.history(request_user)
        rated = RatedMovies(history.movie_row, history.rating, history.timestamp)
        params, (_, movies) = self.recommender.on_host
        return [
            [self.movie_reason(history, one) for one in reasons.rated]
            + [
                {"source": "content", "feature": one.name, "stars": round(one.predicted_rating, 4)}
                for one in reasons.features
            ]
            for reasons in find_reasons(self.run, params, vector, rated, movies, movie_row, NUM_REASONS)
        ]

    def movie_reason(self, history: UserHistory, reason: RatedReason) -> dict[str, Any]:
        """Returns a rated movie as a reason, with its share of what all rated movies contribute."""
        card = self.catalogue.cards[history.movie_row[reason.position]]
        source = "text" if history.is_text[reason.position] else "rated"
        return {"source": source, **{key: card[key] for key in (MOVIE_ID, TITLE)}, "share": round(reason.share, 4)}

    def filter_movies(self, wanted: ListFilter) -> Bool[np.ndarray, " movies"]:
        """Returns `filters.filter_movies` of a request's filter, from the cache where it was asked for before."""
        if wanted not in self.masks:
            if len(self.masks) >= MAX_CACHED_MASKS:
                self.masks.clear()
            self.masks[wanted] = filter_movies(self.run, wanted, prefix="")
        return self.masks[wanted]

    # Stars.

    def predict(
        self,
        request_users: Sequence[RequestUser],
        place: Int32[np.ndarray, " pairs"],
        movie_row: Int32[np.ndarray, " pairs"],
    ) -> tuple[Float32[np.ndarray, " pairs"], Float32[np.ndarray, " pairs"] | None]:
        """The stars that somebody would give a movie, and the standard deviation of a rating around them.

        The latter is None where no validation part tells how far ratings are from predictions. place: of each pair's
        user among those of the request.
        """
        with self.lock:
            vectors = self.encoded(request_users)
        # As many users as there can be, so that one program does.
        padded = vectors + vectors[:1] * (self.config.max_ratings - len(vectors))
        users = jax.tree.map(lambda *rows: np.stack(rows, axis=1), *padded)
        nobody, no_time = np.full_like(place, self.run.users.unknown), np.full(len(place), NO_TIMESTAMP)
        stars, spread = predict_ratings(
            self.model,
            self.recommender.params,
            users,
            self.recommender.encoded[1],
            place,
            movie_row,
            self.run.rating_scale,
            self.run.time_features(nobody, no_time),
        )
        return stars, None if self.noise is None else np.hypot(spread, np.float32(self.noise))

    # Start.

    def warm(self) -> None:
        """Compiles every program that questions may need."""
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(self.recommender.on_host[1])):
            raise InputError("not all numbers of the model are finite; train it anew")
        longest = max(int(np.bincount(self.run.train.user_row).max()), self.config.max_ratings)
        nobody = RequestUser(None, {})
        for num_segments in sizes(GROWTH * longest // SEGMENT_LENGTH, GROWTH, FEWEST_SEGMENTS):
            filling = np.zeros(num_segments * SEGMENT_LENGTH, np.int32)
            ratings = (filling.astype(kind) for kind in (np.float32, np.int64, bool))
            self.encode([UserHistory(self.run.users.unknown, filling, *ratings)])
        vector = self.encoded([nobody])[0]
        for size in sizes(self.config.max_batch, 2):
            batch = [(ListRequest(nobody, self.longest_list), vector)] * min(size, self.config.max_batch)
            if self.may_settle(ListRequest(nobody, 1)):
                self.candidate_top_k(batch)
            for k in sizes(self.longest_list, GROWTH, SHORTEST):
                asked = [(ListRequest(nobody, min(k, self.longest_list)), vector)] * len(batch)
                for diversity in (0.0, 0.5) if size == 1 else (0.0,):
                    self.whole_top_k(asked, diversity)
        self.predict([nobody], np.zeros(1, np.int32), np.zeros(1, np.int32))


def rating_step(rating: Float32[np.ndarray, " ratings"]) -> float:
    """The smallest step between different ratings, at least a hundredth."""
    steps = np.diff(np.unique(rating))
    return float(max(0.01, round(float(steps.min()), 2))) if len(steps) else 1.0


def sizes(last: int, growth: int, first: int = 1) -> list[int]:
    """From the first on, each so many times the one before, up to one that is not below the last."""
    found = [first]
    while found[-1] < last:
        found.append(found[-1] * growth)
    return found


def grown(wanted: int, growth: int, first: int = 1) -> int:
    """The smallest of such sizes that is not below what is wanted."""
    return sizes(wanted, growth, first)[-1]


def in_batches(numbers: Sequence[int], size: int) -> list[Sequence[int]]:
    """The same numbers, so many at a time."""
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]
