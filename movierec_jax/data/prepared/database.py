"""The tables that ratings pass through out of core, in DuckDB: on disk, beside the dataset that is being written.

raw     the ratings as the files have them, numbered from 0 in their order
judged  a view of raw: ratings as numbers, and the reason, if any, for dropping each
kept    the usable ratings, with codes for ids, in the order of the files
"""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from movierec_jax.errors import InputError
from movierec_jax.packages import import_extra

# Rows that pass through Python at a time.
STREAM_ROWS = 1 << 20


class Database:
    """A DuckDB database in a folder, which is to be removed after it.

    Reads and writes at the same time go through two connections, of which one sees what the other has finished.
    """

    def __init__(self, folder: pathlib.Path, memory_limit: str):
        duckdb = import_extra("duckdb", "prepare")
        settings = {"memory_limit": memory_limit, "temp_directory": str(folder / "spilled")}
        try:
            self.reader = duckdb.connect(str(folder / "ratings.duckdb"), config=settings)
        except (duckdb.InvalidInputException, duckdb.ParserException) as error:
            raise InputError(f"--memory_limit={memory_limit}: {error}") from None
        self.writer = self.reader.cursor()

    def close(self) -> None:
        """Closes the database."""
        self.writer.close()
        self.reader.close()

    def run(self, sql: str) -> None:
        """Runs a statement."""
        self.writer.execute(sql)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Adds rows to the end of a table, which is made if it is missing."""
        self.writer.register("rows", rows)
        self.writer.execute(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM rows LIMIT 0")
        self.writer.execute(f"INSERT INTO {table} SELECT * FROM rows")
        self.writer.unregister("rows")

    def query(self, sql: str) -> pa.Table:
        """Returns the whole result of a query that has a small one."""
        return self.reader.sql(sql).to_arrow_table()

    def row(self, sql: str) -> Sequence[Any]:
        """Returns the only row of a result."""
        return self.reader.sql(sql).fetchall()[0]

    def stream(self, sql: str) -> Iterator[pa.Table]:
        """Yields the result of a query in batches; without joins and groups in the order of the table."""
        batches, num_rows = [], 0
        for batch in self.reader.sql(sql).to_arrow_reader(STREAM_ROWS):
            batches.append(batch)
            num_rows += len(batch)
            if num_rows >= STREAM_ROWS:
                yield pa.Table.from_batches(batches)
                batches, num_rows = [], 0
        if batches:
            yield pa.Table.from_batches(batches)
