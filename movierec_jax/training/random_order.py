"""Random orders of the ratings, of which any part is known without the rest.

Up to SHUFFLED_AT_MOST ratings are shuffled. Of more, the position of each is a function of its number and of keys: a
Feistel network permutes the pairs of digits (left, right) that number the cells of a square, and walks on from numbers
that no rating has (Luby, Rackoff 1988, "How to construct pseudorandom permutations from pseudorandom functions"; Black,
Rogaway 2002, "Ciphers with arbitrary finite domains"). So each process orders its own ratings alone, and a device
computes the step of each rating instead of keeping it.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np
from jaxtyping import Int, Int64, UInt32

from movierec_jax.data.arrays import blocks_of_rows, shuffled_positions

SHUFFLED_AT_MOST = 2**25

# Rounds of the network; four make it a random permutation for all who do not know the keys.
NUM_ROUNDS = 6

# The last step of MurmurHash3 (Appleby 2011): multipliers and shifts by which every bit depends on every other.
MULTIPLIERS, SHIFTS = (0x85EBCA6B, 0xC2B2AE35), (16, 13, 16)


@dataclasses.dataclass(frozen=True)
class RandomOrder:
    """A random order of `length` ratings, a function of a seed."""

    length: int
    seed: tuple[int, ...]

    @property
    def is_shuffled(self) -> bool:
        """Whether the ratings are few enough to shuffle; the positions of more follow from keys."""
        return self.length <= SHUFFLED_AT_MOST

    @functools.cached_property
    def shuffled(self) -> Int[np.ndarray, " ratings"]:
        """The numbers of all ratings in their order, where they are shuffled."""
        assert self.is_shuffled, f"{self.length} ratings are not shuffled"
        return shuffled_positions(self.length, self.seed)

    @functools.cached_property
    def position(self) -> Int[np.ndarray, " ratings"]:
        """The position of each of the ratings, where they are shuffled."""
        position = np.empty_like(self.shuffled)
        position[self.shuffled] = np.arange(self.length, dtype=position.dtype)
        return position

    @functools.cached_property
    def keys(self) -> UInt32[np.ndarray, " rounds"]:
        """The keys of the network."""
        return np.random.SeedSequence(self.seed).generate_state(NUM_ROUNDS, np.uint32)

    def ratings(self, first: int, end: int) -> Int[np.ndarray, " _ratings"]:
        """Returns the numbers of the ratings at the positions from `first` to `end`, which may lie behind the last."""
        if self.is_shuffled:
            return self.shuffled[first:end]
        return self.permuted(np.arange(first, min(end, self.length)), is_inverse=True)

    def positions(self, number: Int[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Returns the position of each of some ratings."""
        if self.is_shuffled:
            return self.position[number].astype(np.int64)
        return self.permuted(number, is_inverse=False)

    def permuted(self, number: Int[np.ndarray, " n"], *, is_inverse: bool) -> Int64[np.ndarray, " n"]:
        """Returns the positions of numbers, or the numbers at positions, by the network."""
        found = np.empty(len(number), np.int64)
        for rows in blocks_of_rows(len(number)):
            block = permute(number[rows].astype(np.uint32), self.length, self.keys, is_inverse=is_inverse)
            while len(outside := np.flatnonzero(block >= self.length)):
                block[outside] = permute(block[outside], self.length, self.keys, is_inverse=is_inverse)
            found[rows] = block
        return found


def permute(number: Any, length: int, keys: Any, *, is_inverse: bool = False) -> Any:
    """Permutes uint32 numbers below the product of `digits_of(length)`, in NumPy or in JAX."""
    num_left, num_right = (np.uint32(digits) for digits in digits_of(length))
    left, right = number // num_right, number % num_right
    for turn in reversed(range(NUM_ROUNDS)) if is_inverse else range(NUM_ROUNDS):
        if turn % 2:
            right = moved(right, scrambled(left ^ keys[turn]), num_right, is_inverse)
        else:
            left = moved(left, scrambled(right ^ keys[turn]), num_left, is_inverse)
    return left * num_right + right


def digits_of(length: int) -> tuple[int, int]:
    """Returns the sides of the smallest rectangle, almost a square, that has at least `length` cells."""
    side = max(1, math.isqrt(length - 1) + 1)
    return side, -(-length // side)


def moved(digit: Any, by: Any, num_digits: np.uint32, is_inverse: bool) -> Any:
    """Returns digits moved in a circle of `num_digits`, back for the inverse."""
    by = by % num_digits
    return (digit + (num_digits - by if is_inverse else by)) % num_digits


def scrambled(bits: Any) -> Any:
    """Returns uint32 of which each bit depends on all bits given."""
    first, second, third = (np.uint32(shift) for shift in SHIFTS)
    bits = (bits ^ (bits >> first)) * np.uint32(MULTIPLIERS[0])
    bits = (bits ^ (bits >> second)) * np.uint32(MULTIPLIERS[1])
    return bits ^ (bits >> third)
