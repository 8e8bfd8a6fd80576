"""Splits a clean table into train, validation and test parts: disjoint, and together the whole table.

Validation is carved out of train by the rule that made the test part. Early stopping thus looks at data that resemble
what is reported, and never at the test part itself.
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from movierec_jax.data.arrays import history_positions, row_positions, shuffled_positions
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, TIMESTAMP, USER_ID, in_one_line
from movierec_jax.data_config import LEAVE_LAST_OUT, VALID_FRACTIONS, DataConfig
from movierec_jax.errors import InputError

PAIR = [USER_ID, MOVIE_ID]

# Positions of a part's rows in the table; "_" because the parts of one call differ in length.
Positions = Int[np.ndarray, " _rows"]


@dataclasses.dataclass(frozen=True)
class Split:
    """The three parts of a clean table, each in the order of the file.

    from_reviews: what users of train wrote about movies that they did not rate, read as ratings; empty without reviews.
    """

    __repr__ = in_one_line

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    from_reviews: pd.DataFrame

    @classmethod
    def of(cls, train: pd.DataFrame, valid: pd.DataFrame, test: pd.DataFrame) -> "Split":
        """Returns a split without ratings from reviews."""
        return cls(train, valid, test, from_reviews=train.head(0).copy())

    def all(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Returns the three parts."""
        return self.train, self.valid, self.test

    def seen(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Returns every table whose rows show that a user has seen a movie."""
        return self.train, self.valid, self.test, self.from_reviews


def split(
    table: pd.DataFrame, config: DataConfig, valid: pd.DataFrame | None = None, test: pd.DataFrame | None = None
) -> Split:
    """Returns the parts as the config asks: given parts as they are, the others carved out of the table.

    Raises InputError where the rule needs timestamps that the table lacks, or a requested part stays empty.
    """
    positions = row_positions(len(table))
    if test is None:
        positions, last = hold_out(table, positions, config, config.test_fraction, [config.split_seed])
        require_rows(len(positions), len(last), "test", "test_fraction", config.test_fraction)
        test = select_rows(table, last)
    fraction = valid_fraction(config)
    if valid is None and fraction > 0:
        positions, last = hold_out(table, positions, config, fraction, [config.split_seed, 1])
        require_rows(len(positions), len(last), "validation", "valid_fraction", fraction)
        valid = select_rows(table, last)
    elif valid is None:
        # A copy: a view would keep the whole table in memory.
        valid = select_rows(table, positions[:0])
    return Split.of(train=select_rows(table, positions), valid=valid, test=test)


def valid_fraction(config: DataConfig) -> float:
    """Returns the fraction of the train ratings in the validation part; of leave_last_out it only tells if any are."""
    if config.valid_fraction is not None:
        return config.valid_fraction
    return VALID_FRACTIONS[config.split]


def hold_out(
    table: pd.DataFrame, positions: Positions, config: DataConfig, fraction: float, seed: list[int]
) -> tuple[Positions, Positions]:
    """Splits rows of the table by the config's rule: returns the positions that stay, and those held out."""
    if config.split == "random":
        return partition(positions, is_drawn(len(positions), fraction, seed))
    timestamp = table[TIMESTAMP].to_numpy()[positions]
    require_times(int(np.sum(timestamp == NO_TIMESTAMP)), len(positions), config.split)
    if config.split == "time":
        return partition(positions, is_late(timestamp, fraction))
    user = pd.factorize(table[USER_ID].iloc[positions])[0]
    count = np.bincount(user)
    num_last = num_held_out(count, config.split, fraction)
    require_last(int(num_last.sum()), len(positions), config.split)
    # Among ratings of the same time, later rows of the file count as later.
    return partition(positions, history_positions(user, timestamp) >= (count - num_last)[user])


def is_drawn(length: int, fraction: float, seed: list[int]) -> Bool[np.ndarray, " _rows"]:
    """Returns a mask of a random fraction of so many rows, at least one."""
    # A seed of one number gives the generator of that plain number, so that the rows of
    # `default_rng(0).permutation(n)[:n // 10]` elsewhere are the test rows here.
    order = shuffled_positions(length, seed if len(seed) > 1 else seed[0])
    mask = np.zeros(length, bool)
    mask[order[: max(1, int(fraction * length))]] = True
    return mask


def require_times(num_missing: int, num_rows: int, rule: str) -> None:
    """Raises InputError where a rule that needs the times of all rows lacks some."""
    if num_missing:
        raise InputError(
            f"--split={rule} needs a timestamp for every rating, and {num_missing:,} of {num_rows:,} have "
            "none: use --split=random, or give ratings with a timestamp column"
        )


def require_last(num_held_out: int, num_rows: int, rule: str) -> None:
    """Raises InputError where leave_last_out leaves none out."""
    if rule == LEAVE_LAST_OUT and not num_held_out:
        raise InputError(
            f"--split={LEAVE_LAST_OUT}: none of the {num_rows:,} ratings has another of the same user before "
            "it; use --split=random, or --valid_fraction=0 where only the validation part stays empty"
        )


def without_pairs(part: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of a part whose pair of user and movie does not occur in the other table."""
    return part[~has_pair(part, other)].reset_index(drop=True)


def has_pair(part: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Returns a mask of the rows of a part whose pair of user and movie occurs in the other table."""
    (user, other_user, _), (movie, other_movie, num_movies) = (shared_codes(part[name], other[name]) for name in PAIR)
    # By hash: NumPy's isin sorts, which takes longer.
    return pd.Series(user * num_movies + movie).isin(other_user * num_movies + other_movie).to_numpy(copy=True)


def shared_codes(ids: pd.Series, other: pd.Series) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the int64 codes of two columns of ids, equal for equal ids, and the number of codes."""
    codes, distinct = pd.factorize(pd.concat([ids, other], ignore_index=True))
    codes = codes.astype(np.int64)
    return codes[: len(ids)], codes[len(ids) :], len(distinct)


def is_late(timestamp: np.ndarray, fraction: float) -> np.ndarray:
    """Returns a mask of the latest ratings, about `fraction` of all.

    Ratings of one time fall on one side, so the share may differ from `fraction`.
    """
    return timestamp >= np.sort(timestamp)[first_late(len(timestamp), fraction)]


def first_late(length: int, fraction: float) -> int:
    """Returns the place, among the times of so many ratings in order, of the first that is late."""
    return length - max(1, int(fraction * length))


def num_held_out(count: Int[np.ndarray, " users"], rule: str, fraction: float) -> Int[np.ndarray, " users"]:
    """Returns how many of the last ratings of each user are held out, from how many each has.

    The last one of users who have others, or the fraction of their number rounded down.
    """
    return (count > 1).astype(int) if rule == LEAVE_LAST_OUT else (fraction * count).astype(int)


def partition(positions: Positions, is_held_out: np.ndarray) -> tuple[Positions, Positions]:
    """Returns the positions that stay, and those held out."""
    return positions[~is_held_out], positions[is_held_out]


def select_rows(table: pd.DataFrame, positions: Positions) -> pd.DataFrame:
    """Returns a copy of the rows at these positions."""
    return table.iloc[positions].reset_index(drop=True)


def require_rows(num_stay: int, num_held_out: int, name: str, flag: str, fraction: float) -> None:
    """Raises InputError where no row is held out for the named part, or none stays for train."""
    for number, part in ((num_held_out, name), (num_stay, "train")):
        if not number:
            raise InputError(
                f"--{flag}={fraction:g} of {num_stay + num_held_out:,} ratings leaves none for the {part} part: give "
                "more ratings or another fraction"
            )
