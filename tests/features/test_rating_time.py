"""RatingTimeFeatures by hand, and a run whose ratings depend on nothing but their date."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax import load
from movierec_jax.config import Config
from movierec_jax.data.schema import NO_TIMESTAMP, Ratings
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import NUM_DATES, NUM_TENURES, SECONDS_PER_DAY, SECONDS_PER_HOUR, fit_rating_time
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


def moments_at(*rows):
    return fit_rating_time(ratings_at(*rows), NUM_USERS)


def rows_of(moments, *rows) -> list[list[int]]:
    ratings = ratings_at(*rows)
    return moments.rows(ratings.user_row, ratings.timestamp).tolist()


def test_dates_are_stretches_with_as_many_ratings_each():
    seconds = np.random.default_rng(0).permutation(50 * NUM_DATES) ** 2
    moments = moments_at(*((0, second) for second in seconds))
    date = [row[0] for row in rows_of(moments, *((0, second) for second in seconds))]
    assert np.bincount(date).tolist() == pytest.approx([50] * NUM_DATES, abs=1)
    later = np.argsort(seconds)
    assert (np.diff(np.array(date)[later]) >= 0).all()


def test_dates_before_and_after_train_are_its_first_and_last():
    moments = moments_at((0, 100), (1, 200), (2, 300))
    assert [row[0] for row in rows_of(moments, (0, -(10**9)), (0, 10**12))] == [0, len(moments.date_end)]


@pytest.mark.parametrize(
    ("hours", "step"), [(0, 0), (0.9, 0), (1, 1), (2.9, 1), (3, 2), (2**15 - 1, 15), (10**6, NUM_TENURES - 1), (-5, 0)]
)
def test_tenure_counts_doublings_of_the_hours_since_the_users_first_rating(hours, step):
    moments = moments_at((0, 7_000), (1, 500_000))
    tenure = rows_of(moments, (1, 500_000 + round(hours * SECONDS_PER_HOUR)))[0][1]
    assert tenure == len(moments.date_end) + 1 + step


def test_a_users_day_is_that_users_alone_and_ends_at_midnight_utc():
    day = 10 * SECONDS_PER_DAY
    moments = moments_at((0, day), (0, day + SECONDS_PER_DAY - 1), (0, day + SECONDS_PER_DAY), (1, day))
    own = [row[2] for row in rows_of(moments, (0, day + 5), (0, day + SECONDS_PER_DAY), (1, day + 5))]
    assert own == [moments.num_shared, moments.num_shared + 1, moments.num_shared + 2]
    assert len(moments) == moments.num_shared + 3


@pytest.mark.parametrize(
    ("row", "known"),
    [
        ((0, NO_TIMESTAMP), (False, False, False)),
        ((0, 100), (True, True, True)),
        ((0, 100 + SECONDS_PER_DAY), (True, True, False)),
        ((UNKNOWN_USER, 100), (True, False, False)),
        # A user of train whose ratings have no time.
        ((1, 100), (True, False, False)),
    ],
    ids=["no time", "of train", "another day", "another user", "a user without times"],
)
def test_what_train_does_not_know_is_unknown(row, known):
    moments = moments_at((0, 100), (1, NO_TIMESTAMP))
    assert tuple(feature < len(moments) for feature in rows_of(moments, row)[0]) == known
    assert max(rows_of(moments, row)[0]) <= len(moments)


def test_each_feature_counts_its_ratings():
    rows = [(0, 100), (0, 200), (1, 100 + SECONDS_PER_DAY), (1, NO_TIMESTAMP)]
    moments, train = moments_at(*rows), ratings_at(*rows)
    time_features = moments.rows(train.user_row, train.timestamp)
    count = moments.count(Ratings(**{**vars(train), "moment": time_features}))
    assert len(count) == len(moments)
    assert count[moments.num_shared :].tolist() == [2, 1]
    assert count[: len(moments.date_end) + 1].sum() == count[len(moments.date_end) + 1 : moments.num_shared].sum() == 3


# For real: everybody gives 2 stars in the first half of the days and 4 in the second.


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
    reports = {
        rating_time: train_run(config.replace(rating_time=rating_time), folder / f"run-{rating_time}")
        for rating_time in (True, False)
    }
    return reports, folder / "run-True"


def test_a_drift_in_time_is_learnt_where_times_count(drifting):
    reports, _ = drifting
    assert reports[True]["test"]["rmse"] < 0.5
    assert reports[False]["test"]["rmse"] > 0.9


def test_reports_say_whether_predictions_looked_at_times(drifting):
    reports, workdir = drifting
    assert {rating_time: report["rating_time"] for rating_time, report in reports.items()} == {True: True, False: False}
    assert json.loads((workdir / "report.json").read_text())["rating_time"] is True


def test_stars_are_those_of_the_given_time_and_average_ones_without(drifting):
    model = load(drifting[1])
    early, late, average = (model.predict([3, 4], [5, 6], times) for times in ([86_400] * 2, [38 * 86_400] * 2, None))
    assert (early < 2.7).all()
    assert (late > 3.3).all()
    assert ((early < average) & (average < late)).all()
    with pytest.raises(InputError, match="1 timestamps for 2 pairs"):
        model.predict([3, 4], [5, 6], [86_400])


def test_of_new_users_the_date_is_known_but_no_day_of_theirs(drifting):
    model = load(drifting[1])
    new = model.with_new_users(pd.DataFrame({"user_id": [3, 3], "movie_id": [5, 6], "rating": [3.0, 3.0]}))
    early, late = (new.predict([3], [7], [day * 86_400])[0] for day in (1, 38))
    assert early < late
