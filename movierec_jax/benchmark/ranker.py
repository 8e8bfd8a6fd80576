"""What a ranker is: a recommender of another kind or library that scores every movie for a user, and how it is tuned.

All learn from a sparse table of likes: 1 where a user's rating in train is relevant.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from movierec_jax.evaluation import metrics
from movierec_jax.recommend.partial_sort import top_k_of_scores

# A sparse table (CSR) of users by movies.
Likes = Any

Settings = Mapping[str, Any]

# Users whose scores are held at once.
BLOCK_USERS = 1024

# The likes of some users and, where train has them, their rows there -> the score of every movie.
Scores = Callable[[Likes, Int[np.ndarray, " users"] | None], Float[np.ndarray, "users movies"]]


@dataclasses.dataclass(frozen=True)
class Ranker:
    """fit: (likes, settings, seed) -> scores. grid: the settings that are tried on validation; one is not tried.

    library: what must be importable beside our own dependencies; knows_new_users: whether the scores of users follow
    from their likes, so that users may come after training.
    """

    label: str
    fit: Callable[[Likes, Settings, int], Scores]
    grid: tuple[Settings, ...] = ({},)
    library: str | None = None
    knows_new_users: bool = True


def find_ranker(name: str) -> Ranker:
    """The ranker of a name in `config.RANKERS`."""
    return importlib.import_module(f"movierec_jax.benchmark.rankers.{name}").RANKER


def fit_ranker(ranker: Ranker, likes: Likes, settings: Settings, seed: int) -> Scores:
    """The scores of a ranker fitted to likes; for users without any, who would all be alike to it, by popularity."""
    scores = ranker.fit(likes, settings, seed)
    count = np.asarray(likes.sum(axis=0), np.float64)

    def filled(likes: Likes, row: Int[np.ndarray, " users"] | None) -> Float[np.ndarray, "users movies"]:
        score = np.array(scores(likes, row), np.float64)
        score[np.diff(likes.indptr) == 0] = count
        return score

    return filled


def best_unseen(
    scores: Scores, likes: Likes, seen: Likes, row: Int[np.ndarray, " users"] | None, k: int
) -> Int[np.ndarray, "users k"]:
    """Each user's k best movies that they have not rated, equal scores by movie; the number of movies in empty places.

    likes, seen: what the users have liked and what they have rated; row: of these users in train, None for new ones.
    """
    num_users, num_movies = likes.shape
    lists = np.full((num_users, k), num_movies)
    for first in range(0, num_users, BLOCK_USERS):
        place = slice(first, min(first + BLOCK_USERS, num_users))
        score = np.array(scores(likes[place], None if row is None else row[place]), np.float64)
        own = seen[place]
        lists[place] = top_k_of_scores(score, np.split(own.indices, own.indptr[1:-1]), k)
    return lists


def tune(ranker: Ranker, likes: Likes, seen: Likes, hidden: Likes, seed: int) -> tuple[Settings, dict[str, float]]:
    """The settings of the grid with the highest NDCG@10 on hidden likes, and that of each, by settings.

    likes, seen: of all users without what is hidden.
    """
    if len(ranker.grid) == 1:
        return ranker.grid[0], {}
    users = np.flatnonzero(np.diff(hidden.indptr))
    user, movie = hidden[users].nonzero()
    ndcg = []
    for settings in ranker.grid:
        lists = best_unseen(fit_ranker(ranker, likes, settings, seed), likes[users], seen[users], users, 10)
        is_hit, num_relevant = metrics.hits(lists, user, movie, likes.shape[1])
        ndcg.append(metrics.mean_over_users(metrics.ndcg_at_k(is_hit, num_relevant, 10)))
    return ranker.grid[int(np.argmax(ndcg))], dict(zip(map(str, ranker.grid), ndcg, strict=True))
