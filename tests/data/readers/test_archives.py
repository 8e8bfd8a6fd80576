"""Checks zip and tar archives, as people and programs of several systems make them."""

import bz2
import gzip
import io
import lzma
import pathlib
import tarfile
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from helpers.input_files import refusal_by, rows, write_file, write_folder, write_zip
from helpers.movielens import ML_1M, ML_CSV

from movierec_jax.data.readers.ratings import read_ratings

ONE_TABLE = {"any name.csv": b"user,movie,rating\n7,8,4\n"}

MAC = {"__MACOSX/ml/._ratings.csv": b"\0\5\x16\7", "ml/.DS_Store": b"\0\0\0\1Bud1", "__MACOSX/._ml": b"\0\5\x16\7"}


def tar_bytes(files: dict[str, bytes], folder: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(folder + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def zip_bytes(files: dict[str, bytes], folder: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return stream.getvalue()


ARCHIVES = {
    "zip": zip_bytes,
    "tar": tar_bytes,
    "tar.gz": lambda *files: gzip.compress(tar_bytes(*files)),
    "tar.bz2": lambda *files: bz2.compress(tar_bytes(*files)),
    "tar.xz": lambda *files: lzma.compress(tar_bytes(*files)),
    "tar.zst": lambda *files: pa.compress(tar_bytes(*files), codec="zstd", asbytes=True),
}

every_kind = pytest.mark.parametrize("kind", ARCHIVES)


def write_archive(folder: pathlib.Path, kind: str, files: dict[str, bytes], inner: str = "") -> pathlib.Path:
    return write_file(folder, ARCHIVES[kind](files, inner), f"mine.{kind}")


@every_kind
@pytest.mark.parametrize("inner", ["", "ml/", "ml\\", "./", "some/where/deep/"])
def test_an_edition_in_an_archive_is_read_as_its_folder(tmp_path, kind, inner):
    path = write_archive(tmp_path, kind, ML_CSV | {"README.txt": b"read me"}, inner)
    data, expected = read_ratings(path), read_ratings(write_folder(tmp_path / "ml", ML_CSV))
    for table in ("ratings", "movies", "tags", "links"):
        pd.testing.assert_frame_equal(getattr(data, table), getattr(expected, table))
    assert (data.source, data.rating_scale, data.notes) == (f"MovieLens CSV in {path}", (0.5, 5), ())


@every_kind
def test_what_macos_adds_is_left_out(tmp_path, kind):
    files = {f"ml/{name}": content for name, content in ML_CSV.items()}
    assert len(read_ratings(write_archive(tmp_path, kind, MAC | files)).movies) == 3


@every_kind
def test_the_only_table_is_read_under_any_name(tmp_path, kind):
    path = write_archive(tmp_path, kind, ONE_TABLE | {"README.md": b"read me", "LICENSE": b"a, b, c"}, "data/")
    data = read_ratings(path)
    assert rows(data.ratings) == [(7, 8, 4.0)]
    assert data.notes == (f"{path}: the ratings are data/any name.csv",)
    assert data.source == f"data/any name.csv in {path}"


@every_kind
def test_the_only_table_with_ratings_is_taken_from_several(tmp_path, kind):
    books = {
        "BX-Books.csv": b"ISBN;Title\n0195153448;Classical Mythology\n",
        "BX-Users.csv": b"User-ID;Location;Age\n1;nyc, new york, usa;NULL\n",
        "BX-Ratings.csv": b"User-ID;item;rating\n7;8;4\n",
    }
    assert rows(read_ratings(write_archive(tmp_path, kind, books)).ratings) == [(7, 8, 4.0)]


@every_kind
def test_of_several_tables_of_ratings_one_must_be_named(tmp_path, kind):
    path = write_archive(tmp_path, kind, {"a/x.csv": b"user,movie,rating\n7,8,4\n", "a/y.csv": b"1,2,3\n"})
    message = "several files could hold the ratings: a/x.csv, a/y.csv; unpack it and name one of them"
    assert refusal_by(read_ratings, path) == f"{path.name}: {message}"


@every_kind
def test_editions_in_several_folders_are_refused(tmp_path, kind):
    path = write_archive(tmp_path, kind, {"a/ratings.csv": ML_CSV["ratings.csv"], "b/u.data": b"1\t2\t3\t4\n"})
    assert refusal_by(read_ratings, path).startswith(f"{path.name}: ratings in several folders: a, b; unpack it")


@every_kind
def test_a_broken_member_is_named_within_the_archive(tmp_path, kind):
    path = write_archive(tmp_path, kind, ML_1M | {"ratings.dat": b"1::2::3::4\n1::2\n"}, "ml-1m/")
    message = "/ml-1m/ratings.dat:2: 2 columns; a MovieLens 1M file has 4, split by '::'"
    assert refusal_by(read_ratings, path) == f"{path.name}{message}"


@every_kind
def test_a_note_names_the_member_within_the_archive(tmp_path, kind):
    path = write_archive(tmp_path, kind, ONE_TABLE | {"movies.csv": b"a,b\n1,2\n"})
    assert read_ratings(path).notes[1].startswith(f"movies.csv beside the ratings is not read: {path}/movies.csv:1: ")


@every_kind
def test_an_archive_cut_short_is_refused(tmp_path, kind):
    path = write_archive(tmp_path, kind, ML_CSV)
    path.write_bytes(path.read_bytes()[: -min(400, path.stat().st_size // 2)])
    if kind != "tar":  # Its end is padding.
        assert refusal_by(read_ratings, path).startswith(f"{path.name}: cannot be read: ")


def test_an_archive_within_a_folder_or_archive_is_read_if_it_is_alone(tmp_path):
    inner = zip_bytes(ONE_TABLE)
    assert len(read_ratings(write_folder(tmp_path / "a", {"x.zip": inner, "README": b""})).ratings) == 1
    assert len(read_ratings(write_zip(tmp_path / "b.zip", {"x.zip": inner})).ratings) == 1


def test_a_member_with_a_password_is_refused(tmp_path):
    content = bytearray(zip_bytes(ONE_TABLE))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + offset] |= 1  # the flag of a member that needs a password
    message = refusal_by(read_ratings, write_file(tmp_path, bytes(content), "mine.zip"))
    assert "is encrypted, password required" in message


@pytest.mark.parametrize("name", ["../evil.csv", "/tmp/evil.csv", "a/../../evil.csv"])
def test_a_member_outside_a_tar_archive_is_refused(tmp_path, name):
    path = write_file(tmp_path, tar_bytes({name: b"1,2,3\n"}), "a.tar")
    assert refusal_by(read_ratings, path).startswith(f"a.tar: a member {name!r} outside the archive")


def test_links_in_a_tar_archive_are_left_out(tmp_path):
    write_file(tmp_path, b"1,2,3\n", "secret.csv")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("ratings.csv")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.csv")
        archive.addfile(link)
    assert refusal_by(read_ratings, tmp_path / "a.tar").startswith("a.tar: no ratings; found nothing")
