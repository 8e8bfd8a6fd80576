"""Lays ratings and content out as `Interactions`: what the towers see of each user and movie, from both sides.

A sparse matrix is stored as padded links: each owner's links fill segments of one length, the last one padded. Sums
over links then are sums along an axis of a dense array, which is fast, and memory stays linear in the number of links.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32

from movierec_jax.data.arrays import count_groups, damped_means, find_rows, stable_argsort, total_by_group
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.grid import ALL_OF_ONE_CELL, Grid, Share, join_parts
from movierec_jax.model.inputs import WATCHED, Interactions, PaddedLinks, Sequences
from movierec_jax.model.sequences import last_movies

# Longer segments waste more slots on filling, shorter ones leave more sums to add to owners. One such addition takes
# about as long as SLOTS_PER_SUM slots.
SEGMENT_LENGTHS = (4, 8, 16, 32, 64)

SLOTS_PER_SUM = 9

# JAX takes host memory that begins at a multiple of so many bytes as it stands, without a copy.
ALIGNMENT = 64


class Links(NamedTuple):
    """The links of a cell, in any order. number: which rating each link is; a slice of all where there is one cell."""

    owner: Int32[np.ndarray, " links"]
    other: Int32[np.ndarray, " links"]
    number: Int[np.ndarray, " links"] | slice
    values: tuple[np.ndarray, ...]

    def turned(self) -> "Links":
        """Returns the links from the other side, with the values that both sides have."""
        return Links(self.other, self.owner, self.number, self.values[:2])


def build_interactions(
    train: Ratings,
    num_users: int,
    num_movies: int,
    user_content: FeatureBags,
    movie_content: FeatureBags,
    *,
    from_reviews: Ratings | None = None,
    has_ratings: bool = True,
    is_recent_most: bool = False,
    sequence_length: int | None = None,
    share: Share = ALL_OF_ONE_CELL,
) -> Interactions:
    """Lays out ratings and content for `num_users` users and `num_movies` movies, and an unknown row of each.

    A rating's value for its user's tower is its deviation from the movie's mean, and for its movie's tower that from
    the user's mean. Neither depends on the owner's other ratings, so leaving a rating out of a history leaves no trace
    of it in the rest.

    from_reviews: ratings that stand for what users wrote of movies they have not rated: links after those of train,
        which no step predicts.
    has_ratings: whether any tower sees ratings; if not, only their numbers are kept.
    is_recent_most: whether ratings weigh less in their user's implicit-feedback score the older they are.
    sequence_length: how many movies of each user the implicit-feedback score reads in order; None: no order.
    share: the links of each cell of its grid are laid out apart, with rows counted from the first of its ranges; cells
        of other processes are left out. Numbers of rows are padded to what the grid asks for.
    """
    user_rows, movie_rows = share.grid.padded(num_users + 1), share.grid.padded(num_movies + 1)
    user_count = count_groups(train.user_row, user_rows).astype(np.float32)
    movie_count = count_groups(train.movie_row, movie_rows).astype(np.float32)
    ranges = share.grid.ranges(user_rows, movie_rows)
    links = (
        rating_links(train, from_reviews, num_users, num_movies, is_recent_most, ranges, share)
        if has_ratings
        else empty_links()
    )
    return Interactions(
        *links,
        *content_links(user_content, user_rows, share.cells, share),
        *content_links(movie_content, movie_rows, share.movie_ranges, share),
        user_count=user_count,
        movie_count=movie_count,
        user_weight=sum_of_weights(train.user_row, train.weight, user_rows),
        movie_weight=sum_of_weights(train.movie_row, train.weight, movie_rows),
        sequences=None if sequence_length is None else train_sequences(train, num_movies, sequence_length),
    )


def train_sequences(train: Ratings, num_movies: int, length: int) -> Sequences:
    """Lays out the last movies of each user of train."""
    deviation = deviations_of_users(train, num_movies)
    return last_movies(train.user_row, train.movie_row, deviation, train.timestamp, length=length)


def deviations_of_users(train: Ratings, num_movies: int) -> Float32[np.ndarray, " ratings"]:
    """Returns by how many stars each rating lies above the movie's level; NaN for a movie watched but not rated."""
    return rating_deviation(movie_levels(train, num_movies), train.movie_row, train.rating)


def movie_levels(train: Ratings, num_movies: int) -> Float64[np.ndarray, " movies"]:
    """Returns the damped mean rating of each movie; a user's deviation from it tells about the user."""
    rated = train.rated()
    return damped_means(rated.movie_row, rated.rating, num_movies, rated.weight)


def sum_of_weights(
    row: Int32[np.ndarray, " ratings"], weight: Float32[np.ndarray, " ratings"] | None, num_rows: int
) -> Float32[np.ndarray, " rows"] | None:
    """Returns the sum of the weights of each row's ratings; None where each counts 1."""
    return None if weight is None else total_by_group(row, num_rows, weight.__getitem__).astype(np.float32)


def rating_links(
    train: Ratings,
    from_reviews: Ratings | None,
    num_users: int,
    num_movies: int,
    is_recent_most: bool,
    ranges: tuple[int, int],
    share: Share,
) -> tuple[PaddedLinks, PaddedLinks]:
    """Lays out ratings from users to movies and from movies to users; ranges: rows of either in a cell of the grid."""
    rated = train.rated()
    level_of_movie = movie_levels(train, num_movies)
    level_of_user = damped_means(rated.user_row, rated.rating, num_users, rated.weight).astype(np.float32)
    ratings = train if from_reviews is None else concat_ratings(train, from_reviews)
    counts = [recency_weights(ratings.user_row, ratings.timestamp)] if is_recent_most else []

    def links_of(cell: int) -> Links:
        is_all = share.grid.num_cells == 1
        number = slice(None) if is_all else ratings_of_cell(ratings, cell, ranges, share.grid)
        user, movie, rating = ratings.user_row[number], ratings.movie_row[number], ratings.rating[number]
        values = rating_deviation(level_of_movie, movie, rating), rating - level_of_user[user]
        within = share.grid.within(user, movie, ranges)
        return Links(*within, number, (*values, *(count[number] for count in counts)))

    links = {cell: links_of(cell) for cell in share.cells}
    turned = {cell: of_cell.turned() for cell, of_cell in links.items()}
    is_watched_marked = ratings.weight is not None
    by_user, by_movie = (pad_links_of_cells(side, share, is_watched_marked) for side in (links, turned))
    return by_user, by_movie


def ratings_of_cell(ratings: Ratings, cell: int, ranges: tuple[int, int], grid: Grid) -> Int[np.ndarray, " of_cell"]:
    """Returns the numbers of the ratings in a cell of the grid, rising."""
    return find_rows(
        lambda rows: grid.cell(ratings.user_row[rows], ratings.movie_row[rows], ranges) == cell, len(ratings)
    )


def mark_watched(links: PaddedLinks) -> PaddedLinks:
    """Marks the links whose first value is NaN, as that of a movie watched but not rated; their NaN become 0."""
    link = np.where(np.isnan(links.values[0]), np.int32(WATCHED), links.link)
    return links._replace(link=link, values=tuple(np.nan_to_num(value, copy=False) for value in links.values))


def concat_ratings(first: Ratings, second: Ratings) -> Ratings:
    """Joins two tables of ratings; returns the first itself where the second is empty."""
    if not len(second):
        return first
    names = [name for name in vars(first) if name != "weight"]
    columns = {name: np.concatenate([vars(one)[name] for one in (first, second)]) for name in names}
    if first.weight is None and second.weight is None:
        return Ratings(**columns)
    weights = [np.ones(len(one), np.float32) if one.weight is None else one.weight for one in (first, second)]
    return Ratings(**columns, weight=np.concatenate(weights))


def content_links(
    content: FeatureBags, num_rows: int, ranges: Sequence[int], share: Share
) -> tuple[PaddedLinks, PaddedLinks]:
    """Lays out content from rows to features and from features to rows, each of some equal ranges of rows apart."""
    rows_of_range = np.int32(num_rows // share.grid.num_cells)

    def links_of(number: int) -> Links:
        index = np.flatnonzero(content.row // rows_of_range == number)
        return Links(content.row[index] % rows_of_range, content.feature[index], index, (content.value[index],))

    links = {number: links_of(number) for number in ranges}
    turned = {number: of_range.turned() for number, of_range in links.items()}
    return pad_links_of_cells(links, share), pad_links_of_cells(turned, share)


def empty_links() -> tuple[PaddedLinks, PaddedLinks]:
    """Lays out ratings where there are none."""
    no_rows, no_values = np.zeros(0, np.int32), np.zeros(0, np.float32)
    links = pad_links(no_rows, no_rows, no_values, no_values)
    return links, links


def rating_deviation(
    level: Float64[np.ndarray, " movies"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> Float32[np.ndarray, " ratings"]:
    """Returns by how many stars each rating lies above the movie's level in train: its value for the user's tower."""
    return (rating - level[movie_row]).astype(np.float32)


def pad_links(
    owner: Int32[np.ndarray, " links"],
    other: Int32[np.ndarray, " links"],
    *values: np.ndarray,
    length: int | None = None,
) -> PaddedLinks:
    """Lays links out in padded segments, by owner and within an owner in the given order.

    length: of the segments; None takes the fastest one for these owners.
    """
    order = stable_argsort(owner)
    length = length or segment_length([owner])
    slot, owner_of_segment = slots_of_links(owner[order], length)

    def scatter(values, filling, dtype):
        slots = aligned_empty(length * len(owner_of_segment), dtype)
        slots[:] = filling
        slots[slot] = values[order]
        return slots.reshape(length, len(owner_of_segment))

    return PaddedLinks(
        owner=owner_of_segment,
        other=scatter(other, 0, np.int32),
        link=scatter(np.arange(len(owner), dtype=np.int32), -1, np.int32),
        values=tuple(scatter(value, 0, np.float32) for value in values),
    )


def pad_links_of_cells(links: Mapping[int, Links], share: Share, is_watched_marked: bool = False) -> PaddedLinks:
    """Lays out the links of each cell apart: each cell has equally many segments, side by side.

    is_watched_marked: whether to mark movies watched but not rated, as `mark_watched` does.
    """
    length = segment_length([of_cell.owner for of_cell in links.values()], share.total)

    def laid_out(of_cell: Links) -> PaddedLinks:
        laid = pad_links(of_cell.owner, of_cell.other, *of_cell.values, length=length)
        if not isinstance(of_cell.number, slice):
            # Filling, of link -1, takes the appended -1.
            laid = laid._replace(link=np.append(of_cell.number, -1).astype(np.int32)[laid.link])
        return mark_watched(laid) if is_watched_marked else laid

    laid = [laid_out(of_cell) for of_cell in links.values()]
    num_segments = int(share.largest(max(len(of_cell.owner) for of_cell in laid)))
    join = functools.partial(join_parts, numbers=tuple(links), num_parts=share.grid.num_cells)
    return join_links([pad_segments(of_cell, num_segments) for of_cell in laid], join)


def join_links(parts: Sequence[PaddedLinks], join: Callable[[Sequence[np.ndarray]], Any]) -> PaddedLinks:
    """Joins layouts of equally many segments into one, array by array, by a function such as np.stack."""
    values = zip(*(links.values for links in parts), strict=True)
    owner, other, link = (join(arrays) for arrays in zip(*(links[:3] for links in parts), strict=True))
    return PaddedLinks(owner, other, link, tuple(join(value) for value in values))


def pad_segments(links: PaddedLinks, num_segments: int) -> PaddedLinks:
    """Pads a layout to so many segments. Those added have an owner above all others."""
    if len(links.owner) == num_segments:
        return links

    def padded(array: np.ndarray, filling: int) -> np.ndarray:
        width = [(0, 0)] * (array.ndim - 1) + [(0, num_segments - array.shape[-1])]
        return np.pad(array, width, constant_values=filling)

    return PaddedLinks(
        owner=padded(links.owner, np.iinfo(np.int32).max),
        other=padded(links.other, 0),
        link=padded(links.link, -1),
        values=tuple(padded(value, 0) for value in links.values),
    )


def segment_length(
    owners: Sequence[Int32[np.ndarray, " _links"]], total: Callable[[Any], np.ndarray] = np.asarray
) -> int:
    """Returns the segment length whose sums for these owners take the least time, of links that are laid out apart.

    total: as in `Share`, of many processes.
    """
    counts = [np.bincount(owner) for owner in owners]
    num_segments = total([sum(int(np.sum(-(-count // length))) for count in counts) for length in SEGMENT_LENGTHS])
    return fastest_length(dict(zip(SEGMENT_LENGTHS, num_segments.tolist(), strict=True)).__getitem__)


def fastest_length(num_segments: Callable[[int], int]) -> int:
    """Returns the fastest segment length, given how many segments there would be of each length."""
    return min(SEGMENT_LENGTHS, key=lambda length: num_segments(length) * (length + SLOTS_PER_SUM))


def aligned_empty(length: int, dtype) -> np.ndarray:
    """Returns an uninitialised array in memory that JAX on a CPU takes as it stands, without a copy."""
    size = np.dtype(dtype).itemsize * length
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype)


def slots_of_links(
    owner: Int32[np.ndarray, " links"], length: int
) -> tuple[Int[np.ndarray, " links"], Int32[np.ndarray, " segments"]]:
    """Returns each link's slot in the flattened `[length, segments]`, and each segment's owner; owners must rise."""
    owners, start, links = np.unique(owner, return_index=True, return_counts=True)
    segments = -(-links // length)
    first_segment = np.cumsum(segments) - segments
    # In place, and in the smallest dtype: with many ratings each array takes much of the memory.
    number = np.min_scalar_type(-1 - length * segments.sum())
    within = np.arange(len(owner), dtype=number)
    within -= np.repeat(start.astype(number), links)
    slot = within // number.type(length)
    slot += np.repeat(first_segment.astype(number), links)
    within %= number.type(length)
    within *= number.type(segments.sum())
    slot += within
    return slot, np.repeat(owners, segments).astype(np.int32)
