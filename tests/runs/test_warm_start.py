"""What a run takes over from an older one, row by row, and what it refuses."""

import dataclasses
import re

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.config import Config, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, USER_ID, FeatureBags
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError
from movierec_jax.features.rating_time import NUM_TENURE_BINS, RatingTimeFeatures
from movierec_jax.model.tables import IMPLICIT_FEEDBACK, MOVIE_TOWER, ROWS_OF_TABLE, USER_TOWER
from movierec_jax.runs.prepare import new_run
from movierec_jax.runs.warm_start import OldRun, begin_from, find_old_rows, old_time_features, require_compatible
from movierec_jax.training.state import new_state

CONFIG = Config(
    model=ModelConfig(embedding_dim=3, hidden_dims=(4,), implicit_feedback_dim=2),
    train=TrainConfig(epochs=3, batch_size=32, ensemble_size=2),
)


def run_of(config: Config = CONFIG, split: Split | None = None, **fields):
    split = split or checkerboard.parts(num_users=18, num_movies=9)
    return dataclasses.replace(new_run(config, checkerboard.clean_data(split), split), **fields)


def without(part: pd.DataFrame) -> pd.DataFrame:
    """The ratings without the first two users and the third movie."""
    return part[~part[USER_ID].isin([1000, 1001]) & (part[MOVIE_ID] != 502)].reset_index(drop=True)


def smaller(split: Split) -> Split:
    return Split.of(*map(without, split.all()))


@pytest.fixture(scope="module")
def taken():
    """A run, its fresh state, the state it begins with, and an older run on fewer users and movies."""
    run = run_of(warm_start="runs/old")
    old = run_of(CONFIG.replace(seed=1), smaller(run.parts))
    params = jax.device_get(new_state(old.setup).params)
    strengths = np.arange(6, dtype=np.float32).reshape(2, 3)
    fresh = new_state(run.setup)
    return run, fresh, begin_from(fresh, OldRun("runs/old", old, params, strengths), run), old, params, strengths


@pytest.mark.parametrize("scope", [USER_TOWER, MOVIE_TOWER, IMPLICIT_FEEDBACK])
def test_each_user_movie_and_feature_takes_its_own_older_row_and_new_ones_stay_as_they_are(taken, scope):
    run, fresh, warm, old, params, _ = taken
    names = {
        "users": (run.users.ids[: len(run.users)], old.users.ids[: len(old.users)]),
        "movies": (run.movies.ids[: len(run.movies)], old.movies.ids[: len(old.movies)]),
        "movie_features": (run.movie_content.names, old.movie_content.names),
    }
    for (of_scope, table), kind in ROWS_OF_TABLE.items():
        if of_scope != scope or table not in warm.params[scope]:
            continue
        ours, theirs = names[kind]
        for row, name in enumerate(ours):
            source, its_row = (params, list(theirs).index(name)) if name in theirs else (fresh.params, row)
            np.testing.assert_array_equal(warm.params[scope][table][:, row], source[scope][table][:, its_row])


def test_what_all_share_and_the_decays_are_taken_over_and_training_begins_at_its_first_step(taken):
    _, fresh, warm, _, params, strengths = taken
    for scope in ("user_layer", "movie_layer", "head"):
        jax.tree.map(np.testing.assert_array_equal, warm.params[scope], params[scope])
    np.testing.assert_array_equal(warm.log_strength, strengths)
    assert int(warm.step) == 0
    jax.tree.map(np.testing.assert_array_equal, warm.opt_state, fresh.opt_state)


def test_what_is_taken_over_is_said(taken, capsys):
    run, fresh, _, old, params, strengths = taken
    begin_from(fresh, OldRun("runs/old", old, params, strengths), run)
    assert capsys.readouterr().out == "warm start from runs/old: 16 of 18 users, 8 of 9 movies\n"


def test_a_warm_start_holds_nothing_out_and_takes_a_quarter_of_the_epochs():
    config = CONFIG.replace(epochs=None, held_out_fraction=0.5)
    warm, cold = (run_of(config, warm_start=workdir).setup.config for workdir in ("runs/old", None))
    assert (cold.held_out_fraction, warm.held_out_fraction) == (0.5, 0.0)
    assert (cold.epochs, warm.epochs) == (12, 3)
    assert run_of(config.replace(epochs=7), warm_start="runs/old").setup.config.epochs == 7


# Rating-time features.


def test_dates_tenures_and_days_take_older_features():
    days = np.int64([5 * 2**32 + 3, 6 * 2**32 + 4])
    old = RatingTimeFeatures(np.int64([100, 200]), np.zeros(8, np.int64), days)
    # User 0 is the older user 5, user 1 the older user 7, and user 2 is new.
    new_days = np.int64([0 * 2**32 + 3, 0 * 2**32 + 9, 1 * 2**32 + 4, 2 * 2**32 + 4])
    new = RatingTimeFeatures(np.int64([100, 150, 300]), np.zeros(3, np.int64), new_days)
    found = old_time_features(old, new, np.array([5, 7, -1]))
    dates, tenures, of_days = np.split(found, [4, 4 + NUM_TENURE_BINS])
    assert dates.tolist() == [0, 1, 2, 2]
    assert tenures.tolist() == [3 + bin for bin in range(NUM_TENURE_BINS)]
    assert of_days.tolist() == [3 + NUM_TENURE_BINS, -1, -1, -1]
    assert len(found) == len(new)


# What does not fit.


def with_ids(split: Split, column: str, change) -> Split:
    return Split.of(*(part.assign(**{column: change(part[column])}) for part in split.all()))


BOARD = checkerboard.parts(num_users=18, num_movies=9)
NO_VALUES = np.zeros(0, np.int32)
MOODS = FeatureBags(NO_VALUES, NO_VALUES, np.zeros(0, np.float32), ("genre=Drama", "mood=dark"))


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ({"config": CONFIG.replace(embedding_dim=8)}, "--embedding_dim is 3 here, and 8 there; both must be the same"),
        ({"config": CONFIG.replace(hidden_dims=())}, "--hidden_dims is 4 here, and  there"),
        ({"config": CONFIG.replace(history=("user",))}, "--history is user,movie here, and user there"),
        ({"config": CONFIG.replace(implicit_feedback_dim=0)}, "--implicit_feedback_dim is 2 here, and 0 there"),
        ({"config": CONFIG.replace(ensemble_size=1)}, "--ensemble_size is 2 here, and 1 there"),
        ({"rating_scale": (0.5, 5.0)}, "the rating scale is 1,5 here, and 0.5,5 there"),
        ({"movie_id_space": "imdb"}, "the movie ids are of the kind own here, and imdb there"),
        (
            {"movie_content": MOODS},
            "movies have features of genre, year here, and of genre, mood there; mood must be here too: give the same "
            "--content, --movie_features and --reviews, or train from scratch",
        ),
        (
            {"split": with_ids(BOARD, USER_ID, lambda ids: ids.astype("str"))},
            "user ids are integers here, such as 1000, and strings there, such as '1000'",
        ),
        (
            {"split": with_ids(BOARD, MOVIE_ID, lambda ids: ids + 1000)},
            "none of the 9 movies here, such as 500, is one of the 9 there, such as 1500",
        ),
    ],
)
def test_an_older_run_that_does_not_fit_is_refused_with_both_values(old, message):
    older = OldRun("runs/old", run_of(**old), None, np.zeros(0))
    with pytest.raises(InputError, match=f"^--warm_start=runs/old: {re.escape(message)}"):
        require_compatible(older, run_of())


def test_an_older_run_with_fewer_features_fits():
    run = run_of()
    older = run_of(CONFIG.replace(content=()))
    require_compatible(OldRun("runs/old", older, None, np.zeros(0)), run)
    assert (find_old_rows(older, run)["movie_features"] == -1).all()
