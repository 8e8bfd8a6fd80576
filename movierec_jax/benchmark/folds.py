"""The files of the flags -> folds: what every row of a benchmark learns from, and what it is measured on."""

import dataclasses

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
        """What --ratings calls it."""
        return self.config.data.ratings


def fold_configs(config: Config) -> list[Config]:
    """A config for each file of --ratings, with the file of --test_ratings in the same place."""
    data = config.data
    if data.valid_ratings:
        raise InputError(
            f"--valid_ratings={data.valid_ratings}: every row of a benchmark learns from the same train part, of which "
            "ours carves its own validation: use --valid_fraction"
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


def read_fold(config: Config) -> Fold:
    """The train and test part as train.py would have them, before validation is carved out."""
    run = prepare(config.replace(valid_fraction=0.0))
    return Fold(config, run.parts.train, run.parts.test, run.rating_scale)


def count_ratings(fold: Fold) -> dict[str, int]:
    """How many ratings, users and movies a fold has; cold are test ratings of a user or movie that train lacks."""
    is_warm = fold.test[USER_ID].isin(fold.train[USER_ID]) & fold.test[MOVIE_ID].isin(fold.train[MOVIE_ID])
    return {
        "train": len(fold.train),
        "test": len(fold.test),
        "cold_test": int((~is_warm).sum()),
        "users": fold.train[USER_ID].nunique(),
        "movies": fold.train[MOVIE_ID].nunique(),
    }
