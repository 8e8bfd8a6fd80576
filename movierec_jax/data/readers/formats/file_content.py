"""What a reader of one file returns."""

import dataclasses

import pandas as pd

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID

# Columns by what messages call them.
SHORT_NAMES = {USER_ID: "user", MOVIE_ID: "movie", RATING: "rating", TIMESTAMP: "timestamp"}


@dataclasses.dataclass(frozen=True)
class FileContent:
    """The ratings of a file, with the movies if it has them too.

    ratings, notes: as in RawData.
    movies: as in RawData; None for a file without a table of movies.
    movie_name: the file's name for the column of movies, which states the space of their ids; "" without one.
    has_links: whether the file has movie ids of the data's own beside IMDb's or TMDb's.
    """

    ratings: pd.DataFrame
    notes: tuple[str, ...] = ()
    movies: pd.DataFrame | None = None
    movie_name: str = ""
    has_links: bool = False


def describe_columns(named: dict[str, str]) -> str:
    """Returns which column of a file became what: "user from 'reviewerID', movie from 'asin'"."""
    return ", ".join(f"{SHORT_NAMES.get(column, column)} from {name!r}" for column, name in named.items())
