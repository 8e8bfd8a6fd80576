"""Arranges ratings as NumPy arrays of the same shapes in every epoch: batches `[steps, batch]`, and user batches.

The order of an epoch is a function of (seed, epoch) alone, so a run that resumes at epoch 7 sees what it would have
seen without stopping.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32, Int64

from movierec_jax.data.arrays import (
    count_groups,
    find_rows,
    history_positions,
    pad_rows,
    positions_in_groups,
    row_positions,
    stable_argsort,
)
from movierec_jax.data.schema import Ratings
from movierec_jax.errors import InputError
from movierec_jax.model.grid import ALL_OF_ONE_CELL, ONE_CELL, Grid, Share, join_parts
from movierec_jax.model.inputs import Batch, BatchRows, PaddedLinks, UserBatches
from movierec_jax.model.interactions import join_links, pad_links, pad_segments, rating_deviation, segment_length
from movierec_jax.training.random_order import RandomOrder


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Counts the steps of an epoch, which sees every rating once and fills up the last batch."""
    return -(-num_ratings // batch_size)


def steps_at_once(num_ratings: int, batch_size: int, ratings_at_once: int) -> int:
    """Returns the fewest steps that hold so many ratings, at most an epoch's."""
    return min(num_steps(num_ratings, batch_size), -(-ratings_at_once // batch_size))


def epoch_order(num_ratings: int, seed: int, epoch: int) -> RandomOrder:
    """Returns the order of the ratings in an epoch."""
    return RandomOrder(num_ratings, (seed, epoch))


def held_out_order(num_ratings: int, number: int, seed: int) -> RandomOrder:
    """Returns the order whose first `number` ratings are held out; the same ones in all epochs."""
    return RandomOrder(num_ratings, (seed, num_ratings, number))


def step_of_ratings(order: Int[np.ndarray, " ratings"], batch_size: int) -> Int[np.ndarray, " ratings"]:
    """Returns the step that predicts each rating, in the smallest dtype that also holds a step after all others."""
    steps = num_steps(len(order), batch_size)
    step = np.empty(len(order), np.min_scalar_type(-steps - 1))
    step[order] = np.repeat(np.arange(steps, dtype=step.dtype), batch_size)[: len(order)]
    return step


def stack_batches(
    ratings: Ratings, order: np.ndarray, batch_size: int, held_out: Int[np.ndarray, " held_out"] | tuple = ()
) -> Batch:
    """Stacks ratings in the given order as `[steps, batch]`, with filling of weight 0 after the last.

    Filling repeats the first rating of the order, so that its rows are valid ones. held_out: ratings of weight 0.
    A movie watched but not rated has weight 0 and the rating 0.
    """
    shape = (num_steps(len(order), batch_size), batch_size)
    filled = np.concatenate([order, np.full(shape[0] * shape[1] - len(order), order[0])]).reshape(shape)
    weight = (np.arange(filled.size) < len(order)).astype(np.float32).reshape(shape)
    rating = ratings.rating[filled]
    if ratings.weight is not None:
        weight *= ratings.weight[filled]
        rating = np.nan_to_num(rating, copy=False)
    if len(held_out):
        weight *= ~np.isin(filled, held_out)
    return Batch(
        user_row=ratings.user_row[filled],
        movie_row=ratings.movie_row[filled],
        time_features=ratings.time_features[filled],
        rating=rating,
        weight=weight,
        number=np.broadcast_to(np.arange(batch_size, dtype=np.int32), shape),
    )


def index_by_own_rows(
    stacked: Batch, user_count: Int64[np.ndarray, " users"], movie_count: Int64[np.ndarray, " movies"]
) -> tuple[Batch, BatchRows]:
    """Replaces rows by indices into the distinct rows of each batch; returns these rows too, equally many per batch.

    Pairs are put in the order of users within a batch, so that a user's row is looked up once for all of them.
    user_count, movie_count: ratings of each row.
    """
    order = np.argsort(stacked.user_row, axis=1, kind="stable")
    stacked = Batch(
        *(np.stack([values[index] for values, index in zip(column, order, strict=True)]) for column in stacked)
    )
    user_index, user_rows = distinct_rows(stacked.user_row, user_count)
    movie_index, movie_rows = distinct_rows(stacked.movie_row, movie_count)
    return stacked._replace(user_row=user_index, movie_row=movie_index), BatchRows(user_rows, movie_rows)


def distinct_rows(
    row: Int32[np.ndarray, "steps batch"], count: Int64[np.ndarray, " rows"]
) -> tuple[Int32[np.ndarray, "steps batch"], Int32[np.ndarray, "steps _distinct"]]:
    """Returns each row's index among the distinct rows of its batch, and these rows, rising."""
    found = [np.unique(rows, return_inverse=True) for rows in row]
    width = max(max_rows_in_batch(count, row.shape[1]), *(len(rows) for rows, _ in found))
    # Rows beyond the table's last are filling; they rise as well.
    rows = [np.append(rows, len(count) + np.arange(width - len(rows))) for rows, _ in found]
    return np.stack([index for _, index in found]).astype(np.int32), np.stack(rows).astype(np.int32)


class CellBatches(NamedTuple):
    """The ratings of a cell in the order of an epoch: their numbers, and their positions in it."""

    number: Int[np.ndarray, " of_cell"]
    position: Int[np.ndarray, " of_cell"]


def order_cell(number: Int[np.ndarray, " of_cell"], order: RandomOrder) -> CellBatches:
    """Puts the ratings of a cell in the order of an epoch."""
    position = order.positions(number)
    in_order = stable_argsort(position)
    return CellBatches(number[in_order], position[in_order])


def stack_cell(
    ratings: Ratings,
    cell: CellBatches,
    batch_size: int,
    steps: range,
    width: int,
    *,
    held_out: Int[np.ndarray, " held_out"] | tuple = (),
    grid: Grid = ONE_CELL,
    ranges: tuple[int, int] = (0, 0),
) -> Batch:
    """Stacks what some steps have of a cell as `[steps, width]`, with rows counted from the first of the cell.

    Slots left over have weight 0. ranges: rows of users and of movies in a cell of the grid. The others are as for
    `stack_batches`. Raises InputError where a step has more ratings than `width`.
    """
    first, end = np.searchsorted(cell.position, [steps.start * batch_size, steps.stop * batch_size])
    number, position = cell.number[first:end], cell.position[first:end]
    step = position // batch_size - steps.start
    count = np.bincount(step, minlength=len(steps))
    if count.max(initial=0) > width:
        raise InputError(f"--seed: by chance a step has {count.max():,} ratings of a cell with room for {width:,}")
    slot = positions_in_groups(count)

    def stack(column: np.ndarray) -> np.ndarray:
        stacked = np.zeros((len(steps), width, *column.shape[1:]), column.dtype)
        stacked[step, slot] = column
        return stacked

    weight = np.ones(len(number), np.float32) if ratings.weight is None else ratings.weight[number]
    if len(held_out):
        weight = weight * ~np.isin(number, held_out)
    user, movie = grid.within(ratings.user_row[number], ratings.movie_row[number], ranges)
    rating = ratings.rating[number]
    return Batch(
        user_row=stack(user),
        movie_row=stack(movie),
        time_features=stack(ratings.time_features[number]),
        rating=stack(rating if ratings.weight is None else np.nan_to_num(rating)),
        weight=stack(weight),
        number=stack((position % batch_size).astype(np.int32)),
    )


def weight_of_steps(
    ratings: Ratings,
    order: RandomOrder,
    batch_size: int,
    steps: range,
    held_out: Int[np.ndarray, " held_out"] | tuple = (),
) -> Float32[np.ndarray, " steps"]:
    """Returns the sum of the weights of each step's ratings: their number, where each counts 1."""
    if ratings.weight is not None:
        number = order.ratings(steps.start * batch_size, steps.stop * batch_size)
        weight = pad_rows(ratings.weight[number] * ~np.isin(number, held_out), len(steps) * batch_size)
        return weight.reshape(len(steps), batch_size).sum(axis=1)
    count = np.clip(order.length - batch_size * np.array(steps), 0, batch_size)
    step = order.positions(np.array(held_out, np.int64)) // batch_size - steps.start
    count -= np.bincount(step[(step >= 0) & (step < len(steps))], minlength=len(steps))
    return count.astype(np.float32)


def max_ratings_in_cell(num_ratings: Int64[np.ndarray, " cells"], batch_size: int) -> int:
    """Returns a bound (mean + 8 standard deviations + 24) that a batch's ratings in one cell exceed once in 10^14.

    By Bernstein's inequality, for large and for small means. num_ratings: all ratings of each cell.
    """
    share = num_ratings / num_ratings.sum()
    most = batch_size * share + 8 * np.sqrt(batch_size * share * (1 - share)) + 24
    return min(batch_size, int(np.ceil(most.max())))


def max_rows_in_batch(count: Int64[np.ndarray, " rows"], batch_size: int) -> int:
    """Returns an upper bound (mean + 6 standard deviations) on a batch's distinct rows, given the ratings of each row.

    Every epoch has the same, so its program is compiled once.
    """
    is_held = 1 - (1 - min(1.0, batch_size / count.sum())) ** count
    most = is_held.sum() + 6 * np.sqrt(np.sum(is_held * (1 - is_held)))
    return min(int(np.ceil(most)), batch_size, int(np.count_nonzero(count)))


def make_user_batches(
    ratings: Ratings,
    level: Float64[np.ndarray, " movies"],
    users_per_batch: int,
    seed: int,
    *,
    has_positions: bool = False,
    has_links: bool = False,
    num_rows: int = 1,
    share: Share = ALL_OF_ONE_CELL,
) -> UserBatches:
    """Puts users together at random, with all their ratings, those of each range of movies apart.

    Each range has the same number of slots in every batch. On one device there is one range, and all batches are as
    long as the longest.

    level: as `movie_levels` returns it. has_positions: whether to keep the order of each user's ratings. has_links:
        whether to add padded links. num_rows: of all movies, with filling. share: of its ranges of movies.
    """
    count = count_groups(ratings.user_row)
    shuffled_user = shuffle_rated(count, seed)
    position = history_positions(ratings.user_row, ratings.timestamp) if has_positions else None
    num_ranges, num_batches = share.grid.num_cells, -(-np.count_nonzero(count) // users_per_batch)
    rows_of_range = num_rows // num_ranges

    def entries_of(movie_range: int) -> tuple[Int[np.ndarray, " entries"], Int[np.ndarray, " entries"]]:
        number = ratings_of_range(ratings, movie_range, rows_of_range, num_ranges)
        user = shuffled_user[ratings.user_row[number]]
        order = stable_argsort(user)
        return number[order], user[order] // users_per_batch

    def lay_out(number: Int[np.ndarray, " entries"], batch: Int[np.ndarray, " entries"]) -> UserBatches:
        slot = positions_in_groups(np.bincount(batch, minlength=num_batches))

        def stack(column: np.ndarray, filling: int) -> np.ndarray:
            stacked = np.full((num_batches, width), filling, column.dtype)
            stacked[batch, slot] = column
            return stacked

        user_row, movie_row = ratings.user_row[number], ratings.movie_row[number]
        deviation = rating_deviation(level, movie_row, ratings.rating[number])
        made = UserBatches(
            user=stack((shuffled_user[user_row] % users_per_batch).astype(np.int32), users_per_batch),
            movie_row=stack(movie_row if num_ranges == 1 else movie_row % np.int32(rows_of_range), 0),
            deviation=stack(np.nan_to_num(deviation, copy=False), 0),
        )
        if position is None:
            return made
        return made._replace(
            position=stack(position[number], 0), num_ratings=stack(count[user_row].astype(np.int32), 0)
        )

    entries = [entries_of(movie_range) for movie_range in share.movie_ranges]
    width = int(share.largest(max(np.bincount(batch).max(initial=0) for _, batch in entries)))
    parts = [lay_out(*of_range) for of_range in entries]
    join = functools.partial(join_parts, numbers=share.movie_ranges, num_parts=num_ranges)
    joined = UserBatches(*(None if arrays[0] is None else join(arrays) for arrays in zip(*parts, strict=True)))
    return joined._replace(links=links_of_user_batches(parts, users_per_batch, share)) if has_links else joined


def shuffle_rated(count: Int[np.ndarray, " users"], seed: int) -> Int64[np.ndarray, " users"]:
    """Numbers the users who have ratings at random, given the number of ratings of each; 0 for the others."""
    users = np.flatnonzero(count)
    number = np.zeros(len(count), np.int64)
    number[users] = np.random.default_rng([seed, len(users)]).permutation(len(users))
    return number


def ratings_of_range(
    ratings: Ratings, movie_range: int, rows_of_range: int, num_ranges: int
) -> Int[np.ndarray, " of_range"]:
    """Returns the numbers of the ratings of a range of movies, rising."""
    if num_ranges == 1:
        return row_positions(len(ratings))
    return find_rows(lambda rows: ratings.movie_row[rows] // rows_of_range == movie_range, len(ratings))


def links_of_user_batches(
    parts: Sequence[UserBatches], users_per_batch: int, share: Share
) -> tuple[PaddedLinks, PaddedLinks]:
    """Lays out the links of user batches, in the order of their entries: from users to movies, and back.

    parts: what the batches have of each range of movies of the share.
    """

    def pairs_of(made: UserBatches) -> list[tuple[np.ndarray, np.ndarray]]:
        num_entries = np.sum(made.user < users_per_batch, axis=1)
        columns = zip(made.user, made.movie_row, num_entries, strict=True)
        return [(user[:count], movie[:count]) for user, movie, count in columns]

    by_user = [pairs_of(made) for made in parts]
    by_movie = [[(movie, user) for user, movie in pairs] for pairs in by_user]
    return stack_links(by_user, share), stack_links(by_movie, share)


def stack_links(parts: Sequence[list[tuple[np.ndarray, np.ndarray]]], share: Share) -> PaddedLinks:
    """Lays out links from the (owner, other) that each batch has of each range, ranges side by side."""
    # The segment length of the first batch suits the others, whose users are drawn at random as well.
    length = segment_length([pairs[0][0] for pairs in parts], share.total)
    laid = [[pad_links(*pair, length=length) for pair in pairs] for pairs in parts]
    num_segments = int(share.largest(max(len(links.owner) for batches in laid for links in batches)))
    stacked = [join_links([pad_segments(links, num_segments) for links in batches], np.stack) for batches in laid]
    return join_links(
        stacked, functools.partial(join_parts, numbers=share.movie_ranges, num_parts=share.grid.num_cells)
    )


def user_batch_of_steps(num_user_batches: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """Returns the user batch of each step: all of them once in random order, then all again in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_user_batches, (first_step + steps - 1) // num_user_batches + 1)
    orders = [
        np.random.default_rng([seed, num_user_batches, number]).permutation(num_user_batches) for number in rounds
    ]
    return np.concatenate(orders)[step - rounds.start * num_user_batches].astype(np.int32)
