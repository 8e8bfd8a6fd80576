"""Builds tables of movies, tags and extra columns, and reads bags of features as dicts."""

import numpy as np
import pandas as pd
import pytest

from movierec_jax.data.schema import GENRES, MOVIE_ID, TAG, TIMESTAMP, TITLE, USER_ID, YEAR, FeatureBags, FeatureTable

# The ids of movies in the order of rows; the first three are those of train.
IDS = pd.Index([10, 20, 30, 40])

NUM_TRAIN = 3


def movies_of(*rows) -> pd.DataFrame:
    """Movies from (id, year, genres)."""
    ids, years, genres = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(ids, dtype="int64"),
            TITLE: pd.Series("", index=range(len(rows)), dtype="str"),
            YEAR: np.array(years, np.int32),
            GENRES: pd.Series(genres, dtype="str"),
        }
    )


def tags_of(*rows) -> pd.DataFrame:
    """Tags from (user id, movie id, tag) and perhaps a time."""
    filled = [(*row, 0)[:4] for row in rows]
    return pd.DataFrame(filled, columns=[USER_ID, MOVIE_ID, TAG, TIMESTAMP])


def table_of(ids, id_column=MOVIE_ID, path="mine.csv", **columns) -> FeatureTable:
    """An extra table, as `read_features` makes it of text unless a column is a Series."""
    series = {
        name: values if isinstance(values, pd.Series) else pd.Series([text or None for text in values], dtype="str")
        for name, values in columns.items()
    }
    return FeatureTable(
        path, id_column, pd.Series(ids), np.arange(2, 2 + len(ids)), "line", pd.DataFrame(series), left_out={}
    )


def as_dicts(bags: FeatureBags, num_rows: int = len(IDS)) -> list[dict[str, float]]:
    """The features of each row by name."""
    rows: list[dict[str, float]] = [{} for _ in range(num_rows)]
    for row, feature, value in zip(bags.row, bags.feature, bags.value, strict=True):
        rows[row][bags.names[feature]] = float(value)
    return rows


def assert_rows(bags: FeatureBags, expected: list[dict[str, float]]) -> None:
    assert as_dicts(bags, len(expected)) == [pytest.approx(row) for row in expected]
