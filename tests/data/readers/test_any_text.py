"""Writes tables of any text, in any of the usual ways, and reads them back: each value as it was, or a refusal."""

import csv
import datetime
import io
import os
import re

import pandas as pd
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.values.rating_values import parse_rating_values
from movierec_jax.data.values.times import parse_times
from movierec_jax.errors import InputError

# Letters that some encoding, separator or quote makes difficult, among plain ones.
LETTERS = "ab01 \"'’,;:|\t\n\r-#=.%éß日"

TEXT = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)
IDS = st.one_of(TEXT, st.integers(-(2**63), 2**64).map(str), st.sampled_from(["007", "7", "NA", "null", "1.0", "é"]))

DATES = {
    "epochs": lambda time: str(int(time.timestamp())),
    "milliseconds": lambda time: str(int(time.timestamp() * 1000)),
    "ISO": lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "ISO with a blank": lambda time: time.strftime("%Y-%m-%d %H:%M:%S"),
    "European": lambda time: time.strftime("%d.%m.%Y %H:%M:%S"),
    "American": lambda time: time.strftime("%m/%d/%Y %H:%M:%S"),
    "ctime": lambda time: time.strftime("%a %b %d %H:%M:%S +0000 %Y"),
}

TIMES = st.integers(10**9, 2 * 10**9).map(lambda second: datetime.datetime.fromtimestamp(second, datetime.UTC))

ROWS = st.lists(
    st.tuples(IDS, IDS, st.integers(1, 10).map(lambda halves: halves / 2), TIMES, TEXT), min_size=1, max_size=30
)


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("ANY_TEXT_EXAMPLES", "100")), deadline=None)
@given(
    rows=ROWS,
    style=st.sampled_from(list(DATES)),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    has_comma=st.booleans(),
)
def test_any_table_is_read_as_it_was_written_or_refused(
    tmp_path_factory, rows, style, separator, encoding, line_end, quoting, has_comma
):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=line_end)
    writer.writerow(["userId", "movieId", "rating", "timestamp", "comment"])
    for user, movie, rating, time, title in rows:
        written = f"{rating:.1f}".replace(".", "," if has_comma else ".")
        writer.writerow([user, movie, written, DATES[style](time), title])
    try:
        content = stream.getvalue().encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        found = read_ratings(path).ratings
        ratings, times = parse_rating_values(found["rating"]).rating, parse_times(found["timestamp"])
    except InputError as error:
        event(f"refused: {str(error).split(':', 2)[-1][:40]}")
        return
    event("read")
    for column, place in (("user_id", 0), ("movie_id", 1)):
        ids = [None if pd.isna(one) else str(one) for one in found[column]]
        assert ids == [as_read(row[place], [row[place] for row in rows]) for row in rows]
    assert ratings.tolist() == [row[2] for row in rows]
    assert times.seconds.tolist() == [int(row[3].timestamp()) for row in rows]


def as_read(written: str, column: list[str]) -> str | None:
    """Returns an id as it is read: in a column of integers, as pandas writes them, without ".0", and "NA" missing."""
    is_missing = [text.lower() in ("na", "null") for text in column]
    numbers = [text for text, missing in zip(column, is_missing, strict=True) if not missing]
    plain = [text.removesuffix(".0") for text in numbers]
    is_integer = all(re.fullmatch("0|-?[1-9][0-9]*", text) for text in plain)
    if not is_integer or not all(-(2**63) <= int(text) < 2**63 for text in plain):
        return written
    return None if written.lower() in ("na", "null") else written.removesuffix(".0")
