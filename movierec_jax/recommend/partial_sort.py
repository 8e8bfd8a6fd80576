"""The best of many scores by the host: exact, and faster than a sort where the scores are in its own memory.

A threshold comes from a sample: the n-th highest of every eighth score is no higher than the n-th highest of all, so
nothing below it can be among the best n. What is left is little, and is looked at closely.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int32, Int64

SAMPLED = 8


def best_of_users(
    score: Float[np.ndarray, "users movies"],
    seen: Sequence[Int32[np.ndarray, " _seen"]],
    k: int,
    listed: Sequence[Int[np.ndarray, " _listed"] | None] | None = None,
) -> Int32[np.ndarray, "_lists k"]:
    """The rows of `best_unseen` for the first users, as many as `seen` has; the number of movies in empty places.

    listed: of each of these users; without it, all movies may be in all lists.
    """
    num_movies = score.shape[1]
    is_seen = np.zeros(num_movies, bool)
    lists = np.full((len(seen), k), num_movies, np.int32)
    for user, (rows, own) in enumerate(zip(seen, listed or [None] * len(seen), strict=True)):
        best = best_unseen(score[user], rows, k, own, is_seen)
        lists[user, : len(best)] = best
    return lists


def best_unseen(
    score: Float[np.ndarray, " movies"],
    seen: Int32[np.ndarray, " seen"],
    k: int,
    listed: Int[np.ndarray, " listed"] | None,
    is_seen: Bool[np.ndarray, " movies"],
) -> Int64[np.ndarray, " _best"]:
    """The k rows of highest score that are not seen, or all if they are fewer; equal scores by row.

    listed: the rows that may be among them, rising; without it all may. is_seen: False everywhere, before and after.
    """
    pool = score if listed is None else score[listed]
    wanted = k + len(seen)
    sample = pool[::SAMPLED]
    rows = np.flatnonzero(pool >= nth(sample, wanted)) if wanted <= len(sample) else np.arange(len(pool))
    if listed is not None:
        rows = listed[rows]
    is_seen[seen] = True
    rows = rows[~is_seen[rows]]
    is_seen[seen] = False
    value = score[rows]
    if len(rows) > k:
        is_best = value >= nth(value, k)
        rows, value = rows[is_best], value[is_best]
    return rows[np.argsort(-value, kind="stable")[:k]]


def nth(values: Float[np.ndarray, " n"], place: int) -> np.floating:
    """The highest value but place - 1."""
    return np.partition(values, len(values) - place)[len(values) - place]
