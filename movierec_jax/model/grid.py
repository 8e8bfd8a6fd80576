"""The table of ratings cut into a grid, a cell for each device.

Users are cut into ranges of rows, one per index along the mesh axis `data`, and movies into ranges along `model`. A
cell holds the ratings that the users of one range gave the movies of another, so it needs only the rows of these two
ranges:

                 movies 0..n   movies n..2n
    users 0..m     cell 0         cell 1
    users m..2m    cell 2         cell 3

A single device is the grid of one cell. Of many processes each lays out the cells of its own devices alone (`Share`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Int32

# Rows may grow by this factor at most to fill whole tiles.
MOST_FILLING = 1.25


@dataclasses.dataclass(frozen=True)
class Grid:
    """The number of ranges of users (`data`) and of movies (`model`).

    tile: a device's rows come in multiples of it, unless that takes too much filling (MOST_FILLING).
    """

    data: int = 1
    model: int = 1
    tile: int = 1

    @property
    def num_cells(self) -> int:
        return self.data * self.model

    def padded(self, num_rows: int) -> int:
        """Rounds a number of rows up so that they divide equally among the cells."""
        in_tiles, fewest = (
            -(-num_rows // multiple) * multiple for multiple in (self.num_cells * self.tile, self.num_cells)
        )
        return in_tiles if in_tiles <= MOST_FILLING * num_rows else fewest

    def ranges(self, num_users: int, num_movies: int) -> tuple[int, int]:
        """Returns the rows of users and of movies in a cell, of padded numbers of rows."""
        return num_users // self.data, num_movies // self.model

    def cell(
        self, user_row: Int32[np.ndarray, " n"], movie_row: Int32[np.ndarray, " n"], ranges: tuple[int, int]
    ) -> Int[np.ndarray, " n"]:
        """Returns the cell of each pair of rows."""
        if self.num_cells == 1:
            # Takes no memory.
            return np.broadcast_to(np.int32(0), len(user_row))
        return user_row // ranges[0] * self.model + movie_row // ranges[1]

    def within(
        self, user_row: Int32[np.ndarray, "*n"], movie_row: Int32[np.ndarray, "*n"], ranges: tuple[int, int]
    ) -> tuple[Int32[np.ndarray, "*n"], Int32[np.ndarray, "*n"]]:
        """Counts rows from the first row of their cell."""
        if self.num_cells == 1:
            return user_row, movie_row
        return user_row % np.int32(ranges[0]), movie_row % np.int32(ranges[1])


ONE_CELL = Grid()


@dataclasses.dataclass(frozen=True)
class Share:
    """What one process lays out of a grid: the cells of its own devices.

    cells: their numbers. movie_ranges: the ranges of movies of the same devices, where all cells share the movies out;
        the cells with the same movies have ranges side by side.
    largest, total: the largest of what each process gives, and the sum, element by element; all processes call them,
        in the same order.
    """

    grid: Grid
    cells: Sequence[int]
    movie_ranges: Sequence[int]
    largest: Callable[[Any], Int[np.ndarray, "*n"]] = np.asarray
    total: Callable[[Any], Int[np.ndarray, "*n"]] = np.asarray

    @classmethod
    def whole(cls, grid: Grid) -> "Share":
        """The share of a process that has all devices."""
        return cls(grid, range(grid.num_cells), range(grid.num_cells))

    @classmethod
    def of_cells(cls, grid: Grid, cells: Sequence[int], **agreement: Callable) -> "Share":
        """The share of a process that has the devices of these cells."""
        return cls(grid, cells, [cell % grid.model * grid.data + cell // grid.model for cell in cells], **agreement)


ALL_OF_ONE_CELL = Share.whole(ONE_CELL)


@dataclasses.dataclass(frozen=True)
class OwnParts:
    """A host array of which an axis is cut into equal parts, of which this process has only some.

    Has what is asked of an array before it is on the devices: shape, dtype, and what lies within one part.
    """

    parts: Mapping[int, np.ndarray]
    num_parts: int
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        shape = list(self.any_part.shape)
        shape[self.axis] *= self.num_parts
        return tuple(shape)

    @property
    def dtype(self) -> np.dtype:
        return self.any_part.dtype

    @property
    def ndim(self) -> int:
        return self.any_part.ndim

    @property
    def any_part(self) -> np.ndarray:
        return next(iter(self.parts.values()))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        """Returns what an index over a whole part of the axis selects. Raises KeyError for another's part."""
        within, width = list(index), self.any_part.shape[self.axis]
        first = within[self.axis].start or 0
        within[self.axis] = slice(None)
        # Parts without any width are all alike.
        part = self.parts[first // width] if width else self.any_part
        return part[tuple(within)]


def join_parts(arrays: Sequence[np.ndarray], numbers: Sequence[int], num_parts: int, axis: int = -1) -> Any:
    """Joins equal parts along an axis; as `OwnParts` where some are missing, those of other processes.

    numbers: of the parts, in the order of the arrays; rising where none is missing.
    """
    if len(arrays) < num_parts:
        return OwnParts(dict(zip(numbers, arrays, strict=True)), num_parts, axis)
    return arrays[0] if num_parts == 1 else np.concatenate(arrays, axis=axis)
