"""A run in memory that makes lists and predictions for batches of requests."""

import dataclasses
import functools
import math
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from movierec_jax.data.arrays import csr_offsets, round_up_to_size, sizes_up_to
from movierec_jax.data.matching.match_movies import MovieIndex
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, TITLE, YEAR
from movierec_jax.errors import InputError
from movierec_jax.evaluation.evaluate import noise_of
from movierec_jax.model.two_tower import Encoded
from movierec_jax.recommend.attribution import RatedMovies, RatedReason, find_reasons
from movierec_jax.recommend.candidates import can_settle, candidate_top_k
from movierec_jax.recommend.filters import ListFilter, filter_movies
from movierec_jax.recommend.lists import ListRequest, SeenMovies, TopK
from movierec_jax.recommend.own_ratings import movie_index
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.scoring import Scorer, predict_ratings
from movierec_jax.recommend.top_k import top_k_blocks
from movierec_jax.serve.catalogue import Catalogue
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.user_encoder import UserEncoder, split_batches
from movierec_jax.serve.users import RequestUser, UserHistory, Users

# Lengths of lists are rounded up to a bucket, each K_GROWTH times the one before, so that few programs are compiled.
MIN_K = 16

K_GROWTH = 4

# Masks of filtered movies that are cached.
MAX_CACHED_MASKS = 256

# Rated movies, and features, given as reasons for one movie: what two short lines hold.
NUM_RATED_REASONS, NUM_FEATURE_REASONS = 2, 1

# Pairs of a small request for predictions.
FEW_PAIRS = 64


def no_rows() -> Int32[np.ndarray, " 0"]:
    """Returns no rows."""
    return np.zeros(0, np.int32)


@dataclasses.dataclass(frozen=True)
class ListQuery:
    """A list to make.

    is_listed: mask of the movies that it may hold; None: all. left_out: rows of movies that it may not hold.
    skip: how many of its first movies are not returned.
    """

    request_user: RequestUser
    k: int
    is_listed: Bool[np.ndarray, " movies"] | None = None
    left_out: Int32[np.ndarray, " left_out"] = dataclasses.field(default_factory=no_rows)
    include_seen: bool = False
    diversity: float = 0.0
    explain: bool = False
    skip: int = 0


@dataclasses.dataclass(frozen=True)
class RankedMovies:
    """A list, best first. reasons: for each movie, in the API's form; None unless requested."""

    movie_row: Int32[np.ndarray, " listed"]
    score: Float32[np.ndarray, " listed"]
    predicted_rating: Float32[np.ndarray, " listed"]
    reasons: list[list[dict[str, Any]]] | None


class Engine:
    """A run in memory that answers requests in batches, with every program compiled at the start.

    Shapes are padded to a few sizes, so that no request waits for a compilation. Methods are thread-safe.
    """

    def __init__(self, recommender: Recommender, config: ServeConfig, version: str):
        self.recommender, self.config, self.version = recommender, config, version
        self.run, self.model = recommender.run, recommender.run.model
        self.users = Users(recommender)
        self.encoder = UserEncoder(recommender, self.users, config.max_batch)
        self.catalogue = Catalogue(recommender, self.users.movie_rows)
        self.spare: dict[int, list[tuple[Array, ...]]] = {}
        self.masks: dict[ListFilter, Bool[np.ndarray, " movies"]] = {}
        self.lock = threading.Lock()
        self.noise = self.validation_noise()
        self.compile()

    @property
    def longest_list(self) -> int:
        """Maximum length of a list."""
        return min(self.config.max_k, self.num_movies)

    @property
    def num_movies(self) -> int:
        """Number of movies that lists choose from, those in training."""
        return len(self.run.movies)

    def validation_noise(self) -> float | None:
        """Returns the standard deviation of validation ratings around predictions; None without such ratings."""
        valid = self.run.valid.rated()
        if not len(valid) or not self.run.has_ratings:
            return None
        times = valid.timestamp if self.run.rating_time else None
        predicted, spread = self.recommender.predict_rows(valid.user_row, valid.movie_row, times)
        return noise_of(predicted, spread, valid.rating)

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """Counts, rating scale and filter choices of the run."""
        run = self.run
        years = run.movie_table[YEAR][run.movie_table[YEAR] > 0]
        return {
            "num_users": len(run.users),
            "num_movies": len(run.movies),
            "num_ratings": len(run.train),
            "rating_scale": list(run.rating_scale),
            "rating_step": rating_step(run.train.rated().rating),
            "genres": list(run.genres.columns),
            "praised": list(run.praised.columns),
            "years": [int(years.min()), int(years.max())] if len(years) else None,
            "first_user_id": self.recommender.all_user_ids[:1].tolist()[0],
        }

    @functools.cached_property
    def movie_index(self) -> MovieIndex:
        """The movies of the run by all that files of other sites call them."""
        return movie_index(self.run)

    def answer(self, queries: Sequence[ListQuery]) -> list[RankedMovies]:
        """Returns the lists requested, in order."""
        with self.lock:
            return self.make_lists(queries)

    def make_lists(self, queries: Sequence[ListQuery]) -> list[RankedMovies]:
        """Makes lists: from a few candidates where these provably hold the best, else by scoring all movies."""
        users = self.encoder.encode_users([query.request_user for query in queries])
        items = list(zip(queries, users, strict=True))
        found: dict[int, tuple[TopK, int]] = {}
        prunable = [n for n, query in enumerate(queries) if self.may_prune(query)]
        for batch in split_batches(prunable, self.config.max_batch):
            top, is_exact = self.candidate_top_k([items[n] for n in batch])
            found |= {n: (top, row) for row, n in enumerate(batch) if is_exact[row]}
        rest = [n for n in range(len(items)) if n not in found]
        for diversity in {queries[n].diversity for n in rest}:
            same = [n for n in rest if queries[n].diversity == diversity]
            for batch in split_batches(same, 1 if diversity else self.config.max_batch):
                top = self.full_top_k([items[n] for n in batch], diversity)
                found |= {n: (top, row) for row, n in enumerate(batch)}
        return [self.ranked_movies(*item, *found[n]) for n, item in enumerate(items)]

    def may_prune(self, query: ListQuery) -> bool:
        """Whether to try candidates first, which is faster on a CPU only."""
        is_plain = query.diversity == 0 and can_settle(self.recommender.scorer.order, query.k)
        return is_plain and jax.default_backend() == "cpu"

    def candidate_top_k(self, items: Sequence[tuple[ListQuery, Encoded]]) -> tuple[TopK, Bool[np.ndarray, " users"]]:
        """Returns the lists of a batch from a few candidates, and whether each is exact."""
        listed = [None if query.is_listed is None else np.flatnonzero(query.is_listed) for query, _ in items]
        k = max(query.k for query, _ in items)
        return candidate_top_k(self.scorer(self.stack_users(items)), self.excluded(items), k, listed)

    def full_top_k(self, items: Sequence[tuple[ListQuery, Encoded]], diversity: float) -> TopK:
        """Returns the lists of a batch by scoring all movies."""
        users, excluded = self.stack_users(items), self.excluded(items)
        size = users.bias.shape[1]
        k = min(round_up_to_size(max(query.k for query, _ in items), K_GROWTH, MIN_K), self.longest_list)
        is_listed = np.ones((size, self.num_movies), bool)
        for row, (query, _) in zip(is_listed, items, strict=False):
            row[:] = True if query.is_listed is None else query.is_listed
        padding = [0] * (size - len(excluded))
        seen = SeenMovies(csr_offsets(np.array([*map(len, excluded), *padding])), np.concatenate(excluded))
        request = ListRequest(np.arange(size, dtype=np.int32), seen, k, is_listed, diversity)
        spare = self.spare.setdefault(size, [])
        return next(top for _, top in top_k_blocks(self.scorer(users), request, size, spare=spare))

    def scorer(self, users: Encoded) -> Scorer:
        """Returns the scorer of the users of a batch."""
        return self.recommender.scorer.with_encoded(users)

    def stack_users(self, items: Sequence[tuple[ListQuery, Encoded]]) -> Encoded:
        """Stacks the users of a batch, padded with the first to a bucket size."""
        users = [user for _, user in items]
        size = min(round_up_to_size(len(users), 2), self.config.max_batch)
        return jax.tree.map(lambda *rows: np.stack(rows + rows[:1] * (size - len(rows)), axis=1), *users)

    def excluded(self, items: Sequence[tuple[ListQuery, Encoded]]) -> list[Int32[np.ndarray, " _seen"]]:
        """Returns the rows of the movies, seen or left out, that each list of a batch excludes."""
        return [self.excluded_rows(query) for query, _ in items]

    def excluded_rows(self, query: ListQuery) -> Int32[np.ndarray, " excluded"]:
        """Returns the rows of the movies that a list excludes."""
        if query.include_seen:
            return query.left_out
        seen = self.users.seen_rows(query.request_user)
        return np.union1d(seen, query.left_out) if len(query.left_out) else seen

    def ranked_movies(self, query: ListQuery, user: Encoded, top: TopK, row: int) -> RankedMovies:
        """Returns one list of a batch, cut to its page, with reasons if requested."""
        page = slice(query.skip, query.k)
        is_filled = top.movie_row[row, page] < self.num_movies
        columns = (top.movie_row, top.score, top.predicted_rating)
        movie_row, score, rating = (column[row, page][is_filled] for column in columns)
        reasons = self.reasons(query.request_user, user, movie_row) if query.explain else None
        return RankedMovies(movie_row, score, np.clip(rating, *np.array(self.run.rating_scale, np.float32)), reasons)

    def reasons(
        self, request_user: RequestUser, user: Encoded, movie_row: Int32[np.ndarray, " listed"]
    ) -> list[list[dict[str, Any]]]:
        """Returns the reasons for each movie in the API's form: rated movies, then features of the movie itself."""
        history = self.users.history(request_user)
        rated = RatedMovies(history.movie_row, history.rating, history.timestamp)
        params, movies = self.recommender.on_host
        return [
            [self.movie_reason(history, one) for one in reasons.rated]
            + [
                {"source": "content", "feature": one.name, "stars": round(one.predicted_rating, 4)}
                for one in reasons.features[:NUM_FEATURE_REASONS]
            ]
            for reasons in find_reasons(self.run, params, user, rated, movies, movie_row, NUM_RATED_REASONS)
        ]

    def movie_reason(self, history: UserHistory, reason: RatedReason) -> dict[str, Any]:
        """Returns a liked or watched movie as a reason, with its share of what all of these contribute."""
        card = self.catalogue.cards[history.movie_row[reason.position]]
        source = "text" if history.is_text[reason.position] else "rated"
        rating = float(history.rating[reason.position])
        return {
            "source": source,
            **{key: card[key] for key in (MOVIE_ID, TITLE)},
            "rating": None if math.isnan(rating) else round(rating, 4),
            "share": round(reason.share, 4),
        }

    def filter_movies(self, wanted: ListFilter) -> Bool[np.ndarray, " movies"]:
        """Returns the mask of the movies that pass a filter, from the cache where possible."""
        if wanted not in self.masks:
            if len(self.masks) >= MAX_CACHED_MASKS:
                self.masks.clear()
            self.masks[wanted] = filter_movies(self.run, wanted, prefix="")
        return self.masks[wanted]

    def predict(
        self,
        request_users: Sequence[RequestUser],
        user: Int32[np.ndarray, " pairs"],
        movie_row: Int32[np.ndarray, " pairs"],
    ) -> tuple[Float32[np.ndarray, " pairs"], Float32[np.ndarray, " pairs"] | None]:
        """Predicts ratings of pairs, with the standard deviation of a rating around each prediction.

        The latter is None without a validation part to measure it on. user: index of each pair's user in request_users.
        """
        with self.lock:
            encoded = self.encoder.encode_users(request_users)
        # Padded to the maximum number of users, so that a program for few pairs and one for many are all.
        users = jax.tree.map(lambda *rows: stack_padded(rows, self.config.max_ratings), *encoded)
        block_pairs = FEW_PAIRS if len(user) <= FEW_PAIRS else self.config.max_ratings
        no_user, no_time = np.full_like(user, self.run.users.unknown), np.full(len(user), NO_TIMESTAMP)
        time_features = self.run.time_features(no_user, no_time)
        scorer = self.scorer(users)
        predicted, spread = predict_ratings(scorer, user, movie_row, self.run.rating_scale, time_features, block_pairs)
        return predicted, None if self.noise is None else np.hypot(spread, np.float32(self.noise))

    def compile(self) -> None:
        """Compiles every program that requests may need. Raises InputError if the model has NaN or infinite values."""
        encoded = self.encoder.known, self.recommender.on_host[1]
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(encoded)):
            raise InputError("the model has NaN or infinite values; train it again")
        self.encoder.compile(self.config.max_ratings)
        new_user = RequestUser(None, {})
        user = self.encoder.encode_users([new_user])[0]
        for size in sizes_up_to(self.config.max_batch, 2):
            size = min(size, self.config.max_batch)
            if self.may_prune(ListQuery(new_user, 1)):
                self.candidate_top_k([(ListQuery(new_user, self.longest_list), user)] * size)
            for k in sizes_up_to(self.longest_list, K_GROWTH, MIN_K):
                items = [(ListQuery(new_user, min(k, self.longest_list)), user)] * size
                for diversity in (0.0, 0.5) if size == 1 else (0.0,):
                    self.full_top_k(items, diversity)
        for num_pairs in {1, self.config.max_ratings}:
            self.predict([new_user], *(np.zeros(num_pairs, np.int32) for _ in range(2)))


def stack_padded(rows: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Returns arrays side by side on axis 1, with zeros up to a size."""
    stacked = np.stack(rows, axis=1)
    padded = np.zeros((len(stacked), size, *stacked.shape[2:]), stacked.dtype)
    padded[:, : len(rows)] = stacked
    return padded


def rating_step(rating: Float32[np.ndarray, " ratings"]) -> float:
    """Returns the smallest difference between ratings, at least 0.01; 1 if all are equal."""
    steps = np.diff(np.unique(rating))
    return float(max(0.01, round(float(steps.min()), 2))) if len(steps) else 1.0
