"""How much each rating of a table counts, and which movies are watched but not rated.

A movie watched but not rated has weight 0 and the rating NaN: it is an interaction of its user, but no rating.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float32

from movierec_jax.data.schema import RATING, WEIGHT


def with_weights(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a raw table with weights as float32, NaN for one that cannot be read or is below 0.

    A table without ratings gets weight 0 for every row; one with ratings and without weights stays as it is.
    """
    if RATING not in table:
        return all_watched(table)
    if WEIGHT not in table:
        return table
    with np.errstate(over="ignore"):
        weight = pd.to_numeric(table[WEIGHT], errors="coerce").astype(np.float32)
    return table.assign(**{WEIGHT: weight.where((weight >= 0) & np.isfinite(weight))})


def all_watched(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table in which every movie is watched and none is rated."""
    return table.assign(**{RATING: np.float32(np.nan), WEIGHT: np.float32(0)})


def with_unrated(table: pd.DataFrame, unrated_value: float | None) -> pd.DataFrame:
    """Returns a table whose ratings of this value have weight 0, and whose rows of weight 0 have the rating NaN.

    unrated_value: NaN for rows without a rating.
    """
    if unrated_value is not None:
        is_unrated = table[RATING].isna() if np.isnan(unrated_value) else table[RATING].eq(np.float32(unrated_value))
        table = table.assign(**{WEIGHT: weights_or_ones(table).mask(is_unrated, np.float32(0))})
    if WEIGHT not in table:
        return table
    return table.assign(**{RATING: table[RATING].mask(table[WEIGHT] == 0)})


def is_watched(table: pd.DataFrame) -> pd.Series | bool:
    """Returns which movies are watched but not rated; False where every row is a rating."""
    return table[WEIGHT] == 0 if WEIGHT in table else False


def weights_or_ones(table: pd.DataFrame) -> pd.Series:
    """Returns the weight of each row, 1 where it has none."""
    if WEIGHT not in table:
        return pd.Series(np.float32(1), index=table.index)
    return table[WEIGHT].fillna(np.float32(1))


def rated_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of a clean table that have a rating: all but movies that were only watched."""
    return table[table[WEIGHT] > 0] if WEIGHT in table else table


def ratings_of(table: pd.DataFrame) -> Float32[np.ndarray, " rated"]:
    """Returns the ratings of a clean table, in stars, without movies that were only watched."""
    return rated_rows(table)[RATING].to_numpy(np.float32)


def num_watched(table: pd.DataFrame) -> int:
    """Counts movies watched but not rated."""
    return int(np.count_nonzero(is_watched(table)))


def without_equal_weights(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table without the column of weights if all are 1."""
    return table.drop(columns=WEIGHT) if WEIGHT in table and (table[WEIGHT] == 1).all() else table


def weight_array(table: pd.DataFrame) -> Float32[np.ndarray, " ratings"] | None:
    """Returns the weights of a clean table, None where all count 1."""
    return table[WEIGHT].to_numpy(np.float32) if WEIGHT in table else None
