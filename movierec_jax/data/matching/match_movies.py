"""Finds the movies of a personal file among those of the data: by id, by IMDb's or TMDb's, or by title and year."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int32

from movierec_jax.data.matching.id_spaces import IMDB, id_numbers
from movierec_jax.data.matching.titles import title_key, title_names, title_parts
from movierec_jax.data.readers.personal_kinds import ORIGINAL_TITLE
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, TITLE, TMDB_ID, YEAR

# What a movie can be found by, in the order of trying.
WAYS = BY_MOVIE_ID, BY_IMDB_ID, BY_TMDB_ID, BY_TITLE = "movie id", "IMDb id", "TMDb id", "title and year"

# Years by which two files may date one movie apart: a festival, and its release.
YEARS_APART = 1

# In place of the position of a movie: none fits, or several fit equally well.
NONE, SEVERAL = -1, -2

# How well a name of a movie fits: it is the title, one of its other names, or only a part of the title.
IS_TITLE, IS_OTHER_NAME, IS_PART = range(3)

WHOLE_NUMBER = re.compile(r"(-?\d{1,18})(?:\.0*)?")


@dataclasses.dataclass(frozen=True)
class MatchedMovies:
    """The movie of each row of a personal file.

    index: position in the table of movies, `NONE` where none was found.
    by: what it was found by, "" where none was.
    is_ambiguous: whether several movies fit the title equally well, so that none was taken.
    """

    index: Int32[np.ndarray, " rows"]
    by: tuple[str, ...]
    is_ambiguous: Bool[np.ndarray, " rows"]


class MovieIndex:
    """The movies of the data by id, by IMDb's and TMDb's, and by every spelling of their names.

    movies: columns `movie_id`, `title` (without the year) and `year` (0 where unknown), as `CleanData.movies`.
    links: columns `movie_id` and any of `imdb_id` and `tmdb_id`, missing where unknown; may be empty. Without it, ids
        such as tt0114709 are IMDb's.
    """

    def __init__(self, movies: pd.DataFrame, links: pd.DataFrame):
        ids = movies[MOVIE_ID]
        self.has_integer_ids = pd.api.types.is_integer_dtype(ids)
        self.by_id: dict[int | str, int] = {movie_id: row for row, movie_id in enumerate(ids.tolist())}
        self.by_imdb, self.by_tmdb = self.linked(links, IMDB_ID), self.linked(links, TMDB_ID)
        if not self.has_integer_ids and len(ids) and ids.str.fullmatch(r"(?i)tt\d+").all():
            own = enumerate(id_numbers(ids, IMDB))
            self.by_imdb = {int(number): row for row, number in own if not pd.isna(number)} | self.by_imdb
        self.year: list[int] = movies[YEAR].tolist()
        # A movie without a title has its id for one.
        self.has_title: list[bool] = (movies[TITLE] != ids.astype("str")).tolist()
        self.names: list[dict[str, int]] = []
        self.by_name: dict[str, list[int]] = {}
        for row, (title, has_title) in enumerate(zip(movies[TITLE].tolist(), self.has_title, strict=True)):
            names = ranked_keys(title) if has_title else {}
            self.names.append(names)
            for key in names:
                self.by_name.setdefault(key, []).append(row)

    def linked(self, links: pd.DataFrame, column: str) -> dict[int, int]:
        """Returns the position of the movie of each of IMDb's or TMDb's ids; of several movies the first."""
        if column not in links:
            return {}
        found: dict[int, int] = {}
        known = links[[MOVIE_ID, column]].dropna()
        for movie_id, number in zip(known[MOVIE_ID].tolist(), known[column].astype("int64").tolist(), strict=True):
            if movie_id in self.by_id:
                found.setdefault(number, self.by_id[movie_id])
        return found

    def match(self, rows: pd.DataFrame) -> MatchedMovies:
        """Returns the movie of each row of `PersonalFile.movies`: by its id, IMDb's, TMDb's, else by title and year.

        Ids of the file count as ids of the data unless both have titles and these differ.
        """
        columns = (rows[column].tolist() for column in (MOVIE_ID, IMDB_ID, TMDB_ID, TITLE, ORIGINAL_TITLE, YEAR))
        found = [self.find(*values) for values in zip(*columns, strict=True)]
        index = np.array([index for index, _ in found], np.int32).reshape(-1)
        return MatchedMovies(np.maximum(index, NONE), tuple(by for _, by in found), index == SEVERAL)

    def find(self, own_id, imdb_id, tmdb_id, title, original_title, year: int) -> tuple[int, str]:
        """Returns the position of a movie and what it was found by."""
        names = [name for name in (title, original_title) if isinstance(name, str)]
        own_key = self.own_kind(own_id) if isinstance(own_id, str) else None
        own = None if own_key is None else self.by_id.get(own_key)
        if own is not None and self.may_be_called(own, names):
            return own, BY_MOVIE_ID
        for number, by_number, by in ((imdb_id, self.by_imdb, BY_IMDB_ID), (tmdb_id, self.by_tmdb, BY_TMDB_ID)):
            if not pd.isna(number) and int(number) in by_number:
                return by_number[int(number)], by
        return self.find_title(names, year)

    def own_kind(self, text: str) -> int | str | None:
        """Returns an id of a file as the data writes ids, None where it cannot be one."""
        if not self.has_integer_ids:
            return text
        number = WHOLE_NUMBER.fullmatch(text.strip())
        return int(number[1]) if number else None

    def may_be_called(self, row: int, names: Sequence[str]) -> bool:
        """Returns whether a movie has one of these names; also where it or the file has no title."""
        if not names or not self.has_title[row]:
            return True
        return any(key in self.names[row] for name in names for key in keys_of(name))

    def find_title(self, names: Sequence[str], year: int) -> tuple[int, str]:
        """Returns the movie whose name and year fit best, `SEVERAL` where no single one does.

        A year may be one off, or unknown on one side; then a part of a title is not enough.
        """
        fits: dict[int, tuple[int, int]] = {}
        for key in dict.fromkeys(key for name in names for key in keys_of(name)):
            for row in self.by_name.get(key, ()):
                rank, is_dated = self.names[row][key], bool(year and self.year[row])
                apart = abs(year - self.year[row]) if is_dated else YEARS_APART
                if apart <= YEARS_APART and (rank < IS_PART or (is_dated and not apart)):
                    fit = (apart + (rank == IS_PART) * (YEARS_APART + 1), rank)
                    fits[row] = min(fit, fits.get(row, fit))
        best = [row for row, fit in fits.items() if fit == min(fits.values())]
        return (best[0], BY_TITLE) if len(best) == 1 else (SEVERAL if best else NONE, "")


def keys_of(name: str) -> list[str]:
    """Returns the keys of all names that a title holds."""
    return [title_key(one) for one in title_names(name)]


def ranked_keys(title: str) -> dict[str, int]:
    """Returns the keys under which a movie is found, each with the best of `IS_TITLE`, `IS_OTHER_NAME`, `IS_PART`."""
    found: dict[str, int] = {}
    # The whole title and, where it has brackets, what stands outside them.
    num_titles = 2 if "(" in title else 1
    for place, name in enumerate(title_names(title)):
        found.setdefault(title_key(name), IS_TITLE if place < num_titles else IS_OTHER_NAME)
    for part in title_parts(title):
        found.setdefault(title_key(part), IS_PART)
    return found
