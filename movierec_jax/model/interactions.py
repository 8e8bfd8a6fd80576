"""Ratings and content -> Known: what the towers see of each user and movie, laid out from both sides."""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32

from movierec_jax.data.arrays import damped_means, stable_argsort
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.grid import ONE_CELL, Grid
from movierec_jax.model.inputs import Interactions, PaddedLinks

# Longer pieces leave more places empty, shorter ones more sums to bring to their owners. One takes about as long as so
# many places.
SEGMENT_LENGTHS = (4, 8, 16, 32, 64)

PLACES_PER_SUM = 9

# Bytes at multiples of which JAX wants arrays of a CPU to begin.
ALIGNMENT = 64

# Ratings of each feature of their times, where times do not count.
NO_TIME_FEATURES = np.zeros(0, np.float32)


def build_interactions(
    train: Ratings,
    num_users: int,
    num_movies: int,
    user_content: FeatureBags,
    movie_content: FeatureBags,
    time_feature_count: Float32[np.ndarray, " time_features"] = NO_TIME_FEATURES,
    *,
    from_reviews: Ratings | None = None,
    has_ratings: bool = True,
    is_recent_most: bool = False,
    grid: Grid = ONE_CELL,
) -> Interactions:
    """What is known of the rows of users and movies, `num_users` and `num_movies` of them and the unknown ones.

    A rating tells its user's tower by how much it lies above the movie's mean, and its movie's tower by how much above
    the user's mean. Neither value depends on the owner's other ratings, so that leaving a rating out of a history
    leaves nothing of it in the rest.

    from_reviews: what users wrote about movies that they did not rate, read as ratings: links after those of
        train, which no step predicts.
    has_ratings: whether any tower looks at ratings; without it there are but their numbers.
    is_recent_most: whether ratings count in their user's exposure by how recent they are; all count 1 without it.
    grid: links are laid out for each of its cells apart, with rows counted from the first of its ranges, and content
        for as many ranges of rows. Rows are filled up to as many as it asks for.
    """
    user_rows, movie_rows = grid.padded(num_users + 1), grid.padded(num_movies + 1)
    user_count = np.bincount(train.user_row, minlength=user_rows).astype(np.float32)
    movie_count = np.bincount(train.movie_row, minlength=movie_rows).astype(np.float32)
    ranges = grid.ranges(user_rows, movie_rows)
    links = (
        rating_links(train, from_reviews, num_users, num_movies, is_recent_most, ranges, grid)
        if has_ratings
        else no_links()
    )
    user_features, by_user_feature = content_links(user_content, user_rows, grid.num_cells)
    movie_features, by_movie_feature = content_links(movie_content, movie_rows, grid.num_cells)
    return Interactions(
        by_user=links[0],
        by_movie=links[1],
        user_features=user_features,
        by_user_feature=by_user_feature,
        movie_features=movie_features,
        by_movie_feature=by_movie_feature,
        user_count=user_count,
        movie_count=movie_count,
        user_feature_count=feature_count(user_content, user_count),
        movie_feature_count=feature_count(movie_content, movie_count),
        time_feature_count=time_feature_count,
    )


def rating_links(
    train: Ratings,
    from_reviews: Ratings | None,
    num_users: int,
    num_movies: int,
    is_recent_most: bool,
    ranges: tuple[int, int],
    grid: Grid,
) -> tuple[PaddedLinks, PaddedLinks]:
    """The ratings from users to movies, and from movies to users; ranges: rows of each in a cell of the grid."""
    level_of_movie = damped_means(train.movie_row, train.rating, num_movies)
    level_of_user = damped_means(train.user_row, train.rating, num_users)
    ratings = train if from_reviews is None or not len(from_reviews) else concat_ratings(train, from_reviews)
    to_user = rating_deviation(level_of_movie, ratings.movie_row, ratings.rating)
    to_movie = ratings.rating - level_of_user[ratings.user_row].astype(np.float32)
    counts = [recency_weights(ratings.user_row, ratings.timestamp)] if is_recent_most else []
    cell = grid.cell(ratings.user_row, ratings.movie_row, ranges)
    user, movie = grid.within(ratings.user_row, ratings.movie_row, ranges)
    return (
        pad_links_of_cells(cell, grid.num_cells, user, movie, to_user, to_movie, *counts),
        pad_links_of_cells(cell, grid.num_cells, movie, user, to_user, to_movie),
    )


def concat_ratings(first: Ratings, second: Ratings) -> Ratings:
    """The ratings of both."""
    columns = {name: np.concatenate([column, vars(second)[name]]) for name, column in vars(first).items()}
    return Ratings(**columns)


def content_links(content: FeatureBags, num_rows: int, num_ranges: int) -> tuple[PaddedLinks, PaddedLinks]:
    """Content from rows to features, and from features to rows, of equal ranges of rows apart."""
    rows_of_range = np.int32(num_rows // num_ranges)
    cell, row = content.row // rows_of_range, content.row % rows_of_range
    return (
        pad_links_of_cells(cell, num_ranges, row, content.feature, content.value),
        pad_links_of_cells(cell, num_ranges, content.feature, row, content.value),
    )


def no_links() -> tuple[PaddedLinks, PaddedLinks]:
    """The same of no rating."""
    nobody, nothing = np.zeros(0, np.int32), np.zeros(0, np.float32)
    return pad_links(nobody, nobody, nothing, nothing), pad_links(nobody, nobody, nothing, nothing)


def new_user_links(
    level: Float64[np.ndarray, " movies"],
    place: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
    counts: Float32[np.ndarray, " ratings"],
) -> PaddedLinks:
    """What is seen of users who are not in train: what their ratings tell, and how much each counts in their exposure.

    level: of each movie, as `damped_means` has it; `place` numbers the users.
    """
    return pad_links(place, movie_row, rating_deviation(level, movie_row, rating), counts)


def rating_deviation(
    level: Float64[np.ndarray, " movies"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating: Float32[np.ndarray, " ratings"],
) -> Float32[np.ndarray, " ratings"]:
    """What each rating tells its user's tower: by how many stars it lies above the movie's level in train."""
    return (rating - level[movie_row]).astype(np.float32)


def feature_count(content: FeatureBags, count: Float32[np.ndarray, " rows"]) -> Float32[np.ndarray, " features"]:
    """Ratings of the rows that have each feature."""
    return np.bincount(content.feature, count[content.row], minlength=len(content.names)).astype(np.float32)


def pad_links(
    owner: Int32[np.ndarray, " links"],
    other: Int32[np.ndarray, " links"],
    *values: np.ndarray,
    length: int | None = None,
) -> PaddedLinks:
    """Links in pieces, by owner and within an owner in the given order; of the length that suits them unless given."""
    order = stable_argsort(owner)
    length = length or segment_length(owner)
    place, owner_of_segment = places(owner[order], length)

    def scatter(values, filling, dtype):
        laid_out = aligned(length * len(owner_of_segment), dtype)
        laid_out[:] = filling
        laid_out[place] = values[order]
        return laid_out.reshape(length, len(owner_of_segment))

    return PaddedLinks(
        owner=owner_of_segment,
        other=scatter(other, 0, np.int32),
        link=scatter(np.arange(len(owner), dtype=np.int32), -1, np.int32),
        values=tuple(scatter(value, 0, np.float32) for value in values),
    )


def pad_links_of_cells(
    cell: Int[np.ndarray, " links"],
    num_cells: int,
    owner: Int32[np.ndarray, " links"],
    other: Int32[np.ndarray, " links"],
    *values: np.ndarray,
) -> PaddedLinks:
    """The same with the links of each cell apart: its pieces stand side by side, as many as of any other cell."""
    if num_cells == 1:
        return pad_links(owner, other, *values)
    length = segment_length(owner + cell.astype(np.int32) * (owner.max(initial=0) + 1))
    places_of = [np.flatnonzero(cell == number) for number in range(num_cells)]
    cells = []
    for place in places_of:
        links = pad_links(owner[place], other[place], *(value[place] for value in values), length=length)
        # The last finds the filling.
        cells.append(links._replace(link=np.append(place, -1).astype(np.int32)[links.link]))
    return join_links(pad_to_same_segments(cells), functools.partial(np.concatenate, axis=-1))


def join_links(parts: list[PaddedLinks], join: Callable[[list[np.ndarray]], np.ndarray]) -> PaddedLinks:
    """Links of as many pieces each as one, each of their arrays by a function of those of the parts."""
    values = zip(*(links.values for links in parts), strict=True)
    owner, other, link = (join([links[place] for links in parts]) for place in range(3))
    return PaddedLinks(owner, other, link, tuple(join(list(value)) for value in values))


def pad_to_same_segments(parts: list[PaddedLinks]) -> list[PaddedLinks]:
    """The same links, each filled up to the pieces of the largest."""
    num_segments = max(len(links.owner) for links in parts)
    return [pad_segments(links, num_segments) for links in parts]


def pad_segments(links: PaddedLinks, num_segments: int) -> PaddedLinks:
    """The same links, filled up to so many pieces. An owner above all others marks filling."""

    def filled(array: np.ndarray, filling: int) -> np.ndarray:
        width = [(0, 0)] * (array.ndim - 1) + [(0, num_segments - array.shape[-1])]
        return np.pad(array, width, constant_values=filling)

    return PaddedLinks(
        owner=filled(links.owner, np.iinfo(np.int32).max),
        other=filled(links.other, 0),
        link=filled(links.link, -1),
        values=tuple(filled(value, 0) for value in links.values),
    )


def segment_length(owner: Int32[np.ndarray, " links"]) -> int:
    """The length of pieces whose sums for these owners take the least time."""
    links = np.bincount(owner)
    return fastest_length(lambda length: int(np.sum(-(-links // length))))


def fastest_length(num_segments: Callable[[int], int]) -> int:
    """The length of pieces that takes the least time, by how many there would be of each length."""
    return min(SEGMENT_LENGTHS, key=lambda length: num_segments(length) * (length + PLACES_PER_SUM))


def aligned(length: int, dtype) -> np.ndarray:
    """An array whose numbers are not yet set, where JAX takes it for a CPU's memory as it stands, without a copy."""
    size = np.dtype(dtype).itemsize * length
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype)


def places(
    owner: Int32[np.ndarray, " links"], length: int
) -> tuple[Int[np.ndarray, " links"], Int32[np.ndarray, " segments"]]:
    """For links whose owners rise: each link's place in the flattened `[length, pieces]`, and each piece's owner."""
    owners, start, links = np.unique(owner, return_index=True, return_counts=True)
    segments = -(-links // length)
    first_segment = np.cumsum(segments) - segments
    # In place, and in the smallest numbers: of many ratings each array takes much of the memory.
    number = np.min_scalar_type(-1 - length * segments.sum())
    within = np.arange(len(owner), dtype=number)
    within -= np.repeat(start.astype(number), links)
    place = within // number.type(length)
    place += np.repeat(first_segment.astype(number), links)
    within %= number.type(length)
    within *= number.type(segments.sum())
    place += within
    return place, np.repeat(owners, segments).astype(np.int32)
