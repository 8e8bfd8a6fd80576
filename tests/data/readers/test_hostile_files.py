"""Files that were built to exhaust memory are refused, by how much they grow, before they have grown."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movierec_jax.data import memory_limits
from movierec_jax.data.readers import source_file
from movierec_jax.data.readers.formats import json_file
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.text import delimited, text_scan
from movierec_jax.errors import InputError

HEADER, ROW = b"userId,movieId,rating,timestamp\n", b"1,2,5,1\n"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    """Limits small enough for files of a test; where they stand in a module, their value is the same elsewhere."""
    monkeypatch.setattr(memory_limits, "MAX_UNPACKED_BYTES", 2**20)
    for module in (source_file, delimited, text_scan, json_file):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 2**20)


def growing(num_rows: int) -> bytes:
    return HEADER + ROW * num_rows


def in_zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("ratings.csv", content)
    return stream.getvalue()


def in_tar(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("ratings.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


PACKED = {"a.csv.gz": gzip.compress, "a.zip": in_zip, "a.tar.gz": in_tar}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_file_that_grows_too_much_is_refused_and_a_smaller_one_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(PACKED[name](growing(2**18)))
    assert path.stat().st_size < 2**14
    with pytest.raises(
        InputError, match=rf"{name}.*: unpacks to more than 1 MiB, 100 times its size; tables of .*If it"
    ):
        read_ratings(str(path))
    path.write_bytes(PACKED[name](growing(2**10)))
    assert len(read_ratings(str(path)).ratings) == 2**10


def parquet(**columns) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, store_schema=False)
    return stream.getvalue()


def test_a_parquet_file_of_few_bytes_and_many_rows_is_refused(tmp_path):
    ones = np.ones(10**6, np.int8)
    (tmp_path / "a.parquet").write_bytes(parquet(user=ones, movie=ones, rating=ones))
    with pytest.raises(InputError, match=r"a\.parquet: its table may take more than 1 MiB, 100 times the file"):
        read_ratings(str(tmp_path / "a.parquet"))


def test_a_parquet_file_whose_rows_repeat_a_long_text_is_refused_and_one_with_short_texts_is_read(tmp_path):
    def write(length):
        users = pa.array(["x" * length + str(n % 2) for n in range(2000)]).dictionary_encode()
        content = parquet(user=users, movie=np.arange(2000) % 50, rating=np.arange(2000) % 5)
        (tmp_path / "a.parquet").write_bytes(content)

    write(50_000)
    with pytest.raises(InputError, match=r"a\.parquet: its table may take more than"):
        read_ratings(str(tmp_path / "a.parquet"))
    write(50)
    assert len(read_ratings(str(tmp_path / "a.parquet")).ratings) == 2000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (growing(3) + b"1," + b"7" * 2**21 + b",5,1\n", r"a\.csv:5: a line of more than 1? ?\d* ?MiB"),
        (growing(3) + b'1,"' + b"x" * 2**21, r"a\.csv:5: a line of more than"),
        (b'[{"user": 1, "movie": 2, "rating": 5, "note": "' + b"x" * 2**22, r"a\.csv:1: a JSON object of"),
        (b'[{"user": ' + b"[" * 10**5, r"a\.csv:1: JSON nested too deep"),
    ],
    ids=["a number", "an open quote", "an object", "deep JSON"],
)
def test_an_endless_line_or_object_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_ratings(str(tmp_path / "a.csv"))
