"""Files of the flags become folds in their order, with the rows that train.py would have."""

import pandas as pd
import pytest
from helpers import checkerboard

from movierec_jax.benchmark.folds import Fold, count_ratings, fold_configs, read_fold
from movierec_jax.config import Config
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import prepare


def files(config):
    return [(one.data.ratings, one.data.test_ratings) for one in fold_configs(config)]


def test_files_pair_up_in_their_order():
    assert files(Config().replace(ratings="a,b", test_ratings="c,d")) == [("a", "c"), ("b", "d")]


def test_without_test_files_each_file_is_split():
    assert files(Config().replace(ratings="a,b")) == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("ratings", "test_ratings", "found"), [("a,b", "c", "1 given for 2"), ("a", "c,d", "2 given for 1")]
)
def test_another_number_of_test_files_is_refused(ratings, test_ratings, found):
    with pytest.raises(InputError, match=rf"^--test_ratings: {found} of --ratings; give one file for each"):
        fold_configs(Config().replace(ratings=ratings, test_ratings=test_ratings))


def test_a_validation_file_is_refused():
    with pytest.raises(InputError, match=r"^--valid_ratings=v.csv: every model .* use --valid_fraction$"):
        fold_configs(Config().replace(valid_ratings="v.csv"))


def test_a_fold_has_the_rows_of_train_and_validation_of_a_run(tmp_path):
    checkerboard.write(tmp_path, checkerboard.parts())
    config = Config().replace(ratings=str(tmp_path / "ml"), test_fraction=0.2)
    fold, parts = read_fold(config), prepare(config).parts
    order = ["user_id", "movie_id"]
    learnt_from = pd.concat([parts.train, parts.valid]).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(fold.train.sort_values(order, ignore_index=True), learnt_from)
    pd.testing.assert_frame_equal(fold.test, parts.test)
    assert fold.rating_scale == (0.5, 5)


def test_counts_tell_test_ratings_of_users_or_movies_that_train_lacks():
    train = checkerboard.table([1, 1, 2], [11, 12, 11], [5, 1, 3])
    test = checkerboard.table([1, 2, 3, 4], [13, 12, 11, 14], [5, 1, 3, 2])
    expected = {"train": 3, "test": 4, "cold_test": 3, "users": 2, "movies": 2}
    assert count_ratings(Fold(Config(), train, test, (1.0, 5.0))) == expected
