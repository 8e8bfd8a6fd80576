"""NumPy helpers that order, group and pad many rows in little memory: an int64 array of 25 million takes 200 MB.

Columns may be mapped from a file, and longer than memory. So what is needed of all rows is computed a block of them at
a time.
"""

import concurrent.futures
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int32, Int64, Shaped

# Ratings at the overall mean that each user and movie gets beside its own before its mean serves as an offset.
OFFSET_DAMPING = 5.0

# Rows of a block.
BLOCK_ROWS = 2**22


def blocks_of_rows(length: int, block_rows: int | None = None) -> Iterator[slice]:
    """Yields slices that cover `length` rows, a block of BLOCK_ROWS or `block_rows` each; at least one."""
    block_rows = block_rows or BLOCK_ROWS
    for first in range(0, max(1, length), block_rows):
        yield slice(first, min(first + block_rows, length))


def find_rows(is_found: Callable[[slice], np.ndarray], length: int) -> Int[np.ndarray, " found"]:
    """Returns the positions, rising, of those of `length` rows that a function finds in each block."""
    return np.concatenate([rows.start + np.flatnonzero(is_found(rows)) for rows in blocks_of_rows(length)])


def total_by_group(
    group: Int[np.ndarray, " n"], num_groups: int, value: Callable[[slice], np.ndarray]
) -> Float64[np.ndarray, " groups"]:
    """Sums what a function returns for the members of each block, by group."""
    total = np.zeros(num_groups)
    for rows in blocks_of_rows(len(group)):
        total += np.bincount(group[rows], value(rows), minlength=num_groups)
    return total


def count_groups(group: Int[np.ndarray, " n"], num_groups: int = 0) -> Int64[np.ndarray, " groups"]:
    """Counts the members of each group; of at least `num_groups` groups, as many as there are."""
    count = np.zeros(max(num_groups, int(group.max(initial=-1)) + 1), np.int64)
    for rows in blocks_of_rows(len(group)):
        count += np.bincount(group[rows], minlength=len(count))
    return count


def row_positions(length: int) -> Int[np.ndarray, " length"]:
    """Returns 0 to `length` - 1, in the smallest integer type that holds them."""
    return np.arange(length, dtype=np.min_scalar_type(-max(1, length)))


def shuffled_positions(length: int, seed: int | Sequence[int]) -> Int[np.ndarray, " length"]:
    """Returns `row_positions` in the random order of `np.random.default_rng(seed).permutation(length)`."""
    positions = row_positions(length)
    np.random.default_rng(seed).shuffle(positions)
    return positions


def positions_in_groups(count: Int[np.ndarray, " groups"]) -> Int[np.ndarray, " n"]:
    """Returns each member's position within its group, from 0, for groups of `count` members one after another."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


def csr_offsets(count: Int[np.ndarray, " groups"]) -> Int64[np.ndarray, " groups_and_one"]:
    """Returns where each group of `count` members begins, one after another, and the end: CSR offsets."""
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def members_of_groups(
    start: Int64[np.ndarray, " groups_and_one"], wanted: Int[np.ndarray, " wanted"]
) -> tuple[Int64[np.ndarray, " wanted_and_one"], Int64[np.ndarray, " members"]]:
    """Returns the members of the wanted groups, one group after another, and where each group of them begins.

    start: `csr_offsets` of all groups. -1 stands for a group without members.
    """
    count = np.where(wanted >= 0, np.diff(start)[wanted], 0)
    offsets = csr_offsets(count)
    return offsets, np.arange(offsets[-1]) + np.repeat(start[wanted] - offsets[:-1], count)


def stable_argsort(values: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Returns what `np.argsort(values, kind="stable")` returns, several times as fast.

    NumPy sorts plain numbers much faster than it finds their order. So value and position are packed into one number,
    value first, and sorted as that; where 63 bits cannot hold both, `np.argsort` does the work.
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


def order_of_histories(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Int[np.ndarray, " ratings"]:
    """Returns the order of ratings by owner, and of an owner's by time; ties keep the order of the table."""
    order = stable_argsort(timestamp)
    return order[stable_argsort(owner[order])]


def history_positions(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Int32[np.ndarray, " ratings"]:
    """Returns each rating's position in its owner's history by time, from 0; ties keep the order of the table."""
    order = order_of_histories(owner, timestamp)
    position = np.empty(len(owner), np.int32)
    position[order] = positions_in_groups(count_groups(owner))
    return position


def weighted_mean(
    value: np.ndarray,
    weight: Float32[np.ndarray, " ratings"] | None = None,
    function: Callable[[np.ndarray], np.ndarray] = lambda value: value,
) -> np.float64:
    """Returns the mean of a function of values that count by their weights, 1 each unless given; 0 of no values."""
    if not len(value):
        return np.float64(0)
    total, count = np.float64(0), np.float64(0)
    for rows in blocks_of_rows(len(value)):
        block = function(value[rows].astype(np.float64))
        total += block.sum() if weight is None else (block * weight[rows]).sum()
        count += len(block) if weight is None else weight[rows].sum(dtype=np.float64)
    return total / count


def damped_group_mean(
    row: Int32[np.ndarray, " ratings"],
    value: np.ndarray,
    num_rows: int,
    damping: float,
    weight: Float32[np.ndarray, " ratings"] | None = None,
    offset: float = 0.0,
) -> Float64[np.ndarray, " rows"]:
    """Returns the mean value of each row's ratings, pulled to 0 by `damping` ratings of 0; 0 for a row without any.

    Has `num_rows` + 1 entries, the last for the row of unknown ids. weight: of each rating; None: all count 1.
    offset: what is subtracted from each value.
    """

    def deviation(rows: slice) -> np.ndarray:
        above = value[rows] - offset
        return above if weight is None else above * weight[rows]

    total = total_by_group(row, num_rows + 1, deviation)
    count = count_groups(row, num_rows + 1) if weight is None else total_by_group(row, num_rows + 1, weight.__getitem__)
    return np.divide(total, count + damping, out=np.zeros(num_rows + 1), where=count + damping > 0)


def damped_means(
    row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
    num_rows: int,
    weight: Float32[np.ndarray, " ratings"] | None = None,
    damping: float = OFFSET_DAMPING,
) -> Float64[np.ndarray, " rows"]:
    """Returns the mean rating of each row, pulled to the overall mean by `damping` ratings; unknown ids last."""
    mean = weighted_mean(rating, weight)
    return mean + damped_group_mean(row, rating, num_rows, damping, weight, offset=mean)


def mean_and_spread(
    rating: Float[np.ndarray, " ratings"], weight: Float32[np.ndarray, " ratings"] | None = None
) -> tuple[float, float]:
    """Returns mean and standard deviation of ratings, in stars; a deviation of 1 where no two ratings differ."""
    mean = float(weighted_mean(rating, weight))
    # The mean of equal numbers can differ from them in the last bit.
    if not len(rating) or rating.min() == rating.max():
        return mean, 1.0
    return mean, math.sqrt(weighted_mean(rating, weight, lambda value: np.square(value - mean)))


def pad_rows(column: Shaped[np.ndarray, "n *columns"], length: int) -> Shaped[np.ndarray, "length *columns"]:
    """Returns a column followed by zeros up to `length` rows; the column itself where it has as many."""
    if len(column) == length:
        return column
    return np.concatenate([column, np.zeros((length - len(column), *column.shape[1:]), column.dtype)])


def sizes_up_to(largest: int, growth: int | float, smallest: int = 1) -> list[int]:
    """Returns rising sizes, each `growth` times the one before, up to the first that is at least `largest`.

    A program is compiled for each shape of its arguments, so arrays whose length varies are padded to one of few sizes.
    """
    sizes = [smallest]
    while sizes[-1] < largest:
        sizes.append(math.ceil(sizes[-1] * growth))
    return sizes


def round_up_to_size(length: int, growth: int | float, smallest: int = 1) -> int:
    """Returns the smallest of `sizes_up_to` that is at least `length`."""
    return sizes_up_to(length, growth, smallest)[-1]


def prefetch(items: Iterator[Any]) -> Iterator[Any]:
    """Yields the items, the next of which a background thread makes while one is in use."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as background:
        upcoming = background.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = background.submit(next, items, None)
            yield item
