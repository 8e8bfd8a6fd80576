"""The order in which each user rated, and how much less a rating tells of the next ones the more have come after it."""

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from movierec_jax.orders import stable_order, within_groups
from movierec_jax.schema import NO_TIMESTAMP

# Power of a rating's place among those of its user, as a share of their number, by which it counts.
RECENCY_POWER = 2


def turns(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Int32[np.ndarray, " ratings"]:
    """Which of its owner's ratings each is by time, from 0; of those of one time the later in the table is later."""
    order = stable_order(timestamp)
    order = order[stable_order(owner[order])]
    count = np.bincount(owner)
    turn = np.empty(len(owner), np.int32)
    turn[order] = within_groups(count)
    return turn


def recency(turn, num_ratings):
    """How much each rating counts by its turn among so many: the last 1, those before it less and less."""
    return ((turn + 1) / num_ratings) ** RECENCY_POWER


def recency_of(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """How much each of all ratings of its owner counts; all the same where no rating of the owner has a time."""
    count = np.bincount(owner)
    has_times = np.bincount(owner, timestamp != NO_TIMESTAMP) > 0
    weight = recency(turns(owner, timestamp), count[owner])
    return np.where(has_times[owner], weight, 1).astype(np.float32)
