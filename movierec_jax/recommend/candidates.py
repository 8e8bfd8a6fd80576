"""The exact lists of a few users from a few candidates, where that can be proved ("exact pruning").

A score is an implicit-feedback score times a chance (`scoring.Order`), so it is never above the implicit-feedback
score. Candidates are the movies with the highest implicit-feedback scores; once k of them score above the lowest
implicit-feedback score among them, no other movie can be in the list. So the dense layers see some hundred movies in
place of the whole catalogue.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int32

from movierec_jax.model.two_tower import Encoded, mean_implicit_score, mean_rating
from movierec_jax.recommend.partial_sort import top_k_of_scores
from movierec_jax.recommend.scoring import Order, Scorer, head_of
from movierec_jax.recommend.top_k import TopK

# Candidates of each user. They settle the best 10 of 99.7% of the bundled data's users.
NUM_CANDIDATES = 512


def can_settle(order: Order, k: int) -> bool:
    """Returns whether candidates may settle lists of k movies in this order."""
    return order.by != "predicted_rating" and 2 * k <= NUM_CANDIDATES


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
    num_movies = scorer.num_movies
    implicit_score = np.asarray(implicit_score_block(scorer.users, scorer.movies))[:, :num_movies]
    num_candidates = min(NUM_CANDIDATES, num_movies)
    candidate = top_k_of_scores(implicit_score, seen, num_candidates, listed)
    row = np.zeros((len(implicit_score), num_candidates), np.int32)
    row[: len(candidate)] = np.minimum(candidate, num_movies - 1)
    bound = np.take_along_axis(implicit_score, row, axis=1)
    score, predicted_rating = (np.asarray(table)[: len(candidate)] for table in score_candidates(scorer, row, bound))
    score = np.where(candidate < num_movies, score, np.float32(-np.inf))
    # Equal scores by row, as in all lists.
    best = np.lexsort((candidate, -score), axis=1)[:, :k]
    top = TopK(*(np.take_along_axis(table, best, axis=1) for table in (candidate, score, predicted_rating)))
    is_whole = (candidate == num_movies).any(axis=1) | (num_candidates == num_movies)
    return top, is_whole | (top.score[:, -1] > bound[: len(candidate), -1])


@jax.jit
def implicit_score_block(users: Encoded, movies: Encoded) -> Float[Array, "users movie_rows"]:
    """Returns the implicit-feedback score of each user and movie."""
    return mean_implicit_score(users, movies)


@jax.jit
def score_candidates(
    scorer: Scorer, movie_row: Int32[Array, "users candidates"], implicit_score: Float[Array, "users candidates"]
) -> tuple[Float[Array, "users candidates"], Float[Array, "users candidates"]]:
    """Returns the scores and predicted ratings of each user's candidates."""
    pairs = scorer.users[:, :, None], scorer.movies[:, movie_row]
    predicted_rating = mean_rating(head_of(scorer.params), *pairs, model=scorer.model)
    return scorer.order.score(implicit_score, predicted_rating), predicted_rating
