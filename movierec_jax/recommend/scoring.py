"""Scores of users for movies, on the device: every movie for tiles of users, or single pairs.

Users are scored in tiles of one shape, however many are scored at once, so a user's scores do not depend, to the last
bit, on who else is scored. On a CPU few users have smaller tiles, in which XLA gives the same bits.
"""

import abc
import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from movierec_jax.data.arrays import pad_rows, round_up_to_size, stable_argsort
from movierec_jax.data.schema import in_one_line
from movierec_jax.model.sharding import map_rows
from movierec_jax.model.two_tower import Encoded, Members, TwoTowers, mean_implicit_score, mean_rating, member_ratings
from movierec_jax.model.user_histories import PART_USERS
from movierec_jax.training.state import TrainingSetup

# Elements of the widest array of one tile: users x movies x units of a dense layer, 8 MiB as float32. Arrays that do
# not stay in the caches, or that need fresh memory from the system, take longer to write than to compute.
TILE_ELEMENTS = 2**21

FEW_USERS = 8

# Users whose implicit-feedback scores are one matrix product; fewer would read the movies' vectors again and again.
IMPLICIT_SCORE_TILE = 32

# Width, in parts of the rating scale, of the logistic curve by which a predicted rating becomes a chance of relevance.
RELEVANCE_WIDTH = 0.3

# Pairs of one call when single ratings are predicted.
BLOCK_PAIRS = 2**14


@dataclasses.dataclass(frozen=True)
class Order:
    """What lists are ordered by.

    by: "predicted_rating"; "expected_hits": the implicit-feedback score times the chance of a relevant rating; or
        "implicit_score" alone, where the model has learnt from no ratings.
    relevant_rating: the lowest relevant rating; width: of the logistic curve of that chance. Both in stars.
    """

    by: str
    relevant_rating: float
    width: float

    def score(
        self, implicit_score: Float[Array, "*pairs"], predicted_rating: Float[Array, "*pairs"]
    ) -> Float[Array, "*pairs"]:
        """Returns the number that lists are ordered by; it is never above a positive implicit-feedback score."""
        if self.by == "predicted_rating":
            return predicted_rating
        if self.by == "implicit_score":
            return implicit_score
        chance = jax.nn.sigmoid((predicted_rating - self.relevant_rating) / self.width)
        # A negative score stays as it is: times a chance it would rise.
        return jnp.where(implicit_score > 0, implicit_score * chance, implicit_score)

    def known(self, predicted_rating: Float[Array, "*pairs"]) -> Float[Array, "*pairs"]:
        """Returns predicted ratings as they are, NaN where the model has learnt from no ratings."""
        return jnp.full_like(predicted_rating, jnp.nan) if self.by == "implicit_score" else predicted_rating


def order_of(setup: TrainingSetup) -> Order:
    """Returns the order that suits what a model has learnt."""
    lowest, highest = setup.rating_scale
    by = "expected_hits" if setup.model.config.implicit_feedback_dim else "predicted_rating"
    return Order(
        by=by if setup.has_ratings else "implicit_score",
        relevant_rating=setup.relevant_rating,
        width=RELEVANCE_WIDTH * (highest - lowest),
    )


class AnyScorer(abc.ABC):
    """A model with its movies encoded, and users who are encoded already, or when their scores are asked for."""

    movies: Encoded
    model: TwoTowers
    order: Order

    @abc.abstractmethod
    def with_users(
        self, user_row: Int32[np.ndarray, " users"], length: int
    ) -> "tuple[Scorer, Int32[np.ndarray, ' length']]":
        """Returns a scorer of these users, and the rows that they have in it, filled up to a length with others."""

    @property
    def num_members(self) -> int:
        """Members of the ensemble."""
        return len(self.movies.bias)

    @property
    def num_movies(self) -> int:
        """Movies trained on: the catalogue of every list."""
        return self.model.num_movies


@typing.no_type_check  # JAX also makes trees of it with other things in place of the arrays.
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scorer(AnyScorer):
    """A model with its movies and some users encoded: all that scores are computed from.

    movies: as `encode_movies` returns them, with their trend where lists follow trends.
    """

    __repr__ = in_one_line

    params: Members
    users: Encoded
    movies: Encoded
    model: TwoTowers = dataclasses.field(metadata={"static": True})
    order: Order = dataclasses.field(metadata={"static": True})

    def with_users(
        self, user_row: Int32[np.ndarray, " users"], length: int
    ) -> "tuple[Scorer, Int32[np.ndarray, ' length']]":
        return self, pad_rows(user_row, length)


def head_of(params: Members) -> Members:
    """Returns the parameters of the head: all that scoring encoded users needs."""
    return {"head": params["head"]}


@functools.partial(jax.jit, static_argnames="tile", donate_argnames="spare", keep_unused=True)
def score_block(
    spare: tuple[Float[Array, "users movies"], ...], scorer: Scorer, user_row: Int32[Array, " users"], *, tile: int
) -> tuple[Float[Array, "users movies"], ...]:
    """Returns the scores of all movies and, where these are not the same, the predicted ratings.

    user_row: rows of `scorer.users`, a multiple of `tile` of them.
    spare: arrays of the results' shapes, no longer needed, whose memory the results take over. Fresh memory from the
        system, page by page, would take longer than the scores.
    """

    def tables(score, predicted_rating):
        return (score,) if scorer.order.by == "predicted_rating" else (score, predicted_rating)

    def score_rows(scorer, user_row):
        found = over_tiles(tables, scorer, user_row, tile=tile)
        return tuple(table.reshape(-1, scorer.num_movies) for table in found)

    shared = dataclasses.replace(scorer, params=head_of(scorer.params))
    return map_rows(score_rows, scorer.model.mesh, shared, user_row)


def over_tiles(
    of_tile: Callable[..., Any], scorer: Scorer, user_row: Int32[Array, " users"], *tables: Array, tile: int
) -> Any:
    """Applies a function to each tile's scores, predicted ratings and rows of the tables; stacks what it returns."""
    num_movies = scorer.num_movies
    catalogue = scorer.movies[:, None, :num_movies]
    if scorer.order.by == "predicted_rating":
        implicit_score = jnp.zeros((len(user_row), 1))
    else:
        implicit_score = implicit_score_rows(scorer, user_row)

    def apply_to_tile(args):
        rows, implicit_score, *own = args
        predicted_rating = mean_rating(scorer.params, scorer.users[:, rows, None], catalogue, model=scorer.model)
        predicted_rating = scorer.order.known(predicted_rating)
        implicit_score = jnp.broadcast_to(implicit_score, predicted_rating.shape)
        return of_tile(scorer.order.score(implicit_score, predicted_rating), predicted_rating, *own)

    tiled = (table.reshape(-1, tile, table.shape[1]) for table in (implicit_score, *tables))
    return jax.lax.map(apply_to_tile, (user_row.reshape(-1, tile), *tiled))


def implicit_score_rows(scorer: Scorer, user_row: Int32[Array, " users"]) -> Float[Array, "users movies"]:
    """Returns the implicit-feedback score of these rows of users for every movie, a tile of users at a time."""
    # The last tile is filled up, so that all have one shape.
    filled = jnp.pad(user_row, (0, -len(user_row) % IMPLICIT_SCORE_TILE)).reshape(-1, IMPLICIT_SCORE_TILE)

    # The unknown movie is multiplied too: slicing it off first would copy the others.
    def of_tile(rows):
        score = mean_implicit_score(scorer.users[:, rows], scorer.movies, model=scorer.model)
        return score[:, : scorer.num_movies]

    score = jax.lax.map(of_tile, filled)
    return score.reshape(-1, scorer.num_movies)[: len(user_row)]


def tile_users(model: TwoTowers, num_members: int, num_users: int | None = None) -> int:
    """Returns how many users are scored at once: a power of two that bounds the head's widest array.

    num_users: given where a CPU scores them; few users then need less filling, for the same scores.
    """
    width = max((1, *model.config.hidden_dims))
    most = np.log2(TILE_ELEMENTS / (model.num_movies * width * num_members))
    return 2 ** int(np.clip(most, 0, 6 if num_users is None or num_users > FEW_USERS else 3))


@jax.jit
def rate_pairs(
    scorer: Scorer,
    user_row: Int32[Array, " batch"],
    movie_row: Int32[Array, " batch"],
    time_features: Int32[Array, "batch time_features"],
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """Returns mean and standard deviation over members of each pair's predicted rating, not clipped to the scale."""
    pairs = scorer.users[:, user_row], scorer.movies[:, movie_row]
    ratings = scorer.order.known(member_ratings(scorer.params, *pairs, time_features, model=scorer.model))
    return jnp.mean(ratings, axis=0), jnp.std(ratings, axis=0)


def predict_ratings(
    scorer: AnyScorer,
    user_row: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating_scale: tuple[float, float],
    time_features: Int32[np.ndarray, "ratings time_features"] | None = None,
    block_pairs: int = BLOCK_PAIRS,
) -> tuple[Float32[np.ndarray, " ratings"], Float32[np.ndarray, " ratings"]]:
    """Returns the predicted rating of each pair of rows, clipped to the scale, and its spread over the members.

    Both are NaN where the model has learnt from no ratings. The spread is a standard deviation, 0 for a single member.
    time_features: of each pair; without it, average ones. block_pairs: pairs of one call, to which fewer are padded.
    """
    if time_features is None:
        time_features = np.zeros((len(user_row), 0), np.int32)
    rating, spread = (np.empty(len(user_row), np.float32) for _ in range(2))
    order = stable_argsort(user_row)  # So that each user is encoded with few of the blocks.
    for first in range(0, len(user_row), block_pairs):
        pairs = order[first : first + block_pairs]
        users, index = np.unique(user_row[pairs], return_inverse=True)
        with_users, row = scorer.with_users(users, round_up_to_size(len(users), 2, PART_USERS))
        columns = (row[index], movie_row[pairs], time_features[pairs])
        block = rate_pairs(with_users, *(pad_rows(column, block_pairs) for column in columns))
        rating[pairs], spread[pairs] = (np.asarray(array)[: len(pairs)] for array in block)
    return np.clip(rating, *np.array(rating_scale, np.float32)), spread
