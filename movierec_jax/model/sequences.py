"""Lays the movies of users out in the order of their ratings, in rows of one length, for the sequence encoder.

Rows hold the sequences of several users, side by side, so hardly a slot is wasted however many ratings users have.
"""

import math

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from movierec_jax.data.arrays import order_of_histories, positions_in_groups, stable_argsort
from movierec_jax.model.inputs import Sequences

# The fewest slots that a user takes where no sequence is cut.
MIN_SLOTS = 4


def rows_of_step(num_ratings: int, length: int, num_passes: int, shape: tuple[int, int]) -> int:
    """Returns the rows of each of so many steps that hold all ratings as often as there are passes."""
    return -(-rows_of_pass(num_ratings, length) * num_passes // math.prod(shape))


def rows_of_pass(num_ratings: int, length: int) -> int:
    """Returns the rows that hold all ratings, with one more so that any of the first row's slots may be the first."""
    return -(-num_ratings // length) + 1


def passes_end_to_end(
    user: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    deviation: Float32[np.ndarray, " ratings"],
    timestamp: Int64[np.ndarray, " ratings"],
    *,
    length: int,
    num_passes: int,
    shape: tuple[int, int],
    seed: int,
    multiple: int = 1,
) -> Sequences:
    """Lays whole sequences out for the steps of some passes over them: `[steps, steps of the encoder, rows, length]`.

    In each pass users stand end to end at random, cut into rows wherever one is full, and rows are shuffled. What
    follows a cut is read without what was before it, and each pass has other cuts.

    shape: steps, and steps of the encoder in each. multiple: empty rows make the rows of a step a multiple of it.
    """
    rng = np.random.default_rng([seed, len(user)])
    rows = rows_of_pass(len(user), length)
    slots, orders = [], []
    for number in range(num_passes):
        shuffled_user = rng.permutation(int(user.max(initial=0)) + 1)[user]
        orders.append(order_of_histories(shuffled_user, timestamp))
        slot = np.arange(len(user)) + rng.integers(length)
        slots.append((number * rows + rng.permutation(rows)[slot // length]) * length + slot % length)
    of_step = rows_of_step(len(user), length, num_passes, shape)
    laid = lay_out(user, movie_row, deviation, np.concatenate(orders), np.concatenate(slots), (*shape, of_step, length))
    return pad_sequences(laid, -(-of_step // multiple) * multiple)


def last_movies(
    user: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    deviation: Float32[np.ndarray, " ratings"],
    timestamp: Int64[np.ndarray, " ratings"],
    *,
    length: int,
) -> Sequences:
    """Lays out the last movies of each user, `length` at most, none of them cut: `[rows, length]`.

    length: a power of two. Users take powers of two of slots, in falling order, so that no user's cross a row's end.
    """
    order = order_of_histories(user, timestamp)
    users, count = np.unique(user, return_counts=True)
    kept = np.minimum(count, length)
    slots = np.clip(2 ** np.ceil(np.log2(kept)).astype(np.int64), MIN_SLOTS, length)
    largest_first = stable_argsort(-slots)
    start = np.empty(len(users), np.int64)
    start[largest_first] = np.cumsum(slots[largest_first]) - slots[largest_first]
    is_kept = positions_in_groups(count) >= np.repeat(count - kept, count)
    slot = np.repeat(start, kept) + positions_in_groups(kept)
    shape = max(1, -(-int(slots.sum()) // length)), length
    return lay_out(user, movie_row, deviation, order[is_kept], slot, shape)


def lay_out(
    user: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    deviation: Float32[np.ndarray, " ratings"],
    order: Int[np.ndarray, " kept"],
    slot: Int[np.ndarray, " kept"],
    shape: tuple[int, ...],
) -> Sequences:
    """Puts ratings, in an order, into these slots of rows of a shape; a missing deviation becomes 0."""

    def laid(column: np.ndarray, filling: int) -> np.ndarray:
        slots = np.full(np.prod(shape), filling, column.dtype)
        slots[slot] = column[order]
        return slots.reshape(shape)

    return Sequences(laid(user, -1), laid(movie_row, 0), np.nan_to_num(laid(deviation, 0), copy=False))


def pad_sequences(sequences: Sequences, num_rows: int) -> Sequences:
    """Adds empty rows up to `num_rows`, in each batch if there are several."""
    width = [(0, 0)] * (sequences.user.ndim - 2) + [(0, num_rows - sequences.user.shape[-2]), (0, 0)]
    user, *others = sequences
    return Sequences(np.pad(user, width, constant_values=-1), *(np.pad(column, width) for column in others))
