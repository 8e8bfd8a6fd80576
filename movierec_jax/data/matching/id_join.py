"""Joins files that name movies by ids of any space with the movies of a run; links map ids of one space to another.

Ids of two spaces are never compared: without links between them a file is refused.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from movierec_jax.data.cleaning import same_kind
from movierec_jax.data.matching.id_spaces import COLUMNS, IMDB, TMDB, has_imdb_digits, id_numbers, space_of_values
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, OF_RUN, OWN, TMDB_ID, CleanData, RawData, no_links
from movierec_jax.errors import InputError

# Digits that IMDb fills its ids up to.
IMDB_DIGITS = 7

# What messages call an id of a space, the ids of a column, and the column of links.
LABELS = {OWN: "id", IMDB: "IMDb id", TMDB: "TMDb id"}
IN_WORDS = {OWN: "ids of its own", IMDB: "IMDb ids", TMDB: "TMDb ids"}
LINK_NAMES = {OWN: "movieId", IMDB: "imdbId", TMDB: "tmdbId"}


@dataclasses.dataclass(frozen=True)
class NamedIds:
    """The movie ids of a file: its rows' ids, the space that their column's name states, and names for messages.

    ids: int64, Int64 or str, missing where a row has none.
    source: "extra.csv". column: the file's name for the column.
    """

    ids: pd.Series
    stated_space: str
    source: str
    column: str = MOVIE_ID

    @functools.cached_property
    def space(self) -> str:
        """The space of the ids: of their values where these show it, else the stated one."""
        return space_of_values(self.ids, self.stated_space)

    @property
    def note(self) -> str | None:
        """A line for ids whose values show another space than the name of their column; None for others."""
        if self.space == self.stated_space:
            return None
        return f"{self.source}: column {self.column!r} has {IN_WORDS[self.space]}{example_of(self.ids.dropna())}"


@dataclasses.dataclass(frozen=True)
class KnownMovies:
    """The movies of a run as the files that join it see them.

    named: the ids of the ratings, perhaps repeated or missing.
    links: as in RawData.
    others: ids of movies without ratings, as the ratings write them.
    """

    named: NamedIds
    links: pd.DataFrame = dataclasses.field(default_factory=no_links)
    others: pd.Series | None = None

    @property
    def space(self) -> str:
        """The space of the run's movie ids."""
        return self.named.space

    @property
    def preferred_spaces(self) -> list[str]:
        """The spaces by which a file may name movies, the best first: the run's own, then those that links join."""
        has_links = [space for space, column in COLUMNS.items() if self.links[column].notna().any()]
        return list(dict.fromkeys([self.space, *has_links, *COLUMNS]))

    @functools.cached_property
    def distinct(self) -> pd.Series:
        """The different ids, none of them missing."""
        parts = [part for part in (self.named.ids, self.others) if part is not None and len(part)]
        distinct = [nullable(pd.Series(part.dropna().unique())) for part in parts]
        return pd.concat(distinct).drop_duplicates().reset_index(drop=True) if parts else self.named.ids.dropna()

    @functools.cached_property
    def by_number(self) -> pd.Series:
        """The run's ids by their numbers in IMDb's or TMDb's space; of several ids of one number, the first."""
        numbers = id_numbers(self.distinct, IMDB if self.space == OWN else self.space)
        by_number = self.distinct.set_axis(pd.Index(numbers))[numbers.notna().to_numpy()]
        return by_number[~by_number.index.duplicated()]

    def linked(self, space: str) -> pd.Series:
        """Returns the run's ids by ids of another space; of several movies with one id, the first that the run has."""
        links = self.links.dropna(subset=[COLUMNS[space], COLUMNS[self.space]])
        if self.space == OWN:
            movies = nullable(same_kind(links[MOVIE_ID], self.distinct))
            is_other = ~movies.isin(self.distinct)
        else:
            movies = look_up(links[COLUMNS[self.space]], self.by_number)
            is_other = movies.isna()
        order = np.argsort(is_other.to_numpy(bool), kind="stable")
        by_id = movies.set_axis(pd.Index(links[COLUMNS[space]])).iloc[order].dropna()
        return by_id[~by_id.index.duplicated()]


@dataclasses.dataclass(frozen=True)
class JoinedIds:
    """The run's movies that a file names.

    movie_id: the run's id of each row, missing where the row names none; with ids of the run's own space, also ids
        that the run lacks. Indexed as the file's rows.
    space: the space of the file's ids.
    is_linked: whether an id that names no movie is missing: ids of another space than the run's.
    note: a line on what the ids were taken for; None where that is what their name states.
    """

    movie_id: pd.Series
    space: str
    is_linked: bool
    note: str | None = None

    def unlinked(self, ids: pd.Series) -> pd.Series:
        """Returns those of the file's ids that name no movie."""
        return ids[self.movie_id.isna() & ids.notna()]

    def reason(self, unlinked: pd.Series) -> str:
        """Returns why rows name no movie, with an example: "IMDb id without a link to a movie, such as tt0000009"."""
        return f"{LABELS[self.space]} without a link to a movie{example_of(unlinked)}"

    def describe_unlinked(self, ids: pd.Series) -> str | None:
        """Returns how many rows have an id that names no movie, with an example; None without any."""
        lost = self.unlinked(ids)
        if lost.empty:
            return None
        article = "a" if self.space == TMDB else "an"
        verb = "has" if len(lost) == 1 else "have"
        return f"{len(lost):,} of {len(ids):,} rows {verb} {article} {self.reason(lost)}: left out"


def join_movies(found: NamedIds, movies: KnownMovies) -> JoinedIds:
    """Returns the run's movies that a file's ids name.

    Ids of the run's own space stand for themselves, written as the ratings write them; others go through links.

    Raises InputError where the spaces differ and no links join them.
    """
    if found.space == movies.space:
        joined = found.ids if found.space == OWN else write_alike(found.ids, movies)
        return JoinedIds(joined, found.space, is_linked=False, note=found.note)
    by_id = movies.linked(found.space)
    if len(by_id):
        joined = look_up(keys_of(found.ids, found.space, movies.links), by_id)
        return JoinedIds(joined, found.space, is_linked=True, note=found.note)
    own, external = (movies.distinct, found.space) if movies.space == OWN else (found.ids, movies.space)
    if external == IMDB and has_imdb_digits(own):
        note = f"{found.source}: ids of {movies.named.source}{example_of(movies.distinct)}, are taken for IMDb ids"
        if found.space == OWN:
            note = f"{found.source}: column {found.column!r} is taken for IMDb ids{example_of(own.dropna())}"
        return JoinedIds(look_up(id_numbers(found.ids, IMDB), movies.by_number), IMDB, is_linked=True, note=note)
    raise no_links_between(found, movies)


def write_alike(ids: pd.Series, movies: KnownMovies) -> pd.Series:
    """Returns IMDb's or TMDb's ids as the run writes them, also those of movies that it lacks."""
    numbers = id_numbers(ids, movies.space)
    known = look_up(numbers, movies.by_number)
    if pd.api.types.is_integer_dtype(movies.distinct.dtype):
        return known.fillna(numbers)
    first = str(movies.distinct.iloc[0]) if len(movies.distinct) else ""
    prefix = "tt" if first.lower().startswith("tt") else ""
    is_filled = prefix or first.startswith("0")
    texts = numbers.astype("str").str.zfill(IMDB_DIGITS) if is_filled else numbers.astype("str")
    # What is no number, such as tt0000000, stays as it is written.
    return known.fillna((prefix + texts).where(numbers.notna(), ids.astype("str").str.strip()))


def keys_of(ids: pd.Series, space: str, links: pd.DataFrame) -> pd.Series:
    """Returns ids as links have them: numbers of IMDb or TMDb, or the data's own."""
    return same_kind(ids, links[MOVIE_ID]) if space == OWN else id_numbers(ids, space)


def look_up(keys: pd.Series, by_key: pd.Series) -> pd.Series:
    """Returns the value of each key, missing where there is none; each different key is looked up once."""
    code, different = pd.factorize(keys)
    values = nullable(by_key).reindex(pd.Index(different)).array
    # Missing keys have the code -1, and so the last value, which is a missing one.
    values = pd.Series(values).reindex(range(len(different) + 1))
    return nullable(values).iloc[code].set_axis(keys.index)


def nullable(ids: pd.Series) -> pd.Series:
    """Returns ids in a type that keeps integers beside missing ones."""
    return ids.astype("Int64") if pd.api.types.is_integer_dtype(ids.dtype) else ids


def example_of(ids: pd.Series) -> str:
    """Returns the first of some ids, for the end of a message."""
    return f", such as {str(ids.iloc[0])[:80]}" if len(ids) else ""


def no_links_between(found: NamedIds, movies: KnownMovies) -> InputError:
    """Returns the error of a file whose ids are of another space than the run's, without links between them."""
    needed = dict.fromkeys(LINK_NAMES[space] for space in (OWN, found.space, movies.space))
    theirs, ours = (example_of(ids.dropna()) for ids in (found.ids, movies.distinct))
    return InputError(
        f"{found.source}: column {found.column!r} has {IN_WORDS[found.space]}{theirs}, where {movies.named.source} has "
        f"{IN_WORDS[movies.space]}{ours}; give --links=links.csv, a file with columns {' and '.join(needed)}"
    )


def external_ids(movies: KnownMovies, ids: pd.Index) -> pd.DataFrame:
    """Returns the IMDb and TMDb ids of movies of the run, in the columns of `RawData.links` by the run's ids.

    Has a row, in the order of `ids`, for each movie of which either is known.
    """
    space = IMDB if movies.links.empty and has_imdb_digits(ids) else movies.space
    keys = keys_of(pd.Series(ids), space, movies.links)
    table = pd.DataFrame({MOVIE_ID: ids})
    for column in (IMDB_ID, TMDB_ID):
        links = movies.links.dropna(subset=[COLUMNS[space], column]).drop_duplicates(COLUMNS[space])
        numbers = links[column].set_axis(pd.Index(links[COLUMNS[space]]))
        table[column] = keys if column == COLUMNS[space] else look_up(keys, numbers).astype("Int64")
    return table.dropna(subset=[IMDB_ID, TMDB_ID], how="all").reset_index(drop=True)


def known_movies(data: RawData | CleanData) -> KnownMovies:
    """Returns the movies of data; those of clean data do not need its ratings."""
    if isinstance(data, CleanData):
        return KnownMovies(NamedIds(data.movies[MOVIE_ID], data.movie_id_space, data.source), data.links)
    space = OWN if data.movie_id_space == OF_RUN else data.movie_id_space
    named = NamedIds(data.ratings[MOVIE_ID], space, data.source, data.movie_id_name)
    return KnownMovies(named, data.links)


def join_ratings(raw: RawData, movies: KnownMovies, log: Callable[[str], None] = print) -> RawData:
    """Returns more ratings with the movie ids of a run, without rows that name no movie by an id of another space.

    log: takes a line on ids that are not what their column's name states, and one that counts rows left out.

    Raises InputError where the spaces differ and no links join them.
    """
    if raw.movie_id_space == OF_RUN:
        return raw
    ids = raw.ratings[MOVIE_ID]
    joined = join_movies(NamedIds(ids, raw.movie_id_space, raw.source, raw.movie_id_name), movies)
    if joined.note:
        log(joined.note)
    if joined.movie_id is ids:
        return raw
    ratings = raw.ratings.assign(**{MOVIE_ID: joined.movie_id})
    if joined.is_linked and (lost := joined.describe_unlinked(ids)):
        log(f"{raw.source}: {lost}")
        ratings = ratings[joined.movie_id.notna() | ids.isna()].reset_index(drop=True)
    return dataclasses.replace(raw, ratings=ratings, movie_id_space=movies.space)


def join_tables(raw: RawData, log: Callable[[str], None] = print) -> RawData:
    """Returns the data of a run with one way of writing each movie's id, in its ratings and the tables beside them.

    Tables beside ratings by IMDb's or TMDb's ids have the data's own: links join them; without links they are left out.
    """
    movies = known_movies(raw)
    if movies.named.note:
        log(movies.named.note)
    if movies.space == OWN:
        return raw
    tables: dict[str, Any] = {}
    for name in ("movies", "tags"):
        table: pd.DataFrame = getattr(raw, name)
        if len(table):
            tables[name] = join_table(table, name, movies, log)
    alike = write_alike(movies.distinct, movies)
    if (is_other := alike.ne(movies.distinct)).any():
        other, first = movies.distinct[is_other].iloc[0], alike[is_other].iloc[0]
        log(f"{raw.source}: {is_other.sum():,} movies are written in several ways, such as {other!r} for {first!r}")
        ids = look_up(raw.ratings[MOVIE_ID], alike.set_axis(pd.Index(movies.distinct)))
        tables["ratings"] = raw.ratings.assign(**{MOVIE_ID: ids})
    return dataclasses.replace(raw, **tables)


def join_table(table: pd.DataFrame, name: str, movies: KnownMovies, log: Callable[[str], None]) -> pd.DataFrame:
    """Returns a table beside the ratings with the movie ids of these, without rows that name no movie of theirs."""
    ids = table[MOVIE_ID]
    try:
        joined = join_movies(NamedIds(ids, OWN, f"{name} beside {movies.named.source}"), movies)
    except InputError as error:
        log(f"left out: {error}")
        return table.head(0).astype({MOVIE_ID: movies.named.ids.dtype})
    table = table.assign(**{MOVIE_ID: joined.movie_id}).dropna(subset=MOVIE_ID)
    return table.reset_index(drop=True)
