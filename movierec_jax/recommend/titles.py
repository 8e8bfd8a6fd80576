"""Titles beside the ids of movies."""

import numpy as np
import pandas as pd

from movierec_jax.data.matching.given_ids import as_ids
from movierec_jax.data.schema import GENRES, MOVIE_ID, TITLE, YEAR
from movierec_jax.errors import InputError


def add_titles(table: pd.DataFrame, movie_table: pd.DataFrame, movie_ids: pd.Index) -> pd.DataFrame:
    """Returns a table with `title`, `year` and `genres` as its last columns, whether it had them before or not.

    The id stands in for a missing title. movie_table: as `Run.movie_table`. movie_ids: ids of the data, for their kind.
    Raises InputError for a table without a column `movie_id`, and for ids of another kind.
    """
    if MOVIE_ID not in table:
        raise InputError(f"no column {MOVIE_ID} among {', '.join(map(str, table.columns))}: rename that of the ids")
    table = table.drop(columns=[TITLE, YEAR, GENRES], errors="ignore")
    table = table.assign(**{MOVIE_ID: as_ids(table[MOVIE_ID], movie_ids, "movie").to_numpy()})
    merged = table.merge(movie_table[[MOVIE_ID, TITLE, YEAR, GENRES]], on=MOVIE_ID, how="left")
    return merged.fillna({TITLE: merged[MOVIE_ID].astype("str"), YEAR: 0, GENRES: ""}).astype({YEAR: np.int32})


def titles_with_years(movies: pd.DataFrame) -> list[str]:
    """Returns the titles of a table of `add_titles`, followed by the year where there is one: "Heat (1995)"."""
    return [f"{title} ({year})" if year else title for title, year in zip(movies[TITLE], movies[YEAR], strict=True)]
