"""A clean table -> train, validation and test part, disjoint and together the whole.

Validation is carved out of train by the same rule that made the test part, so that what early stopping looks at
resembles what is reported, and never the test part itself.
"""

import dataclasses

import numpy as np
import pandas as pd
from jaxtyping import Int

from movierec_jax.config import DataConfig
from movierec_jax.data.arrays import history_positions, places_in_order, shuffled
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError

PAIR = [USER_ID, MOVIE_ID]

# Where the rows of a part stand in the table; "_" since the parts of one call differ in length.
Places = Int[np.ndarray, " _rows"]


@dataclasses.dataclass(frozen=True)
class Split:
    """The three parts of a clean table, each in the order of the file.

    told: what users of train wrote of movies that they have not rated, as the ratings that it stands for; none of it
        unless it is given.
    """

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    told: pd.DataFrame = None  # type: ignore[assignment]

    def __post_init__(self):
        if self.told is None:
            object.__setattr__(self, "told", self.train.head(0).copy())

    def all(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The ratings."""
        return self.train, self.valid, self.test

    def seen(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """All by which it is known that a user has seen a movie."""
        return self.train, self.valid, self.test, self.told


def split(
    table: pd.DataFrame, config: DataConfig, valid: pd.DataFrame | None = None, test: pd.DataFrame | None = None
) -> Split:
    """The parts as the config asks: those given are taken as they are, the others carved from the table.

    Raises InputError where the rule needs timestamps that the table lacks, or a part that is asked for stays empty.
    """
    places = places_in_order(len(table))
    if test is None:
        places, last = hold_out(table, places, config, config.test_fraction, [config.split_seed])
        require_rows(places, last, "test", "test_fraction", config.test_fraction)
        test = take(table, last)
    if valid is None and config.valid_fraction > 0:
        places, last = hold_out(table, places, config, config.valid_fraction, [config.split_seed, 1])
        require_rows(places, last, "validation", "valid_fraction", config.valid_fraction)
        valid = take(table, last)
    elif valid is None:
        # Rows of their own: a view would keep the whole table in memory.
        valid = take(table, places[:0])
    return Split(train=take(table, places), valid=valid, test=test)


def hold_out(
    table: pd.DataFrame, places: Places, config: DataConfig, fraction: float, seed: list[int]
) -> tuple[Places, Places]:
    """The given rows of the table in two: those that stay, and those held out by the config's rule."""
    if config.split == "random":
        # A seed of one number gives the generator of that plain number, so that the rows of
        # `default_rng(0).permutation(n)[:n // 10]` elsewhere are the test rows here.
        order = shuffled(len(places), seed if len(seed) > 1 else seed[0])
        return by_mask(places, is_primary(order, int(fraction * len(places))))
    timestamp = table[TIMESTAMP].to_numpy()[places]
    missing = int(np.sum(timestamp == NO_TIMESTAMP))
    if missing:
        raise InputError(
            f"--split={config.split} needs a timestamp for every rating, and {missing:,} of {len(places):,} have none: "
            "use --split=random, or give ratings with a timestamp column"
        )
    if config.split == "time":
        return by_mask(places, is_late(timestamp, fraction))
    return by_mask(places, is_late_for_user(table[USER_ID].iloc[places], timestamp, fraction))


def without_pairs(part: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows of a part whose user and movie are not also a row of the known ratings."""
    is_known = pd.MultiIndex.from_frame(part[PAIR]).isin(pd.MultiIndex.from_frame(known[PAIR]))
    return part[~is_known].reset_index(drop=True)


def is_primary(order: Places, count: int) -> np.ndarray:
    """A mask of the places that stand among the first `count` of an order."""
    mask = np.zeros(len(order), bool)
    mask[order[:count]] = True
    return mask


def is_late(timestamp: np.ndarray, fraction: float) -> np.ndarray:
    """A mask of the ratings at or after the moment since which about `fraction` of all were made.

    All ratings of one moment fall on one side, so the share may differ from `fraction`.
    """
    boundary = np.sort(timestamp)[len(timestamp) - max(1, int(fraction * len(timestamp)))]
    return timestamp >= boundary


def is_late_for_user(user_id: pd.Series, timestamp: np.ndarray, fraction: float) -> np.ndarray:
    """A mask of each user's last ratings, a `fraction` of their number rounded down.

    Of ratings of the same time the later in the file count as later.
    """
    user = pd.factorize(user_id)[0]
    count = np.bincount(user)
    return history_positions(user, timestamp) >= (count - (fraction * count).astype(int))[user]


def by_mask(places: Places, is_held_out: np.ndarray) -> tuple[Places, Places]:
    """Places in two: those not held out, and those held out."""
    return places[~is_held_out], places[is_held_out]


def take(table: pd.DataFrame, places: Places) -> pd.DataFrame:
    """The rows at these places as a table of their own."""
    return table.iloc[places].reset_index(drop=True)


def require_rows(stay: Places, held_out: Places, name: str, flag: str, fraction: float) -> None:
    """Raises InputError where no row is held out for the named part, or none stays for train."""
    for places, part in ((held_out, name), (stay, "train")):
        if not len(places):
            raise InputError(
                f"--{flag}={fraction:g} of {len(stay) + len(held_out):,} ratings leaves none for the {part} part: give "
                "more ratings or another fraction"
            )
