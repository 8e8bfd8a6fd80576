"""Reads every published edition of MovieLens from a folder or archive; each edition is one entry of `EDITIONS`."""

import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import numpy as np
import pandas as pd

from movierec_jax.data.matching.id_spaces import imdb_numbers, space_of_name
from movierec_jax.data.readers.formats.file_content import FileContent
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
from movierec_jax.data.readers.ratings_file import find_ratings_layout, read_text
from movierec_jax.data.readers.source_file import AnyPath, read_head
from movierec_jax.data.readers.text.columns import normalized_name
from movierec_jax.data.readers.text.layout import TextLayout
from movierec_jax.data.schema import IMDB_ID, MOVIE_ID, RATING, RATING_COLUMNS, TMDB_ID, RawData, no_links, no_tags
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

# As Kaggle names the files of MovieLens 20M.
MOVIELENS_KAGGLE = dataclasses.replace(
    MOVIELENS_CSV,
    ratings_file="rating.csv",
    tables=tuple(dataclasses.replace(file, name=file.name.replace("s.csv", ".csv")) for file in MOVIELENS_CSV.tables),
)

EDITIONS = (MOVIELENS_100K, MOVIELENS_10M, MOVIELENS_1M, MOVIELENS_CSV, MOVIELENS_KAGGLE)

# Its ratings.dat is laid out as that of MovieLens 1M; movies have IMDb's ids, and users.dat leads to Twitter.
MOVIETWEETINGS = dataclasses.replace(
    MOVIELENS_1M,
    name="MovieTweetings",
    rating_scale=(0.0, 10.0),
    tables=(TableFile("movies.dat", "movies", read_movies_dat, movie_table),),
)

# Fraction of ratings that the scale of an edition must hold; with fewer, the folder only looks like the edition.
SCALE_SHARE = 0.995

# Digits of a movie id of IMDb, at least; MovieLens' have at most 6.
IMDB_DIGITS = 7


def find_edition(names: Collection[str]) -> Edition | None:
    """Returns the edition of a folder with files of certain names; None for any other folder."""
    editions = (edition for edition in EDITIONS if {edition.ratings_file, *edition.other_files} <= {*names})
    return next(editions, None)


def has_edition_layout(path: AnyPath, edition: Edition) -> bool:
    """Returns whether the ratings in a folder are laid out as those of an edition."""
    try:
        layout = find_ratings_layout(path)
    except InputError:
        return False
    names = tuple(map(normalized_name, layout.names))
    is_split_so = layout.separator == edition.layout.separator or bool(names)
    return (
        is_split_so and layout.columns == RATING_COLUMNS and names == tuple(map(normalized_name, edition.layout.names))
    )


def read_edition(edition: Edition, files: Mapping[str, AnyPath], source: str, cache: pathlib.Path | None) -> RawData:
    """Reads a MovieLens edition.

    files: the files of its folder by name.
    source: of the data, for messages.
    cache: folder for parsed ratings; see `read_ratings`.
    """
    path = files[edition.ratings_file]
    layout = find_ratings_layout(path) if edition.layout.names else edition.layout
    content = read_text(path, layout, cache)
    return edition_data(edition, files, source, content, counted(content.ratings[RATING]))


def counted(rating: pd.Series) -> pd.Series:
    """Returns how often each finite rating occurs, by rating, in the order in which they first occur."""
    rating = pd.to_numeric(rating, errors="coerce")
    return rating[np.isfinite(rating)].value_counts(sort=False)


def edition_data(
    edition: Edition, files: Mapping[str, AnyPath], source: str, content: FileContent, num_of_rating: pd.Series
) -> RawData:
    """Returns the ratings of an edition with its tables.

    num_of_rating: as `counted` returns it. Of the content's ratings only the different values count for the tables.
    """
    path, ratings = files[edition.ratings_file], content.ratings
    if edition is MOVIELENS_1M and has_half_stars(ratings):
        edition = MOVIELENS_10M  # a copy without its other files
    if edition.layout.separator == "::" and is_movietweetings(path, ratings):
        edition = MOVIETWEETINGS
    present = [(file, files[file.name]) for file in edition.tables if file.name in files]
    tables = {file.field: file.table(table, file.read(table), ratings) for file, table in present}
    if edition is MOVIETWEETINGS:
        tables["links"] = links_of_imdb_ids(ratings)
    refusal = refuse_scale(num_of_rating, edition)
    scale = None if refusal else edition.rating_scale
    return raw_data(
        ratings, tables, path, f"{edition.name} in {source}", scale, (*content.notes, *refusal), content.movie_name
    )


def refuse_scale(num_of_rating: pd.Series, edition: Edition) -> tuple[str, ...]:
    """Returns why the scale of an edition is not that of the ratings, in one sentence; nothing if it is.

    num_of_rating: as `counted` returns it.
    """
    lowest, highest = edition.rating_scale
    outside = num_of_rating[~num_of_rating.index.to_series().between(lowest, highest)]
    num_outside, num_ratings = outside.sum(), num_of_rating.sum()
    if num_outside <= (1 - SCALE_SHARE) * num_ratings:
        return ()
    return (
        f"{num_outside:,} of {num_ratings:,} ratings, such as {outside.index[0]:g}, lie outside {lowest:g} to "
        f"{highest:g}, the scale of {edition.name}; the scale is inferred from the ratings instead",
    )


def is_movietweetings(path: AnyPath, ratings: pd.DataFrame) -> bool:
    """Returns whether ratings laid out as MovieLens 1M are of MovieTweetings: IMDb's ids, and ratings up to 10."""
    fields = read_head(path).split(b"\n", 1)[0].split(b"::")
    highest = pd.to_numeric(ratings[RATING], errors="coerce").max()
    has_imdb_ids = len(fields) == len(RATING_COLUMNS) and len(fields[1].strip()) >= IMDB_DIGITS
    return has_imdb_ids and bool(5 < highest <= 10)


def links_of_imdb_ids(ratings: pd.DataFrame) -> pd.DataFrame:
    """Returns the links of movies whose ids are IMDb's."""
    movies = ratings[MOVIE_ID].drop_duplicates()
    links = pd.DataFrame({MOVIE_ID: movies, IMDB_ID: imdb_numbers(movies)}).dropna()
    return links.assign(**{TMDB_ID: pd.Series(pd.NA, links.index, dtype="Int64")}).reset_index(drop=True)


def has_half_stars(ratings: pd.DataFrame) -> bool:
    """Returns whether any rating lies halfway between two whole ones."""
    return bool((pd.to_numeric(ratings[RATING], errors="coerce") % 1 == 0.5).any())


def tables_beside(path: AnyPath, ratings: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Reads the MovieLens tables in the folder of a ratings file.

    Returns them by field of RawData; and a sentence for each file of the same name that is not read: it may hold
    something else, or ids of another kind, and belong to other data.
    """
    tables: dict[str, pd.DataFrame] = {}
    notes = []
    folder = cast(AnyPath, path.parent)
    for file in dict.fromkeys(file for edition in EDITIONS for file in edition.tables):
        table = folder / file.name
        if file.field not in tables and table.is_file():
            try:
                tables[file.field] = file.table(table, file.read(table), ratings)
            except InputError as error:
                notes.append(f"{file.name} beside the ratings is not read: {error}")
    return tables, tuple(notes)


def raw_data(
    ratings: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    path: AnyPath,
    source: str,
    rating_scale: tuple[float, float] | None = None,
    notes: tuple[str, ...] = (),
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
        notes,
        movie_id_space=space_of_name(movie_name),
        movie_id_name=movie_name or MOVIE_ID,
    )
