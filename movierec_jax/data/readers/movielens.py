"""Reads every published edition of MovieLens from a folder or archive; each edition is one entry of `EDITIONS`."""

import contextlib
import dataclasses
import pathlib
import posixpath
import zipfile
from collections.abc import Callable
from typing import Any

import pandas as pd

from movierec_jax.data.id_spaces import space_of_name
from movierec_jax.data.readers.delimited import TextLayout
from movierec_jax.data.readers.movielens_tables import (
    link_table,
    movie_table,
    read_item_file,
    read_links_csv,
    read_movies_csv,
    read_movies_dat,
    read_tags_csv,
    read_tags_dat,
    read_user_file,
    read_users_dat,
    tag_table,
    user_table,
)
from movierec_jax.data.readers.ratings_file import find_ratings_layout, movie_column_name, read_text
from movierec_jax.data.readers.source_file import AnyPath
from movierec_jax.data.schema import MOVIE_ID, RATING, RATING_COLUMNS, RawData, no_links, no_tags
from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class TableFile:
    """A table beside the ratings of an edition.

    field: the field of RawData that it fills.
    read: returns what the file holds.
    table: makes the field's value from the path (for messages), what the file holds, and the ratings.
    """

    name: str
    field: str
    read: Callable[[AnyPath], Any]
    table: Callable[[AnyPath, Any, pd.DataFrame], pd.DataFrame]


@dataclasses.dataclass(frozen=True)
class Edition:
    """One published form of MovieLens.

    layout: of the ratings. A file may have another header than this; its rating scale is then unknown.
    other_files: files that tell this edition from those after it in `EDITIONS`.
    """

    name: str
    ratings_file: str
    rating_scale: tuple[float, float]
    layout: TextLayout
    tables: tuple[TableFile, ...]
    other_files: tuple[str, ...] = ()


CSV_HEADER = ("userId", "movieId", "rating", "timestamp")

MOVIELENS_100K = Edition(
    name="MovieLens 100K",
    ratings_file="u.data",
    rating_scale=(1.0, 5.0),
    layout=TextLayout("\t", RATING_COLUMNS, "a MovieLens 100K file"),
    tables=(
        TableFile("u.item", "movies", read_item_file, movie_table),
        TableFile("u.user", "users", read_user_file, user_table),
    ),
)

MOVIELENS_1M = Edition(
    name="MovieLens 1M",
    ratings_file="ratings.dat",
    rating_scale=(1.0, 5.0),
    layout=TextLayout("::", RATING_COLUMNS, "a MovieLens 1M file", is_quoted=False),
    tables=(
        TableFile("movies.dat", "movies", read_movies_dat, movie_table),
        TableFile("users.dat", "users", read_users_dat, user_table),
    ),
)

MOVIELENS_10M = dataclasses.replace(
    MOVIELENS_1M,
    name="MovieLens 10M",
    rating_scale=(0.5, 5.0),
    layout=TextLayout("::", RATING_COLUMNS, "a MovieLens 10M file", is_quoted=False),
    tables=(
        TableFile("movies.dat", "movies", read_movies_dat, movie_table),
        TableFile("tags.dat", "tags", read_tags_dat, tag_table),
    ),
    other_files=("tags.dat",),
)

MOVIELENS_CSV = Edition(
    name="MovieLens CSV",
    ratings_file="ratings.csv",
    rating_scale=(0.5, 5.0),
    layout=TextLayout(",", RATING_COLUMNS, "a MovieLens CSV file", CSV_HEADER, skip_lines=1),
    tables=(
        TableFile("movies.csv", "movies", read_movies_csv, movie_table),
        TableFile("tags.csv", "tags", read_tags_csv, tag_table),
        TableFile("links.csv", "links", read_links_csv, link_table),
    ),
)

EDITIONS = (MOVIELENS_100K, MOVIELENS_10M, MOVIELENS_1M, MOVIELENS_CSV)


def edition_folder(archive: zipfile.ZipFile, path: pathlib.Path) -> zipfile.Path:
    """Returns the folder of the archive with the ratings of a MovieLens edition; its top level without one."""
    files = {edition.ratings_file for edition in EDITIONS}
    folders = sorted({posixpath.dirname(name) for name in archive.namelist() if posixpath.basename(name) in files})
    if len(folders) > 1:
        raise InputError(f"{path}: ratings in several folders: {', '.join(folders)}; unpack it and name one of them")
    return zipfile.Path(archive, f"{folders[0]}/" if folders and folders[0] else "")


def read_edition(folder: AnyPath, source: str, cache: pathlib.Path | None) -> RawData:
    """Reads the MovieLens edition in a folder; `source` is for messages, `cache` for ratings."""
    found = sorted(file.name for file in folder.iterdir())
    matching = (edition for edition in EDITIONS if {edition.ratings_file, *edition.other_files} <= set(found))
    edition = next(matching, None)
    if edition is None:
        expected = " or ".join(dict.fromkeys(edition.ratings_file for edition in EDITIONS))
        shown = ", ".join(found)[:400] or "nothing"
        raise InputError(f"{folder}: no MovieLens ratings; found {shown}; expected {expected} (or name one file)")
    ratings_path = folder / edition.ratings_file
    layout = find_ratings_layout(ratings_path) if edition.layout.names else edition.layout
    ratings = read_text(ratings_path, layout, cache)
    if edition is MOVIELENS_1M and has_half_stars(ratings):
        edition = MOVIELENS_10M  # a copy without its other files
    present = [(file, folder / file.name) for file in edition.tables if file.name in found]
    tables = {file.field: file.table(path, file.read(path), ratings) for file, path in present}
    scale = edition.rating_scale if layout.names == edition.layout.names else None
    movie_name = movie_column_name(ratings_path, layout)
    return raw_data(ratings, tables, folder, f"{edition.name} in {source}", scale, movie_name)


def has_half_stars(ratings: pd.DataFrame) -> bool:
    """Returns whether any rating lies halfway between two whole ones."""
    return bool((pd.to_numeric(ratings[RATING], errors="coerce") % 1 == 0.5).any())


def tables_beside(path: pathlib.Path, ratings: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Reads the MovieLens tables in the folder of a ratings file, by field of RawData.

    A file of the same name that holds something else, or ids of another kind, belongs to other data and is skipped.
    """
    tables: dict[str, pd.DataFrame] = {}
    for file in (file for edition in EDITIONS for file in edition.tables):
        table = path.with_name(file.name)
        if file.field not in tables and table.is_file():
            with contextlib.suppress(InputError):
                tables[file.field] = file.table(table, file.read(table), ratings)
    return tables


def raw_data(
    ratings: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    path: AnyPath,
    source: str,
    rating_scale: tuple[float, float] | None = None,
    movie_name: str = "",
) -> RawData:
    """Returns ratings with tables by field of RawData, empty for other fields; `path` is for messages.

    movie_name: the file's name for the column of movie ids, which states their space.
    """
    return RawData(
        ratings,
        tables.get("movies", movie_table(path, (), ratings)),
        source,
        rating_scale,
        tables.get("users", user_table(path, (), ratings)),
        tables.get("tags", tag_table(path, no_tags(), ratings)),
        tables.get("links", link_table(path, no_links(), ratings)),
        movie_id_space=space_of_name(movie_name),
        movie_id_name=movie_name or MOVIE_ID,
    )
