"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import numpy as np
from jaxtyping import Int, Int64, Shaped

from movierec_jax.grid import Grid
from movierec_jax.orders import shuffled, stable_order, within_groups
from movierec_jax.schema import Batch, Ratings, Rows


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Steps of one epoch: every rating once, the last batch filled up."""
    return -(-num_ratings // batch_size)


def steps_at_once(num_ratings: int, batch_size: int, ratings_at_once: int) -> int:
    """The fewest steps that hold so many ratings; all of an epoch if they are fewer."""
    return min(num_steps(num_ratings, batch_size), -(-ratings_at_once // batch_size))


def epoch_order(num_ratings: int, seed: int, epoch: int) -> Int[np.ndarray, " ratings"]:
    """The order of ratings in an epoch."""
    return shuffled(num_ratings, [seed, epoch])


def steps_of(order: Int[np.ndarray, " ratings"], batch_size: int) -> Int[np.ndarray, " ratings"]:
    """The step of the epoch that predicts each rating, in the smallest type that holds one after all others too."""
    steps = num_steps(len(order), batch_size)
    step = np.empty(len(order), np.min_scalar_type(-steps - 1))
    step[order] = np.repeat(np.arange(steps, dtype=step.dtype), batch_size)[: len(order)]
    return step


def stack_batches(ratings: Ratings, order: np.ndarray, batch_size: int) -> Batch:
    """The ratings in the given order, stacked `[steps, batch]`; places after the last have weight 0.

    A filled place repeats the first rating of the order, so that its rows are valid ones.
    """
    shape = (num_steps(len(order), batch_size), batch_size)
    filled = np.concatenate([order, np.full(shape[0] * shape[1] - len(order), order[0])]).reshape(shape)
    weight = (np.arange(filled.size) < len(order)).astype(np.float32).reshape(shape)
    return Batch(
        user_row=ratings.user_row[filled],
        movie_row=ratings.movie_row[filled],
        moment=ratings.moment[filled],
        rating=ratings.rating[filled],
        weight=weight,
        number=np.broadcast_to(np.arange(batch_size, dtype=np.int32), shape),
    )


def filled_up(column: Shaped[np.ndarray, "n *columns"], length: int) -> Shaped[np.ndarray, "length *columns"]:
    """A column followed by zeros up to a length; itself where it is as long."""
    if len(column) == length:
        return column
    return np.concatenate([column, np.zeros((length - len(column), *column.shape[1:]), column.dtype)])


def by_rows(
    stacked: Batch, user_count: Int64[np.ndarray, " users"], movie_count: Int64[np.ndarray, " movies"]
) -> tuple[Batch, Rows]:
    """The batches with places among their own rows in place of rows, and these rows: as many in every batch.

    Within a batch pairs are put in the order of users, so that a user's row is looked up once for all of them.
    user_count, movie_count: ratings of each row.
    """
    order = np.argsort(stacked.user_row, axis=1, kind="stable")
    stacked = Batch(
        *(np.stack([values[place] for values, place in zip(column, order, strict=True)]) for column in stacked)
    )
    sides = []
    for column, count in ((stacked.user_row, user_count), (stacked.movie_row, movie_count)):
        found = [np.unique(rows, return_inverse=True) for rows in column]
        width = max(most_rows(count, column.shape[1]), *(len(rows) for rows, _ in found))
        # Rows above those of the table fill up; they rise as well.
        rows = [np.append(rows, len(count) + np.arange(width - len(rows))) for rows, _ in found]
        sides.append([np.stack(arrays).astype(np.int32) for arrays in (rows, [place for _, place in found])])
    (user_rows, user_place), (movie_rows, movie_place) = sides
    return stacked._replace(user_row=user_place, movie_row=movie_place), Rows(user_rows, movie_rows)


def in_cells(stacked: Batch, grid: Grid, ranges: tuple[int, int], width: int) -> Batch:
    """The batches with the ratings of each cell of the grid together, in `width` places or more for each cell.

    Rows are counted from the first of the cell's. Places left over have weight 0, and so does what filled up a batch,
    which is left out. ranges: rows of users and of movies in a cell.
    """
    is_rating = stacked.weight > 0
    step = np.nonzero(is_rating)[0]
    cell = grid.cell(stacked.user_row[is_rating], stacked.movie_row[is_rating], ranges)
    turn = step * grid.num_cells + cell
    order = stable_order(turn)
    count = np.bincount(turn, minlength=len(stacked.weight) * grid.num_cells)
    width = max(width, int(count.max()))
    place = turn[order] * width + within_groups(count)

    def placed(column: np.ndarray) -> np.ndarray:
        filled = np.zeros((len(count) * width, *column.shape[2:]), column.dtype)
        filled[place] = column[is_rating][order]
        return filled.reshape(len(column), grid.num_cells * width, *column.shape[2:])

    return Batch(*map(placed, (*grid.within(*stacked[:2], ranges), *stacked[2:])))


def most_in_cell(num_ratings: Int64[np.ndarray, " cells"], batch_size: int) -> int:
    """So many ratings of one cell that a batch practically never holds more, given all ratings of each cell.

    Six standard deviations above the mean; all where there is but one cell.
    """
    share = num_ratings / num_ratings.sum()
    most = batch_size * share + 6 * np.sqrt(batch_size * share * (1 - share))
    return min(batch_size, int(np.ceil(most.max())))


def most_rows(count: Int64[np.ndarray, " rows"], batch_size: int) -> int:
    """So many different rows that a batch practically never holds more, given the ratings of each row.

    Six standard deviations above their mean. Every epoch has the same, so its program is compiled once.
    """
    is_held = 1 - (1 - min(1.0, batch_size / count.sum())) ** count
    most = is_held.sum() + 6 * np.sqrt(np.sum(is_held * (1 - is_held)))
    return min(int(np.ceil(most)), batch_size, int(np.count_nonzero(count)))
