"""Maps ids to rows and back: an id is the data's own number or string, a row its index in all our arrays.

A vocabulary holds the ids of the train part first, then ids that only other tables describe, such as a movie with
genres that nobody has rated. All other ids share the row after the last, `unknown`; the caller chooses whether that is
a fallback (`rows`) or an error (`require_rows_in_train`).
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Int32, Shaped
from pandas.api.types import is_integer_dtype

from movierec_jax.data.matching.given_ids import INTEGER, example_of
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, Ratings, in_one_line
from movierec_jax.data.values.weights import weight_array
from movierec_jax.errors import InputError

# Column of a vocabulary's table: whether train has the id.
IN_TRAIN = "in_train"


@dataclasses.dataclass(frozen=True)
class Vocab:
    """The ids of train in ascending order, then other ids in ascending order; an id's row is its index.

    `len` counts the ids of train.

    ids: int64, or objects of type str.
    name: what the ids identify, "user" or "movie", for messages.
    num_others: the number of ids that train does not have.
    """

    __repr__ = in_one_line

    ids: pd.Index
    name: str
    num_others: int = 0

    @classmethod
    def of(cls, ids: pd.Series, name: str, others: pd.Series | None = None) -> "Vocab":
        """Returns the vocabulary of the different ids in a column of train, and of those that only `others` has."""
        in_train = pd.Index(ids.unique()).sort_values()
        if others is None:
            return cls(in_train, name)
        rest = pd.Index(others.unique()).astype(in_train.dtype).difference(in_train).sort_values()
        return cls(in_train.append(rest), name, len(rest))

    def __len__(self) -> int:
        return len(self.ids) - self.num_others

    @property
    def unknown(self) -> int:
        """The row of every id that the vocabulary lacks: the one after the last."""
        return len(self.ids)

    def rows(self, ids) -> Int32[np.ndarray, " n"]:
        """Returns the row of each id, `unknown` for ids that the vocabulary lacks.

        Raises InputError where the ids are strings and the vocabulary's are integers, or the reverse.
        """
        ids = pd.Index(ids)
        if len(ids) and is_integer_dtype(ids) != is_integer_dtype(self.ids):
            raise InputError(
                f"{self.name} ids such as {example_of(ids)} are {type_in_words(ids)}, but those trained on, such as "
                f"{example_of(self.ids)}, are {type_in_words(self.ids)}: write them the same way in both files"
            )
        row = index_of_ids(self.ids, ids)
        return np.where(row < 0, self.unknown, row).astype(np.int32)

    def require_rows_in_train(self, ids) -> Int32[np.ndarray, " n"]:
        """Returns the row of each id. Raises InputError with the first ids that train does not have."""
        row = self.rows(ids)
        missing = [str(id) for id, is_in_train in zip(ids, self.is_in_train(row), strict=True) if not is_in_train]
        if missing:
            raise InputError(
                f"unknown {self.name} id {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}: not among the "
                f"{len(self):,} {self.name}s trained on, such as {self.ids[0]}"
            )
        return row

    @property
    def in_train(self) -> Bool[np.ndarray, " ids"]:
        """Whether train has each of the ids."""
        return self.is_in_train(np.arange(len(self.ids), dtype=np.int32))

    def is_in_train(self, rows: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Returns whether each row belongs to an id of train."""
        return rows < len(self)

    def ids_of(self, rows: Int32[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """Returns the id of each row; no row may be `unknown`."""
        return self.ids.to_numpy()[rows]

    def parse(self, text: str):
        """Returns an id typed by a person without outer spaces, as an integer where the ids are integers."""
        trimmed = text.strip()
        if not is_integer_dtype(self.ids):
            return text if text in self.ids else trimmed
        if not INTEGER.fullmatch(trimmed):
            raise InputError(f"{self.name} id {text!r}: the ids of this data are integers, such as {self.ids[0]}")
        return int(trimmed)


def index_of_ids(index: pd.Index, ids: pd.Index) -> Int[np.ndarray, " n"]:
    """Returns the position of each id in an index of different ids, -1 for ids that it lacks."""
    if not isinstance(ids.dtype, pd.StringDtype):
        return index.get_indexer(ids)
    # Arrow groups equal text without a Python object for every row, so that each text is looked up once.
    code, different = pd.factorize(ids, use_na_sentinel=False)
    return index.get_indexer(different)[code]


def type_in_words(ids: pd.Index) -> str:
    """Returns the type of ids for messages."""
    return "integers" if is_integer_dtype(ids) else "strings"


def ratings_by_row(table: pd.DataFrame, users: Vocab, movies: Vocab) -> Ratings:
    """Returns a clean table by row, without rating-time features; ids that a vocabulary lacks get its unknown row."""
    return Ratings(
        user_row=users.rows(table[USER_ID]),
        movie_row=movies.rows(table[MOVIE_ID]),
        rating=table[RATING].to_numpy(np.float32),
        timestamp=table[TIMESTAMP].to_numpy(np.int64),
        time_features=np.zeros((len(table), 0), np.int32),
        weight=weight_array(table),
    )
