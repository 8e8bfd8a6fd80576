"""Orders of many rows in little memory: with 25 million rows each array of int64 takes 200 MB."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def places_in_order(length: int) -> Int[np.ndarray, " length"]:
    """The places from 0, in the smallest type that holds all of them."""
    return np.arange(length, dtype=np.min_scalar_type(-max(1, length)))


def shuffled(length: int, seed: int | Sequence[int]) -> Int[np.ndarray, " length"]:
    """The same in the order by chance that `np.random.default_rng(seed).permutation(length)` has."""
    places = places_in_order(length)
    np.random.default_rng(seed).shuffle(places)
    return places


def within_groups(count: Int[np.ndarray, " groups"]) -> Int[np.ndarray, " n"]:
    """For groups of so many members, one after another: which of its group's each member is, from 0."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


def stable_order(values: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The places of values in rising order, of equal ones as they stand: a fast `np.argsort(values, kind="stable")`.

    NumPy sorts plain numbers several times as fast as it finds their order, so each value is sorted with its place
    behind it in one number, where 63 bits hold both.
    """
    if not len(values):
        return np.arange(0)
    lowest, bits = int(values.min()), len(values).bit_length()
    if (int(values.max()) - lowest).bit_length() + bits > 63:
        return np.argsort(values, kind="stable")
    order = values.astype(np.int64)  # and in place from here on
    order -= lowest
    order <<= bits
    order |= np.arange(len(order))
    order.sort()
    order &= (1 << bits) - 1
    return order
