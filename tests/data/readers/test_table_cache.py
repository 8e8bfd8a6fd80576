"""What is kept of large files, and that it is never anything else than what reading them again would give."""

import gzip
import os
import pathlib
import resource
import zipfile

import pandas as pd
import pyarrow as pa
import pytest

from movierec_jax.data.readers import table_cache
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.table_cache import BLOCK_BYTES, CACHED_FROM_BYTES, file_digest, through_cache
from movierec_jax.errors import InputError

TABLE = pa.table({"user_id": pa.array([7, None, 9]), "movie_id": ["a", None, "é"], "rating": pa.array([4.5, 2, None])})
HEADER = b"userId,movieId,rating,timestamp\n"
ROW = b"7,8,4.5,1147880044\n"


class Reader:
    """Gives a table, and counts how often."""

    def __init__(self, table: pa.Table = TABLE):
        self.table = table
        self.num_reads = 0

    def __call__(self) -> pa.Table:
        self.num_reads += 1
        return self.table


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"7,8,4.5\n")
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def large_file(tmp_path):
    """A ratings file that is just large enough to be kept."""
    path = tmp_path / "large.csv"
    path.write_bytes(HEADER + ROW * (CACHED_FROM_BYTES // len(ROW)))
    return path


def entries(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*"))


def test_the_same_file_is_read_once(source, folder):
    reader = Reader()
    tables = [through_cache(folder, source, "csv", reader) for _ in range(3)]
    assert reader.num_reads == 1
    assert all(table.equals(TABLE) for table in tables)


def test_a_file_is_recognised_by_its_content_at_any_path_and_time(source, folder, tmp_path):
    reader = Reader()
    through_cache(folder, source, "csv", reader)
    copy = tmp_path / "copy"
    copy.write_bytes(source.read_bytes())
    os.utime(copy, (1, 1))
    through_cache(folder, copy, "csv", reader)
    assert reader.num_reads == 1


def test_other_content_of_the_same_length_and_time_is_read(source, folder):
    through_cache(folder, source, "csv", Reader())
    before = source.stat()
    source.write_bytes(b"7,8,5.0\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    other = Reader(TABLE.slice(1))
    assert through_cache(folder, source, "csv", other).equals(TABLE.slice(1))
    assert other.num_reads == 1


def test_the_same_content_read_in_another_way_is_another_table(source, folder):
    through_cache(folder, source, "csv", Reader())
    other = Reader(TABLE.slice(1))
    assert through_cache(folder, source, "tsv", other).equals(TABLE.slice(1))


def test_a_file_that_changes_while_it_is_read_is_not_kept(source, folder):
    def read():
        source.write_bytes(b"7,8,5.0\n")
        return TABLE

    assert through_cache(folder, source, "csv", read).equals(TABLE)
    assert entries(folder) == []


@pytest.mark.parametrize("position", [0, 8, 0.5, -1])
def test_an_entry_with_one_wrong_byte_is_made_anew(source, folder, position):
    through_cache(folder, source, "csv", Reader())
    (entry,) = entries(folder)
    content = bytearray(entry.read_bytes())
    content[int(position * len(content)) if isinstance(position, float) else position] ^= 1
    entry.write_bytes(content)
    reader = Reader()
    assert through_cache(folder, source, "csv", reader).equals(TABLE)
    assert through_cache(folder, source, "csv", reader).equals(TABLE)
    assert (reader.num_reads, len(entries(folder))) == (1, 1)


@pytest.mark.parametrize("length", [0, 100])
def test_an_entry_that_is_cut_short_is_made_anew(source, folder, length):
    through_cache(folder, source, "csv", Reader())
    (entry,) = entries(folder)
    os.truncate(entry, length)
    reader = Reader()
    assert through_cache(folder, source, "csv", reader).equals(TABLE)
    assert (reader.num_reads, len(entries(folder))) == (1, 1)


def test_an_entry_of_another_file_is_not_taken_for_this_one(source, folder):
    through_cache(folder, source, "csv", Reader())
    (entry,) = entries(folder)
    source.write_bytes(b"1,2,3\n")
    through_cache(folder, source, "csv", Reader(TABLE.slice(1)))
    (other,) = set(entries(folder)) - {entry}
    other.write_bytes(entry.read_bytes())
    reader = Reader(TABLE.slice(1))
    assert through_cache(folder, source, "csv", reader).equals(TABLE.slice(1))
    assert reader.num_reads == 1


def test_no_entry_is_left_half_written_by_a_full_disk(source, folder):
    large = Reader(pa.table({"user_id": pa.array(range(10_000))}))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        table = through_cache(folder, source, "csv", large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert table.equals(large.table)
    assert entries(folder) == []


def test_where_no_folder_can_be_made_nothing_is_kept_and_nothing_fails(source):
    reader = Reader()
    for _ in range(2):
        assert through_cache(source / "cache", source, "csv", reader).equals(TABLE)
    assert reader.num_reads == 2


def test_errors_of_reading_are_raised_and_not_kept(source, folder):
    def refuse():
        raise InputError("no ratings")

    with pytest.raises(InputError, match="no ratings"):
        through_cache(folder, source, "csv", refuse)
    assert entries(folder) == []


def test_beyond_the_limit_the_least_recently_used_entry_is_removed(source, folder):
    def read(content: bytes, limit: int) -> int:
        source.write_bytes(content)
        reader = Reader()
        through_cache(folder, source, "csv", reader, limit)
        return reader.num_reads

    read(b"a", 2**20)
    size = entries(folder)[0].stat().st_size
    read(b"b", 2**20)
    for entry, used in zip(entries(folder), (1, 2), strict=True):
        os.utime(entry, (used, used))
    assert read(b"a", 2**20) == 0
    assert read(b"c", 2 * size) == 1
    assert (read(b"a", 2 * size), read(b"c", 2 * size)) == (0, 0)
    assert read(b"b", 2 * size) == 1


def test_partial_files_of_a_killed_process_count_and_are_removed_too(source, folder):
    folder.mkdir()
    (folder / "x.arrow.partial").write_bytes(bytes(1000))
    os.utime(folder / "x.arrow.partial", (1, 1))
    through_cache(folder, source, "csv", Reader(), limit=TABLE.nbytes + 1000)
    assert [entry.suffix for entry in entries(folder)] == [".arrow"]


def test_a_table_beyond_the_limit_is_not_kept(source, folder):
    through_cache(folder, source, "csv", Reader(), limit=TABLE.nbytes - 1)
    assert entries(folder) == []


def test_files_of_others_in_the_folder_stay(source, folder):
    folder.mkdir()
    (folder / "notes.txt").write_bytes(bytes(1000))
    through_cache(folder, source, "csv", Reader(), limit=TABLE.nbytes)
    assert (folder / "notes.txt").exists()


def test_every_byte_of_a_file_of_several_blocks_counts_and_so_does_their_order(source):
    content = bytearray(b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES + b"c")
    digests = set()
    for position in (None, 0, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES):
        changed = bytearray(content)
        if position is not None:
            changed[position] ^= 1
        source.write_bytes(changed)
        digests.add(file_digest(source))
    source.write_bytes(content[BLOCK_BYTES : 2 * BLOCK_BYTES] + content[:BLOCK_BYTES] + b"c")
    assert len(digests | {file_digest(source)}) == 6


def test_ratings_of_a_large_file_are_the_same_from_the_cache(large_file, folder):
    expected = read_ratings(large_file)
    for _ in range(2):
        pd.testing.assert_frame_equal(read_ratings(large_file, folder).ratings, expected.ratings)
        assert len(entries(folder)) == 1


@pytest.mark.parametrize("rows", [b"a,,4.5,2001-01-01\n", b"7,,,1.5\n", b",8,good,\n"])
def test_missing_values_and_text_are_the_same_from_the_cache(tmp_path, folder, rows):
    path = tmp_path / "large.csv"
    path.write_bytes(HEADER + ROW * (CACHED_FROM_BYTES // len(ROW)) + rows)
    expected = read_ratings(path)
    for _ in range(2):
        pd.testing.assert_frame_equal(read_ratings(path, folder).ratings, expected.ratings)


def test_the_table_from_the_cache_is_mapped_and_cannot_be_changed(large_file, folder):
    for _ in range(2):
        ratings = read_ratings(large_file, folder).ratings
        with pytest.raises(ValueError, match="read-only"):
            ratings.loc[0, "rating"] = 2


def test_a_packed_file_and_a_member_of_an_archive_are_kept_too(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("movierec_jax.data.readers.ratings_file.CACHED_FROM_BYTES", 1)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(HEADER + ROW))
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("ml-25m/ratings.csv", HEADER + ROW * 2)
    for name, num_rows, num_entries in (("packed.csv.gz", 1, 1), ("ml.zip", 2, 2)):
        for _ in range(2):
            assert len(read_ratings(tmp_path / name, folder).ratings) == num_rows
            assert len(entries(folder)) == num_entries


def test_a_small_file_is_not_kept(source, folder):
    read_ratings(source, folder)
    assert entries(folder) == []


def test_a_large_file_that_is_refused_is_refused_each_time_with_its_line(large_file, folder):
    with large_file.open("ab") as stream:
        stream.write(b"7,8\n")
    line = CACHED_FROM_BYTES // len(ROW) + 2
    for _ in range(2):
        with pytest.raises(InputError, match=f":{line}: 2 columns; line 1 has 4, split by ','"):
            read_ratings(large_file, folder)
    assert entries(folder) == []


def test_an_entry_of_another_format_is_read_anew(source, folder, monkeypatch):
    through_cache(folder, source, "csv", Reader())
    monkeypatch.setattr(table_cache, "FORMAT", table_cache.FORMAT + 1)
    reader = Reader()
    through_cache(folder, source, "csv", reader)
    assert reader.num_reads == 1
