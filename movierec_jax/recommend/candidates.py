"""The best movies of a few users, exact, by a close look at those alone that they are most exposed to.

No score is above the exposure that it is made of, as `Order` has it: the rest of it is a chance. So once k movies of
those with the highest exposure score more than the exposure of the next, no other movie can be in the list, and the
dense layers see some hundred movies in place of the whole catalogue.
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32

from movierec_jax.model.two_tower import Encoded, Members, TwoTowers, mean_implicit_score, mean_rating
from movierec_jax.recommend.partial_sort import best_of_users
from movierec_jax.recommend.top_k import Order, TopK, head_of

# Movies of each user that are looked at closely. Of the bundled data's users 99.7% have their best 10 settled by them.
CANDIDATES = 512


def settles(order: Order, k: int) -> bool:
    """Whether a close look may settle lists of k movies in this order."""
    return order.by != "stars" and 2 * k <= CANDIDATES


def candidate_top_k(
    model: TwoTowers,
    order: Order,
    params: Members,
    users: Encoded,
    movies: Encoded,
    seen: Sequence[Int32[np.ndarray, " _seen"]],
    k: int,
    listed: Sequence[Int[np.ndarray, " _listed"] | None],
) -> tuple[TopK, Bool[np.ndarray, " users"]]:
    """The lists of the first users, as many as `seen` has, and which of them are settled; the others may be wrong.

    users, movies: encoded. seen: rows that each list may not hold; listed: rows that it may, rising, None for all.
    """
    num_movies = model.num_movies
    implicit_score = np.asarray(implicit_score_block(users, movies))[:, :num_movies]
    num_candidates = min(CANDIDATES, num_movies)
    likely = best_of_users(implicit_score, seen, num_candidates, listed)
    row = np.zeros((len(implicit_score), num_candidates), np.int32)
    row[: len(likely)] = np.minimum(likely, num_movies - 1)
    of_candidates = np.take_along_axis(implicit_score, row, axis=1)
    score, stars = (
        np.asarray(table)[: len(likely)]
        for table in score_candidates(params, users, movies, row, of_candidates, model=model, order=order)
    )
    score = np.where(likely < num_movies, score, np.float32(-np.inf))
    # Equal scores by row, as in all lists.
    best = np.lexsort((likely, -score), axis=1)[:, :k]
    top = TopK(*(np.take_along_axis(table, best, axis=1) for table in (likely, score, stars)))
    is_whole = (likely == num_movies).any(axis=1) | (num_candidates == num_movies)
    return top, is_whole | (top.score[:, -1] > of_candidates[: len(likely), -1])


@jax.jit
def implicit_score_block(users: Encoded, movies: Encoded) -> Float[Array, "users movie_rows"]:
    """The exposure of each user to each movie."""
    return mean_implicit_score(users, movies)


@functools.partial(jax.jit, static_argnames=("model", "order"))
def score_candidates(
    params: Members,
    users: Encoded,
    movies: Encoded,
    movie_row: Int32[Array, "users likely"],
    implicit_score: Float[Array, "users likely"],
    *,
    model: TwoTowers,
    order: Order,
) -> tuple[Float[Array, "users likely"], Float[Array, "users likely"]]:
    """The scores and the stars of some movies of each user."""
    stars = mean_rating(head_of(params), users[:, :, None], movies[:, movie_row], model=model)
    return order.score(implicit_score, stars), stars
