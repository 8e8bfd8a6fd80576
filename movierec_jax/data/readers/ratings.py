"""Reads ratings of any kind: a MovieLens edition, one file, or a ratings log, on this machine or at a URL."""

import contextlib
import dataclasses
import os
import pathlib
import zipfile

from movierec_jax.data.readers import ratings_log
from movierec_jax.data.readers.links_file import has_links, read_links_file
from movierec_jax.data.readers.movielens import edition_folder, raw_data, read_edition, tables_beside
from movierec_jax.data.readers.movielens_tables import link_table
from movierec_jax.data.readers.ratings_file import (
    column_names,
    find_ratings_layout,
    movie_column_name,
    read_parquet,
    read_text,
)
from movierec_jax.data.readers.source_file import is_parquet, translate_read_errors
from movierec_jax.data.schema import MOVIE_ID, USER_ID, RawData
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError


def read_ratings(path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> RawData:
    """Reads ratings, and the movies, users, tags and links beside them, from a folder, a zip archive or one file.

    A folder or archive holds one of the MovieLens `EDITIONS`, in any folder of the archive. One file is Parquet or
    text, plain or .gz, and its movies, users, tags and links come from MovieLens tables in the same folder; or it is a
    ratings log, read as it stands. A URL of object storage is downloaded first; one file there comes without the tables
    beside it.

    cache: folder that keeps the parsed ratings of large text files for the next time; made if missing, and not used
      where that is impossible. Ratings of such a file cannot be changed in place.

    Raises:
      InputError: the path cannot be read as such; the message names the file, and the line where there is one.
    """
    if is_url(path):
        with downloaded(str(path)) as copy:
            return dataclasses.replace(read_ratings(copy), source=str(path))
    path, cache = pathlib.Path(path), pathlib.Path(cache) if cache is not None else None
    with translate_read_errors(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.is_dir():
            return read_edition(path, str(path), cache)
        if ratings_log.is_log(path):
            return read_log(path)
        if is_zip(path):
            with zipfile.ZipFile(path) as archive:
                return read_edition(edition_folder(archive, path), str(path), cache)
        layout = None if is_parquet(path) else find_ratings_layout(path)
        ratings = read_text(path, layout, cache) if layout else read_parquet(path)
        movie_name = movie_column_name(path, layout)
        tables = tables_beside(path, ratings)
        if "links" not in tables and has_links(column_names(path, layout)):
            # Only links are lost where these cannot be read.
            with contextlib.suppress(InputError):
                tables["links"] = link_table(path, read_links_file(path).drop_duplicates(), ratings)
        return raw_data(ratings, tables, path, source=str(path), movie_name=movie_name)


def read_log(path: pathlib.Path) -> RawData:
    """Reads the ratings of a ratings log, which may have none."""
    ratings = ratings_log.read_latest(path)
    for column, name in ((USER_ID, "user"), (MOVIE_ID, "movie")):
        if ratings[column].dtype == object:
            raise InputError(f"{path}: some {name} ids are integers and some are text; write them all the same way")
    return raw_data(ratings, {}, path, source=str(path))


def is_zip(path: pathlib.Path) -> bool:
    """Returns whether a file is a zip archive, by its name or its first bytes."""
    with path.open("rb") as stream:
        return path.suffix.lower() == ".zip" or stream.read(4) == b"PK\x03\x04"
