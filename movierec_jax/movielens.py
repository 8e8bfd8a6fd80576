"""Every MovieLens edition as a folder or zip, or one file of ratings -> `RawData`, before any row is judged.

`read_ratings` is the entrance. Each published edition of MovieLens is one entry of `EDITIONS`, at the end.
"""

import contextlib
import csv
import dataclasses
import io
import os
import pathlib
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import pandas as pd

from movierec_jax.ratings_file import (
    AnyPath,
    Layout,
    errors_naming,
    find_layout,
    opened,
    plain,
    read_parquet,
    read_text,
)
from movierec_jax.schema import GENRES, MOVIE_ID, RATING, TIMESTAMP, TITLE, USER_ID, InputError, RawData

# Line of the file, movie id, title, genres joined by "|".
MovieRow = tuple[int, str, str, str]

# The flags of u.item according to its README, for copies without u.genre.
GENRES_100K = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|"
    "Mystery|Romance|Sci-Fi|Thriller|War|Western"
)


def read_ratings(path: str | os.PathLike[str]) -> RawData:
    """Reads ratings, and movies where a movie table is at hand, from a folder, a zip archive or one file.

    A folder holds one of the `EDITIONS`; so does an archive, in whatever folder of it. One file is Parquet or text,
    plain or .gz; its movies come from a MovieLens movie table in the same folder.

    Raises:
      InputError: the path cannot be read as such; the message names the file, and the line where there is one.
    """
    path = pathlib.Path(path)
    with errors_naming(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.is_dir():
            return read_edition(path, str(path))
        with path.open("rb") as stream:
            magic = stream.read(4)
        if path.suffix.lower() == ".zip" or magic == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                return read_edition(edition_folder(archive, path), str(path))
        is_parquet = path.suffix.lower() in (".parquet", ".pq") or magic == b"PAR1"
        ratings = read_parquet(path) if is_parquet else read_text(path, find_layout(path))
        return RawData(ratings, movies_beside(path, ratings), source=str(path))


def text_of(path: AnyPath) -> io.StringIO:
    """The text of a movie table, lines ending in a newline; latin-1, as in the older editions, if it is not UTF-8."""
    with opened(path) as stream:
        content = stream.read()
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError:
        return io.StringIO(content.decode("latin-1"), newline=None)


def movie_lines(path: AnyPath) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty."""
    return ((line, text.rstrip("\n")) for line, text in enumerate(text_of(path), start=1) if text != "\n")


def read_item_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of u.item (100K): id|title|release|video release|url, and a flag for each genre of u.genre."""
    genre_path = cast(AnyPath, path.parent) / "u.genre"
    genres = GENRES_100K.split("|")
    if genre_path.exists():
        genres = [text.split("|")[0] for _, text in movie_lines(genre_path)]
    num_columns = 5 + len(genres)
    for line, text in movie_lines(path):
        fields = text.split("|")
        if len(fields) != num_columns:
            raise InputError(
                f"{path}:{line}: {len(fields)} columns; u.item has {num_columns}, split by '|': 5 and one for each "
                f"of {len(genres)} genres"
            )
        flags = zip(genres, fields[5:], strict=True)
        yield line, fields[0], fields[1], "|".join(genre for genre, flag in flags if flag == "1")


def read_dat_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of movies.dat (1M, 10M): id::title::genres; the title may have "::" in it."""
    for line, text in movie_lines(path):
        movie_id, _, rest = text.partition("::")
        title, separator, genres = rest.rpartition("::")
        if not separator:
            raise InputError(f"{path}:{line}: {len(text.split('::'))} columns; movies.dat has 3, split by '::'")
        yield line, movie_id, title, genres


def read_csv_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of movies.csv (20M and later): columns movieId, title and genres, in any order and among others."""
    rows = csv.reader(text_of(path), strict=True)
    try:
        header = [plain(name) for name in next(rows, [])]
        if not {"movieid", "title", "genres"} <= set(header):
            raise InputError(f"{path}:1: columns {', '.join(header)[:400]}; expected movieId, title and genres")
        movie_id, title, genres = map(header.index, ("movieid", "title", "genres"))
        for row in filter(None, rows):
            if len(row) != len(header):
                raise InputError(f"{path}:{rows.line_num}: {len(row)} columns; line 1 has {len(header)}, split by ','")
            yield rows.line_num, row[movie_id], row[title], row[genres]
    except csv.Error as error:
        raise InputError(f"{path}:{rows.line_num}: {error}") from error


def movie_table(path: AnyPath, rows: Iterable[MovieRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """The movies with ids of the ratings' kind, the first where an id comes again; `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    movies: dict[int | str, tuple[str, str]] = {}
    for line, movie_id, title, genres in rows:
        # 18 digits always fit int64.
        if has_integer_ids and not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", movie_id):
            raise InputError(f"{path}:{line}: movie id {movie_id[:80]!r}; the movie ids of the ratings are integers")
        listed = [genre for genre in genres.split("|") if genre not in ("(no genres listed)", "unknown")]
        movies.setdefault(int(movie_id) if has_integer_ids else movie_id, (title, "|".join(listed)))
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(list(movies), dtype="int64" if has_integer_ids else "str"),
            TITLE: pd.Series([title for title, _ in movies.values()], dtype="str"),
            GENRES: pd.Series([genres for _, genres in movies.values()], dtype="str"),
        }
    )


def movies_beside(path: pathlib.Path, ratings: pd.DataFrame) -> pd.DataFrame:
    """The movies of a MovieLens movie table in the folder of a ratings file; none where there is no such table.

    A file that only has its name, or ids of another kind, belongs to other data and is no error.
    """
    for edition in EDITIONS:
        table = path.with_name(edition.movies_file)
        if table.is_file():
            with contextlib.suppress(InputError):
                return movie_table(table, edition.read_movies(table), ratings)
    return movie_table(path, (), ratings)


@dataclasses.dataclass(frozen=True)
class Edition:
    """One published form of MovieLens.

    layout: of the ratings; with a header, of which the file may have another, whose rating scale is unknown then.
    other_files: those beside the ratings that tell it from the editions after it in `EDITIONS`.
    """

    name: str
    ratings_file: str
    movies_file: str
    rating_scale: tuple[float, float]
    layout: Layout
    read_movies: Callable[[AnyPath], Iterator[MovieRow]]
    other_files: tuple[str, ...] = ()


COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP)
CSV_HEADER = ("userId", "movieId", "rating", "timestamp")
MOVIELENS_100K = Edition(
    name="MovieLens 100K",
    ratings_file="u.data",
    movies_file="u.item",
    rating_scale=(1.0, 5.0),
    layout=Layout("\t", COLUMNS, "a MovieLens 100K file"),
    read_movies=read_item_file,
)
MOVIELENS_1M = Edition(
    name="MovieLens 1M",
    ratings_file="ratings.dat",
    movies_file="movies.dat",
    rating_scale=(1.0, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 1M file"),
    read_movies=read_dat_file,
)
MOVIELENS_10M = dataclasses.replace(
    MOVIELENS_1M,
    name="MovieLens 10M",
    rating_scale=(0.5, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 10M file"),
    other_files=("tags.dat",),
)
MOVIELENS_CSV = Edition(
    name="MovieLens CSV",
    ratings_file="ratings.csv",
    movies_file="movies.csv",
    rating_scale=(0.5, 5.0),
    layout=Layout(",", COLUMNS, "a MovieLens CSV file", CSV_HEADER, skip_rows=1),
    read_movies=read_csv_file,
)
EDITIONS = (MOVIELENS_100K, MOVIELENS_10M, MOVIELENS_1M, MOVIELENS_CSV)


def edition_folder(archive: zipfile.ZipFile, path: pathlib.Path) -> zipfile.Path:
    """The folder of the archive that has the ratings of a MovieLens edition; its top level where none has."""
    files = {edition.ratings_file for edition in EDITIONS}
    folders = sorted({posixpath.dirname(name) for name in archive.namelist() if posixpath.basename(name) in files})
    if len(folders) > 1:
        raise InputError(f"{path}: ratings in several folders: {', '.join(folders)}; unpack it and name one of them")
    return zipfile.Path(archive, f"{folders[0]}/" if folders and folders[0] else "")


def read_edition(folder: AnyPath, source: str) -> RawData:
    """The ratings and movies of the MovieLens edition in a folder; `source` is for messages."""
    found = sorted(file.name for file in folder.iterdir())
    matching = (edition for edition in EDITIONS if {edition.ratings_file, *edition.other_files} <= set(found))
    edition = next(matching, None)
    if edition is None:
        expected = " or ".join(dict.fromkeys(edition.ratings_file for edition in EDITIONS))
        shown = ", ".join(found)[:400] or "nothing"
        raise InputError(f"{folder}: no MovieLens ratings; found {shown}; expected {expected} (or name one file)")
    ratings_path, movies_path = folder / edition.ratings_file, folder / edition.movies_file
    layout = find_layout(ratings_path) if edition.layout.header else edition.layout
    ratings = read_text(ratings_path, layout)
    has_half_stars = (pd.to_numeric(ratings[RATING], errors="coerce") % 1 == 0.5).any()
    if edition is MOVIELENS_1M and has_half_stars:
        edition = MOVIELENS_10M  # whose other files were not kept
    rows = edition.read_movies(movies_path) if edition.movies_file in found else ()
    return RawData(
        ratings,
        movies=movie_table(movies_path, rows, ratings),
        source=f"{edition.name} in {source}",
        rating_scale=edition.rating_scale if layout.header == edition.layout.header else None,
    )
