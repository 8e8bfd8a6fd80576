"""Encodes users of requests with the model's user tower, and caches the results."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from movierec_jax.data.arrays import round_up_to_size, sizes_up_to
from movierec_jax.model.encoding import encode_histories
from movierec_jax.model.interactions import mark_watched, pad_links, pad_segments, rating_deviation
from movierec_jax.model.sequences import pad_sequences
from movierec_jax.model.two_tower import Encoded
from movierec_jax.recommend.fold_in import implicit_feedback_weights, sequences_of
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.serve.users import Rating, RequestUser, UserHistory, Users

# Histories are padded to segments of this many ratings. The number of segments is padded to a bucket, each
# SEGMENT_GROWTH times the one before, so that few programs are compiled.
SEGMENT_LENGTH = 16

MIN_SEGMENTS = 4

SEGMENT_GROWTH = 4

# Encoded users with new ratings that are cached.
MAX_CACHED_USERS = 10_000


class UserEncoder:
    """Encodes users from their histories, at most `max_batch` at a time.

    known: the users of the run as train leaves them, encoded at the start; in the host's memory, as `own` is.
    """

    def __init__(self, recommender: Recommender, users: Users, max_batch: int):
        self.recommender, self.run, self.users, self.max_batch = recommender, recommender.run, users, max_batch
        self.own = recommender.scorer.own_vectors()
        self.known = recommender.scorer.encode_on_host(np.arange(self.run.users.unknown + 1))
        self.cache: dict[int | str, tuple[Mapping[int | str, Rating], Encoded]] = {}

    def encode_users(self, request_users: Sequence[RequestUser]) -> list[Encoded]:
        """Returns each user encoded, `[members, ...]` in NumPy arrays, from the run or the cache where possible."""
        found: list[Encoded | None] = [self.cached_user(request_user) for request_user in request_users]
        missing = [index for index, encoded in enumerate(found) if encoded is None]
        for indices in split_batches(missing, self.max_batch):
            batch = self.encode([self.users.history(request_users[index]) for index in indices])
            for position, index in enumerate(indices):
                # A copy, since a view would keep the whole batch in memory.
                encoded = jax.tree.map(lambda array, position=position: array[:, position].copy(), batch)
                found[index] = encoded
                self.add_to_cache(request_users[index], encoded)
        return [encoded for encoded in found if encoded is not None]

    def cached_user(self, request_user: RequestUser) -> Encoded | None:
        """Returns an encoded user from the run, if without new ratings, or from the cache; None if in neither."""
        if request_user.user_id is None:
            return None
        if not request_user.new_ratings:
            return self.known[:, self.users.user_row(request_user.user_id)]
        new_ratings, encoded = self.cache.get(request_user.user_id, (None, None))
        # A further rating replaces the mapping, so an identical one holds the same ratings.
        return encoded if new_ratings is request_user.new_ratings else None

    def add_to_cache(self, request_user: RequestUser, encoded: Encoded) -> None:
        """Caches an encoded user in place of an earlier one, and drops the oldest beyond the limit."""
        if request_user.user_id is not None:
            self.cache.pop(request_user.user_id, None)
            self.cache[request_user.user_id] = request_user.new_ratings, encoded
            if len(self.cache) > MAX_CACHED_USERS:
                del self.cache[next(iter(self.cache))]

    def encode(self, histories: Sequence[UserHistory]) -> Encoded:
        """Encodes at most `max_batch` histories: `[members, max_batch, ...]`."""
        owner = np.repeat(np.arange(len(histories), dtype=np.int32), [len(one.rating) for one in histories])
        movie_row = np.concatenate([one.movie_row for one in histories])
        value = rating_deviation(self.run.movie_level, movie_row, np.concatenate([one.rating for one in histories]))
        timestamp = np.concatenate([one.timestamp for one in histories])
        weight = implicit_feedback_weights(self.run, owner, timestamp)
        links = mark_watched(pad_links(owner, movie_row, value, weight, length=SEGMENT_LENGTH))
        links = pad_segments(links, round_up_to_size(len(links.owner), SEGMENT_GROWTH, MIN_SEGMENTS))
        own = np.zeros((len(self.own), self.max_batch, self.own.shape[2]), np.float32)
        own[:, : len(histories)] = self.own[:, [one.user_row for one in histories]]
        sequences = sequences_of(self.run, owner, movie_row, value, timestamp)
        if sequences is not None:
            sequences = pad_sequences(sequences, self.max_batch)
        return jax.device_get(encode_histories(self.recommender.params, own, links, sequences, model=self.run.model))

    def compile(self, max_ratings: int) -> None:
        """Compiles the programs for every bucket, up to a history of `max_ratings` or a batch of shorter ones."""
        longest = max(int(np.bincount(self.run.train.user_row).max()), max_ratings)
        for num_segments in sizes_up_to(SEGMENT_GROWTH * longest // SEGMENT_LENGTH, SEGMENT_GROWTH, MIN_SEGMENTS):
            zeros = np.zeros(num_segments * SEGMENT_LENGTH, np.int32)
            rating, timestamp, is_text = (zeros.astype(dtype) for dtype in (np.float32, np.int64, bool))
            self.encode([UserHistory(self.run.users.unknown, zeros, rating, timestamp, is_text)])


def split_batches(indices: Sequence[int], size: int) -> list[Sequence[int]]:
    """Splits indices into batches of at most `size`."""
    return [indices[first : first + size] for first in range(0, len(indices), size)]
