"""Ratings -> NumPy arrays [steps, batch] of one shape for every epoch.

The order of an epoch is a function of (seed, epoch) alone, so a run that goes on at epoch 7 sees what it would have
seen without stopping.
"""

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64, Shaped

from movierec_jax.known import lay_out, piece_length
from movierec_jax.orders import shuffled, stable_order
from movierec_jax.recency import turns
from movierec_jax.schema import Batch, Links, Ratings, Rows, UserBlocks


def num_steps(num_ratings: int, batch_size: int) -> int:
    """Steps of one epoch: every rating once, the last batch filled up."""
    return -(-num_ratings // batch_size)


def epoch_order(num_ratings: int, seed: int, epoch: int) -> Int[np.ndarray, " ratings"]:
    """The order of ratings in an epoch."""
    return shuffled(num_ratings, [seed, epoch])


def steps_of(order: Int[np.ndarray, " ratings"], batch_size: int) -> Int[np.ndarray, " ratings_and_filling"]:
    """The step of the epoch that predicts each rating, and -1 for the filling of histories after the last.

    In the smallest type that holds every step.
    """
    steps = num_steps(len(order), batch_size)
    step = np.full(len(order) + 1, -1, np.min_scalar_type(-steps))
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


def most_rows(count: Int64[np.ndarray, " rows"], batch_size: int) -> int:
    """So many different rows that a batch practically never holds more, given the ratings of each row.

    Six standard deviations above their mean. Every epoch has the same, so its program is compiled once.
    """
    is_held = 1 - (1 - min(1.0, batch_size / count.sum())) ** count
    most = is_held.sum() + 6 * np.sqrt(np.sum(is_held * (1 - is_held)))
    return min(int(np.ceil(most)), batch_size, int(np.count_nonzero(count)))


def user_blocks(
    ratings: Ratings, hit: Float32[np.ndarray, " ratings"], users_per_block: int, seed: int, *, has_turns: bool = False
) -> UserBlocks:
    """The ratings by blocks of users, who are put together by chance; all blocks are as long as the longest.

    has_turns: whether the order of each user's ratings is to be known.
    """
    users, user, count = np.unique(ratings.user_row, return_inverse=True, return_counts=True)
    place = np.random.default_rng([seed, len(users)]).permutation(len(users))[user]
    order = stable_order(place)
    block = place[order] // users_per_block
    length = np.bincount(block)
    within = np.arange(len(order)) - np.repeat(np.cumsum(length) - length, length)

    def stack(column: np.ndarray, filling) -> np.ndarray:
        stacked = np.full((len(length), length.max()), filling, column.dtype)
        stacked[block, within] = column[order]
        return stacked

    blocks = UserBlocks(
        user=stack((place % users_per_block).astype(np.int32), users_per_block),
        movie_row=stack(ratings.movie_row, 0),
        hit=stack(hit, 0),
    )
    if not has_turns:
        return blocks
    return blocks._replace(
        turn=stack(turns(ratings.user_row, ratings.timestamp), 0),
        num_ratings=stack(count[user].astype(np.int32), 0),
    )


def with_links(blocks: UserBlocks, users_per_block: int) -> UserBlocks:
    """The same blocks with their links, in the order of their entries. An owner above all others marks filling."""
    num_entries = np.sum(blocks.user < users_per_block, axis=1)
    pairs = [(user[:count], movie[:count]) for user, movie, count in zip(*blocks[:2], num_entries, strict=True)]
    # The first block's length of pieces suits the others, whose users are drawn by chance as its are.
    of_user, of_movie = map(piece_length, pairs[0])
    by_user = stack_links([lay_out(user, movie, length=of_user) for user, movie in pairs])
    by_movie = stack_links([lay_out(movie, user, length=of_movie) for user, movie in pairs])
    return blocks._replace(links=(by_user, by_movie))


def stack_links(blocks: list[Links]) -> Links:
    """The links of many blocks, without values, each filled up to the pieces of the largest."""
    num_pieces = max(len(links.owner) for links in blocks)

    def stack(name: str, filling: int) -> np.ndarray:
        arrays = [getattr(links, name) for links in blocks]
        widths = [[(0, 0)] * (array.ndim - 1) + [(0, num_pieces - array.shape[-1])] for array in arrays]
        filled = [np.pad(array, width, constant_values=filling) for array, width in zip(arrays, widths, strict=True)]
        return np.stack(filled)

    return Links(stack("owner", np.iinfo(np.int32).max), stack("other", 0), stack("link", -1), ())


def block_of_steps(num_blocks: int, seed: int, first_step: int, steps: int) -> Int32[np.ndarray, " steps"]:
    """The block of users of each step: all of them once, in an order by chance, then all in another order."""
    step = np.arange(first_step, first_step + steps)
    rounds = range(first_step // num_blocks, (first_step + steps - 1) // num_blocks + 1)
    orders = [np.random.default_rng([seed, num_blocks, number]).permutation(num_blocks) for number in rounds]
    return np.concatenate(orders)[step - rounds.start * num_blocks].astype(np.int32)
