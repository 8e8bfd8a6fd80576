"""A trained model that encodes users when their scores are asked for, a block at a time.

    Run + parameters ─scorer_of_run─> BlockScorer ─with_users(rows)─> Scorer of these users

So a device holds parameters, the encoded movies and one block of users, however many users there are.
"""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Float32, Float64, Int, Int32

from movierec_jax.data.arrays import blocks_of_rows
from movierec_jax.data.schema import in_one_line
from movierec_jax.model.encoding import encode_users, encoder_params, own_vectors
from movierec_jax.model.implicit_feedback import add_trend
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.two_tower import Encoded, Members, TwoTowers, encode_movies
from movierec_jax.model.user_histories import UserHistories, UserParts
from movierec_jax.recommend.scoring import AnyScorer, Order, Scorer, order_of
from movierec_jax.runs.run import Run

# Users of a block where all users are encoded. A constant, since their mean is the sum of those of the blocks.
USERS_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True)
class BlockScorer(AnyScorer):
    """A model with its movies encoded, and users of whom some are encoded whenever their scores are asked for.

    encoder: the parameters that encode users, as `encoder_params` returns them.
    """

    __repr__ = in_one_line

    params: Members
    encoder: Members
    histories: UserHistories
    movies: Encoded
    model: TwoTowers
    order: Order

    def with_users(
        self, user_row: Int32[np.ndarray, " users"], length: int
    ) -> tuple[Scorer, Int32[np.ndarray, " length"]]:
        return self.with_encoded(self.encode(user_row, length)), np.arange(length, dtype=np.int32)

    def with_encoded(self, users: Encoded) -> Scorer:
        """Returns a scorer of users who are encoded already."""
        return Scorer(self.params, users, self.movies, model=self.model, order=self.order)

    def encode(self, user_row: Int[np.ndarray, " users"], length: int) -> Encoded:
        """Encodes these users, with unknown ones after them up to a length or more: `[members, length, ...]`."""
        return encode_users(self.encoder, self.lay_out(user_row, length), model=self.model)

    def encode_on_host(self, user_row: Int[np.ndarray, " users"]) -> Encoded:
        """Returns these users encoded, in NumPy arrays."""
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *self.blocks_on_host(user_row))

    def blocks_on_host(self, user_row: Int[np.ndarray, " users"]) -> Iterator[Encoded]:
        """Yields these users encoded, in NumPy arrays, a block at a time."""
        length = min(max(1, len(user_row)), USERS_AT_ONCE)
        for rows in blocks_of(user_row):
            yield jax.device_get(self.encode(rows, length))[:, : len(rows)]

    def own_vectors(self) -> Float32[np.ndarray, "members users width"]:
        """Returns the own vectors of all users, as `encode_histories` takes them."""
        every = np.arange(len(self.histories))
        parts = (self.lay_out(rows, USERS_AT_ONCE) for rows in blocks_of(every))
        blocks = [np.asarray(own_vectors(self.encoder, part, model=self.model)) for part in parts]
        return np.concatenate(blocks, axis=1)[:, : len(every)]

    def lay_out(self, user_row: Int[np.ndarray, " users"], length: int) -> UserParts:
        """Lays these users out over the devices, with unknown ones after them up to a length or more."""
        return self.histories.lay_out(user_row, length, 1 if self.model.mesh is None else self.model.mesh.size)

    def mean_user(self) -> Float32[np.ndarray, "members dim"]:
        """Returns the mean vector, in the implicit-feedback score, of the users of train."""

        def sum_of(rows: Int[np.ndarray, " _block"]) -> Float64[np.ndarray, "members dim"]:
            vectors = np.asarray(self.encode(rows, USERS_AT_ONCE).implicit_feedback)
            return vectors[:, : len(rows)].sum(axis=1, dtype=np.float64)

        num_users = self.model.num_users
        total = np.sum([sum_of(rows) for rows in blocks_of(np.arange(num_users))], axis=0)
        return (total / num_users).astype(np.float32)


def scorer_of_run(
    run: Run, params: Members, interactions: Interactions | None = None, movies: Encoded | None = None
) -> BlockScorer:
    """Returns a scorer of the users of a run; where lists follow trends, movies have theirs in their biases.

    interactions: those of the run, where they are on its devices already. movies: as `encode_movies` returns them, for
        any devices, where they are encoded already.
    """
    if movies is None:
        movies = encode_movies(params, run.interactions if interactions is None else interactions, model=run.model)
    encoder = encoder_params(params, run.mesh)
    scorer = BlockScorer(params, encoder, run.histories, movies, run.model, order_of(run.setup))
    if run.trend is None:
        return scorer
    trend = np.pad(run.trend, (0, movies.bias.shape[1] - len(run.trend)))
    vectors = add_trend(scorer.mean_user(), movies.implicit_feedback, trend)
    return dataclasses.replace(scorer, movies=dataclasses.replace(movies, implicit_feedback=vectors))


def blocks_of(user_row: Int[np.ndarray, " users"]) -> Iterator[Int[np.ndarray, " _block"]]:
    """Yields the rows by blocks, the last perhaps shorter; an empty one for no rows."""
    for rows in blocks_of_rows(len(user_row), USERS_AT_ONCE):
        yield user_row[rows]
