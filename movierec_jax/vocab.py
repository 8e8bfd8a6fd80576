"""Ids to rows and back. An id is the data's own number or string; a row is its place in every table of ours.

A vocabulary is made from the train part alone. What it does not know has one row more than it knows, `unknown`; whether
that is an error or a fallback is the caller's choice (`rows` or `known_rows`).
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int32, Shaped
from pandas.api.types import is_integer_dtype

from movierec_jax.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, InputError, Ratings


@dataclasses.dataclass(frozen=True)
class Vocab:
    """Known ids in rising order; the row of an id is its place among them.

    ids: int64, or objects of type str.
    name: what the ids name, "user" or "movie", for messages.
    """

    ids: pd.Index
    name: str

    @classmethod
    def of(cls, ids: pd.Series, name: str) -> "Vocab":
        """The vocabulary of all different ids of a column."""
        return cls(pd.Index(ids.unique()).sort_values(), name)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unknown(self) -> int:
        """The row of every id that is not known: the one after the last."""
        return len(self.ids)

    def rows(self, ids) -> Int32[np.ndarray, " n"]:
        """The row of each id, `unknown` for those not known.

        Raises InputError where the ids are strings and the vocabulary's are integers, or the reverse.
        """
        found = pd.Index(ids)
        if len(found) and is_integer_dtype(found) != is_integer_dtype(self.ids):
            raise InputError(
                f"{self.name} ids such as {first_of(found)} are {kind_of(found)}, but those trained on, such as "
                f"{first_of(self.ids)}, are {kind_of(self.ids)}: write them the same way in both files"
            )
        row = self.ids.get_indexer(found)
        return np.where(row < 0, self.unknown, row).astype(np.int32)

    def known_rows(self, ids) -> Int32[np.ndarray, " n"]:
        """The row of each id. Raises InputError naming the first ids that are not known."""
        row = self.rows(ids)
        missing = [str(id) for id, is_known in zip(ids, self.is_known(row), strict=True) if not is_known]
        if missing:
            raise InputError(
                f"unknown {self.name} id {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}: not among the "
                f"{len(self):,} {self.name}s trained on, such as {self.ids[0]}"
            )
        return row

    def is_known(self, rows: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether each row belongs to a known id."""
        return rows != self.unknown

    def ids_of(self, rows: Int32[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The id of each row; every row must be a known one."""
        return self.ids.to_numpy()[rows]

    def parse(self, text: str):
        """An id typed by a person, as the vocabulary holds it: an integer where the ids are integers."""
        if not is_integer_dtype(self.ids):
            return text
        try:
            return int(text)
        except ValueError:
            message = f"{self.name} id {text!r}: the ids of this data are integers, such as {self.ids[0]}"
            raise InputError(message) from None


def first_of(ids: pd.Index) -> str:
    """The first id, text in quotes, for messages."""
    return repr(ids[:1].tolist()[0])


def kind_of(ids: pd.Index) -> str:
    """What ids are, for messages."""
    return "integers" if is_integer_dtype(ids) else "strings"


def to_rows(table: pd.DataFrame, users: Vocab, movies: Vocab) -> Ratings:
    """A clean table by row. Ids that the vocabularies do not know get their unknown row."""
    return Ratings(
        user_row=users.rows(table[USER_ID]),
        movie_row=movies.rows(table[MOVIE_ID]),
        rating=table[RATING].to_numpy(np.float32),
        timestamp=table[TIMESTAMP].to_numpy(np.int64),
    )
