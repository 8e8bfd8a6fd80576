"""The table of ratings cut into a grid, a cell for each device.

Users are cut into ranges of rows, one per index along the mesh axis `data`, and movies into ranges along `model`. A
cell holds the ratings that the users of one range gave the movies of another, so it needs only the rows of these two
ranges:

                 movies 0..n   movies n..2n
    users 0..m     cell 0         cell 1
    users m..2m    cell 2         cell 3

A single device is the grid of one cell.
"""

import dataclasses

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
