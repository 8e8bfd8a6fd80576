"""Rating-time features and recency weights by hand, and a run whose ratings depend on their date alone."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax import load
from movierec_jax.config import Config
from movierec_jax.data.files import read_json
from movierec_jax.data.schema import NO_TIMESTAMP, Ratings
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import (
    NUM_DATE_BINS,
    NUM_TENURE_BINS,
    SECONDS_PER_DAY,
    SECONDS_PER_HOUR,
    fit_rating_time,
    recency_weight,
    recency_weights,
    user_and_day,
    user_day_key,
)
from movierec_jax.train import train_run

NUM_USERS = 3
UNKNOWN_USER = 3


def ratings_at(*rows) -> Ratings:
    """Ratings from (user row, seconds)."""
    user, seconds = np.array(rows, np.int64).reshape(-1, 2).T
    size = len(rows)
    return Ratings(
        user.astype(np.int32),
        np.zeros(size, np.int32),
        np.ones(size, np.float32),
        seconds,
        np.zeros((size, 0), np.int32),
    )


def features_at(*rows):
    """The features fitted on ratings from (user row, seconds)."""
    return fit_rating_time(ratings_at(*rows), NUM_USERS)


def ids_of(features, *rows) -> list[list[int]]:
    """The feature ids of ratings from (user row, seconds)."""
    ratings = ratings_at(*rows)
    return features.feature_ids(ratings.user_row, ratings.timestamp).tolist()


def test_date_bins_have_equally_many_ratings():
    seconds = np.random.default_rng(0).permutation(50 * NUM_DATE_BINS) ** 2
    features = features_at(*((0, second) for second in seconds))
    date = [row[0] for row in ids_of(features, *((0, second) for second in seconds))]
    assert np.bincount(date).tolist() == pytest.approx([50] * NUM_DATE_BINS, abs=1)
    later = np.argsort(seconds)
    assert (np.diff(np.array(date)[later]) >= 0).all()


def test_dates_outside_train_fall_into_its_first_and_last_bin():
    features = features_at((0, 100), (1, 200), (2, 300))
    assert [row[0] for row in ids_of(features, (0, -(10**9)), (0, 10**12))] == [0, len(features.date_end)]


@pytest.mark.parametrize(
    ("hours", "step"),
    [(0, 0), (0.9, 0), (1, 1), (2.9, 1), (3, 2), (2**15 - 1, 15), (10**6, NUM_TENURE_BINS - 1), (-5, 0)],
)
def test_tenure_counts_doublings_of_the_hours_since_the_users_first_rating(hours, step):
    features = features_at((0, 7_000), (1, 500_000))
    tenure = ids_of(features, (1, 500_000 + round(hours * SECONDS_PER_HOUR)))[0][1]
    assert tenure == len(features.date_end) + 1 + step


def test_a_day_belongs_to_one_user_and_ends_at_midnight_utc():
    day = 10 * SECONDS_PER_DAY
    features = features_at((0, day), (0, day + SECONDS_PER_DAY - 1), (0, day + SECONDS_PER_DAY), (1, day))
    own = [row[2] for row in ids_of(features, (0, day + 5), (0, day + SECONDS_PER_DAY), (1, day + 5))]
    assert own == [features.num_shared, features.num_shared + 1, features.num_shared + 2]
    assert len(features) == features.num_shared + 3


def test_a_users_day_is_found_again_also_before_1970():
    user, day = np.int32([0, 17, 17, 2**31 - 1]), np.int64([-400, -1, 0, 20_000])
    found = user_and_day(user_day_key(user, day * SECONDS_PER_DAY))
    np.testing.assert_array_equal(found, (user, day))


@pytest.mark.parametrize(
    ("row", "is_in_train"),
    [
        ((0, NO_TIMESTAMP), (False, False, False)),
        ((0, 100), (True, True, True)),
        ((0, 100 + SECONDS_PER_DAY), (True, True, False)),
        ((UNKNOWN_USER, 100), (True, False, False)),
        # A user of train whose ratings have no time.
        ((1, 100), (True, False, False)),
    ],
    ids=["no time", "in train", "another day", "another user", "a user without times"],
)
def test_times_that_train_does_not_have_are_unknown(row, is_in_train):
    features = features_at((0, 100), (1, NO_TIMESTAMP))
    assert tuple(id < len(features) for id in ids_of(features, row)[0]) == is_in_train
    assert max(ids_of(features, row)[0]) <= len(features)


def test_the_last_rating_weighs_1_and_those_before_it_less():
    assert [recency_weight(position, 4) for position in range(4)] == [(1 / 4) ** 2, (2 / 4) ** 2, (3 / 4) ** 2, 1]


def test_ratings_weigh_by_their_position_but_all_alike_where_their_owner_has_no_times():
    owner = np.array([0, 1, 0, 1, 2])
    weight = recency_weights(owner, np.array([20, NO_TIMESTAMP, 10, NO_TIMESTAMP, 5]))
    assert weight.dtype == np.float32
    assert weight.tolist() == [1, 1, (1 / 2) ** 2, 1, 1]


def test_a_rating_without_a_time_is_older_than_those_that_have_one():
    assert recency_weights(np.array([0, 0]), np.array([10, NO_TIMESTAMP])).tolist() == [1, (1 / 2) ** 2]


# A whole run: everybody gives 2 stars in the first half of the days and 4 in the second.


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """The reports of the same run with and without times, and the workdir of the former."""
    folder = tmp_path_factory.mktemp("drift")
    user, movie = (axis.ravel() for axis in np.indices((40, 30)))
    day = np.random.default_rng(0).permutation(len(user)) % 40
    table = pd.DataFrame({"user": user, "movie": movie, "rating": np.where(day < 20, 2, 4), "timestamp": day * 86_400})
    table.to_csv(folder / "ratings.csv", index=False)
    config = Config().replace(
        ratings=str(folder / "ratings.csv"), embedding_dim=4, hidden_dims=(), epochs=20, learning_rate=0.03, eval_k=(1,)
    )
    with_times = train_run(config.replace(rating_time=True), folder / "run-True").report
    # Ratings depend on their time alone, so without it they are predicted no better than by their mean.
    with pytest.raises(InputError, match="the model has learnt nothing"):
        train_run(config, folder / "run-False")
    return {True: with_times, False: read_json(folder / "run-False" / "report.json")}, folder / "run-True"


@pytest.mark.slow
def test_a_drift_in_time_is_learnt_where_times_are_used(drifting):
    reports, _ = drifting
    assert reports[True]["test"]["rmse"] < 0.5
    assert reports[False]["test"]["rmse"] > 0.9


@pytest.mark.slow
def test_reports_say_whether_predictions_use_rating_times(drifting):
    reports, workdir = drifting
    assert {rating_time: report["rating_time"] for rating_time, report in reports.items()} == {True: True, False: False}
    assert json.loads((workdir / "report.json").read_text())["rating_time"] is True


@pytest.mark.slow
def test_predictions_follow_the_given_time_and_are_average_without_one(drifting):
    model = load(drifting[1])
    early, late, average = (model.predict([3, 4], [5, 6], times) for times in ([86_400] * 2, [38 * 86_400] * 2, None))
    assert (early < 2.7).all()
    assert (late > 3.3).all()
    assert ((early < average) & (average < late)).all()
    with pytest.raises(InputError, match="1 timestamps for 2 pairs"):
        model.predict([3, 4], [5, 6], [86_400])


@pytest.mark.slow
def test_new_users_have_a_date_but_no_days_of_their_own(drifting):
    model = load(drifting[1])
    new = model.with_new_users(pd.DataFrame({"user_id": [3, 3], "movie_id": [5, 6], "rating": [3.0, 3.0]}))
    early, late = (new.predict([3], [7], [day * 86_400])[0] for day in (1, 38))
    assert early < late
