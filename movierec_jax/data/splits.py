"""Splits a clean table into train, validation and test parts: disjoint, and together the whole table.

Validation is carved out of train by the rule that made the test part. Early stopping thus looks at data that resemble
what is reported, and never at the test part itself.
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Int

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
        require_rows(positions, last, "test", "test_fraction", config.test_fraction)
        test = select_rows(table, last)
    fraction = valid_fraction(config)
    if valid is None and fraction > 0:
        positions, last = hold_out(table, positions, config, fraction, [config.split_seed, 1])
        require_rows(positions, last, "validation", "valid_fraction", fraction)
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
        # A seed of one number gives the generator of that plain number, so that the rows of
        # `default_rng(0).permutation(n)[:n // 10]` elsewhere are the test rows here.
        order = shuffled_positions(len(positions), seed if len(seed) > 1 else seed[0])
        return partition(positions, first_of_order(order, max(1, int(fraction * len(positions)))))
    timestamp = table[TIMESTAMP].to_numpy()[positions]
    missing = int(np.sum(timestamp == NO_TIMESTAMP))
    if missing:
        raise InputError(
            f"--split={config.split} needs a timestamp for every rating, and {missing:,} of {len(positions):,} have "
            "none: use --split=random, or give ratings with a timestamp column"
        )
    if config.split == "time":
        return partition(positions, is_late(timestamp, fraction))
    user = pd.factorize(table[USER_ID].iloc[positions])[0]
    if config.split == LEAVE_LAST_OUT:
        is_last = is_last_of_user(user, timestamp)
        if not is_last.any():
            raise InputError(
                f"--split={LEAVE_LAST_OUT}: none of the {len(positions):,} ratings has another of the same user before "
                "it; use --split=random, or --valid_fraction=0 where only the validation part stays empty"
            )
        return partition(positions, is_last)
    return partition(positions, is_late_for_user(user, timestamp, fraction))


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


def first_of_order(order: Positions, count: int) -> np.ndarray:
    """Returns a mask of the first `count` positions of an order."""
    mask = np.zeros(len(order), bool)
    mask[order[:count]] = True
    return mask


def is_late(timestamp: np.ndarray, fraction: float) -> np.ndarray:
    """Returns a mask of the latest ratings, about `fraction` of all.

    Ratings of one time fall on one side, so the share may differ from `fraction`.
    """
    boundary = np.sort(timestamp)[len(timestamp) - max(1, int(fraction * len(timestamp)))]
    return timestamp >= boundary


def is_late_for_user(user: np.ndarray, timestamp: np.ndarray, fraction: float) -> np.ndarray:
    """Returns a mask of each user's last ratings, a `fraction` of their number rounded down.

    user: numbers the users. Among ratings of the same time, later rows of the file count as later.
    """
    count = np.bincount(user)
    return history_positions(user, timestamp) >= (count - (fraction * count).astype(int))[user]


def is_last_of_user(user: np.ndarray, timestamp: np.ndarray) -> np.ndarray:
    """Returns a mask of the last rating of each user who has others; ties as in `is_late_for_user`."""
    last = np.bincount(user)[user] - 1
    return (history_positions(user, timestamp) == last) & (last > 0)


def partition(positions: Positions, is_held_out: np.ndarray) -> tuple[Positions, Positions]:
    """Returns the positions that stay, and those held out."""
    return positions[~is_held_out], positions[is_held_out]


def select_rows(table: pd.DataFrame, positions: Positions) -> pd.DataFrame:
    """Returns a copy of the rows at these positions."""
    return table.iloc[positions].reset_index(drop=True)


def require_rows(stay: Positions, held_out: Positions, name: str, flag: str, fraction: float) -> None:
    """Raises InputError where no row is held out for the named part, or none stays for train."""
    for positions, part in ((held_out, name), (stay, "train")):
        if not len(positions):
            raise InputError(
                f"--{flag}={fraction:g} of {len(stay) + len(held_out):,} ratings leaves none for the {part} part: give "
                "more ratings or another fraction"
            )
