"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import functools

import numpy as np
from jaxtyping import Int, Int32, Int64

from movierec_jax.data.arrays import history_positions, positions_in_groups, shuffled_positions, stable_argsort
from movierec_jax.data.schema import Ratings
from movierec_jax.model.grid import Grid
from movierec_jax.model.inputs import Batch, PaddedLinks, Rows, UserBatches
from movierec_jax.model.interactions import join_links, pad_links, pad_to_same_segments, segment_length


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Steps of one epoch: every rating once, the last batch filled up."""
    return -(-num_ratings // batch_size)


def steps_at_once(num_ratings: int, batch_size: int, ratings_at_once: int) -> int:
    """The fewest steps that hold so many ratings; all of an epoch if they are fewer."""
    return min(num_steps(num_ratings, batch_size), -(-ratings_at_once // batch_size))


def epoch_order(num_ratings: int, seed: int, epoch: int) -> Int[np.ndarray, " ratings"]:
    """The order of ratings in an epoch."""
    return shuffled_positions(num_ratings, [seed, epoch])


def step_of_ratings(order: Int[np.ndarray, " ratings"], batch_size: int) -> Int[np.ndarray, " ratings"]:
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
        time_features=ratings.time_features[filled],
        rating=ratings.rating[filled],
        weight=weight,
        number=np.broadcast_to(np.arange(batch_size, dtype=np.int32), shape),
    )


def index_by_own_rows(
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
        width = max(max_rows_in_batch(count, column.shape[1]), *(len(rows) for rows, _ in found))
        # Rows above those of the table fill up; they rise as well.
        rows = [np.append(rows, len(count) + np.arange(width - len(rows))) for rows, _ in found]
        sides.append([np.stack(arrays).astype(np.int32) for arrays in (rows, [place for _, place in found])])
    (user_rows, user_place), (movie_rows, movie_place) = sides
    return stacked._replace(user_row=user_place, movie_row=movie_place), Rows(user_rows, movie_rows)


def group_by_cell(stacked: Batch, grid: Grid, ranges: tuple[int, int], width: int) -> Batch:
    """The batches with the ratings of each cell of the grid together, in `width` places or more for each cell.

    Rows are counted from the first of the cell's. Places left over have weight 0, and so does what filled up a batch,
    which is left out. ranges: rows of users and of movies in a cell.
    """
    is_rating = stacked.weight > 0
    step = np.nonzero(is_rating)[0]
    cell = grid.cell(stacked.user_row[is_rating], stacked.movie_row[is_rating], ranges)
    position = step * grid.num_cells + cell
    order = stable_argsort(position)
    count = np.bincount(position, minlength=len(stacked.weight) * grid.num_cells)
    width = max(width, int(count.max()))
    place = position[order] * width + positions_in_groups(count)

    def placed(column: np.ndarray) -> np.ndarray:
        filled = np.zeros((len(count) * width, *column.shape[2:]), column.dtype)
        filled[place] = column[is_rating][order]
        return filled.reshape(len(column), grid.num_cells * width, *column.shape[2:])

    return Batch(*map(placed, (*grid.within(*stacked[:2], ranges), *stacked[2:])))


def max_ratings_in_cell(num_ratings: Int64[np.ndarray, " cells"], batch_size: int) -> int:
    """So many ratings of one cell that a batch practically never holds more, given all ratings of each cell.

    Six standard deviations above the mean; all where there is but one cell.
    """
    share = num_ratings / num_ratings.sum()
    most = batch_size * share + 6 * np.sqrt(batch_size * share * (1 - share))
    return min(batch_size, int(np.ceil(most.max())))


def max_rows_in_batch(count: Int64[np.ndarray, " rows"], batch_size: int) -> int:
    """So many different rows that a batch practically never holds more, given the ratings of each row.

    Six standard deviations above their mean. Every epoch has the same, so its program is compiled once.
    """
    is_held = 1 - (1 - min(1.0, batch_size / count.sum())) ** count
    most = is_held.sum() + 6 * np.sqrt(np.sum(is_held * (1 - is_held)))
    return min(int(np.ceil(most)), batch_size, int(np.count_nonzero(count)))


def user_batches(
    ratings: Ratings,
    users_per_batch: int,
    seed: int,
    *,
    has_positions: bool = False,
) -> UserBatches:
    """The ratings by blocks of users, who are put together by chance; all blocks are as long as the longest.

    has_positions: whether the order of each user's ratings is to be known.
    """
    users, user, count = np.unique(ratings.user_row, return_inverse=True, return_counts=True)
    place = np.random.default_rng([seed, len(users)]).permutation(len(users))[user]
    order = stable_argsort(place)
    block = place[order] // users_per_batch
    length = np.bincount(block)
    within = positions_in_groups(length)

    def stack(column: np.ndarray, filling) -> np.ndarray:
        stacked = np.full((len(length), length.max()), filling, column.dtype)
        stacked[block, within] = column[order]
        return stacked

    user_batches = UserBatches(
        user=stack((place % users_per_batch).astype(np.int32), users_per_batch),
        movie_row=stack(ratings.movie_row, 0),
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
    """The same with the entries of each of so many equal ranges of movies together, in as many places as of any other.

    Rows of movies are counted from the first of the range's. num_rows: those of all movies.
    """
    if num_ranges == 1:
        return user_batches
    rows_of_range = num_rows // num_ranges
    block, entry = np.nonzero(user_batches.user < users_per_batch)
    part = block * num_ranges + user_batches.movie_row[block, entry] // rows_of_range
    order = stable_argsort(part)
    count = np.bincount(part, minlength=len(user_batches.user) * num_ranges)
    width = int(count.max())
    place = part[order] * width + positions_in_groups(count)

    def placed(column: np.ndarray, filling: int) -> np.ndarray:
        filled = np.full(len(count) * width, filling, column.dtype)
        filled[place] = column[block, entry][order]
        return filled.reshape(len(column), num_ranges * width)

    return UserBatches(
        user=placed(user_batches.user, users_per_batch),
        movie_row=placed(user_batches.movie_row % np.int32(rows_of_range), 0),
        position=None if user_batches.position is None else placed(user_batches.position, 0),
        num_ratings=None if user_batches.num_ratings is None else placed(user_batches.num_ratings, 0),
    )


def add_links(user_batches: UserBatches, users_per_batch: int, num_ranges: int = 1) -> UserBatches:
    """The same blocks with the links of each range of movies, in the order of its entries."""
    user, movie = (column.reshape(len(column) * num_ranges, -1) for column in user_batches[:2])
    num_entries = np.sum(user < users_per_batch, axis=1)
    parts = [(user[part, :count], movie[part, :count]) for part, count in enumerate(num_entries)]

    def laid_out(parts: list[tuple[np.ndarray, np.ndarray]]) -> PaddedLinks:
        # The first block's length of pieces suits the others, whose users are drawn by chance as its are.
        first = [owner for owner, _ in parts[:num_ranges]]
        most = 1 + max(owner.max(initial=0) for owner in first)
        length = segment_length(np.concatenate([owner + part * most for part, owner in enumerate(first)]))
        links = pad_to_same_segments([pad_links(*part, length=length) for part in parts])
        of_blocks = [links[start : start + num_ranges] for start in range(0, len(links), num_ranges)]
        return join_links(
            [join_links(of_block, functools.partial(np.concatenate, axis=-1)) for of_block in of_blocks], np.stack
        )

    return user_batches._replace(links=(laid_out(parts), laid_out([(movie, user) for user, movie in parts])))


def user_batch_of_steps(num_user_batches: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """The block of users of each step: all of them once, in an order by chance, then all in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_user_batches, (first_step + steps - 1) // num_user_batches + 1)
    orders = [
        np.random.default_rng([seed, num_user_batches, number]).permutation(num_user_batches) for number in rounds
    ]
    return np.concatenate(orders)[step - rounds.start * num_user_batches].astype(np.int32)
