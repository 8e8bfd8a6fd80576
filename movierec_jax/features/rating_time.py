"""Turns the time of a rating into features: the date, how long the user had been rating, and the user's own day.

Tastes and the use of the scale drift with all three (Koren 2009, "Collaborative filtering with temporal dynamics"). The
features are fitted on train; a time that train does not know has none of them.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from movierec_jax.data.arrays import count_groups, history_positions, total_by_group
from movierec_jax.data.schema import NO_TIMESTAMP, Ratings

# Bins of dates, with as many ratings each.
NUM_DATE_BINS = 100

# Bins of the time since a user's first rating, each twice as long as the one before; the first is an hour.
NUM_TENURE_BINS = 16

SECONDS_PER_HOUR = 3_600

# Distance of two users' numbers of one day, more than there are days.
USER_STRIDE = np.int64(2**32)

SECONDS_PER_DAY = 86_400

# A rating's recency weight is its position in the user's history, as a share of the history, to this power.
RECENCY_POWER = 2


@dataclasses.dataclass(frozen=True)
class RatingTimeFeatures:
    """The rating-time features of train. Ids of features count date bins, then tenure bins, then days of single users.

    date_end: seconds at which each date bin ends, except the last.
    first_rating: seconds of each user's first rating, NO_TIMESTAMP where there is none; the unknown user is last.
    user_days: each day on which a user rated, as `user_day_key` numbers it, rising.
    """

    date_end: Int64[np.ndarray, " dates"]
    first_rating: Int64[np.ndarray, " users"]
    user_days: Int64[np.ndarray, " days"]

    @property
    def num_shared(self) -> int:
        """Returns the number of features that all users share: date and tenure bins."""
        return len(self.date_end) + 1 + NUM_TENURE_BINS

    def __len__(self) -> int:
        return self.num_shared + len(self.user_days)

    def feature_ids(
        self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]
    ) -> Int32[np.ndarray, "n 3"]:
        """Returns date, tenure and day of each user and time; `len(self)` stands for what train does not know."""
        date = np.searchsorted(self.date_end, timestamp, side="right")
        first_rating = self.first_rating[user_row]
        hours = np.maximum(timestamp - first_rating, 0) / SECONDS_PER_HOUR
        tenure = len(self.date_end) + 1 + np.minimum(np.log2(1 + hours), NUM_TENURE_BINS - 1).astype(np.int64)
        key = user_day_key(user_row, timestamp)
        day = np.minimum(np.searchsorted(self.user_days, key), len(self.user_days) - 1)
        has_time = timestamp != NO_TIMESTAMP
        is_in_train = [
            has_time,
            has_time & (first_rating != NO_TIMESTAMP),
            has_time & (self.user_days[day] == key),
        ]
        ids = np.stack([date, tenure, self.num_shared + day], axis=1)
        return np.where(np.stack(is_in_train, axis=1), ids, len(self)).astype(np.int32)


def fit_rating_time(train: Ratings, num_users: int) -> RatingTimeFeatures:
    """Fits the features on train ratings, at least one of which has a time; `num_users` users and the unknown one."""
    has_time = train.timestamp != NO_TIMESTAMP
    user_row, timestamp = train.user_row[has_time], train.timestamp[has_time]
    never = np.iinfo(np.int64).max
    first_rating = np.full(num_users + 1, never)
    np.minimum.at(first_rating, user_row, timestamp)
    quantiles = np.quantile(timestamp, np.arange(1, NUM_DATE_BINS) / NUM_DATE_BINS, method="lower")
    return RatingTimeFeatures(
        date_end=np.unique(quantiles).astype(np.int64),
        first_rating=np.where(first_rating == never, NO_TIMESTAMP, first_rating),
        user_days=np.unique(user_day_key(user_row, timestamp)),
    )


def user_day_key(user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Returns one number for each user and UTC day."""
    return user_row * USER_STRIDE + timestamp // SECONDS_PER_DAY


def user_and_day(key: Int64[np.ndarray, " n"]) -> tuple[Int32[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Returns the user and the UTC day of numbers of `user_day_key`; days before 1970 are below 0."""
    user_row = (key + USER_STRIDE // 2) // USER_STRIDE
    return user_row.astype(np.int32), key - user_row * USER_STRIDE


def recency_weight(position, num_ratings):
    """Returns the weight of a rating at a position of its user's history: 1 for the last, less for those before it."""
    return ((position + 1) / num_ratings) ** RECENCY_POWER


def recency_weights(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """Returns the recency weight of each rating in its owner's history; 1 where none of the owner's has a time."""
    count = count_groups(owner)
    has_times = total_by_group(owner, len(count), lambda rows: timestamp[rows] != NO_TIMESTAMP) > 0
    weight = recency_weight(history_positions(owner, timestamp), count[owner])
    return np.where(has_times[owner], weight, 1).astype(np.float32)
