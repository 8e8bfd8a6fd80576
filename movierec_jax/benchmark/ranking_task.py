"""What ranking suites ask of every model, and the lists that come back."""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.vocab import Vocab


@dataclasses.dataclass(frozen=True)
class RankingTask:
    """Ratings to learn from, and users to rank the movies of train for.

    given: ratings of users absent from train; empty if there are none. users: in the order of the lists; all are in
    `given` unless it is empty. relevant_rating: the lowest rating that counts as relevant.
    """

    train: pd.DataFrame
    given: pd.DataFrame
    users: pd.Index
    relevant_rating: float

    def save(self, folder: pathlib.Path) -> None:
        """Writes the tables that all models share."""
        self.train.to_parquet(folder / "train.parquet", index=False)
        self.given.to_parquet(folder / "given.parquet", index=False)
        pd.DataFrame({USER_ID: self.users}).to_parquet(folder / "users.parquet", index=False)

    @classmethod
    def read(cls, folder: pathlib.Path, relevant_rating: float) -> "RankingTask":
        train, given, users = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "given", "users"))
        return cls(train, given, pd.Index(users[USER_ID]), relevant_rating)

    @functools.cached_property
    def movies(self) -> Vocab:
        return Vocab.of(self.train[MOVIE_ID], "movie")


@dataclasses.dataclass(frozen=True)
class RankedLists:
    """Each user's list as rows in the movies of train, and what it took; empty slots hold the number of movies.

    fit_seconds: of the one fit that made the lists. list_seconds: from the fitted model to the lists. details: how the
    model was fitted, as plain values.
    """

    movie_row: Int[np.ndarray, "users k"]
    fit_seconds: float
    list_seconds: float
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
