"""Arranges ratings as NumPy arrays of the same shapes in every epoch: batches `[steps, batch]`, and user batches.

The order of an epoch is a function of (seed, epoch) alone, so a run that resumes at epoch 7 sees what it would have
seen without stopping.
"""

import functools

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from movierec_jax.data.arrays import history_positions, positions_in_groups, shuffled_positions, stable_argsort
from movierec_jax.data.schema import Ratings
from movierec_jax.model.grid import Grid
from movierec_jax.model.inputs import Batch, BatchRows, PaddedLinks, UserBatches
from movierec_jax.model.interactions import join_links, pad_links, pad_to_same_segments, segment_length


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Counts the steps of an epoch, which sees every rating once and fills up the last batch."""
    return -(-num_ratings // batch_size)


def steps_at_once(num_ratings: int, batch_size: int, ratings_at_once: int) -> int:
    """Returns the fewest steps that hold so many ratings, at most an epoch's."""
    return min(num_steps(num_ratings, batch_size), -(-ratings_at_once // batch_size))


def epoch_order(num_ratings: int, seed: int, epoch: int) -> Int[np.ndarray, " ratings"]:
    """Returns the order of the ratings in an epoch."""
    return shuffled_positions(num_ratings, [seed, epoch])


def held_out_ratings(num_ratings: int, number: int, seed: int) -> Int[np.ndarray, " held_out"]:
    """Draws `number` of the ratings; the same ones for all epochs."""
    return np.sort(shuffled_positions(num_ratings, [seed, num_ratings, number])[:number])


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


def group_by_cell(stacked: Batch, grid: Grid, ranges: tuple[int, int], width: int) -> Batch:
    """Puts the ratings of each cell of the grid together, in `width` slots or more per cell.

    Rows are counted from the first of the cell. Slots left over have weight 0; the filling of batches is dropped.
    ranges: rows of users and of movies in a cell.
    """
    is_rating = stacked.weight > 0
    step = np.nonzero(is_rating)[0]
    cell = grid.cell(stacked.user_row[is_rating], stacked.movie_row[is_rating], ranges)
    group = step * grid.num_cells + cell
    slot, order, width = slots_of_groups(group, len(stacked.weight) * grid.num_cells, width)

    def arranged(column: np.ndarray) -> np.ndarray:
        filled = np.zeros((len(column) * grid.num_cells * width, *column.shape[2:]), column.dtype)
        filled[slot] = column[is_rating][order]
        return filled.reshape(len(column), grid.num_cells * width, *column.shape[2:])

    return Batch(*map(arranged, (*grid.within(*stacked[:2], ranges), *stacked[2:])))


def slots_of_groups(
    group: Int[np.ndarray, " n"], num_groups: int, width: int = 0
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], int]:
    """Gives each group `width` slots, or as many as the largest needs.

    Returns the slots in the order of groups, the order that sorts members by group, and the width.
    """
    order = stable_argsort(group)
    count = np.bincount(group, minlength=num_groups)
    width = max(width, int(count.max()))
    return group[order] * width + positions_in_groups(count), order, width


def max_ratings_in_cell(num_ratings: Int64[np.ndarray, " cells"], batch_size: int) -> int:
    """Returns an upper bound (mean + 6 standard deviations) on a batch's ratings in one cell.

    num_ratings: all ratings of each cell.
    """
    share = num_ratings / num_ratings.sum()
    most = batch_size * share + 6 * np.sqrt(batch_size * share * (1 - share))
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
    deviation: Float32[np.ndarray, " ratings"],
    users_per_batch: int,
    seed: int,
    *,
    has_positions: bool = False,
) -> UserBatches:
    """Puts users together at random, with all their ratings; all batches are as long as the longest.

    deviation: as `deviations_of_users` returns it. has_positions: whether to keep the order of each user's ratings.
    """
    users, user, count = np.unique(ratings.user_row, return_inverse=True, return_counts=True)
    shuffled_user = np.random.default_rng([seed, len(users)]).permutation(len(users))[user]
    order = stable_argsort(shuffled_user)
    batch = shuffled_user[order] // users_per_batch
    length = np.bincount(batch)
    entry = positions_in_groups(length)

    def stack(column: np.ndarray, filling: int) -> np.ndarray:
        stacked = np.full((len(length), length.max()), filling, column.dtype)
        stacked[batch, entry] = column[order]
        return stacked

    user_batches = UserBatches(
        user=stack((shuffled_user % users_per_batch).astype(np.int32), users_per_batch),
        movie_row=stack(ratings.movie_row, 0),
        deviation=stack(np.nan_to_num(deviation), 0),
    )
    if not has_positions:
        return user_batches
    return user_batches._replace(
        position=stack(history_positions(ratings.user_row, ratings.timestamp), 0),
        num_ratings=stack(count[user].astype(np.int32), 0),
    )


def group_by_movie_range(
    user_batches: UserBatches, users_per_batch: int, num_rows: int, num_ranges: int
) -> UserBatches:
    """Puts the entries of each of equal ranges of movies together, in equally many slots per range.

    Rows of movies are counted from the first of the range. num_rows: of all movies.
    """
    if num_ranges == 1:
        return user_batches
    rows_of_range = num_rows // num_ranges
    batch, entry = np.nonzero(user_batches.user < users_per_batch)
    group = batch * num_ranges + user_batches.movie_row[batch, entry] // rows_of_range
    slot, order, width = slots_of_groups(group, len(user_batches.user) * num_ranges)

    def arranged(column: np.ndarray, filling: int) -> np.ndarray:
        filled = np.full(len(column) * num_ranges * width, filling, column.dtype)
        filled[slot] = column[batch, entry][order]
        return filled.reshape(len(column), num_ranges * width)

    return UserBatches(
        user=arranged(user_batches.user, users_per_batch),
        movie_row=arranged(user_batches.movie_row % np.int32(rows_of_range), 0),
        deviation=arranged(user_batches.deviation, 0),
        position=None if user_batches.position is None else arranged(user_batches.position, 0),
        num_ratings=None if user_batches.num_ratings is None else arranged(user_batches.num_ratings, 0),
    )


def add_links(user_batches: UserBatches, users_per_batch: int, num_ranges: int = 1) -> UserBatches:
    """Adds the padded links of each range of movies, in the order of its entries."""
    user, movie = (column.reshape(len(column) * num_ranges, -1) for column in user_batches[:2])
    num_entries = np.sum(user < users_per_batch, axis=1)
    parts = [(user[part, :count], movie[part, :count]) for part, count in enumerate(num_entries)]
    by_user = links_of_parts(parts, num_ranges)
    by_movie = links_of_parts([(movie, user) for user, movie in parts], num_ranges)
    return user_batches._replace(links=(by_user, by_movie))


def links_of_parts(parts: list[tuple[np.ndarray, np.ndarray]], num_ranges: int) -> PaddedLinks:
    """Lays out links from (owner, other) of each part, `num_ranges` parts side by side for each batch."""
    # The segment length of the first batch suits the others, whose users are drawn at random as well.
    first = [owner for owner, _ in parts[:num_ranges]]
    num_owners = 1 + max(owner.max(initial=0) for owner in first)
    length = segment_length(np.concatenate([owner + part * num_owners for part, owner in enumerate(first)]))
    links = pad_to_same_segments([pad_links(*part, length=length) for part in parts])
    batches = [links[start : start + num_ranges] for start in range(0, len(links), num_ranges)]
    side_by_side = functools.partial(np.concatenate, axis=-1)
    return join_links([join_links(batch, side_by_side) for batch in batches], np.stack)


def user_batch_of_steps(num_user_batches: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """Returns the user batch of each step: all of them once in random order, then all again in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_user_batches, (first_step + steps - 1) // num_user_batches + 1)
    orders = [
        np.random.default_rng([seed, num_user_batches, number]).permutation(num_user_batches) for number in rounds
    ]
    return np.concatenate(orders)[step - rounds.start * num_user_batches].astype(np.int32)
