"""The k best of many scores on the host: exact, and faster than a sort where the scores are in the host's memory.

A sample gives a threshold: the n-th highest of every eighth score is no higher than the n-th highest of all, so nothing
below it is among the best n. Only what is left is sorted.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int32, Int64

# One score in so many is in the sample.
SAMPLE_STEP = 8


def top_k_of_scores(
    score: Float[np.ndarray, "users movies"],
    seen: Sequence[Int32[np.ndarray, " _seen"]],
    k: int,
    listed: Sequence[Int[np.ndarray, " _listed"] | None] | None = None,
) -> Int32[np.ndarray, "_lists k"]:
    """Returns the rows of each user's k best unseen movies; the number of movies in empty slots.

    seen: of the first users; no list is made for those after them.
    listed: the rows that each list may hold, rising; without it all.
    """
    num_movies = score.shape[1]
    is_seen = np.zeros(num_movies, bool)
    lists = np.full((len(seen), k), num_movies, np.int32)
    for user, (seen_row, listed_row) in enumerate(zip(seen, listed or [None] * len(seen), strict=True)):
        best = top_k_of_user(score[user], seen_row, k, listed_row, is_seen)
        lists[user, : len(best)] = best
    return lists


def top_k_of_user(
    score: Float[np.ndarray, " movies"],
    seen: Int32[np.ndarray, " seen"],
    k: int,
    listed: Int[np.ndarray, " listed"] | None,
    is_seen: Bool[np.ndarray, " movies"],
) -> Int64[np.ndarray, " _best"]:
    """Returns the rows of the k highest scores that are not seen, or of all if they are fewer; equal scores by row.

    is_seen: scratch memory, False everywhere, before and after.
    """
    candidates = score if listed is None else score[listed]
    wanted = k + len(seen)
    sample = candidates[::SAMPLE_STEP]
    if wanted <= len(sample):
        rows = np.flatnonzero(candidates >= nth_highest(sample, wanted))
    else:
        rows = np.arange(len(candidates))
    if listed is not None:
        rows = listed[rows]
    is_seen[seen] = True
    rows = rows[~is_seen[rows]]
    is_seen[seen] = False
    value = score[rows]
    if len(rows) > k:
        is_best = value >= nth_highest(value, k)
        rows, value = rows[is_best], value[is_best]
    return rows[np.argsort(-value, kind="stable")[:k]]


def nth_highest(values: Float[np.ndarray, " values"], n: int) -> np.floating:
    """Returns the n-th highest value, from 1; equal ones count each."""
    return np.partition(values, len(values) - n)[len(values) - n]
