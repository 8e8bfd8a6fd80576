"""The arrays that models take: batches, blocks of users, and the padded sparse links of interactions."""

from typing import Any, NamedTuple

from jaxtyping import Float32, Int32


class Batch(NamedTuple):
    """Ratings for one training step `[batch]`, or stacked for many `[steps, batch]`; weight 0 marks filling.

    number: which of its step's ratings each is, wherever it stands.

    NumPy arrays where batches are built, JAX arrays within a step.
    """

    user_row: Int32[Any, "*steps batch"]
    movie_row: Int32[Any, "*steps batch"]
    time_features: Int32[Any, "*steps batch moments"]
    rating: Float32[Any, "*steps batch"]
    weight: Float32[Any, "*steps batch"]
    number: Int32[Any, "*steps batch"]


class Rows(NamedTuple):
    """Rows of users and of movies, rising; those that no table has mark filling. Or a number for each row."""

    user: Int32[Any, "*steps users"]
    movie: Int32[Any, "*steps movies"]


class UserBatches(NamedTuple):
    """The train ratings by blocks of as many users each, for the error over the whole catalogue.

    On a mesh the ratings of each device's movies stand together, with rows counted from the first of them.

    user: place of the rating's user within the block; the number of users in a block marks filling.
    turn: which of its user's ratings it is, by time, from 0; num_ratings: how many they are. None if no order counts.
    links: the same from users to movies, and from movies to users, where sums over them take the place of a table.
    """

    user: Int32[Any, "*blocks entries"]
    movie_row: Int32[Any, "*blocks entries"]
    position: Int32[Any, "*blocks entries"] | None = None
    num_ratings: Int32[Any, "*blocks entries"] | None = None
    links: "tuple[PaddedLinks, PaddedLinks] | None" = None


class PaddedLinks(NamedTuple):
    """Links from owners to others, laid out in pieces of one length for `pooling.pool`, or stacked for many blocks.

    An owner with more links than a piece holds has several pieces, side by side; one without any has none. Owners rise.
    Places left over at the end of an owner's last piece are filling.

    link: which link a place is, in the order in which they came; -1 marks filling.
    values: what the link says, once or more; 0 in filling.
    """

    owner: Int32[Any, "*blocks segments"]
    other: Int32[Any, "*blocks length segments"]
    link: Int32[Any, "*blocks length segments"]
    values: tuple[Float32[Any, "*blocks length segments"], ...]


class Interactions(NamedTuple):
    """All that the towers see of users and movies besides their rows: train's ratings and content, from both sides.

    by_user, by_movie: the ratings. Their first two values are what a rating tells its user's tower and its movie's
        tower, in stars. by_user may have a third: how much the rating counts in the user's exposure, 1 without it.
    user_features, movie_features, by_user_feature, by_movie_feature: the content, by row and by feature, with the value
        of the feature.
    user_count, movie_count: ratings of each row, of which the unknown one is the last.
    user_feature_count, movie_feature_count: ratings of the users or movies that have a feature.
    time_feature_count: ratings of each feature of their times.
    """

    by_user: PaddedLinks
    by_movie: PaddedLinks
    user_features: PaddedLinks
    by_user_feature: PaddedLinks
    movie_features: PaddedLinks
    by_movie_feature: PaddedLinks
    user_count: Float32[Any, " user_rows"]
    movie_count: Float32[Any, " movie_rows"]
    user_feature_count: Float32[Any, " features"]
    movie_feature_count: Float32[Any, " features"]
    time_feature_count: Float32[Any, " time_features"]
