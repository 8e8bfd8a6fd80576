"""Ratings in a file that a client sends: the export of another site, matched to the movies of the run."""

import os
import pathlib
import re
import tempfile
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.data.matching.own_ratings import MATCHED_BY, OwnRatings
from movierec_jax.data.readers.personal_file import TABLE_ENDINGS
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, TITLE, YEAR
from movierec_jax.errors import InputError
from movierec_jax.recommend.own_ratings import describe, read_own_ratings
from movierec_jax.serve.engine import Engine

# Rows of a file that are looked up.
MAX_FILMS = 20_000

# First bytes of packed files and of Parquet, which may unpack to any size. Members of a zip state theirs.
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PAR1")


def read_upload(body: bytes, filename: str, engine: Engine) -> OwnRatings:
    """Reads one person's ratings from the content of a file. Raises InputError as `read_own_ratings`."""
    if body.startswith(PACKED):
        raise InputError(f"{filename}: a packed or Parquet file; send CSV, JSON or a zip of them")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / safe_name(filename)
        path.write_bytes(body)
        try:
            return read_own_ratings(path, engine.run, engine.movie_index, MAX_FILMS)
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}{os.sep}", "")) from None


def safe_name(filename: str) -> str:
    """Returns a name for the file on this machine that shows what it is called and is that of a table or zip."""
    name = re.sub(r"[^\w.()-]+", "_", re.split(r"[/\\]", filename)[-1])[-100:].lstrip(".")
    return name if name.lower().endswith((*TABLE_ENDINGS, ".zip")) else f"{name or 'ratings'}.csv"


def newest_first(own: OwnRatings) -> pd.DataFrame:
    """Returns the ratings of `OwnRatings`, the newest first, at equal times the last of the file."""
    return own.ratings.sort_values(TIMESTAMP, kind="stable")[::-1]


def import_report(own: OwnRatings, engine: Engine) -> dict[str, Any]:
    """Returns what was read and found of a file, in the API's form."""
    catalogue = engine.catalogue
    missing = own.not_found.itertuples(index=False, name=None)
    return {
        "kind": own.kind,
        "summary": [line.strip() for line in describe(own, engine.run)],
        "num_movies": own.num_movies,
        "ratings": [
            {
                **catalogue.card_by_id(movie_id),
                RATING: round(rating, 4),
                TIMESTAMP: None if time == NO_TIMESTAMP else time,
                MATCHED_BY: by,
            }
            for movie_id, rating, time, by in rows(newest_first(own), MOVIE_ID, RATING, TIMESTAMP, MATCHED_BY)
        ],
        "watched": [
            {**catalogue.card_by_id(movie_id), MATCHED_BY: by}
            for movie_id, by in rows(own.watched, MOVIE_ID, MATCHED_BY)
        ],
        "not_found": [
            {TITLE: str(title), YEAR: int(year) or None, "is_ambiguous": bool(is_ambiguous)}
            for title, year, is_ambiguous in missing
        ],
    }


def rows(table: pd.DataFrame, *columns: str):
    """Returns the rows of some columns as Python values."""
    return zip(*(np.asarray(table[column]).tolist() for column in columns), strict=True)
