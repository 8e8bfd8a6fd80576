"""Orders of many rows in little memory: with 25 million rows each array of int64 takes 200 MB."""

import concurrent.futures
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32, Int64, Shaped

# Ratings at the overall mean that each user and movie is given beside its own before it is used as an offset.
OFFSET_DAMPING = 5.0


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


def history_positions(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Int32[np.ndarray, " ratings"]:
    """Which of its owner's ratings each is by time, from 0; of those of one time the later in the table is later."""
    order = stable_order(timestamp)
    order = order[stable_order(owner[order])]
    count = np.bincount(owner)
    position = np.empty(len(owner), np.int32)
    position[order] = within_groups(count)
    return position


def group_mean(
    row: Int32[np.ndarray, " ratings"], value: np.ndarray, num_rows: int, damping: float
) -> Float64[np.ndarray, " rows"]:
    """The mean value of each row's ratings, pulled to 0 by `damping` ratings of 0; 0 for a row that has none.

    Has one entry more than `num_rows`, for the row of unknown ids.
    """
    total = np.bincount(row, weights=value, minlength=num_rows + 1)
    count = np.bincount(row, minlength=num_rows + 1)
    return np.divide(total, count + damping, out=np.zeros(num_rows + 1), where=count + damping > 0)


def levels(
    row: Int32[np.ndarray, " ratings"], rating: Float32[np.ndarray, " ratings"], num_rows: int
) -> Float64[np.ndarray, " rows"]:
    """The mean rating of each row, pulled to the mean of all by OFFSET_DAMPING ratings; the unknown row is last."""
    mean = rating.mean(dtype=np.float64)
    return mean + group_mean(row, rating - mean, num_rows, OFFSET_DAMPING)


def filled_up(column: Shaped[np.ndarray, "n *columns"], length: int) -> Shaped[np.ndarray, "length *columns"]:
    """A column followed by zeros up to a length; itself where it is as long."""
    if len(column) == length:
        return column
    return np.concatenate([column, np.zeros((length - len(column), *column.shape[1:]), column.dtype)])


def ahead(items: Iterator[Any]) -> Iterator[Any]:
    """The same, of which a thread makes the next one while one is worked on."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as background:
        upcoming = background.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = background.submit(next, items, None)
            yield item
