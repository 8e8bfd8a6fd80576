"""What is known of each user, by user, and laid out for `encoding.encode_users` for any users that are asked for.

    train ratings ─sorted once by user─> UserHistories ─lay_out(rows)─> UserParts

Users are encoded in parts of PART_USERS, all of one shape, and the sums over a user's ratings are in the order of these
and of segments of one length. So a user's vectors do not depend, to the last bit, on who else is encoded.
"""

import dataclasses
import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32, Int64

from movierec_jax.data.arrays import count_groups, csr_offsets, members_of_groups, round_up_to_size, stable_argsort
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.features.rating_time import recency_weights
from movierec_jax.model.inputs import PaddedLinks, Sequences
from movierec_jax.model.interactions import (
    mark_watched,
    pad_links,
    rating_deviation,
    segment_length,
)
from movierec_jax.model.sequence_encoder import rows_read_alike
from movierec_jax.model.sequences import UserSequences, pad_sequences

# Users of a part.
PART_USERS = 64

# Fewest segments of a part; it has twice, four times, ... as many where these are too few.
MIN_SEGMENTS = 128


class UserParts(NamedTuple):
    """Some users, by parts of PART_USERS, as `encoding.encode_users` reads them. Owners are numbered within a part.

    user_row: the row of the user tower's own tables.
    links: the ratings with their deviations and their weights in the implicit-feedback score.
    content: links to features. sequences: None where the model reads no order.
    """

    user_row: Int32[Any, "parts users"]
    links: PaddedLinks
    content: PaddedLinks
    sequences: Sequences | None


@dataclasses.dataclass(frozen=True)
class Linked:
    """Links of each owner to others with values, as CSR, in the order in which sums add them up.

    length: of the segments that `lay_out` fills.
    """

    start: Int64[np.ndarray, " owners_and_one"]
    other: Int32[np.ndarray, " links"]
    values: tuple[Float32[np.ndarray, " links"], ...]
    length: int

    @classmethod
    def of(
        cls,
        owner: Int32[np.ndarray, " links"],
        other: Int32[np.ndarray, " links"],
        *values: Float32[np.ndarray, " links"],
        num_owners: int,
    ) -> "Linked":
        """From links in any order of owners."""
        order = stable_argsort(owner)
        start = csr_offsets(count_groups(owner, num_owners))
        return cls(start, other[order], tuple(value[order] for value in values), segment_length([owner]))

    def lay_out(self, owners: Int[np.ndarray, " wanted"]) -> PaddedLinks:
        """Lays out the links of these owners, numbered from 0 in this order."""
        start, index = members_of_groups(self.start, owners)
        owner = np.repeat(np.arange(len(owners), dtype=np.int32), np.diff(start))
        return pad_links(owner, self.other[index], *(value[index] for value in self.values), length=self.length)


@dataclasses.dataclass(frozen=True)
class UserHistories:
    """What is known of each user, by row; the last row is the unknown user, of whom nothing is known.

    user_row: the row of the user tower's own tables; that of the run's unknown user for users new to it.
    ratings: with their deviations, NaN for a movie watched but not rated, and their weights in the implicit-feedback
        score. content: with the values of features.
    """

    user_row: Int32[np.ndarray, " users"]
    ratings: Linked
    content: Linked
    sequences: UserSequences | None

    def __len__(self) -> int:
        return len(self.user_row)

    def lay_out(self, rows: Int[np.ndarray, " wanted"], length: int, num_devices: int = 1) -> UserParts:
        """Lays out the users of these rows, and unknown ones up to a length and to as many whole parts on each device.

        length: at least 1, and not below the number of rows.
        """
        num_parts = -(-length // (PART_USERS * num_devices)) * num_devices
        unknown = np.full(num_parts * PART_USERS - len(rows), len(self) - 1)
        users = np.concatenate([rows, unknown])
        by_part = users.reshape(num_parts, PART_USERS)
        sequences = None
        if self.sequences is not None:
            sequences = stack_sequences([self.sequences.lay_out(part) for part in by_part])
        return UserParts(
            self.user_row[by_part],
            stack_links(mark_watched(self.ratings.lay_out(users)), num_parts),
            stack_links(self.content.lay_out(users), num_parts),
            sequences,
        )


def build_histories(
    ratings: Ratings,
    in_order: Ratings,
    level: Float64[np.ndarray, " movies"],
    content: FeatureBags,
    user_row: Int32[np.ndarray, " users"],
    *,
    is_recent_most: bool = False,
    sequence_length: int | None = None,
) -> UserHistories:
    """Gathers what is known of each user.

    ratings: of the users by their index in `user_row`; in_order: those that the implicit-feedback score reads in order.
    level: `movie_levels` of train. content: of the users by index. user_row: as in `UserHistories`.
    is_recent_most, sequence_length: as for `build_interactions`.
    """
    num_owners = len(user_row)
    weight = np.ones(len(ratings), np.float32)
    if is_recent_most:
        weight = recency_weights(ratings.user_row, ratings.timestamp)
    deviation = rating_deviation(level, ratings.movie_row, ratings.rating)
    sequences = None
    if sequence_length is not None:
        of_order = rating_deviation(level, in_order.movie_row, in_order.rating)
        columns = in_order.user_row, in_order.movie_row, of_order, in_order.timestamp
        sequences = UserSequences.of(*columns, num_owners, sequence_length)
    return UserHistories(
        user_row,
        Linked.of(ratings.user_row, ratings.movie_row, deviation, weight, num_owners=num_owners),
        Linked.of(content.row, content.feature, content.value, num_owners=num_owners),
        sequences,
    )


def stack_links(links: PaddedLinks, num_parts: int) -> PaddedLinks:
    """Stacks the links of each part's users along a first axis, with owners numbered within the part.

    All parts are padded to the same number of segments, one of few.
    """
    bounds = np.searchsorted(links.owner, PART_USERS * np.arange(num_parts + 1))
    num_segments = round_up_to_size(int(np.diff(bounds).max()), 2, MIN_SEGMENTS)

    def stack(array: np.ndarray, filling: int) -> np.ndarray:
        stacked = np.full((num_parts, *array.shape[:-1], num_segments), filling, array.dtype)
        for part, (first, end) in zip(stacked, itertools.pairwise(bounds), strict=True):
            part[..., : end - first] = array[..., first:end]
        return stacked

    return PaddedLinks(
        # The owner of filling is above all others.
        owner=stack(links.owner % np.int32(PART_USERS), np.iinfo(np.int32).max),
        other=stack(links.other, 0),
        link=stack(links.link, -1),
        values=tuple(stack(value, 0) for value in links.values),
    )


def stack_sequences(parts: list[Sequences]) -> Sequences:
    """Stacks sequences along a first axis, padded to one number of rows, whatever users they are of."""
    num_rows = rows_read_alike(PART_USERS, parts[0].user.shape[1])
    padded = [pad_sequences(sequences, num_rows) for sequences in parts]
    return Sequences(*map(np.stack, zip(*padded, strict=True)))
