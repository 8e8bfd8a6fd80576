"""Files of the flags as folds: what every model of a benchmark learns from and is measured on."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.runs.prepare import prepare


@dataclasses.dataclass(frozen=True)
class Fold:
    """Clean ratings to learn from and to be measured on. config: with the fold's own files."""

    config: Config
    train: pd.DataFrame
    test: pd.DataFrame
    rating_scale: tuple[float, float]

    @property
    def name(self) -> str:
        return self.config.data.ratings


def fold_configs(config: Config) -> list[Config]:
    """Returns a config for each file of --ratings, with the file of --test_ratings at the same position."""
    data = config.data
    if data.valid_ratings:
        raise InputError(
            f"--valid_ratings={data.valid_ratings}: every model of a benchmark learns from the same train part, and "
            "our model takes its validation part from there; use --valid_fraction"
        )
    ratings = data.ratings.split(",")
    test_ratings = data.test_ratings.split(",") if data.test_ratings else [None] * len(ratings)
    if len(test_ratings) != len(ratings):
        raise InputError(
            f"--test_ratings: {len(test_ratings)} given for {len(ratings)} of --ratings; give one file for each, in "
            "the same order"
        )
    return [
        config.replace(ratings=path, test_ratings=test_path)
        for path, test_path in zip(ratings, test_ratings, strict=True)
    ]


def read_folds(config: Config) -> list[Fold]:
    """Reads all folds of the flags."""
    return [read_fold(fold_config) for fold_config in fold_configs(config)]


def read_fold(config: Config) -> Fold:
    """Reads the train and test part as train.py does, before it takes the validation part from train."""
    run = prepare(config.replace(valid_fraction=0.0))
    return Fold(config, run.parts.train, run.parts.test, run.rating_scale)


def fold_names(folds: Sequence[Fold]) -> str:
    """Returns the name of one fold, or what figures over several folds are."""
    return folds[0].name if len(folds) == 1 else f"means over {len(folds)} folds, {folds[0].name} to {folds[-1].name}"


def count_ratings(fold: Fold) -> dict[str, int]:
    """Counts a fold's ratings, users and movies; cold_test: test ratings of users or movies absent from train."""
    is_warm = fold.test[USER_ID].isin(fold.train[USER_ID]) & fold.test[MOVIE_ID].isin(fold.train[MOVIE_ID])
    return {
        "train": len(fold.train),
        "test": len(fold.test),
        "cold_test": int((~is_warm).sum()),
        "users": fold.train[USER_ID].nunique(),
        "movies": fold.train[MOVIE_ID].nunique(),
    }
