"""Every user's list in one file, written block by block in bounded memory."""

import contextlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from movierec_jax.recommend import BLOCK_USERS
from movierec_jax.schema import InputError
from movierec_jax.trained import Recommender

# Rows of a Parquet row group; a constant, so that the file is the same whatever the block of users.
GROUP_ROWS = 2**17

WRITERS = {".parquet": pyarrow.parquet.ParquetWriter, ".csv": pyarrow.csv.CSVWriter}


def score_to_file(
    recommender: Recommender,
    users: pd.Index,
    output: pathlib.Path,
    k: int,
    *,
    include_seen: bool = False,
    block_users: int = BLOCK_USERS,
    advance: Callable[[int], None] = lambda num_users: None,
) -> int:
    """Writes each user's best k movies to a Parquet or CSV file and returns the number of rows.

    The file appears under its name once it is whole. `advance` hears how many more users are done. Raises InputError
    for another file ending, a folder that does not exist, and users or k as `Recommender.recommend` does.
    """
    require_output(output)
    num_rows = 0

    def tables() -> Iterator[pa.Table]:
        for block in recommender.recommend_blocks(users, k, include_seen=include_seen, block_users=block_users):
            yield pa.Table.from_pandas(block, preserve_index=False).replace_schema_metadata()
            advance(block["user_id"].nunique())

    with contextlib.closing(regroup(tables(), GROUP_ROWS)) as groups:
        first = next(groups)
        with whole_file(output) as partial, WRITERS[output.suffix](partial, first.schema) as writer:
            for group in itertools.chain([first], groups):
                writer.write_table(group)
                num_rows += len(group)
    return num_rows


def regroup(tables: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `num_rows`, the last with what is left; one table at least."""
    waiting = None
    for table in tables:
        waiting = table if waiting is None else pa.concat_tables([waiting, table])
        while len(waiting) >= num_rows:
            yield waiting[:num_rows].combine_chunks()
            waiting = waiting[num_rows:]
    if waiting is not None and len(waiting):
        yield waiting.combine_chunks()


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives another name to write to, and moves it to `path` at the end; after an error nothing is left of it."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def require_output(path: pathlib.Path) -> None:
    """Raises InputError unless a file of this name can be written."""
    if path.suffix not in WRITERS:
        raise InputError(f"--output={path}: must end in {' or '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise InputError(f"--output={path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise InputError(f"--output={path}: is a folder; name a file")


def read_user_ids(path: pathlib.Path, recommender: Recommender) -> pd.Index:
    """The user ids of a text file, one on each line; empty lines and repeated ids count once.

    Raises InputError naming the line that is no id of the data's kind.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; write one user id on each line") from None
    users = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                users.append(recommender.run.users.parse(line.strip()))
            except InputError as error:
                raise InputError(f"{path}:{number}: {error}") from None
    if not users:
        raise InputError(f"{path}: no user ids; write one on each line")
    return pd.Index(users).unique()
