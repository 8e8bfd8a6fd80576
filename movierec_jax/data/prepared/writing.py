"""Writes the files of a prepared dataset: the parts cut by ranges of rows, and the tables of users and movies."""

import dataclasses
import pathlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Int32, Int64

from movierec_jax.data.files import file_sha256
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.judged import MOVIE_CODE, USER_CODE
from movierec_jax.data.prepared.manifest import (
    LINKS,
    MOVIE_ROW,
    MOVIES,
    NUMBER,
    PARTS,
    TAGS,
    USER_ROW,
    USER_TABLE,
    USERS,
    File,
    Ranges,
    part_file,
)
from movierec_jax.data.prepared.parts import TRAIN, PartOf
from movierec_jax.data.prepared.reading import part_schema
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, WEIGHT, CleanData
from movierec_jax.data.vocab import IN_TRAIN, Vocab

# Train ratings of a file, about.
FILE_RATINGS = 10_000_000

# Rows of all files together that wait to be written.
BUFFERED_ROWS = 1 << 23


@dataclasses.dataclass(frozen=True)
class Rows:
    """Where the ratings of kept go.

    user_row, movie_row: by code. users, movies: the ranges that cut them.
    all_watched: whether no row counts as a rating.
    """

    user_row: Int32[np.ndarray, " user_codes"]
    movie_row: Int32[np.ndarray, " movie_codes"]
    users: Ranges
    movies: Ranges
    has_weights: bool
    all_watched: bool


@dataclasses.dataclass(frozen=True)
class TrainCounts:
    """How many train ratings each code of a user and of a movie has; and how many ratings each part has."""

    user: Int64[np.ndarray, " user_codes"]
    movie: Int64[np.ndarray, " movie_codes"]
    part: dict[str, int]


def count_train_ratings(database: Database, part_of: PartOf, num_users: int, num_movies: int) -> TrainCounts:
    """Returns the counts of the parts."""
    user, movie = np.zeros(num_users, np.int64), np.zeros(num_movies, np.int64)
    for rows in database.stream(f"SELECT number, {USER_CODE}, {MOVIE_CODE} FROM kept"):
        in_train = part_of[rows.column(NUMBER).to_numpy()] == TRAIN
        user += np.bincount(rows.column(USER_CODE).to_numpy()[in_train], minlength=num_users)
        movie += np.bincount(rows.column(MOVIE_CODE).to_numpy()[in_train], minlength=num_movies)
    return TrainCounts(user, movie, {name: int(np.count_nonzero(part_of == n)) for n, name in enumerate(PARTS)})


def choose_ranges(user_count: np.ndarray, movie_count: np.ndarray) -> tuple[Ranges, Ranges]:
    """Returns ranges of users and of movies for files of not many more than `FILE_RATINGS` train ratings.

    The fullest range of users and the fullest of movies are taken to share as many as if ratings fell independently.
    user_count, movie_count: train ratings by row.
    """
    users, movies = Ranges(len(user_count), 1), Ranges(len(movie_count), 1)
    num_ratings = user_count.sum()
    while num_ratings * fullest_share(user_count, users) * fullest_share(movie_count, movies) > FILE_RATINGS:
        if users.count > movies.count and movies.length > 1:
            movies = Ranges(movies.num_rows, movies.count * 2)
        elif users.length > 1:
            users = Ranges(users.num_rows, users.count * 2)
        else:
            break
    return users, movies


def fullest_share(count: np.ndarray, ranges: Ranges) -> float:
    """Returns the fraction of all ratings that the fullest range has."""
    return float(np.add.reduceat(count, np.arange(0, len(count), ranges.length)).max() / max(1, count.sum()))


def write_parts(folder: pathlib.Path, database: Database, part_of: PartOf, rows: Rows) -> dict[str, File]:
    """Writes the ratings of kept to the files of the parts; returns what was written."""
    for part in PARTS:
        (folder / part).mkdir()
    schema = part_schema(rows.has_weights)
    waiting: dict[str, list[pa.Table]] = defaultdict(list)
    writers: dict[str, pyarrow.parquet.ParquetWriter] = {}
    most = BUFFERED_ROWS // (len(PARTS) * rows.users.count * rows.movies.count)
    num_rows: dict[str, int] = defaultdict(int)
    try:
        for name, table in cut_rows(database, part_of, rows, schema):
            waiting[name].append(table)
            num_rows[name] += len(table)
            if sum(map(len, waiting[name])) >= most:
                write_waiting(folder, name, waiting, writers, schema)
        for name in list(waiting):
            write_waiting(folder, name, waiting, writers, schema)
    finally:
        for writer in writers.values():
            writer.close()
    return {name: File(num_rows[name], file_sha256(folder / name)) for name in sorted(writers)}


def write_waiting(
    folder: pathlib.Path,
    name: str,
    waiting: dict[str, list[pa.Table]],
    writers: dict[str, pyarrow.parquet.ParquetWriter],
    schema: pa.Schema,
) -> None:
    """Writes the rows that wait for a file."""
    if name not in writers:
        writers[name] = pyarrow.parquet.ParquetWriter(folder / name, schema, compression="zstd")
    writers[name].write_table(pa.concat_tables(waiting.pop(name)))


def cut_rows(database: Database, part_of: PartOf, rows: Rows, schema: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """Yields rows of kept in their order, each table with the file that it belongs to."""
    next_number = np.zeros(len(PARTS), np.int64)
    for kept in database.stream("SELECT * FROM kept"):
        part = part_of[kept.column(NUMBER).to_numpy()]
        number = np.empty(len(part), np.int64)
        for place in range(len(PARTS)):
            in_part = part == place
            number[in_part] = next_number[place] + np.arange(np.count_nonzero(in_part))
            next_number[place] += np.count_nonzero(in_part)
        user_row = rows.user_row[kept.column(USER_CODE).to_numpy()]
        movie_row = rows.movie_row[kept.column(MOVIE_CODE).to_numpy()]
        columns = {
            NUMBER: number,
            USER_ROW: user_row,
            MOVIE_ROW: movie_row,
            RATING: np.full(len(part), np.nan, np.float32) if rows.all_watched else float_column(kept, RATING),
            TIMESTAMP: kept.column(TIMESTAMP),
            WEIGHT: np.zeros(len(part), np.float32) if rows.all_watched else kept.column(WEIGHT),
        }
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        cell = (part * rows.users.count + user_row // rows.users.length).astype(np.int64)
        cell = cell * rows.movies.count + movie_row // rows.movies.length
        yield from by_cell(table, cell, rows)


def float_column(table: pa.Table, name: str) -> np.ndarray:
    """Returns a column of ratings, NaN where a movie is watched but not rated."""
    return table.column(name).to_numpy().astype(np.float32)


def by_cell(table: pa.Table, cell: Int64[np.ndarray, " ratings"], rows: Rows) -> Iterator[tuple[str, pa.Table]]:
    """Yields the rows of each file. cell: of each row, counting ranges of movies fastest and parts slowest."""
    order = np.argsort(cell, kind="stable")
    in_order = cell[order]
    firsts = np.flatnonzero(np.diff(in_order, prepend=-1))
    for first, end in zip(firsts, [*firsts[1:], len(cell)], strict=True):
        rest, movie_range = divmod(int(in_order[first]), rows.movies.count)
        part, user_range = divmod(rest, rows.users.count)
        yield part_file(PARTS[part], user_range, movie_range), table.take(pa.array(order[first:end]))


def write_tables(folder: pathlib.Path, users: Vocab, movies: Vocab, data: CleanData) -> dict[str, File]:
    """Writes the tables of users and movies in row order, and those beside the ratings; returns what was written."""
    movie_table = data.movies.set_index(MOVIE_ID).loc[movies.ids].reset_index()
    tables = {
        USERS: pd.DataFrame({USER_ID: users.ids, IN_TRAIN: users.in_train}),
        MOVIES: movie_table.assign(**{IN_TRAIN: movies.in_train}),
        USER_TABLE: data.users,
        TAGS: data.tags,
        LINKS: data.links,
    }
    files = {}
    for name, table in tables.items():
        if len(table):
            table.to_parquet(folder / name, index=False)
            files[name] = File(len(table), file_sha256(folder / name))
    return files
