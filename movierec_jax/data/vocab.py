"""Ids to rows and back. An id is the data's own number or string; a row is its place in every table of ours.

A vocabulary knows the ids of the train part, and after them those of others of whom something else is known, such as
the genres of a movie that nobody has rated. Any other id has the row after the last, `unknown`; whether that is an
error or a fallback is the caller's choice (`rows` or `known_rows`).
"""

import dataclasses
import re

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Int32, Shaped
from pandas.api.types import is_integer_dtype

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, Ratings
from movierec_jax.errors import InputError

# How people write integers; Python reads none of thousands of digits.
INTEGER = re.compile(r"[+-]?[0-9]{1,1000}")


@dataclasses.dataclass(frozen=True)
class Vocab:
    """The ids of train in rising order, then those of others in rising order; the row of an id is its place.

    Its length is the number of ids of train.

    ids: int64, or objects of type str.
    name: what the ids name, "user" or "movie", for messages.
    num_others: how many of the ids are not of train.
    """

    ids: pd.Index
    name: str
    num_others: int = 0

    @classmethod
    def of(cls, ids: pd.Series, name: str, others: pd.Series | None = None) -> "Vocab":
        """The vocabulary of all different ids of a column of train, and of those of another that are not in it."""
        known = pd.Index(ids.unique()).sort_values()
        if others is None:
            return cls(known, name)
        rest = pd.Index(others.unique()).astype(known.dtype).difference(known).sort_values()
        return cls(known.append(rest), name, len(rest))

    def __len__(self) -> int:
        return len(self.ids) - self.num_others

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
        row = places(self.ids, found)
        return np.where(row < 0, self.unknown, row).astype(np.int32)

    def known_rows(self, ids) -> Int32[np.ndarray, " n"]:
        """The row of each id. Raises InputError naming the first ids that train does not have."""
        row = self.rows(ids)
        missing = [str(id) for id, is_known in zip(ids, self.is_known(row), strict=True) if not is_known]
        if missing:
            raise InputError(
                f"unknown {self.name} id {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}: not among the "
                f"{len(self):,} {self.name}s trained on, such as {self.ids[0]}"
            )
        return row

    def is_known(self, rows: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether each row belongs to an id of train."""
        return rows < len(self)

    def ids_of(self, rows: Int32[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """The id of each row; every row must be a known one."""
        return self.ids.to_numpy()[rows]

    def parse(self, text: str):
        """An id typed by a person, as the vocabulary holds it: an integer where the ids are integers."""
        if not is_integer_dtype(self.ids):
            return text
        if not INTEGER.fullmatch(text):
            raise InputError(f"{self.name} id {text!r}: the ids of this data are integers, such as {self.ids[0]}")
        return int(text)


def places(known: pd.Index, ids: pd.Index) -> Int[np.ndarray, " n"]:
    """The place of each id among different known ones, -1 where it is none of them."""
    if not isinstance(ids.dtype, pd.StringDtype):
        return known.get_indexer(ids)
    # Arrow tells text apart without a Python object for every row, and each text is then looked up once.
    code, different = pd.factorize(ids, use_na_sentinel=False)
    return known.get_indexer(different)[code]


def first_of(ids: pd.Index) -> str:
    """The first id, text in quotes, for messages."""
    return repr(ids[:1].tolist()[0])


def kind_of(ids: pd.Index) -> str:
    """What ids are, for messages."""
    return "integers" if is_integer_dtype(ids) else "strings"


def to_rows(table: pd.DataFrame, users: Vocab, movies: Vocab) -> Ratings:
    """A clean table by row, without moments. Ids that the vocabularies do not know get their unknown row."""
    return Ratings(
        user_row=users.rows(table[USER_ID]),
        movie_row=movies.rows(table[MOVIE_ID]),
        rating=table[RATING].to_numpy(np.float32),
        timestamp=table[TIMESTAMP].to_numpy(np.int64),
        time_features=np.zeros((len(table), 0), np.int32),
    )
