"""Lays the movies of users out in the order of their ratings, in rows of one length, for the sequence encoder.

Rows hold the sequences of several users, side by side, so hardly a slot is wasted however many ratings users have.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, Int64

from movierec_jax.data.arrays import (
    count_groups,
    csr_offsets,
    members_of_groups,
    order_of_histories,
    positions_in_groups,
    stable_argsort,
)
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
    count = count_groups(user)
    kept = np.minimum(count, length)
    start, num_slots = start_of_users(slots_of_users(kept, length))
    slot = np.repeat(start, kept) + positions_in_groups(kept)
    shape = max(1, -(-num_slots // length)), length
    return lay_out(user, movie_row, deviation, order[is_last_of_user(count, length)], slot, shape)


def is_last_of_user(count: Int[np.ndarray, " users"], length: int) -> Bool[np.ndarray, " ratings"]:
    """Returns which ratings, by user and time, are among the last `length` of their users, who have `count` each."""
    return positions_in_groups(count) >= np.repeat(count - np.minimum(count, length), count)


def slots_of_users(kept: Int[np.ndarray, " users"], length: int) -> Int64[np.ndarray, " users"]:
    """Returns the slots that users with so many movies take: a power of two; none without movies."""
    slots = 2 ** np.ceil(np.log2(np.maximum(kept, 1))).astype(np.int64)
    return np.where(kept, np.clip(slots, MIN_SLOTS, length), 0)


def start_of_users(slots: Int64[np.ndarray, " users"]) -> tuple[Int64[np.ndarray, " users"], int]:
    """Returns where each user's slots begin, end to end with the largest first, and how many there are in all."""
    largest_first = stable_argsort(-slots)
    start = np.empty(len(slots), np.int64)
    start[largest_first] = np.cumsum(slots[largest_first]) - slots[largest_first]
    return start, int(slots.sum())


@dataclasses.dataclass(frozen=True)
class UserSequences:
    """The last movies of each user in order, and the place in a row that they take in every layout.

    What the encoder reads of a user depends to the last bit on the place in the row, not on who else is in it.

    start: CSR offsets of each user's movies. slots, place: how many slots of a row a user takes, and the first of them.
    """

    start: Int64[np.ndarray, " users_and_one"]
    movie_row: Int32[np.ndarray, " kept"]
    deviation: Float32[np.ndarray, " kept"]
    slots: Int64[np.ndarray, " users"]
    place: Int64[np.ndarray, " users"]
    length: int

    @classmethod
    def of(
        cls,
        user: Int32[np.ndarray, " ratings"],
        movie_row: Int32[np.ndarray, " ratings"],
        deviation: Float32[np.ndarray, " ratings"],
        timestamp: Int64[np.ndarray, " ratings"],
        num_users: int,
        length: int,
    ) -> "UserSequences":
        """From the ratings of all users, with the places of `last_movies`."""
        count = count_groups(user, num_users)
        order = order_of_histories(user, timestamp)[is_last_of_user(count, length)]
        kept = np.minimum(count, length)
        slots = slots_of_users(kept, length)
        place = start_of_users(slots)[0] % length
        return cls(csr_offsets(kept), movie_row[order], deviation[order], slots, place, length)

    def lay_out(self, users: Int[np.ndarray, " wanted"]) -> Sequences:
        """Lays out the movies of these users, numbered from 0 in this order, in as few rows as their places allow."""
        start, index = members_of_groups(self.start, users)
        kept = np.diff(start)
        row, num_rows = rows_of_places(self.place[users], self.slots[users], self.length)
        slot = np.repeat(row * self.length + self.place[users], kept) + positions_in_groups(kept)
        owner = np.repeat(np.arange(len(users), dtype=np.int32), kept)
        shape = max(1, num_rows), self.length
        return lay_out(owner, self.movie_row[index], self.deviation[index], np.arange(len(index)), slot, shape)


def rows_of_places(
    place: Int64[np.ndarray, " users"], slots: Int64[np.ndarray, " users"], length: int
) -> tuple[Int64[np.ndarray, " users"], int]:
    """Returns a row for each user such that no two take the same slot of one, and how many rows there are.

    Slots are powers of two and places multiples of them, so users placed earlier, who take as many or more, fill every
    slot of a place in equally many rows.
    """
    row, filled = np.zeros(len(place), np.int64), np.zeros(length, np.int64)
    for size in np.unique(slots[slots > 0])[::-1]:
        users = np.flatnonzero(slots == size)
        users = users[stable_argsort(place[users])]
        count = np.bincount(place[users] // size, minlength=length // size)
        row[users] = filled[place[users]] + positions_in_groups(count)
        filled += np.repeat(count, size)
    return row, int(filled.max())


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
