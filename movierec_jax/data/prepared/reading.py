"""Reads prepared datasets: the parts as columns by row, and all of them as the clean data and the split of a run."""

import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from jaxtyping import Float32, Int32, Int64

from movierec_jax.data.prepared.manifest import (
    COLUMNS,
    LINKS,
    MOVIE_ROW,
    MOVIES,
    NUMBER,
    PARTS,
    TAGS,
    USER_ROW,
    USER_TABLE,
    USERS,
    Manifest,
    id_column,
    part_file,
    require_unchanged,
)
from movierec_jax.data.schema import (
    GENRES,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
    WEIGHT,
    YEAR,
    CleanData,
    no_links,
    no_tags,
    no_users,
)
from movierec_jax.data.splits import Split


class PartColumns(NamedTuple):
    """Ratings of a part by row, in the order of the part.

    number: the position of each in the whole part. weight: None where all count 1.
    """

    number: Int64[np.ndarray, " ratings"]
    user_row: Int32[np.ndarray, " ratings"]
    movie_row: Int32[np.ndarray, " ratings"]
    rating: Float32[np.ndarray, " ratings"]
    timestamp: Int64[np.ndarray, " ratings"]
    weight: Float32[np.ndarray, " ratings"] | None


def read_part(
    folder: pathlib.Path,
    manifest: Manifest,
    part: str,
    users: range | None = None,
    movies: range | None = None,
) -> PartColumns:
    """Returns the ratings of a part by users and of movies with rows in the given ranges; None: all.

    Only files that hold such ratings are read. Raises InputError where one of them is missing or has changed.
    """
    schema = part_schema(manifest.has_weights)
    names, tables = schema.names, [schema.empty_table()]
    for user_range in manifest.users.overlapping(users):
        for movie_range in manifest.movies.overlapping(movies):
            name = part_file(part, user_range, movie_range)
            if name in manifest.files:
                table = pyarrow.parquet.read_table(require_unchanged(folder, name, manifest), columns=names)
                tables.append(within(within(table, USER_ROW, users), MOVIE_ROW, movies))
    columns = {name: pa.concat_tables(tables).column(name).to_numpy() for name in names}
    if len(tables) > 2:
        order = np.argsort(columns[NUMBER])
        columns = {name: values[order] for name, values in columns.items()}
    return PartColumns(*(columns[name] for name in COLUMNS[:-1]), weight=columns.get(WEIGHT))


def part_schema(has_weights: bool) -> pa.Schema:
    """Returns the columns of the files of a part."""
    types = (pa.int64(), pa.int32(), pa.int32(), pa.float32(), pa.int64(), pa.float32())
    columns = [pa.field(name, kind) for name, kind in zip(COLUMNS, types, strict=True)]
    return pa.schema(columns if has_weights else columns[:-1])


def within(table: pa.Table, column: str, rows: range | None) -> pa.Table:
    """Returns the rows of a table whose row of a user or movie is in a range."""
    if rows is None:
        return table
    row = table.column(column)
    is_within = pyarrow.compute.and_(
        pyarrow.compute.greater_equal(row, rows.start), pyarrow.compute.less(row, rows.stop)
    )
    return table.filter(is_within)


def read_ids(folder: pathlib.Path, manifest: Manifest, name: str) -> pd.DataFrame:
    """Reads users.parquet or movies.parquet."""
    column = id_column(name)
    return read_table(folder, manifest, name).astype({column: manifest.id_types[column]})


def read_table(folder: pathlib.Path, manifest: Manifest, name: str) -> pd.DataFrame:
    """Reads a table of a prepared dataset. Raises InputError where it is missing or has changed."""
    return pd.read_parquet(require_unchanged(folder, name, manifest))


def read_split(folder: pathlib.Path, manifest: Manifest) -> Split:
    """Reads all parts as clean tables in original ids."""
    ids = read_id_columns(folder, manifest)
    return Split.of(*(with_ids(read_part(folder, manifest, part), ids) for part in PARTS))


def read_id_columns(folder: pathlib.Path, manifest: Manifest) -> dict[str, pd.Series]:
    """Reads the ids of users and of movies in row order, by the names of their columns."""
    return {id_column(name): read_ids(folder, manifest, name)[id_column(name)] for name in (USERS, MOVIES)}


def with_ids(part: PartColumns, ids: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Returns a part as a clean table. ids: as `read_id_columns` returns them."""
    columns = {
        USER_ID: ids[USER_ID].take(part.user_row).reset_index(drop=True),
        MOVIE_ID: ids[MOVIE_ID].take(part.movie_row).reset_index(drop=True),
        RATING: part.rating,
        TIMESTAMP: part.timestamp,
    }
    return pd.DataFrame(columns if part.weight is None else columns | {WEIGHT: part.weight}, copy=False)


def read_clean_data(folder: pathlib.Path, manifest: Manifest) -> CleanData:
    """Reads all that is known of a prepared dataset besides its ratings, of which it has none."""
    movies = read_ids(folder, manifest, MOVIES)[[MOVIE_ID, TITLE, YEAR, GENRES]]
    tables = {
        field: read_table(folder, manifest, name) if name in manifest.files else empty()
        for field, name, empty in (("users", USER_TABLE, no_users), ("tags", TAGS, no_tags), ("links", LINKS, no_links))
    }
    kinds = {column: manifest.id_types[column] for column in (USER_ID, MOVIE_ID)}
    for field, table in tables.items():
        if not len(table):
            tables[field] = table.astype({column: kind for column, kind in kinds.items() if column in table})
    no_rating = with_ids(
        PartColumns(*(np.zeros(0, field.type.to_pandas_dtype()) for field in part_schema(True))),
        {column: pd.Series(dtype=kind) for column, kind in kinds.items()},
    )
    return CleanData(
        no_rating if manifest.has_weights else no_rating.drop(columns=WEIGHT),
        movies.sort_values(MOVIE_ID, ignore_index=True),
        manifest.rating_scale,
        manifest.source,
        manifest.dropped,
        notes=manifest.notes,
        movie_id_space=manifest.movie_id_space,
        **tables,
    )
