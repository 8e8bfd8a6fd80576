"""The spaces that movie ids come from: the data's own, IMDb's and TMDb's. Equal numbers of two spaces are two films.

The name of a column states its space. Ids of IMDb and TMDb are equal where their numbers are, however they are written.
"""

from collections.abc import Iterable

import pandas as pd

from movierec_jax.data.readers.text.columns import SPELLINGS, normalized_name
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, OWN, TMDB_ID

IMDB, TMDB = "imdb", "tmdb"

# The column of `RawData.links` with the ids of a space; in a file with ids of several, the first listed counts.
COLUMNS = {OWN: MOVIE_ID, IMDB: IMDB_ID, TMDB: TMDB_ID}

# Every name that a column of movies may have.
ALL_SPELLINGS = tuple(name for column in COLUMNS.values() for name in SPELLINGS[column])

# Names that end so are of titles, which name movies only where a file has no ids.
TITLE_ENDINGS = ("title", "name", "nameen")

# The names of ids proper, by space.
ID_SPELLINGS = {
    space: tuple(name for name in SPELLINGS[column] if not name.endswith(TITLE_ENDINGS))
    for space, column in COLUMNS.items()
}

# Ids that are looked at to tell their space: a column is of one kind, so its first values show it.
NUM_LOOKED_AT = 1000


def space_of_name(name: str) -> str:
    """Returns the space that the name of a column of movie ids states; the data's own for any other name."""
    normal = normalized_name(name)
    return next((space for space in (IMDB, TMDB) if normal in SPELLINGS[COLUMNS[space]]), OWN)


def find_space(names: Iterable[str], spaces: Iterable[str] = tuple(COLUMNS)) -> str | None:
    """Returns the space by whose ids a file with such columns names movies: the first of `spaces` that it has.

    The data's own where it has titles alone; None where no column is one of movies.
    """
    normal = {normalized_name(name) for name in names}
    by_title = OWN if normal & set(SPELLINGS[MOVIE_ID]) else None
    return next((space for space in spaces if normal & set(ID_SPELLINGS[space])), by_title)


def movie_spellings(names: Iterable[str]) -> tuple[str, ...]:
    """Returns all spellings of a column of movies, first those of the space by whose ids a file names them."""
    space = find_space(names) or OWN
    return (*SPELLINGS[COLUMNS[space]], *(name for name in ALL_SPELLINGS if name not in SPELLINGS[COLUMNS[space]]))


def has_links(names: Iterable[str]) -> bool:
    """Returns whether a file with such columns has links: the data's own movie ids beside IMDb's or TMDb's."""
    normal = {normalized_name(name) for name in names}
    has_own, *has_others = (bool(normal & set(ID_SPELLINGS[space])) for space in (OWN, IMDB, TMDB))
    return has_own and any(has_others)


def space_of_values(ids: pd.Series | pd.Index, stated: str) -> str:
    """Returns the space of ids: IMDb's where some are written with "tt", and the others in digits; else the stated."""
    is_imdb = all_match(ids, r"(?i)(?:tt)?\d+") and first_texts(ids).str.match("(?i)tt").any()
    return IMDB if is_imdb else stated


def has_imdb_digits(ids: pd.Series | pd.Index) -> bool:
    """Returns whether ids look like IMDb's without "tt": seven digits or more, zeros in front to fill them up."""
    return all_match(ids, r"\d{7,9}") and bool(first_texts(ids).str.startswith("0").any())


def all_match(ids: pd.Series | pd.Index, pattern: str) -> bool:
    """Returns whether there are ids of text and the first of them all match a pattern whole."""
    if pd.api.types.is_numeric_dtype(ids.dtype):
        return False
    found = first_texts(ids)
    return len(found) > 0 and bool(found.str.fullmatch(pattern).all())


def first_texts(ids: pd.Series | pd.Index) -> pd.Series:
    """Returns the first ids that are not missing as text without outer spaces."""
    return pd.Series(ids).iloc[:NUM_LOOKED_AT].dropna().astype("str").str.strip()


def id_numbers(ids: pd.Series | pd.Index, space: str) -> pd.Series:
    """Returns the numbers of IMDb's or TMDb's ids as Int64, missing for what is none; indexed as the ids are."""
    ids = pd.Series(ids)
    if pd.api.types.is_integer_dtype(ids.dtype):
        return ids.astype("Int64").where(ids > 0)
    tt = "(?:tt)?" if space == IMDB else ""
    return ids.astype("str").str.extract(rf"(?i)^\s*{tt}0*([1-9]\d{{0,17}})(?:\.0*)?\s*$")[0].astype("Int64")


def imdb_numbers(ids: pd.Series) -> pd.Series:
    """Returns IMDb's ids as Int64: "tt0114709", "0114709", "114709.0" and 114709 are equal; missing for other text."""
    return id_numbers(ids, IMDB)
