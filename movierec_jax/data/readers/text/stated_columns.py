"""What a user states of the columns of a file of ratings: what they hold, and which one has weights."""

import dataclasses
from collections.abc import Sequence

from movierec_jax.data.schema import MOVIE_ID, RATING, RATING_COLUMNS, TIMESTAMP, USER_ID, WEIGHT
from movierec_jax.errors import InputError

# What a column of --columns may hold, by the words for it.
COLUMN_WORDS = {"user": USER_ID, "item": MOVIE_ID, "movie": MOVIE_ID, "rating": RATING, "timestamp": TIMESTAMP}
COLUMN_WORDS |= {column: column for column in RATING_COLUMNS} | {"item_id": MOVIE_ID, "weight": WEIGHT}

NOT_USED = "-"


@dataclasses.dataclass(frozen=True)
class StatedColumns:
    """What is stated of the columns of a file.

    columns: as `--columns` has them; empty: told by their names or order.
    weight: name of the column of weights; None: all ratings count 1.
    """

    columns: tuple[str, ...] = ()
    weight: str | None = None

    def __bool__(self) -> bool:
        return bool(self.columns) or self.weight is not None

    @property
    def names(self) -> list[str]:
        """Names of columns that are stated."""
        return [name for _, is_named, name in (item.partition("=") for item in self.columns) if is_named]

    def with_weight(self, held: Sequence[str | None], names: Sequence[str], where: str) -> tuple[str | None, ...]:
        """Returns what columns hold, with that of the weights. Raises InputError where the file does not have it."""
        columns = list(held)
        if self.weight is not None:
            if self.weight not in names:
                raise InputError(f"--weight_column={self.weight}: {where} has columns {', '.join(names)[:400]}")
            columns[list(names).index(self.weight)] = WEIGHT
        return tuple(columns)


NOTHING_STATED = StatedColumns()


def stated_columns(columns: Sequence[str], names: Sequence[str], count: int, where: str) -> tuple[str | None, ...]:
    """Returns what each column of a file holds as `--columns` says; names: of the header, if there is one.

    Raises InputError for a word that is no column, and a name or number that the file does not have.
    """
    flag = f"--columns={','.join(columns)}"
    found: list[str | None] = [None] * count
    for position, item in enumerate(columns):
        word, is_named, name = item.partition("=")
        if word == NOT_USED:
            continue
        column = COLUMN_WORDS.get(word.strip().lower())
        if column is None:
            words = "user, item, rating, timestamp, weight"
            raise InputError(f"{flag}: {word!r} is no column; write {words}, or {NOT_USED} for one that is not used")
        if column in found:
            raise InputError(f"{flag}: two columns of {column}; give one")
        if not is_named:
            index = position
        elif name in names:
            index = list(names).index(name)
        else:
            index = int(name) - 1 if name.isdecimal() else -1
        if not 0 <= index < count:
            shown = f"named {', '.join(map(repr, names))[:400]}" if names else f"numbered 1 to {count}"
            raise InputError(f"{flag}: {where} has no column {name or position + 1!r}; it has {count}, {shown}")
        found[index] = column
    missing = [column for column in (USER_ID, MOVIE_ID) if column not in found]
    if missing:
        raise InputError(f"{flag}: no {missing[0]}; at least user and item are needed")
    return tuple(found)
