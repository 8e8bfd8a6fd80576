"""Reads one person's ratings as sites export them, before any movie is looked up.

Letterboxd, IMDb, TMDb, Trakt and MovieLens write such files, in CSV or, Trakt, in JSON; any table of movies and ratings
is read too. A folder or zip archive is read for its ratings and, from Letterboxd, for the movies watched without one.
"""

import contextlib
import dataclasses
import fnmatch
import json
import os
import pathlib
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from movierec_jax.data.cleaning import TITLE_WITH_YEAR
from movierec_jax.data.matching.id_spaces import IMDB, TMDB, id_numbers
from movierec_jax.data.readers.personal_kinds import (
    KEYS,
    KINDS,
    KNOWN_NAMES,
    LETTERBOXD,
    MOVIE_OR_TITLE,
    ORIGINAL_TITLE,
    TABLE,
    TITLE_TYPE,
    TRAKT,
    PersonalKind,
    find_kind,
)
from movierec_jax.data.readers.source_file import AnyPath, is_parquet, local_file, open_bytes, translate_read_errors
from movierec_jax.data.readers.tables.table_file import read_columns, read_header
from movierec_jax.data.readers.text.columns import SPELLINGS, matching_names, normalized_name, text_series
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, RATING, TIMESTAMP, TITLE, TMDB_ID, USER_ID, YEAR
from movierec_jax.data.storage import is_url
from movierec_jax.data.values.rating_values import parse_rating_values
from movierec_jax.data.values.times import parse_times
from movierec_jax.errors import InputError

# More than anybody's ratings take; a larger file is not looked at, nor unpacked.
MAX_BYTES = 1 << 26

# The file of an archive that holds the ratings: the first of these that it has.
RATINGS_FILES = (
    "ratings.csv",
    "ratings-movies*.json",
    "*ratings*.csv",
    "*ratings*.json",
    "watched*.csv",
    "watched-movies*.json",
)

# Beside the ratings of a Letterboxd export: the movies watched, also those without a rating.
WATCHED_FILE = "watched.csv"

TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".json")

# What an entry of Trakt's JSON has that was rated or watched; a list of what to watch has none of these.
WATCHED_KEYS = {"rating", "rated_at", "watched_at", "last_watched_at", "plays"}

# What is no movie, in lower case: "tvEpisode", "TV Mini Series", "Video Game", "tv".
NO_MOVIE = r"series|episode|season|show|game|podcast|^tv$"

TEXT_COLUMNS = (*KEYS, ORIGINAL_TITLE, YEAR, RATING, TIMESTAMP, TITLE_TYPE)


@dataclasses.dataclass(frozen=True)
class PersonalFile:
    """One person's ratings before any movie is looked up, in the order of the file.

    kind: what the file is, with its article: "a Letterboxd export".
    rating_scale: lowest and highest rating as the kind states them; None where it does not.
    movies: columns `movie_id` (str, the file's own id), `imdb_id` and `tmdb_id` (Int64), `title` and `original_title`
        (str), each missing where the file has none, `year` (int32, 0 where unknown), `rating` (float64, on the file's
        scale; NaN: watched, not rated) and `timestamp` (int64 seconds, NO_TIMESTAMP without one); index 0..n-1.
    line: the line of each row, of a JSON file its number; both from 1.
    left_out: the number of rows left out, by reason with an example; only reasons that occurred.
    notes: what was inferred or could not be read, a sentence each.
    """

    path: str
    kind: str
    rating_scale: tuple[float, float] | None
    movies: pd.DataFrame
    line: Int64[np.ndarray, " rows"]
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.movies)


@dataclasses.dataclass(frozen=True)
class PersonalRows:
    """The rows of a file as text: `TEXT_COLUMNS`, of which `rows` has all, missing where the file has no value."""

    where: str
    kind: PersonalKind
    rows: pd.DataFrame
    line: Int64[np.ndarray, " rows"]


def read_personal(path: str | os.PathLike[str]) -> PersonalFile:
    """Reads one person's ratings from a file, a folder, a zip archive, or a file at a URL.

    Raises:
      InputError: the path holds no such ratings, those of several users, or a list of movies not yet watched; the
        message names the file, and the line where there is one.
    """
    with opened(path) as (table, watched):
        found = clean_rows(read_rows(table), str(path))
        if watched is not None:
            seen = clean_rows(read_rows(watched), str(path))
            is_new = ~seen.movies[MOVIE_ID].isin(found.movies[MOVIE_ID]).to_numpy(bool)
            found = dataclasses.replace(
                found,
                movies=pd.concat([found.movies, seen.movies[is_new]], ignore_index=True),
                line=np.concatenate([found.line, seen.line[is_new]]),
            )
    if not len(found):
        left_out = ", ".join(found.left_out) or "no row"
        raise InputError(f"{path}: {found.kind} without a movie that can be used ({left_out})")
    return found


def is_personal(path: str | os.PathLike[str]) -> bool:
    """Returns whether a path holds one person's ratings: movies and ratings, and no column of users."""
    if is_url(path):
        return False
    with contextlib.suppress(InputError), opened(path) as (table, _):
        if size_of(table) > MAX_BYTES or is_parquet(table):
            return False
        if is_json(table):
            return has_trakt_entries(read_json_list(table))
        names = read_header(table, KNOWN_NAMES, "ratings").names
        return find_kind(names) is not None and not matching_names(names, SPELLINGS[USER_ID])
    return False


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[AnyPath, AnyPath | None]]:
    """Yields the table with the ratings at a path, and that of the movies watched beside it, if there is one."""
    local = pathlib.Path(path)
    if not is_url(path) and local.is_dir():
        yield choose_files(local, sorted(one.name for one in local.iterdir()), local)
        return
    with local_file(path) as file, contextlib.ExitStack() as stack:
        if not zipfile.is_zipfile(file):
            yield file, None
            return
        with translate_read_errors(file):
            archive = stack.enter_context(zipfile.ZipFile(file))
        yield choose_files(zipfile.Path(archive), archive.namelist(), file)


def choose_files(folder: AnyPath, names: Sequence[str], path: pathlib.Path) -> tuple[AnyPath, AnyPath | None]:
    """Returns the files of a folder or archive with the ratings and, of a Letterboxd export, with the movies watched.

    Of several with a fitting name the one nearest to the top counts: Letterboxd puts what was deleted into folders.
    """
    tables = [name for name in names if name.lower().endswith(TABLE_ENDINGS) and not name.startswith("__MACOSX")]
    tables.sort(key=lambda name: (name.count("/"), name))
    for pattern in RATINGS_FILES:
        for name in tables:
            if fnmatch.fnmatch(name.rsplit("/", 1)[-1].lower(), pattern):
                beside = name[: len(name) - len(name.rsplit("/", 1)[-1])] + WATCHED_FILE
                is_letterboxd = pattern == RATINGS_FILES[0] and beside in tables
                if is_letterboxd and not has_rows(folder / name):
                    return folder / beside, None  # of somebody who rates nothing
                return folder / name, folder / beside if is_letterboxd else None
    if len(tables) == 1:
        return folder / tables[0], None
    shown = ", ".join(names)[:400] or "nothing"
    raise InputError(f"{path}: no file of one person's ratings, such as ratings.csv; found {shown}")


def has_rows(path: AnyPath) -> bool:
    """Returns whether a table has a line below its header."""
    with open_bytes(path) as stream:
        return len(stream.read(1 << 16).split(b"\n", 1)[-1].strip()) > 0


def size_of(path: AnyPath) -> int:
    """Returns the size of a file or unpacked archive member in bytes."""
    if isinstance(path, zipfile.Path):
        return path.root.getinfo(path.at).file_size
    return path.stat().st_size


def is_json(path: AnyPath) -> bool:
    """Returns whether a file begins as a JSON list or object does."""
    with open_bytes(path) as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] in (b"[", b"{")


def read_rows(path: AnyPath) -> PersonalRows:
    """Reads the rows of a file as text. Raises InputError for a file of another kind."""
    if size_of(path) > MAX_BYTES:
        raise InputError(f"{path}: {size_of(path) >> 20:,} MiB; one person's ratings take {MAX_BYTES >> 20} at most")
    return read_trakt_json(path) if is_json(path) else read_table(path)


def read_table(path: AnyPath) -> PersonalRows:
    """Reads the rows of a CSV, TSV or Parquet file."""
    header = read_header(path, KNOWN_NAMES, "one person's ratings")
    kind = find_kind(header.names)
    if kind is None:
        known = ", ".join(kind.name for kind in KINDS)
        raise InputError(
            f"{header.where}: columns {', '.join(header.names)[:400]}; expected {known}, or columns of movies "
            "(movieId, imdbId, tmdbId or title) and ratings"
        )
    if kind is LETTERBOXD and "watchlist" in path.name.lower():
        raise InputError(f"{path}: movies not watched yet; give ratings.csv or watched.csv of the same export")
    # Of several names, the preferred one.
    names = {column: header.find_id(column, spellings) for column, spellings in kind.columns.items()}
    if names[RATING] is None and not kind.has_watched:
        raise InputError(f"{header.where}: {kind.name} without ratings; a column {kind.columns[RATING][0]!r} has them")
    if kind is TRAKT and names[TIMESTAMP] is None:
        names[RATING] = own_trakt_rating(names[RATING])
        if names[RATING] is None:
            raise InputError(f"{header.where}: a Trakt list of movies, neither rated nor watched; give those that are")
    user_name = next(iter(matching_names(header.names, SPELLINGS[USER_ID])), None) if kind is TABLE else None
    wanted = {name for name in (*names.values(), user_name) if name is not None}
    found = read_columns(header, sorted(wanted))
    text = {name: text_series(values) for name, values in found.by_name.items()}
    num_users = len(text[user_name].dropna().unique()) if user_name else 1
    if num_users > 1:
        raise InputError(f"{path}: ratings of {num_users:,} users; give those of one")
    rows = pd.DataFrame({column: text[name] for column, name in names.items() if name is not None})
    if kind is TABLE and TITLE not in rows and names[MOVIE_ID] in MOVIE_OR_TITLE:
        rows[TITLE] = rows[MOVIE_ID]
    return PersonalRows(str(path), kind, rows.reindex(columns=list(TEXT_COLUMNS)).astype("str"), found.line)


def read_json_list(path: AnyPath) -> list[Any]:
    """Reads a JSON file that holds a list, of UTF-8 or UTF-16. Raises InputError for any other."""
    with open_bytes(path) as stream:
        try:
            found = json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, list):
        raise InputError(f"{path}: a JSON {type(found).__name__}; expected a list, as Trakt exports ratings")
    return found


def has_trakt_entries(entries: Sequence[Any]) -> bool:
    """Returns whether the entries of a JSON list are those of a Trakt export."""
    return any(isinstance(entry, dict) and isinstance(entry.get("movie"), dict) for entry in entries)


def read_trakt_json(path: AnyPath) -> PersonalRows:
    """Reads the rows of Trakt's JSON: a list of objects with a movie, its ids, and the rating or time of watching."""
    entries = read_json_list(path)
    if not has_trakt_entries(entries):
        raise InputError(f"{path}: JSON without movies as Trakt exports them; give a CSV file")
    if not any(isinstance(entry, dict) and not WATCHED_KEYS.isdisjoint(entry) for entry in entries):
        raise InputError(f"{path}: a Trakt list of movies, neither rated nor watched; give those that are")
    rows = [trakt_row(entry if isinstance(entry, dict) else {}) for entry in entries]
    table = pd.DataFrame(rows, columns=list(TEXT_COLUMNS)).astype("str")
    return PersonalRows(str(path), TRAKT, table, np.arange(1, len(rows) + 1))


def trakt_row(entry: dict[str, Any]) -> dict[str, str | None]:
    """Returns what Trakt says of one movie, as text by column."""
    movie = entry.get("movie")
    movie = movie if isinstance(movie, dict) else {}
    ids = movie.get("ids")
    ids = ids if isinstance(ids, dict) else {}
    times = (entry.get(name) for name in ("rated_at", "watched_at", "last_watched_at"))
    values = {
        IMDB_ID: ids.get("imdb"),
        TMDB_ID: ids.get("tmdb"),
        TITLE: movie.get("title"),
        YEAR: movie.get("year"),
        RATING: entry.get("rating"),
        TIMESTAMP: next(filter(None, times), None),
        # An episode or a show stands under a key of its own.
        TITLE_TYPE: entry.get("type")
        or next((name for name in ("movie", "episode", "season", "show") if name in entry), None),
    }
    return {column: None if value is None else str(value) for column, value in values.items()}


def own_trakt_rating(name: str | None) -> str | None:
    """Returns the name of a column of Trakt's if it holds the person's own ratings, not everybody's mean."""
    return None if name is not None and normalized_name(name) == "traktrating" else name


def clean_rows(found: PersonalRows, path: str) -> PersonalFile:
    """Returns the rows that tell of movies and, unless the kind has watched ones, of ratings; counts the others.

    Raises InputError for times in several forms.
    """
    try:
        times = parse_times(found.rows[TIMESTAMP])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    notes = [times.note] if times.note else []
    if times.num_unreadable:
        notes.append(
            f"{times.num_unreadable:,} of {len(found.rows):,} times cannot be read, such as "
            f"{times.unreadable_example!r}; these movies count as rated at no known time"
        )
    movies = typed_movies(found.rows, times.seconds)
    is_left, left_out = np.ones(len(movies), bool), {}
    for reason, is_bad, example in reasons_to_leave_out(found, movies):
        is_bad = is_bad & is_left
        if is_bad.any():
            first = int(is_bad.argmax())
            shown = f", such as {str(example.iloc[first])[:80]!r} in line {found.line[first]}"
            left_out[reason + shown] = int(is_bad.sum())
            is_left &= ~is_bad
    kind = found.kind
    return PersonalFile(
        path,
        kind.name,
        kind.rating_scale,
        movies[is_left].reset_index(drop=True),
        found.line[is_left],
        left_out,
        tuple(notes),
    )


def typed_movies(text: pd.DataFrame, seconds: Int64[np.ndarray, " rows"]) -> pd.DataFrame:
    """Returns rows of text, at these times, in the columns and types of `PersonalFile.movies`."""
    # "Heat (1995)" in a file that has no column of years.
    parts = text[TITLE].str.extract(TITLE_WITH_YEAR)
    year = text[YEAR].fillna(parts["year"]).str.extract(r"(?<!\d)(\d{4})(?!\d)")[0]
    return pd.DataFrame(
        {
            MOVIE_ID: text[MOVIE_ID],
            IMDB_ID: id_numbers(text[IMDB_ID], IMDB),
            TMDB_ID: id_numbers(text[TMDB_ID], TMDB),
            TITLE: parts["title"].where(text[YEAR].isna(), None).fillna(text[TITLE]),
            ORIGINAL_TITLE: text[ORIGINAL_TITLE],
            YEAR: year.fillna("0").astype(np.int32),
            RATING: parse_rating_values(text[RATING]).rating.astype(np.float64),
            TIMESTAMP: seconds,
        }
    )


def reasons_to_leave_out(
    found: PersonalRows, movies: pd.DataFrame
) -> Iterator[tuple[str, Bool[np.ndarray, " rows"], pd.Series]]:
    """Yields each reason to leave rows out, the rows that it concerns, and the values to show of them."""
    types = found.rows[TITLE_TYPE].fillna("")
    titles = movies[TITLE].fillna("no title")
    is_other = types.str.lower().str.contains(NO_MOVIE).to_numpy(bool)
    for name in types[is_other].unique():
        yield f"{name}, no movie", (types == name).to_numpy(bool), titles
    yield "no id or title of a movie", movies[[*KEYS]].isna().all(axis=1).to_numpy(bool), titles
    written, rating = found.rows[RATING], movies[RATING].to_numpy(np.float64)
    is_empty = written.isna().to_numpy(bool)
    yield "rating is not a number", ~np.isfinite(rating) & ~is_empty, written
    if not found.kind.has_watched:
        yield "no rating", is_empty, titles
    if found.kind.rating_scale:
        lowest, highest = found.kind.rating_scale
        yield f"rating outside {lowest:g} to {highest:g}", (rating < lowest) | (rating > highest), written
