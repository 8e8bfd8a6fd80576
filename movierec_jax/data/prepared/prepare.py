"""Prepares a dataset: reads, cleans and splits ratings once, in bounded memory, and writes them for training.

The rules are those of `clean` and `split`, asked about counts, ends and different values; SQL sorts and groups. Beside
what DuckDB is limited to, memory is needed for the ids of all users and movies, and 7 bytes a rating.
"""

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Int32, Int64

from movierec_jax.data.cleaning import clean_data, require_variety
from movierec_jax.data.files import atomic_folder, first_line, write_json
from movierec_jax.data.matching.id_join import join_tables, known_movies
from movierec_jax.data.prepared.database import Database
from movierec_jax.data.prepared.judged import MOVIE_CODE, USER_CODE, Judged, keep_usable
from movierec_jax.data.prepared.manifest import MANIFEST, PARTS, File, Manifest, as_json, is_prepared
from movierec_jax.data.prepared.pairs import (
    count_by,
    drop_rare,
    drop_repeated,
    has_unequal_weights,
    is_constant,
    num_kept,
)
from movierec_jax.data.prepared.parts import PartOf, split_kept
from movierec_jax.data.prepared.raw import RawTable, distinct_values, load_raw, raw_data, repeated
from movierec_jax.data.prepared.source import find_source, refusal
from movierec_jax.data.prepared.writing import (
    Rows,
    choose_ranges,
    count_train_ratings,
    write_parts,
    write_tables,
)
from movierec_jax.data.readers.folder import renamed
from movierec_jax.data.readers.tables.links_file import read_links
from movierec_jax.data.readers.text.stated_columns import StatedColumns
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, WEIGHT, CleanData, RawData
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.data.vocab import Vocab
from movierec_jax.data_config import PREPARED_SETTINGS, DataConfig
from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra
from movierec_jax.settings import to_json

# DuckDB's limit unless another is asked for.
MEMORY_LIMIT = "2GB"


def prepare_dataset(
    config: DataConfig,
    output: pathlib.Path,
    *,
    memory_limit: str = MEMORY_LIMIT,
    overwrite: bool = False,
    log: Callable[[str], None] = print,
) -> Manifest:
    """Writes a prepared dataset of the config's ratings to a folder, whole or not at all, and returns its manifest.

    memory_limit: of DuckDB. log: takes a line as each stage ends.

    Raises InputError as `clean` and `split`; for ratings that only readers in memory can read; and for a folder that
    exists, unless it is a prepared dataset to be replaced.
    """
    require_free(output, overwrite=overwrite)
    output.parent.mkdir(parents=True, exist_ok=True)
    with local_copy(config.ratings) as path, atomic_folder(output) as folder, duckdb_errors_named(output):
        scratch = folder / "scratch"
        scratch.mkdir()
        with contextlib.closing(Database(scratch, memory_limit)) as database:
            manifest = fill_folder(folder, database, path, config, log)
        shutil.rmtree(scratch)
        write_json(folder / MANIFEST, as_json(manifest))
    return manifest


def require_free(output: pathlib.Path, *, overwrite: bool) -> None:
    """Raises InputError where a folder cannot be written."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not is_prepared(output):
        raise InputError(f"{output}: exists, and is no prepared dataset; give another --output")
    if not overwrite:
        raise InputError(f"{output}: holds a prepared dataset; --overwrite replaces it")


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[pathlib.Path]:
    """Yields the path of ratings, or of a copy of those at a URL."""
    if is_url(path):
        with downloaded(path) as copy:
            yield copy
    else:
        yield pathlib.Path(path)


@contextlib.contextmanager
def duckdb_errors_named(output: pathlib.Path) -> Iterator[None]:
    """Turns what memory and disk refuse to DuckDB into an InputError."""
    duckdb = import_extra("duckdb", "prepare")
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise InputError(
            f"{output}: {first_line(error)}; raise --memory_limit, or make room on the disk of --output, where DuckDB "
            "also keeps what the limit leaves no memory for"
        ) from error


def fill_folder(
    folder: pathlib.Path, database: Database, path: pathlib.Path, config: DataConfig, log: Callable[[str], None]
) -> Manifest:
    """Writes all files of a dataset but its manifest, which it returns."""
    source = find_source(path, StatedColumns(config.columns, config.weight_column))
    table = load_raw(database, source)
    log(f"{path}: {table.num_rows:,} rows read")
    ids = {column: distinct_values(database, column).value for column in (USER_ID, MOVIE_ID)}
    raw = with_joined_tables(raw_data(database, table, source, ids), config)
    if str(path) != config.ratings and is_url(config.ratings):
        raw = renamed(raw, str(path), config.ratings)
    stated = config.rating_scale or raw.rating_scale
    judged = keep_usable(database, table, ids, stated, config, raw.source)
    database.run("DROP VIEW judged; DROP TABLE raw")
    dropped = judged.dropped | drop_repeated(database, len(ids[USER_ID]))
    has_weights = has_unequal_weights(database)
    dropped |= drop_rare(database, config)
    for column, code in ((USER_ID, USER_CODE), (MOVIE_ID, MOVIE_CODE)):
        require_variety(column, is_constant(database, code), num_kept(database), raw.source, dropped)
    all_watched = is_constant(database, RATING, f"{WEIGHT} > 0")
    log(f"{num_kept(database):,} ratings kept")
    part_of = split_kept(database, table.num_rows, len(ids[USER_ID]), config)
    log(f"split by --split={config.split}")
    data = data_of(database, raw, ids, dataclasses.replace(judged, dropped=dropped), all_watched=all_watched)
    return write_files(
        folder,
        database,
        part_of,
        ids,
        data,
        config,
        table,
        has_weights=has_weights or all_watched,
        all_watched=all_watched,
        is_scale_inferred=not stated,
    )


def with_joined_tables(raw: RawData, config: DataConfig) -> RawData:
    """Returns the tables beside the ratings as `read_clean` joins them.

    Raises InputError where ids of the ratings themselves would be written in another way.
    """
    if config.links is not None:
        raw = dataclasses.replace(raw, links=read_links(config.links))
    joined = join_tables(raw)
    if joined.ratings is not raw.ratings:
        raise refusal(raw.source, "movies are written in several ways, which are made one")
    return joined


def data_of(
    database: Database, raw: RawData, ids: Mapping[str, pd.Series], judged: Judged, *, all_watched: bool
) -> CleanData:
    """Returns clean data with the different users and movies of kept in place of its ratings."""
    used = {
        column: ids[column][count_by(database, code, len(ids[column])) > 0]
        for column, code in ((USER_ID, USER_CODE), (MOVIE_ID, MOVIE_CODE))
    }
    length = max(map(len, used.values()))
    table = pd.DataFrame({column: as_clean(repeated(values, length)) for column, values in used.items()})
    data = clean_data(raw, table, None if all_watched else judged.scale, judged.dropped, judged.notes)
    return dataclasses.replace(data, links=raw.links, movie_id_space=known_movies(raw).space)


def as_clean(ids: pd.Series) -> pd.Series:
    """Returns ids in the type that clean ratings have."""
    return ids.astype("int64" if pd.api.types.is_integer_dtype(ids.dtype) else "str")


def write_files(
    folder: pathlib.Path,
    database: Database,
    part_of: PartOf,
    ids: Mapping[str, pd.Series],
    data: CleanData,
    config: DataConfig,
    table: RawTable,
    *,
    has_weights: bool,
    all_watched: bool,
    is_scale_inferred: bool,
) -> Manifest:
    """Writes the parts and tables, and returns the manifest; for the arguments see `fill_folder`."""
    ids = {column: as_clean(values) for column, values in ids.items()}
    counts = count_train_ratings(database, part_of, len(ids[USER_ID]), len(ids[MOVIE_ID]))
    all_users = pd.concat([data.ratings[USER_ID], data.users[USER_ID]])
    users = Vocab.of(ids[USER_ID][counts.user > 0], "user", others=all_users)
    movies = Vocab.of(ids[MOVIE_ID][counts.movie > 0], "movie", others=data.movies[MOVIE_ID])
    user_row, movie_row = users.rows(ids[USER_ID]), movies.rows(ids[MOVIE_ID])
    ranges = choose_ranges(by_row(counts.user, user_row, users), by_row(counts.movie, movie_row, movies))
    rows = Rows(user_row, movie_row, *ranges, has_weights=has_weights, all_watched=all_watched)
    files: dict[str, File] = write_parts(folder, database, part_of, rows)
    files |= write_tables(folder, users, movies, data)
    num_watched = database.row(f"SELECT count(*) FROM kept WHERE {WEIGHT} = 0 OR {all_watched}")[0]
    return Manifest(
        settings={name: value for name, value in to_json(config).items() if name in PREPARED_SETTINGS},
        source=data.source,
        rating_scale=data.rating_scale,
        is_scale_inferred=is_scale_inferred,
        has_ratings_column=RATING in table.types,
        has_weights=has_weights,
        dropped=data.dropped,
        notes=data.notes,
        movie_id_space=data.movie_id_space,
        id_types={column: "int64" if values.dtype == "int64" else "str" for column, values in ids.items()},
        counts={
            "users": len(users.ids),
            "movies": len(movies.ids),
            "users_in_train": len(users),
            "movies_in_train": len(movies),
            "watched": num_watched,
            **{part: counts.part[part] for part in PARTS},
        },
        user_ranges=rows.users.count,
        movie_ranges=rows.movies.count,
        files=files,
    )


def by_row(
    count: Int64[np.ndarray, " codes"], row: Int32[np.ndarray, " codes"], vocab: Vocab
) -> Int64[np.ndarray, " rows"]:
    """Returns counts of codes as counts of the rows of a vocabulary; no two codes have the same one."""
    counts = np.zeros(vocab.unknown + 1, np.int64)
    counts[row] = count
    return counts[:-1]
