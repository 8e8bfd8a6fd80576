"""Columns of any file with named columns, of any length, in any encoding, with the line of what cannot be read."""

import csv
import gzip
import io
import pathlib

import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers.input_files import refusal_by, write_file

from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.tables.table_file import read_columns, read_header
from movierec_jax.data.readers.text.delimited import ROWS_AT_ONCE
from movierec_jax.errors import InputError

# More than the csv module takes by default.
LONG = "long words " * 20_000


def read(path: pathlib.Path, *names: str) -> dict[str, list]:
    with local_file(path) as file:
        columns = read_columns(read_header(file, {"text"}, "texts"), names)
    return {name: values.to_pylist() for name, values in columns.by_name.items()}


def refusal(path: pathlib.Path) -> str:
    return refusal_by(lambda path: read(path, "text"), path)


def test_only_requested_columns_are_read_in_their_order(tmp_path):
    assert read(write_file(tmp_path, "a,text,b\n1,x,2\n", "a.csv"), "b", "text") == {"b": ["2"], "text": ["x"]}


def test_a_separator_that_gives_known_names_comes_before_one_that_gives_many(tmp_path):
    assert read(write_file(tmp_path, "text;a,b,c\nx;1\n", "a.csv"), "text") == {"text": ["x"]}


@pytest.mark.parametrize("content", [f'text,n\n"{LONG}",1\n', f"n\ttext\n1\t{LONG}\n", f"text::n\n{LONG}::1\n"])
def test_a_field_may_be_longer_than_the_csv_module_takes(tmp_path, content):
    limit = csv.field_size_limit()
    assert read(write_file(tmp_path, content, "a.csv"), "text", "n") == {"text": [LONG.strip()], "n": ["1"]}
    assert csv.field_size_limit() == limit


def test_a_header_may_be_longer_than_the_csv_module_takes(tmp_path):
    assert read(write_file(tmp_path, f'"{LONG}",text\n1,x\n', "a.csv"), "text") == {"text": ["x"]}


def test_many_rows_come_whole_and_in_order(tmp_path):
    num_rows = 2 * ROWS_AT_ONCE + 1
    path = write_file(tmp_path, "text\n" + "".join(f"{row}\n" for row in range(num_rows)), "a.csv")
    assert read(path, "text")["text"] == [str(row) for row in range(num_rows)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_an_encoding_may_show_late(tmp_path, encoding):
    content = f"text\n{LONG * 6}\ncafé\n".encode(encoding)
    for path in (write_file(tmp_path, content, "a.csv"), write_file(tmp_path, gzip.compress(content), "a.csv.gz")):
        assert read(path, "text")["text"][1] == "café"


def test_emoji_quotes_line_ends_and_late_nul_bytes_are_text(tmp_path):
    content = f'n,text\r\n1,"a ""b""\r\nc"\r\n2,🎬 ok\r\n3,{LONG}\r\n4,a\0b\r\n'
    assert read(write_file(tmp_path, content, "a.csv"), "text")["text"] == ['a "b"\r\nc', "🎬 ok", LONG.strip(), "a\0b"]


def test_a_quote_that_is_not_closed_is_named_at_the_start_of_its_record(tmp_path):
    assert refusal(write_file(tmp_path, 'text,n\n"x",1\n"y,2\nz,3\n' + "z,3\n" * 9, "a.csv")) == (
        "a.csv:3: unexpected end of data; a quote within a quoted field is written twice"
    )
    assert refusal(write_file(tmp_path, 'text,n\n"x",1\n"y,2\nz,3\n"z,3\n', "a.csv")).startswith(
        "a.csv:3: ',' expected after"
    )


def test_quotes_are_text_where_every_line_is_a_row_without_them(tmp_path):
    header = read_header(
        write_file(tmp_path, 'text,n\nx,1\n"Crocodile" Dundee,2\nThe 5" film,3\n"y,4\n', "a.csv"), {"text"}, "text"
    )
    columns = read_columns(header, ["text"])
    assert columns.by_name["text"].to_pylist() == ["x", '"Crocodile" Dundee', 'The 5" film', '"y']
    assert columns.notes == ("quotation marks are read as text: that of line 3 is not closed",)


def test_rows_are_named_by_line_in_text_and_by_row_in_parquet(tmp_path):
    pyarrow.parquet.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    for path, where in [(write_file(tmp_path, "\ntext\na\n\nb\n", "a.csv"), ":5"), (tmp_path / "a.parquet", ": row 2")]:
        assert read_columns(read_header(path, {"text"}, ""), ["text"]).where(1) == f"{path}{where}"


def test_parquet_that_is_cut_or_holds_invalid_text_is_refused(tmp_path):
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"text": ["abcd" * 9]}), stream, compression="none", use_dictionary=False)
    good = stream.getvalue()
    for content in (good[:-9], good.replace(b"abcdabcd", b"abc\xffabcd"), good[: len(good) // 2]):
        assert refusal(write_file(tmp_path, content, "a.csv")).startswith("a.csv: cannot be read as Parquet: ")


def test_errors_name_a_url():
    with (
        pytest.raises(InputError, match=r"memory://nothing/a\.csv: there is nothing"),
        local_file("memory://nothing/a.csv"),
    ):
        pass
