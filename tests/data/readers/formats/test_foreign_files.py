"""Checks what is said of files that no reader takes."""

import gzip
import io
import pickle

import numpy as np
import pytest
from helpers.input_files import refusal_by, rows, write_file, write_zip

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.readers.tables.features_file import read_features
from movierec_jax.data.schema import MOVIE_ID


def npy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 3)))
    return stream.getvalue()


FILES = {
    "pickle of protocol 0": (pickle.dumps({"a": [1]}, protocol=0), "a pickle; pickles are never loaded"),
    "pickle": (pickle.dumps({"a": [1]}), "a pickle; pickles are never loaded"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an Excel workbook (.xls) or other old Office file; save"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document; save its table as CSV"),
    "page": (b"\n<!DOCTYPE html>\n<html>", "a web page, as a download without its login leaves"),
    "page with a mark": (b"\xef\xbb\xbf<HTML><body>", "a web page"),
    "XML": (b'<?xml version="1.0"?><ratings/>', "an XML file; save"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0", "an image; save"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive; unpack it"),
    "RAR": (b"Rar!\x1a\x07\1\0", "a RAR archive; unpack it"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file; write the table as CSV or Parquet"),
    "NumPy": (npy_bytes(), "a NumPy array; write it as CSV"),
    "Feather": (b"ARROW1\0\0\xff\xff", "an Arrow (Feather) file; write the table as Parquet"),
    "DuckDB": (b"\1\2\3\4\5\6\7\1DUCK\x40\0", "a DuckDB database; write the table as Parquet"),
    "R": (b"RDX3\nX\n\0\0\0\3", "an R data file; write the table with write.csv"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", FILES)
def test_a_foreign_file_is_named_with_what_to_do(tmp_path, kind, pack):
    content, message = FILES[kind]
    assert refusal_by(read_ratings, write_file(tmp_path, pack(content), "mine")).startswith(f"mine: {message}")


@pytest.mark.parametrize("kind", ["pickle", "old Excel", "page", "NumPy"])
def test_other_tables_are_refused_with_the_same_words(tmp_path, kind):
    content, message = FILES[kind]
    path = write_file(tmp_path, content, "mine")
    assert refusal_by(lambda path: read_features(path, MOVIE_ID), path).startswith(f"mine: {message}")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"[Content_Types].xml": b"", "xl/workbook.xml": b""}, "an Excel workbook (.xlsx); save it as CSV"),
        ({"mimetype": b"", "META-INF/manifest.xml": b""}, "an OpenDocument file"),
        ({"model/data.pkl": b"", "model/data/0": b""}, "a pickle of PyTorch; pickles are never loaded"),
        ({"user.npy": b"", "movie.npy": b""}, "NumPy arrays (.npz); write them as CSV"),
    ],
)
def test_a_zip_archive_of_a_program_is_told_by_its_members(tmp_path, members, message):
    assert refusal_by(read_ratings, write_zip(tmp_path / "mine", members)).startswith(f"mine: {message}")


def test_an_empty_workbook_is_named_as_such(tmp_path):
    message = refusal_by(read_ratings, write_file(tmp_path, b"", "mine.xlsx"))
    assert message.startswith("mine.xlsx: an empty file with the name of a workbook; save it as CSV")


@pytest.mark.parametrize("header", ["ORCID,movie,rating,user", "RIFF,user,movie,rating", "movie,user,rating,(dp0"])
def test_text_that_begins_like_a_foreign_file_is_read(tmp_path, header):
    path = write_file(tmp_path, f"{header}\n" + "1,2,3,4\n")
    assert len(rows(read_ratings(path).ratings)) == 1


def test_text_with_the_name_of_a_workbook_is_read(tmp_path):
    path = write_file(tmp_path, "user\tmovie\trating\n7\t8\t4\n", "mine.xls")
    assert rows(read_ratings(path).ratings) == [(7, 8, 4.0)]
