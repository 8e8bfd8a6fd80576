"""The arrays that models take: batches, user batches, and the padded sparse links of interactions."""

from typing import Any, NamedTuple

from jaxtyping import Float32, Int32

# In place of a link's index: a movie watched but not rated.
WATCHED = -2


class Batch(NamedTuple):
    """Ratings for one training step `[batch]`, or stacked for many `[steps, batch]`.

    weight: how much each counts; 0 for filling, for movies watched but not rated, and for what is held out.
    number: numbers the ratings of a step, and stays with each when they are put in another order.

    NumPy arrays where batches are built, JAX arrays within a step.
    """

    user_row: Int32[Any, "*steps batch"]
    movie_row: Int32[Any, "*steps batch"]
    time_features: Int32[Any, "*steps batch time_features"]
    rating: Float32[Any, "*steps batch"]
    weight: Float32[Any, "*steps batch"]
    number: Int32[Any, "*steps batch"]


class BatchRows(NamedTuple):
    """The rows of users and of movies that a batch holds, rising; rows beyond the tables' last mark filling."""

    user: Int32[Any, "*steps users"]
    movie: Int32[Any, "*steps movies"]


class UserBatches(NamedTuple):
    """All train ratings of some users at a time, for the error over the whole catalogue.

    On a mesh the entries of each device's movies stand together, with rows counted from the first of them.

    user: index of the rating's user within the batch; the number of users in a batch marks filling.
    deviation: of the rating, as in `Interactions.by_user`; 0 for a movie watched but not rated.
    position: the rating's position in its user's history by time, from 0; num_ratings: length of that history. None
        where order does not count.
    links: padded links from users to movies and from movies to users; None where dense tables are small enough.
    """

    user: Int32[Any, "*batches entries"]
    movie_row: Int32[Any, "*batches entries"]
    deviation: Float32[Any, "*batches entries"]
    position: Int32[Any, "*batches entries"] | None = None
    num_ratings: Int32[Any, "*batches entries"] | None = None
    links: "tuple[PaddedLinks, PaddedLinks] | None" = None


class PaddedLinks(NamedTuple):
    """A sparse matrix from owners to others, laid out in segments of one length for `embedding_bag`.

    Each column of the `[length, segments]` arrays is a segment. An owner with more links than a segment holds has
    several, side by side; one without links has none. The slots left over in an owner's last segment are filling.

    owner: of each segment, rising.
    link: index of the link in each slot, in the order given; -1 marks filling, and WATCHED a movie watched but not
        rated, which only the implicit-feedback score sees.
    values: any number of values of each link; 0 in filling.
    """

    owner: Int32[Any, "*batches segments"]
    other: Int32[Any, "*batches length segments"]
    link: Int32[Any, "*batches length segments"]
    values: tuple[Float32[Any, "*batches length segments"], ...]


class Sequences(NamedTuple):
    """Movies in the order in which users rated them, laid side by side in rows (`sequences.py`).

    user: of each slot, as a number or row; a user's slots stand together, the latest last; -1 marks filling.
    deviation: of the rating, as in `Interactions.by_user`; 0 for a movie watched but not rated.
    """

    user: Int32[Any, "*steps rows length"]
    movie_row: Int32[Any, "*steps rows length"]
    deviation: Float32[Any, "*steps rows length"]


class Interactions(NamedTuple):
    """All that the towers see of users and movies besides their rows: train's ratings and content, from both sides.

    by_user, by_movie: the ratings. Their first two values are the rating's deviation, in stars, for its user's tower
        and for its movie's tower. by_user may have a third: the rating's weight in the user's implicit-feedback score.
    user_features, movie_features, by_user_feature, by_movie_feature: the content, by row and by feature, with the value
        of the feature.
    user_count, movie_count: ratings of each row, the unknown row last, with movies watched but not rated.
    user_weight, movie_weight: the sum of the weights of each row's ratings; None where each counts 1.
    sequences: the last movies of all users, by row; None where the model reads no order.
    """

    by_user: PaddedLinks
    by_movie: PaddedLinks
    user_features: PaddedLinks
    by_user_feature: PaddedLinks
    movie_features: PaddedLinks
    by_movie_feature: PaddedLinks
    user_count: Float32[Any, " user_rows"]
    movie_count: Float32[Any, " movie_rows"]
    user_weight: Float32[Any, " user_rows"] | None = None
    movie_weight: Float32[Any, " movie_rows"] | None = None
    sequences: Sequences | None = None

    @property
    def rating_weights(self) -> tuple[Float32[Any, " user_rows"], Float32[Any, " movie_rows"]]:
        """How many ratings each user and each movie has, each counted by its weight."""
        return (
            self.user_count if self.user_weight is None else self.user_weight,
            self.movie_count if self.movie_weight is None else self.movie_weight,
        )
