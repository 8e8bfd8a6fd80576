"""Reads ratings of the Netflix Prize: a line "movie:" before the lines "user,rating,date" of its ratings."""

import re
from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.source_file import MAX_LINE_BYTES, AnyPath, open_bytes, overlong_error
from movierec_jax.data.readers.text.columns import to_own_pandas
from movierec_jax.data.readers.text.delimited import find_encoding, read_lines
from movierec_jax.data.schema import GENRES, MOVIE_ID, RATING, TIMESTAMP, TITLE, USER_ID
from movierec_jax.errors import InputError

TITLES_FILE = "movie_titles.csv"

# Names of files that hold a part of the ratings each, in one folder.
PART_NAME = re.compile(r"(?:combined_data_|mv_)\d+\.txt")

BEGINNING = re.compile(rb"(?:\d+:\r?\n)+\d+,[-+.\d]*,")

RATING_LINE = re.compile(rb"\s*\d+,[-+.\d]+,\d{4}-\d\d-\d\d\s*|\d+:|\s*")

# The end of a movie line, and what it becomes: no rating of a user is infinite.
LINE_ENDS = {b":\r\n": b",-inf,\r\n", b":\n": b",-inf,\n"}

TYPES = {USER_ID: pa.int64(), RATING: pa.float32(), TIMESTAMP: pa.timestamp("s")}

BLOCK_BYTES = 1 << 25


def is_netflix(head: bytes) -> bool:
    """Returns whether a file that begins with `head` is of the Netflix Prize."""
    return BEGINNING.match(head) is not None


def read_netflix(path: AnyPath) -> FileContent:
    """Reads the ratings of a file of the Netflix Prize, and the titles of movie_titles.csv beside it.

    Raises InputError with the line of anything else.
    """
    blocks: list[pd.DataFrame] = []
    movie, line = 0, 1
    with open_bytes(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            rest = stream.readline(MAX_LINE_BYTES)
            if len(rest) == MAX_LINE_BYTES:
                raise overlong_error(f"{path}:{line + block.count(10)}")
            block += rest
            rows = parse_block(path, block, line)
            is_movie = np.isneginf(rows[RATING])
            movie_ids = np.concatenate([[movie], rows.loc[is_movie, USER_ID]])
            rows = rows.assign(**{MOVIE_ID: movie_ids[np.cumsum(is_movie)]})
            blocks.append(rows[~is_movie])
            movie, line = movie_ids[-1], line + block.count(b"\n")
    ratings = pd.concat(blocks, ignore_index=True)
    if ratings.empty:
        raise InputError(f"{path}: no ratings")
    titles = cast(AnyPath, path.parent) / TITLES_FILE
    movies = read_titles(titles) if titles.is_file() else None
    note = "a file of the Netflix Prize: movie lines, then user, rating and date"
    return FileContent(ratings, (note,), movies)


def parse_block(path: AnyPath, block: bytes, line: int) -> pd.DataFrame:
    """Returns user, rating and time of each line of a block, of which `line` is the first.

    A movie line has its movie as the user, and minus infinity as the rating.
    """
    content = block + b"\n"  # the last line of a file may have no end
    for end, replacement in LINE_ENDS.items():
        content = content.replace(end, replacement)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            pyarrow.csv.ReadOptions(column_names=list(TYPES)),
            pyarrow.csv.ParseOptions(quote_char=False),
            pyarrow.csv.ConvertOptions(column_types=TYPES),
        )
    except pa.ArrowInvalid as error:
        for number, text in enumerate(block.splitlines(), start=line):
            if not RATING_LINE.fullmatch(text):
                shown = text[:80].decode(errors="replace")
                raise InputError(
                    f"{path}:{number}: {shown!r}; a file of the Netflix Prize has lines 'movie:' and "
                    "'user,rating,date', such as '1488844,3,2005-09-06'"
                ) from error
        raise InputError(f"{path}: cannot be read as a file of the Netflix Prize: {error}") from error
    return pd.DataFrame({column: to_own_pandas(table.column(column)) for column in TYPES}, copy=False)


def read_titles(path: AnyPath) -> pd.DataFrame:
    """Reads movies of movie_titles.csv: lines "id,year,title", where the title may have commas."""
    found: dict[int, str] = {}
    for line, text in read_lines(path, find_encoding(path)):
        movie_id, _, rest = text.partition(",")
        year, separator, title = rest.partition(",")
        if not separator or not movie_id.strip().isdecimal():
            raise InputError(f"{path}:{line}: {text[:80]!r}; {TITLES_FILE} has lines 'id,year,title'")
        found.setdefault(int(movie_id), f"{title.strip()} ({year})" if year.isdecimal() else title.strip())
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(list(found), dtype="int64"),
            TITLE: pd.Series(list(found.values()), dtype="str"),
            GENRES: pd.Series("", index=range(len(found)), dtype="str"),
        }
    )
