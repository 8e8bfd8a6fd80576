"""Tells files that were built to exhaust memory from large ones, by how much they grow when they are read."""

import pathlib

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from movierec_jax.errors import InputError

# What grows beyond this is refused where it also grows this many times: tables of ratings and films grow 5 to 30 times,
# and what is built to exhaust a machine 1,000 times and more.
MAX_UNPACKED_BYTES, MAX_GROWTH = 2**28, 100


def most_unpacked_bytes(size: int) -> int:
    """Returns the most bytes that a file of `size` bytes may become."""
    return max(MAX_UNPACKED_BYTES, MAX_GROWTH * size)


def require_moderate(source: pathlib.Path | pa.BufferReader, size: int, where: str) -> None:
    """Raises InputError for a Parquet file of `size` bytes whose table would take far more memory than tables do.

    A column of one value, or a long text that many rows repeat, takes next to nothing in the file, and all of it in
    memory.
    """
    limit = most_unpacked_bytes(size)
    if memory_needed(source) > limit:
        raise InputError(
            f"{where}: its table may take more than {limit >> 20:,} MiB, {MAX_GROWTH} times the file; tables of "
            "ratings never do. If it is right, write it as several files"
        )


def memory_needed(source: pathlib.Path | pa.BufferReader) -> int:
    """Returns how many bytes the table of a Parquet file takes in memory at most, nested columns aside."""
    about = pyarrow.parquet.read_metadata(source)
    columns = [about.schema.column(index) for index in range(about.num_columns)]
    texts = [column.name for column in columns if column.physical_type == "BYTE_ARRAY" and column.path == column.name]
    needed = 8 * about.num_rows * about.num_columns
    # Distinct texts come as they stand in the file, once for each group of rows.
    with pyarrow.parquet.ParquetFile(source, read_dictionary=texts) as file:
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            needed += sum(group.column(index).total_uncompressed_size for index in range(about.num_columns))
            for name in texts:
                first = next(file.iter_batches(1, [number], [name]), None)
                if first is not None and pa.types.is_dictionary(first.column(0).type):
                    lengths = pyarrow.compute.binary_length(first.column(0).dictionary)
                    needed += group.num_rows * (pyarrow.compute.max(lengths).as_py() or 0)
    return needed
