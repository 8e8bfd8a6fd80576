"""Reads ratings of any kind: a folder, an archive, one file, or a ratings log, on this machine or at a URL."""

import dataclasses
import os
import pathlib

import pandas as pd

from movierec_jax.data.prepared.manifest import is_prepared
from movierec_jax.data.readers.archives import is_archive
from movierec_jax.data.readers.folder import read_archive, read_folder, renamed, with_tables
from movierec_jax.data.readers.formats.rating_formats import read_ratings_file
from movierec_jax.data.readers.formats.sqlite_file import read_sqlite, split_table
from movierec_jax.data.readers.movielens import raw_data
from movierec_jax.data.readers.ratings_file import read_frame
from movierec_jax.data.readers.ratings_log.reading import is_log, read_latest, read_not_interested
from movierec_jax.data.readers.source_file import translate_read_errors
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns
from movierec_jax.data.schema import DATA_FRAME, MOVIE_ID, OF_RUN, USER_ID, RawData
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.data_config import BUNDLED_RATINGS
from movierec_jax.errors import InputError

# The folder data of a checkout, as an installed package has it.
DEFAULT, BUNDLED = pathlib.Path(BUNDLED_RATINGS), pathlib.Path(__file__).parents[2] / "bundled"


def read_ratings(
    path: str | os.PathLike[str],
    cache: str | os.PathLike[str] | None = None,
    stated: StatedColumns = NOTHING_STATED,
) -> RawData:
    """Reads ratings, and the movies, users, tags and links beside them, from a folder, an archive or one file.

    A folder, or a zip or tar archive, holds one of the MovieLens `EDITIONS`, one file of ratings of any name, or the
    parts of one. A file has one of the `FORMATS`, plain or packed; its movies, users, tags and links come from
    MovieLens tables in the same folder. "FILE:TABLE" names a table of an SQLite database. A ratings log is read as it
    stands. A URL of object storage is downloaded first; one file there comes without the tables beside it.

    cache: folder that keeps the parsed ratings of large text files for the next time; made if missing, and not used
      where that is impossible. Ratings of such a file cannot be changed in place.
    stated: what is stated of the columns of one file.

    Raises:
      InputError: the path cannot be read as such; the message names the file, and the line where there is one.
    """
    if is_url(path):
        with downloaded(str(path)) as copy:
            data = read_ratings(copy, stated=stated)
        return renamed(data, str(copy), str(path))
    path, cache = here_or_bundled(pathlib.Path(path)), pathlib.Path(cache) if cache is not None else None
    with translate_read_errors(path):
        if is_prepared(path):
            raise InputError(
                f"{path}: a prepared dataset, which is read only as --ratings of movierec train and tune, from a disk "
                "of this machine; give the ratings that it was made of"
            )
        if not path.exists():
            if found := split_table(str(path)):
                return with_tables(read_sqlite(*found, stated), found[0], source=str(path))
            advice = "; `movierec data` fetches an edition of MovieLens" if path == DEFAULT else ""
            raise InputError(f"{path}: no such file or folder{advice}")
        require_one_file(path, stated)
        if path.is_dir():
            return read_folder(path, str(path), cache)
        if is_log(path):
            return read_log(path)
        if is_archive(path):
            return read_archive(path, str(path), cache)
        return with_tables(read_ratings_file(path, cache, stated), path, source=str(path))


def require_one_file(path: pathlib.Path, stated: StatedColumns) -> None:
    """Raises InputError where columns are stated of more than one file."""
    if stated and (path.is_dir() or is_archive(path)):
        raise InputError(f"{path}: --columns and --weight_column are for one file; name it, unpacked")


def here_or_bundled(path: pathlib.Path) -> pathlib.Path:
    """Returns the path; that of the ratings in the package for the default of --ratings where it is not found."""
    bundled = BUNDLED / path.name
    return bundled if path == DEFAULT and not path.exists() and bundled.exists() else path


def read_given(table: pd.DataFrame, stated: StatedColumns = NOTHING_STATED) -> RawData:
    """Returns the ratings of a table in pandas, whose columns are known as those of a file are.

    Raises InputError where it cannot be read as such.
    """
    content = read_frame(table, stated)
    return raw_data(
        content.ratings, {}, pathlib.Path(DATA_FRAME), DATA_FRAME, notes=content.notes, movie_name=content.movie_name
    )


def read_log(path: pathlib.Path) -> RawData:
    """Reads the ratings of a ratings log, which may have none. What users are not interested in is no rating."""
    ratings, num_left = read_latest(path), len(read_not_interested(path))
    for column, name in ((USER_ID, "user"), (MOVIE_ID, "movie")):
        if ratings[column].dtype == object:
            raise InputError(f"{path}: some {name} ids are integers and some are text; write them all the same way")
    notes = (f"left out {num_left:,} row{'s' * (num_left != 1)} (not interested, which is no rating)",)
    data = raw_data(ratings, {}, path, source=str(path), notes=notes if num_left else ())
    return dataclasses.replace(data, movie_id_space=OF_RUN)
