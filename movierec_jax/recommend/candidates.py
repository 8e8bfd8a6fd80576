"""Exact lists from a few candidates of each user, where that can be proved ("exact pruning").

A score is an implicit-feedback score times a chance (`scoring.Order`), so it is never above the implicit-feedback
score. Candidates are the movies with the highest implicit-feedback scores; once k of them score above the lowest
implicit-feedback score among them, no other movie can be in the list. So the dense layers see some hundred movies in
place of the whole catalogue. Where candidates do not settle a list, more of them do: in the end all movies.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from movierec_jax.data.arrays import pad_rows
from movierec_jax.model.sharding import map_rows
from movierec_jax.model.two_tower import Encoded, TwoTowers, mean_implicit_score, mean_rating
from movierec_jax.recommend.lists import HOST_ELEMENTS, ListRequest, TopK, block_length, one_ahead, ranges
from movierec_jax.recommend.partial_sort import top_k_of_scores
from movierec_jax.recommend.scoring import IMPLICIT_SCORE_TILE, AnyScorer, Order, Scorer, head_of, implicit_score_rows

# Candidates of each user. They settle the best 10 of 99.7% of the bundled data's users.
NUM_CANDIDATES = 512

# How many times as many candidates a list has that fewer do not settle.
CANDIDATES_GROWTH = 4

# Users whose candidates are rated at a time; the dense layers' arrays then stay in a CPU's caches.
RATED_USERS = 4

# (index of each user, candidates, their implicit-feedback scores) -> (scores, predicted ratings) of the candidates.
Rate = Callable[
    [Int[np.ndarray, " users"], Int32[np.ndarray, "users n"], Float32[np.ndarray, "users n"]],
    tuple[Float32[np.ndarray, "users n"], Float32[np.ndarray, "users n"]],
]


def can_settle(order: Order, k: int) -> bool:
    """Returns whether NUM_CANDIDATES may settle lists of k movies in this order."""
    return order.by != "predicted_rating" and 2 * k <= NUM_CANDIDATES


def is_worthwhile(scorer: AnyScorer, k: int) -> bool:
    """Returns whether lists of k movies from candidates are faster to make than from the whole catalogue."""
    return can_settle(scorer.order, k) and scorer.num_movies > CANDIDATES_GROWTH * NUM_CANDIDATES


def top_k_from_candidates(scorer: AnyScorer, request: ListRequest, block_users: int) -> Iterator[tuple[slice, TopK]]:
    """Yields the lists of one block of users after another, as `top_k.top_k_blocks` describes."""
    num_users = len(request.user_row)
    most = min(block_users, num_users, HOST_ELEMENTS // scorer.num_movies)
    length = block_length(scorer.model, IMPLICIT_SCORE_TILE, most)

    def start(users: slice):
        block, rows = scorer.with_users(request.user_row[users], length)
        return users, block, rows, implicit_score_block(block, rows)

    for users, block, rows, implicit_score in one_ahead(map(start, ranges(num_users, length))):
        yield users, settled_lists(block, rows, request, users, np.asarray(implicit_score))


def settled_lists(
    scorer: Scorer,
    user_row: Int32[np.ndarray, " block"],
    request: ListRequest,
    users: slice,
    implicit_score: Float32[np.ndarray, "block movies"],
) -> TopK:
    """Returns the lists of a range of users, from as many candidates as it takes.

    user_row, implicit_score: of the users, and of filling up to the length of a block.
    """
    num_users = users.stop - users.start
    seen = [request.seen.of_user(user) for user in range(users.start, users.stop)]
    every: list[Int[np.ndarray, " _listed"] | None] = [None] * num_users
    listed = request.listed_rows(users) or every
    rate = functools.partial(rate_in_chunks, scorer, user_row)
    lists = TopK(*(np.empty((num_users, request.k), dtype) for dtype in (np.int32, np.float32, np.float32)))
    waiting, num_candidates = np.arange(num_users), NUM_CANDIDATES
    while len(waiting):
        top, is_settled = rank_candidates(
            rate,
            waiting,
            implicit_score[waiting],
            [seen[user] for user in waiting],
            request.k,
            [listed[user] for user in waiting],
            min(num_candidates, scorer.num_movies),
        )
        for whole, found in zip(vars(lists).values(), vars(top).values(), strict=True):
            whole[waiting] = found
        waiting, num_candidates = waiting[~is_settled], num_candidates * CANDIDATES_GROWTH
    return lists


def candidate_top_k(
    scorer: Scorer,
    seen: Sequence[Int32[np.ndarray, " _seen"]],
    k: int,
    listed: Sequence[Int[np.ndarray, " _listed"] | None],
) -> tuple[TopK, Bool[np.ndarray, " users"]]:
    """Returns the lists of the scorer's first users, and whether each is settled; the others may be wrong.

    seen: rows that each list leaves out, which also says how many users there are.
    listed: rows that each list may hold, rising; None for all.
    """
    # All users of the scorer are rated, so that no program depends on how many lists are wanted.
    every = np.arange(scorer.users.bias.shape[1], dtype=np.int32)
    # These are few: filled up to a tile they would take twice as long.
    implicit_score = np.asarray(implicit_score_of_few(scorer.users, scorer.movies, model=scorer.model))[
        :, : scorer.num_movies
    ]

    def rate(user, movie_row, implicit_score):
        padded = (pad_rows(table, len(every)) for table in (movie_row, implicit_score))
        return tuple(np.asarray(table)[: len(user)] for table in score_candidates(scorer, every, *padded, tile=1))

    num_candidates = min(NUM_CANDIDATES, scorer.num_movies)
    return rank_candidates(rate, every[: len(seen)], implicit_score, seen, k, listed, num_candidates)


def rank_candidates(
    rate: Rate,
    user: Int[np.ndarray, " users"],
    implicit_score: Float32[np.ndarray, "_users movies"],
    seen: Sequence[Int32[np.ndarray, " _seen"]],
    k: int,
    listed: Sequence[Int[np.ndarray, " _listed"] | None],
    num_candidates: int,
) -> tuple[TopK, Bool[np.ndarray, " users"]]:
    """Returns lists from so many candidates of each user, and whether each is settled; the others may be wrong."""
    num_movies = implicit_score.shape[1]
    candidate = top_k_of_scores(implicit_score, seen, num_candidates, listed)
    movie_row = np.minimum(candidate, num_movies - 1)
    bound = np.take_along_axis(implicit_score[: len(candidate)], movie_row, axis=1)
    score, predicted_rating = rate(user, movie_row, bound)
    score = np.where(candidate < num_movies, score, np.float32(-np.inf))
    # Equal scores by row, as in all lists.
    best = np.lexsort((candidate, -score), axis=1)[:, :k]
    top = TopK(*(np.take_along_axis(table, best, axis=1) for table in (candidate, score, predicted_rating)))
    is_whole = (candidate == num_movies).any(axis=1) | (num_candidates == num_movies)
    return top, is_whole | (top.score[:, -1] > bound[:, -1])


def rate_in_chunks(
    scorer: Scorer,
    user_row: Int32[np.ndarray, " block"],
    user: Int[np.ndarray, " users"],
    movie_row: Int32[np.ndarray, "users n"],
    implicit_score: Float32[np.ndarray, "users n"],
) -> tuple[Float32[np.ndarray, "users n"], Float32[np.ndarray, "users n"]]:
    """Returns scores and predicted ratings of any number of candidates, by one program of one shape.

    user_row: rows of the scorer's users, of which `user` are indices; the program takes as many at once.
    """
    num_users, num_candidates = movie_row.shape
    num_chunks = -(-num_candidates // NUM_CANDIDATES)
    filled = [(0, 0), (0, num_chunks * NUM_CANDIDATES - num_candidates)]
    rows = np.repeat(user_row[user], num_chunks)
    chunks = [np.pad(table, filled).reshape(-1, NUM_CANDIDATES) for table in (movie_row, implicit_score)]
    length = block_length(scorer.model, RATED_USERS, len(user_row))
    found = []
    for first in range(0, len(rows), length):
        block = [pad_rows(table[first : first + length], length) for table in (rows, *chunks)]
        found.append([np.asarray(table) for table in score_candidates(scorer, *block, tile=RATED_USERS)])
    tables = (np.concatenate(parts)[: len(rows)] for parts in zip(*found, strict=True))
    score, rating = (table.reshape(num_users, -1)[:, :num_candidates] for table in tables)
    return score, rating


@functools.partial(jax.jit, static_argnames="model")
def implicit_score_of_few(users: Encoded, movies: Encoded, *, model: TwoTowers) -> Float[Array, "users movie_rows"]:
    """Returns the implicit-feedback score of each user and movie, in one product."""
    return mean_implicit_score(users, movies, model=model)


@jax.jit
def implicit_score_block(scorer: Scorer, user_row: Int32[Array, " users"]) -> Float[Array, "users movies"]:
    """Returns the implicit-feedback score of these users for each movie."""
    return map_rows(implicit_score_rows, scorer.model.mesh, scorer, user_row)


@functools.partial(jax.jit, static_argnames="tile")
def score_candidates(
    scorer: Scorer,
    user_row: Int32[Array, " users"],
    movie_row: Int32[Array, "users candidates"],
    implicit_score: Float[Array, "users candidates"],
    *,
    tile: int,
) -> tuple[Float[Array, "users candidates"], Float[Array, "users candidates"]]:
    """Returns the scores and predicted ratings of each user's candidates, `tile` users at a time."""

    def score_user(scorer, user):
        user_row, movie_row, implicit_score = user
        pairs = scorer.users[:, user_row[None]], scorer.movies[:, movie_row]
        predicted_rating = scorer.order.known(mean_rating(head_of(scorer.params), *pairs, model=scorer.model))
        return scorer.order.score(implicit_score, predicted_rating), predicted_rating

    def score_rows(scorer, *users):
        return jax.lax.map(functools.partial(score_user, scorer), users, batch_size=tile)

    return map_rows(score_rows, scorer.model.mesh, scorer, user_row, movie_row, implicit_score)
