"""When a rating was given -> rows of features: the date, how long the user had been rating, and the user's own day.

Tastes and the use of the scale drift with all three (Koren 2009, "Collaborative filtering with temporal dynamics"). All
is fitted on train; of a moment that train does not know the model knows nothing.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from movierec_jax.data.arrays import history_positions
from movierec_jax.data.schema import NO_TIMESTAMP, Ratings

# Stretches of the calendar with as many ratings each.
NUM_DATES = 100

# Steps of a user's time since their first rating, each twice as long as the one before; the first is an hour.
NUM_TENURES = 16

SECONDS_PER_HOUR = 3_600

SECONDS_PER_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class RatingTimeFeatures:
    """The moments of train. Rows count dates first, then tenures, then days of single users.

    date_end: seconds at which each stretch of the calendar ends, but for the last.
    first_rating: seconds of each user's first rating; NO_TIMESTAMP for the unknown one, who is last.
    own_days: each day on which a user rated, as `own_day` numbers it, rising.
    """

    date_end: Int64[np.ndarray, " dates"]
    first_rating: Int64[np.ndarray, " users"]
    own_days: Int64[np.ndarray, " days"]

    @property
    def num_shared(self) -> int:
        """Features that tell of no single user: dates and tenures."""
        return len(self.date_end) + 1 + NUM_TENURES

    def __len__(self) -> int:
        return self.num_shared + len(self.own_days)

    def rows(self, user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]) -> Int32[np.ndarray, "n 3"]:
        """The features of each moment; `len(self)` stands for what train does not know."""
        date = np.searchsorted(self.date_end, timestamp, side="right")
        first_rating = self.first_rating[user_row]
        hours = np.maximum(timestamp - first_rating, 0) / SECONDS_PER_HOUR
        tenure = len(self.date_end) + 1 + np.minimum(np.log2(1 + hours), NUM_TENURES - 1).astype(np.int64)
        day = own_day(user_row, timestamp)
        place = np.minimum(np.searchsorted(self.own_days, day), len(self.own_days) - 1)
        has_time = timestamp != NO_TIMESTAMP
        known = [
            has_time,
            has_time & (first_rating != NO_TIMESTAMP),
            has_time & (self.own_days[place] == day),
        ]
        rows = np.stack([date, tenure, self.num_shared + place], axis=1)
        return np.where(np.stack(known, axis=1), rows, len(self)).astype(np.int32)

    def count(self, ratings: Ratings) -> Float32[np.ndarray, " time_features"]:
        """Ratings of each feature, for ratings whose moments are these."""
        return np.bincount(ratings.time_features.ravel(), minlength=len(self) + 1)[: len(self)].astype(np.float32)


def fit_rating_time(train: Ratings, num_users: int) -> RatingTimeFeatures:
    """The moments of train, of which some rating has a time; `num_users` users and the unknown one."""
    has_time = train.timestamp != NO_TIMESTAMP
    user_row, timestamp = train.user_row[has_time], train.timestamp[has_time]
    never = np.iinfo(np.int64).max
    first_rating = np.full(num_users + 1, never)
    np.minimum.at(first_rating, user_row, timestamp)
    quantiles = np.quantile(timestamp, np.arange(1, NUM_DATES) / NUM_DATES, method="lower")
    return RatingTimeFeatures(
        date_end=np.unique(quantiles).astype(np.int64),
        first_rating=np.where(first_rating == never, NO_TIMESTAMP, first_rating),
        own_days=np.unique(own_day(user_row, timestamp)),
    )


def own_day(user_row: Int32[np.ndarray, " n"], timestamp: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """One number for each user and day since 1970, by UTC."""
    return user_row * np.int64(2**32) + timestamp // SECONDS_PER_DAY


# Power of a rating's place among those of its user, as a share of their number, by which it counts.
RECENCY_POWER = 2


def recency(position, num_ratings):
    """How much each rating counts by its turn among so many: the last 1, those before it less and less."""
    return ((position + 1) / num_ratings) ** RECENCY_POWER


def recency_of(
    owner: Int[np.ndarray, " ratings"], timestamp: Int64[np.ndarray, " ratings"]
) -> Float32[np.ndarray, " ratings"]:
    """How much each of all ratings of its owner counts; all the same where no rating of the owner has a time."""
    count = np.bincount(owner)
    has_times = np.bincount(owner, timestamp != NO_TIMESTAMP) > 0
    weight = recency(history_positions(owner, timestamp), count[owner])
    return np.where(has_times[owner], weight, 1).astype(np.float32)
