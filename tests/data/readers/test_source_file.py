"""Checks that the first bytes of a file, not its name, tell how it is packed."""

import bz2
import gzip
import lzma

import pyarrow as pa
import pytest
from helpers.input_files import parquet_bytes, refusal_by, rows, write_file

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.tables.links_file import read_links

TEXT = b"user,movie,rating\n" + b"".join(b"%d,%d,4\n" % (n % 90, n) for n in range(5000))

PACKERS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    "lz4": lambda content: pa.compress(content, codec="lz4", asbytes=True),
}


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.csv.gz", "ratings"])
@pytest.mark.parametrize("packer", PACKERS)
def test_packed_text_is_read_whole_under_any_name(tmp_path, packer, name):
    path = write_file(tmp_path, PACKERS[packer](TEXT), name)
    expected = [(n % 90, n, 4.0) for n in range(5000)]
    assert rows(read_ratings(path).ratings) == expected


@pytest.mark.parametrize("packer", ["gzip", "bz2", "xz", "zstd"])
def test_packed_pieces_after_each_other_are_one_text(tmp_path, packer):
    pack = PACKERS[packer]
    path = write_file(tmp_path, pack(TEXT) + pack(b"7,8,3\n"))
    assert rows(read_ratings(path).ratings)[-2:] == [(4999 % 90, 4999, 4.0), (7, 8, 3.0)]


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_file_cut_short_is_refused(tmp_path, packer):
    path = write_file(tmp_path, PACKERS[packer](TEXT)[:-30], "mine.csv")
    assert refusal_by(read_ratings, path).startswith("mine.csv: cannot be read")


@pytest.mark.parametrize("packer", PACKERS)
def test_packed_parquet_is_read(tmp_path, packer):
    path = write_file(tmp_path, PACKERS[packer](parquet_bytes(user=[1], movie=["x"], rating=[4.5])), "mine")
    assert rows(read_ratings(path).ratings) == [(1, "x", 4.5)]


@pytest.mark.parametrize("packer", PACKERS)
def test_other_tables_may_be_packed_too(tmp_path, packer):
    path = write_file(tmp_path, PACKERS[packer](b"movieId,imdbId\n7,tt0114709\n"), "links.csv")
    assert read_links(path).imdb_id.tolist() == [114709]
