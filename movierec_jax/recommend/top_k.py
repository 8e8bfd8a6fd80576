"""The best unseen movies of each user, exact over the whole catalogue, a block of users at a time.

Three ways give the same lists, and `top_k_blocks` chooses. `candidates.top_k_from_candidates` rates a few candidates of
each user, where these prove to hold the list; `top_k_on_host` brings all scores to the host, which sorts a part of them
faster than XLA does on a CPU; `top_k_on_device` brings the lists alone, and makes diverse ones.
"""

import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int32

from movierec_jax.config import ScoreConfig
from movierec_jax.model.sharding import map_rows, rows_sharding
from movierec_jax.recommend.candidates import is_worthwhile, top_k_from_candidates
from movierec_jax.recommend.lists import HOST_ELEMENTS, ListRequest, TopK, block_length, one_ahead, ranges
from movierec_jax.recommend.partial_sort import top_k_of_scores
from movierec_jax.recommend.scoring import AnyScorer, Scorer, head_of, over_tiles, score_block, tile_users
from movierec_jax.recommend.similarity import directions, diversify

# Movies that a diverse list is chosen from, or the length of a longer list. A constant, so that a shorter list is the
# beginning of a longer one.
DIVERSE_CANDIDATES = 500


def top_k_lists(scorer: AnyScorer, request: ListRequest) -> Int32[np.ndarray, "users k"]:
    """Returns the movie rows of every list; the number of movies in empty slots, also where k is above it."""
    lists = np.full((len(request.user_row), request.k), scorer.num_movies, np.int32)
    depth = min(request.k, scorer.num_movies)
    for users, top in top_k_blocks(scorer, dataclasses.replace(request, k=depth)):
        lists[users, :depth] = top.movie_row
    return lists


def top_k_blocks(
    scorer: AnyScorer,
    request: ListRequest,
    block_users: int = ScoreConfig.block_users,
    on_host: bool | None = None,
    spare: list[tuple[Array, ...]] | None = None,
) -> Iterator[tuple[slice, TopK]]:
    """Yields the lists of one block of users after another, with the block's range in the request.

    on_host: whether the host sorts, which it cannot for diverse lists; by default on a CPU, where candidates do where
        they can.
    spare: memory for scores on the host, kept for the next call.
    Yields one block at least, an empty one for no users.
    """
    if on_host is None:
        on_host = request.diversity == 0 and jax.default_backend() == "cpu"
        if on_host and is_worthwhile(scorer, request.k):
            return top_k_from_candidates(scorer, request, block_users)
    if on_host:
        return top_k_on_host(scorer, request, block_users, [] if spare is None else spare)
    return top_k_on_device(scorer, request, block_users)


def top_k_on_device(scorer: AnyScorer, request: ListRequest, block_users: int) -> Iterator[tuple[slice, TopK]]:
    """Yields the lists of `top_k_blocks`, ranked by the device, which works on the next block meanwhile."""
    tile = tile_users(scorer.model, scorer.num_members)
    length = block_length(scorer.model, tile, min(block_users, len(request.user_row)))
    options = {"k": request.k, "tile": tile, "is_diverse": request.diversity > 0}

    def start(users: slice):
        block, rows = scorer.with_users(request.user_row[users], length)
        is_left_out = request.left_out(users, (length, scorer.num_movies))
        return users, top_k_block(block, rows, is_left_out, np.float32(request.diversity), **options)

    for users, result in one_ahead(map(start, ranges(len(request.user_row), length))):
        movie_row, score, rating = (np.asarray(array)[: users.stop - users.start] for array in result)
        yield users, TopK(np.where(np.isneginf(score), np.int32(scorer.num_movies), movie_row), score, rating)


@functools.partial(jax.jit, static_argnames=("k", "tile", "is_diverse"))
def top_k_block(
    scorer: Scorer,
    user_row: Int32[Array, " users"],
    is_left_out: Bool[Array, "users movies"],
    diversity: Float[Array, ""],
    *,
    k: int,
    tile: int,
    is_diverse: bool,
) -> tuple[Int32[Array, "users k"], Float[Array, "users k"], Float[Array, "users k"]]:
    """Returns rows, scores and predicted ratings of each user's k best movies that are not left out.

    user_row: rows of `scorer.users`, a multiple of `tile` of them.
    """
    num_candidates = min(max(DIVERSE_CANDIDATES, k), scorer.num_movies) if is_diverse else k

    def rank_rows(shared, user_row, is_left_out):
        scorer, direction, diversity = shared

        def rank_tile(score, predicted_rating, is_left_out):
            score, movie_row = best_on_device(score, is_left_out, num_candidates)
            if is_diverse:
                column = diversify(score, direction[movie_row], diversity, k)
                score, movie_row = (jnp.take_along_axis(table, column, axis=1) for table in (score, movie_row))
            return movie_row, score, jnp.take_along_axis(predicted_rating, movie_row, axis=1)

        lists = over_tiles(rank_tile, scorer, user_row, is_left_out, tile=tile)
        return tuple(table.reshape(-1, k) for table in lists)

    direction = directions(scorer.movies, has_ratings=scorer.order.by != "implicit_score")
    shared = dataclasses.replace(scorer, params=head_of(scorer.params)), direction, diversity
    return map_rows(rank_rows, scorer.model.mesh, shared, user_row, is_left_out)


def best_on_device(
    score: Float[Array, "*users movies"], is_left_out: Bool[Array, "*users movies"], k: int
) -> tuple[Float[Array, "*users k"], Int32[Array, "*users k"]]:
    """Returns scores and rows of the k best movies that are not left out; score -inf where none is left."""
    best, movie_row = jax.lax.top_k(jnp.where(is_left_out, -jnp.inf, score), k)
    return best, movie_row


def top_k_on_host(
    scorer: AnyScorer, request: ListRequest, block_users: int, spare: list[tuple[Array, ...]]
) -> Iterator[tuple[slice, TopK]]:
    """Yields the lists of `top_k_blocks`, ranked by the host while the device scores the next block."""
    num_users, num_movies = len(request.user_row), scorer.num_movies
    tile = tile_users(scorer.model, scorer.num_members, num_users)
    length = block_length(scorer.model, tile, min(block_users, num_users, HOST_ELEMENTS // num_movies))

    def start(users: slice):
        buffers = score_buffers(scorer, length, spare)
        return users, score_block(buffers, *scorer.with_users(request.user_row[users], length), tile=tile)

    try:
        for users, result in one_ahead(map(start, ranges(num_users, length))):
            top = rank_on_host(request, users, np.asarray(result[0]), np.asarray(result[-1]))
            spare.append(result)
            yield users, top
    finally:
        if length > tile:
            # Only buffers of a single tile are kept, for requests of a few lists; others would hold much memory.
            spare.clear()


def rank_on_host(
    request: ListRequest,
    users: slice,
    score: Float32[np.ndarray, "block movies"],
    predicted_rating: Float32[np.ndarray, "block movies"],
) -> TopK:
    """Returns the lists of a range of users from all scores; rows of the tables after the last user are filling."""
    num_movies = score.shape[1]
    seen = [request.seen.of_user(user) for user in range(users.start, users.stop)]
    movie_row = top_k_of_scores(score, seen, request.k, request.listed_rows(users))
    column = np.minimum(movie_row, num_movies - 1)
    best, rating = (np.take_along_axis(table[: len(column)], column, axis=1) for table in (score, predicted_rating))
    return TopK(movie_row, np.where(movie_row < num_movies, best, np.float32(-np.inf)), rating)


def score_buffers(scorer: AnyScorer, length: int, spare: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    """Returns arrays for `score_block` to overwrite: out of `spare`, so no other thread has them, or new ones."""
    shape = length, scorer.num_movies
    num_tables = 1 if scorer.order.by == "predicted_rating" else 2
    try:
        arrays = spare.pop()
    except IndexError:
        arrays = ()
    if [array.shape for array in arrays] == [shape] * num_tables:
        return arrays
    return tuple(jnp.zeros(shape, device=rows_sharding(scorer.model.mesh)) for _ in range(num_tables))
