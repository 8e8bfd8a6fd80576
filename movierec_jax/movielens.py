"""Every MovieLens edition, and any CSV, TSV or Parquet file of ratings -> `RawData`, before any row is judged.

`read_ratings` is the entrance. Each published edition of MovieLens is one entry of `EDITIONS`, at the end.
"""

import contextlib
import csv
import dataclasses
import gzip
import io
import itertools
import lzma
import os
import pathlib
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from movierec_jax.schema import GENRES, MOVIE_ID, RATING, TIMESTAMP, TITLE, USER_ID, InputError, RawData

# On disk or inside an archive; a zipfile.Path reads as "ml-1m.zip/ml-1m/ratings.dat" in messages.
AnyPath = pathlib.Path | zipfile.Path
# Line of the file, movie id, title, genres joined by "|".
MovieRow = tuple[int, str, str, str]

# What the columns of any ratings file may be called, in lower case and without spaces, "_" and "-".
USER_NAMES = "user userid uid customer customerid custid reviewer reviewerid member memberid profile profileid"
MOVIE_NAMES = "movie movieid mid item itemid iid film filmid titleid asin product productid imdb imdbid"
RATING_NAMES = "rating ratings stars starrating score overall value"
TIME_NAMES = "timestamp time ts unixreviewtime date datetime ratedat ratingdate ratingtime ratingtimestamp createdat"
SPELLINGS = {
    USER_ID: USER_NAMES.split(),
    MOVIE_ID: MOVIE_NAMES.split(),
    RATING: RATING_NAMES.split(),
    TIMESTAMP: TIME_NAMES.split(),
}
# The types that a column may have, the usual one first; the first that holds every value is taken.
COLUMN_TYPES = {
    USER_ID: (pa.int64(), pa.string()),
    MOVIE_ID: (pa.int64(), pa.string()),
    RATING: (pa.float32(), pa.string()),
    TIMESTAMP: (pa.int64(), pa.float64(), pa.string()),
}
# The flags of u.item according to its README, for copies without u.genre.
GENRES_100K = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|"
    "Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
SEPARATORS = ("::", "\t", ",", ";", "|")
# Stands for "::" while Arrow reads, since Arrow splits by single bytes only: the control character for this use.
FIELD_SEPARATOR = "\x1f"
# Enough for a first line.
HEAD_BYTES = 1 << 16
# What missing permissions, passwords and damage raise, in text, archives and Parquet alike.
UNREADABLE = (OSError, EOFError, RuntimeError, UnicodeDecodeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def read_ratings(path: str | os.PathLike[str]) -> RawData:
    """Reads ratings, and movies where a movie table is at hand, from a folder, a zip archive or one file.

    A folder holds one of the `EDITIONS`; so does an archive, in whatever folder of it. One file is Parquet or text,
    plain or .gz; its movies come from a MovieLens movie table in the same folder.

    Raises:
      InputError: the path cannot be read as such; the message names the file, and the line where there is one.
    """
    path = pathlib.Path(path)
    with errors_naming(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.is_dir():
            return read_edition(path, str(path))
        with path.open("rb") as stream:
            magic = stream.read(4)
        if path.suffix.lower() == ".zip" or magic == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                return read_edition(edition_folder(archive, path), str(path))
        is_parquet = path.suffix.lower() in (".parquet", ".pq") or magic == b"PAR1"
        ratings = read_parquet(path) if is_parquet else read_text(path, find_layout(path))
        return RawData(ratings, movies_beside(path, ratings), source=str(path))


@contextlib.contextmanager
def errors_naming(path: AnyPath) -> Iterator[None]:
    """Turns what opening, unpacking and reading may raise into an InputError that names the path."""
    try:
        yield
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def opened(path: AnyPath) -> Iterator[IO[bytes]]:
    """The bytes of a file or archive member, unpacked if its name ends in .gz."""
    with errors_naming(path), path.open("rb") as stream:
        if path.name.lower().endswith(".gz"):
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        yield cast(IO[bytes], stream)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the lines of a text file make columns.

    columns: for each column of the file what it holds (a name of schema), None where we have no use for it.
    owner: what has that many columns, for messages: "a MovieLens 1M file".
    header: names of the columns as the file has them; empty without a header.
    skip_rows: lines before the first rating, the header and the empty lines before it.
    """

    separator: str
    columns: tuple[str | None, ...]
    owner: str
    header: tuple[str, ...] = ()
    skip_rows: int = 0


def find_layout(path: AnyPath) -> Layout:
    """The layout of any ratings file, from its first line."""
    with opened(path) as stream:
        head = stream.read(HEAD_BYTES)
    if b"\0" in head:
        raise InputError(f"{path}: a binary file; expected text or Parquet")
    # Bytes split at the line ends that Arrow knows; str.splitlines knows more of them.
    lines = enumerate(head.splitlines(), start=1)
    line, first = next(((line, text) for line, text in lines if text.strip()), (0, b""))
    if not first:
        raise InputError(f"{path}: empty; expected ratings")
    place, owner = f"{path}:{line}", f"line {line}"
    splits = {separator: split_line(first.decode("utf-8-sig", "replace"), separator) for separator in SEPARATORS}
    separator = max(splits, key=lambda separator: (num_known(splits[separator]), len(splits[separator])))
    fields = splits[separator]
    if len(fields) == 1:
        separators = " ".join(map(repr, SEPARATORS))
        raise InputError(f"{place}: one column; expected user, movie and rating columns, split by one of {separators}")
    # The fourth may be a date, but no header begins with three numbers.
    if all(map(is_number, fields[:3])):
        if len(fields) not in (3, 4):
            raise InputError(
                f"{place}: {len(fields)} columns, split by {separator!r}; a file without a header has 3 or 4: user, "
                "movie, rating and perhaps timestamp"
            )
        return Layout(separator, tuple(SPELLINGS)[: len(fields)], owner, skip_rows=line - 1)
    return Layout(separator, name_columns(fields, place), owner, header=tuple(fields), skip_rows=line)


def split_line(line: str, separator: str) -> list[str]:
    """The fields of a line, without quotes and outer spaces."""
    fields = line.split(separator) if separator == "::" else next(csv.reader([line], delimiter=separator))
    return [field.strip() for field in fields]


def is_number(field: str) -> bool:
    """Whether the field is a number or missing."""
    try:
        float(field or 0)
    except ValueError:
        return False
    return True


def plain(name: str) -> str:
    """A column's name without what people write differently."""
    return re.sub(r"[\s_-]", "", name).lower()


def num_known(names: Iterable[str]) -> int:
    """How many of the names are spellings of a column we read."""
    return sum(plain(name) in spellings for name in names for spellings in SPELLINGS.values())


def name_columns(names: list[str], place: str) -> tuple[str | None, ...]:
    """What each named column of a file holds, None where we have no use for it; `place` is for messages."""
    columns: list[str | None] = [None] * len(names)
    for column, spellings in SPELLINGS.items():
        found = [index for index, name in enumerate(names) if plain(name) in spellings]
        if len(found) > 1:
            could_be = " and ".join(repr(names[index]) for index in found)
            raise InputError(f"{place}: columns {could_be} could each be the {column}; keep one, or rename the others")
        if found:
            columns[found[0]] = column
        elif column != TIMESTAMP:
            raise InputError(
                f"{place}: no {column} column among {', '.join(map(repr, names))[:400]}; accepted names: "
                f"{', '.join(spellings)} (or no header, and numbers in the order user, movie, rating, timestamp)"
            )
    return tuple(columns)


def read_text(path: AnyPath, layout: Layout) -> pd.DataFrame:
    """The ratings of a text file, each column in the first of `COLUMN_TYPES` that holds every value."""
    wanted = [column for column in layout.columns if column]
    try:
        columns = read_columns(path, layout, {column: COLUMN_TYPES[column][0] for column in wanted})
    except pa.ArrowInvalid:
        # A column is not of its usual type, or a line is broken: then every column meets that line.
        columns = {column: read_column(path, layout, column) for column in wanted}
    return to_frame(columns, path)


def read_column(path: AnyPath, layout: Layout, column: str) -> pa.ChunkedArray:
    """One column of a text file, of the usual type if every value fits, as other numbers or text if not."""
    with contextlib.suppress(pa.ArrowInvalid):
        return read_columns(path, layout, {column: COLUMN_TYPES[column][0]})[column]
    try:
        text = read_columns(path, layout, {column: pa.string()})[column]
    except pa.ArrowInvalid as error:
        raise InputError(explain(error, path, layout)) from error
    if column not in (USER_ID, MOVIE_ID):
        return cast_to_first(text, COLUMN_TYPES[column])
    with contextlib.suppress(pa.ArrowInvalid):
        # pandas writes "1.0" for an integer id in a column where another id is missing.
        return pyarrow.compute.replace_substring_regex(text, r"^\s*(-?\d+)(\.0*)?\s*$", r"\1").cast(pa.int64())
    return text


def read_columns(path: AnyPath, layout: Layout, types: dict[str, pa.DataType]) -> dict[str, pa.ChunkedArray]:
    """Columns of a text file in the given types; null where Arrow sees no value: "", "NA", "nan", "null".

    Raises:
      ArrowInvalid: a value is not of its type, or a line has not as many columns as the layout.
    """
    names = [column or f"unused {index}" for index, column in enumerate(layout.columns)]
    with opened(path) as stream:
        is_double = layout.separator == "::"
        table = pyarrow.csv.read_csv(
            pa.BufferReader(stream.read().replace(b"::", FIELD_SEPARATOR.encode())) if is_double else stream,
            # Only a serial reader numbers the rows in its errors, and with four columns it is as fast.
            pyarrow.csv.ReadOptions(use_threads=False, skip_rows=layout.skip_rows, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=FIELD_SEPARATOR if is_double else layout.separator, quote_char=not is_double and '"'
            ),
            pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True),
        )
    return dict(zip(table.column_names, table.columns, strict=True))


def explain(error: pa.ArrowInvalid, path: AnyPath, layout: Layout) -> str:
    """What Arrow found wrong with a text file, in the caller's terms."""
    if re.search("Empty CSV|Could not skip", str(error)):
        return f"{path}: no ratings"
    row = re.search(r"Row #(\d+)", str(error))
    if row is None:
        return f"{path}: cannot be read as text split by {layout.separator!r}: {error}"
    place = f"{path}:{line_of_row(int(row[1]), path, layout)}"
    found = re.search(r"got (\d+)", str(error))
    if found is None:
        return f"{place}: not UTF-8 text"
    columns = "column" if found[1] == "1" else "columns"
    return f"{place}: {found[1]} {columns}; {layout.owner} has {len(layout.columns)}, split by {layout.separator!r}"


def line_of_row(row: int, path: AnyPath, layout: Layout) -> int:
    """The line of a row in Arrow's count, which leaves out the empty lines after the header."""
    with opened(path) as stream:
        lines = enumerate(io.TextIOWrapper(stream, encoding="latin-1"), start=1)
        rows = (line for line, text in lines if line <= layout.skip_rows or text != "\n")
        return next(itertools.islice(rows, row - 1, None), row)


def read_parquet(path: pathlib.Path) -> pd.DataFrame:
    """The ratings of a Parquet file; ids of text stay text, and ids of floats become integers if all are whole."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            named = {column: name for column, name in zip(name_columns(names, str(path)), names, strict=True) if column}
            table = file.read(columns=list(named.values()))
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from error
    columns = {column: table.column(name) for column, name in named.items()}
    del table  # so that to_frame can free each column
    for column, name in named.items():
        try:
            columns[column] = parquet_column(columns[column], column)
        except pa.ArrowException as error:
            raise InputError(f"{path}: column {name!r} cannot be the {column}: {error}") from error
    return to_frame(columns, path)


def parquet_column(values: pa.ChunkedArray, column: str) -> pa.ChunkedArray:
    """The values in the first of the column's types that holds all of them; times in UTC."""
    values.validate(full=True)  # a damaged file may hold text that is not UTF-8
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = pyarrow.compute.if_else(pyarrow.compute.is_nan(values), None, values)
    is_number_type = pa.types.is_primitive(values.type) or pa.types.is_decimal(values.type)
    if column in (USER_ID, MOVIE_ID) and not is_number_type:
        return values.cast(pa.string())
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp(values.type.unit))
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("ms"))
    return cast_to_first(values, COLUMN_TYPES[column])


def cast_to_first(values: pa.ChunkedArray, types: Iterable[pa.DataType]) -> pa.ChunkedArray:
    """The values in the first type that holds all of them; ArrowInvalid if none does."""
    for data_type in types:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return values.cast(data_type)
    raise pa.ArrowInvalid(f"{values.type} is none of {', '.join(map(str, types))}")


def to_frame(columns: dict[str, pa.ChunkedArray], path: AnyPath) -> pd.DataFrame:
    """The ratings in pandas; a missing integer makes its column Int64. Empties `columns` to free each one in turn."""
    ratings = {}
    for column in list(columns):
        values = columns.pop(column)
        nullable = {pa.int64(): pd.Int64Dtype()} if values.null_count else {}
        ratings[column] = values.to_pandas(types_mapper=nullable.get)
    if len(ratings[RATING]) == 0:
        raise InputError(f"{path}: no ratings")
    return pd.DataFrame(ratings, copy=False)


def text_of(path: AnyPath) -> io.StringIO:
    """The text of a movie table, lines ending in a newline; latin-1, as in the older editions, if it is not UTF-8."""
    with opened(path) as stream:
        content = stream.read()
    try:
        return io.StringIO(content.decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError:
        return io.StringIO(content.decode("latin-1"), newline=None)


def movie_lines(path: AnyPath) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty."""
    return ((line, text.rstrip("\n")) for line, text in enumerate(text_of(path), start=1) if text != "\n")


def read_item_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of u.item (100K): id|title|release|video release|url, and a flag for each genre of u.genre."""
    genre_path = cast(AnyPath, path.parent) / "u.genre"
    genres = GENRES_100K.split("|")
    if genre_path.exists():
        genres = [text.split("|")[0] for _, text in movie_lines(genre_path)]
    num_columns = 5 + len(genres)
    for line, text in movie_lines(path):
        fields = text.split("|")
        if len(fields) != num_columns:
            raise InputError(
                f"{path}:{line}: {len(fields)} columns; u.item has {num_columns}, split by '|': 5 and one for each "
                f"of {len(genres)} genres"
            )
        flags = zip(genres, fields[5:], strict=True)
        yield line, fields[0], fields[1], "|".join(genre for genre, flag in flags if flag == "1")


def read_dat_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of movies.dat (1M, 10M): id::title::genres; the title may have "::" in it."""
    for line, text in movie_lines(path):
        movie_id, _, rest = text.partition("::")
        title, separator, genres = rest.rpartition("::")
        if not separator:
            raise InputError(f"{path}:{line}: {len(text.split('::'))} columns; movies.dat has 3, split by '::'")
        yield line, movie_id, title, genres


def read_csv_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of movies.csv (20M and later): columns movieId, title and genres, in any order and among others."""
    rows = csv.reader(text_of(path), strict=True)
    try:
        header = [plain(name) for name in next(rows, [])]
        if not {"movieid", "title", "genres"} <= set(header):
            raise InputError(f"{path}:1: columns {', '.join(header)[:400]}; expected movieId, title and genres")
        movie_id, title, genres = map(header.index, ("movieid", "title", "genres"))
        for row in filter(None, rows):
            if len(row) != len(header):
                raise InputError(f"{path}:{rows.line_num}: {len(row)} columns; line 1 has {len(header)}, split by ','")
            yield rows.line_num, row[movie_id], row[title], row[genres]
    except csv.Error as error:
        raise InputError(f"{path}:{rows.line_num}: {error}") from error


def movie_table(path: AnyPath, rows: Iterable[MovieRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """The movies with ids of the ratings' kind, the first where an id comes again; `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    movies: dict[int | str, tuple[str, str]] = {}
    for line, movie_id, title, genres in rows:
        # 18 digits always fit int64.
        if has_integer_ids and not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", movie_id):
            raise InputError(f"{path}:{line}: movie id {movie_id[:80]!r}; the movie ids of the ratings are integers")
        listed = [genre for genre in genres.split("|") if genre not in ("(no genres listed)", "unknown")]
        movies.setdefault(int(movie_id) if has_integer_ids else movie_id, (title, "|".join(listed)))
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(list(movies), dtype="int64" if has_integer_ids else "str"),
            TITLE: pd.Series([title for title, _ in movies.values()], dtype="str"),
            GENRES: pd.Series([genres for _, genres in movies.values()], dtype="str"),
        }
    )


def movies_beside(path: pathlib.Path, ratings: pd.DataFrame) -> pd.DataFrame:
    """The movies of a MovieLens movie table in the folder of a ratings file; none where there is no such table.

    A file that only has its name, or ids of another kind, belongs to other data and is no error.
    """
    for edition in EDITIONS:
        table = path.with_name(edition.movies_file)
        if table.is_file():
            with contextlib.suppress(InputError):
                return movie_table(table, edition.read_movies(table), ratings)
    return movie_table(path, (), ratings)


@dataclasses.dataclass(frozen=True)
class Edition:
    """One published form of MovieLens.

    layout: of the ratings; with a header, of which the file may have another, whose rating scale is unknown then.
    other_files: those beside the ratings that tell it from the editions after it in `EDITIONS`.
    """

    name: str
    ratings_file: str
    movies_file: str
    rating_scale: tuple[float, float]
    layout: Layout
    read_movies: Callable[[AnyPath], Iterator[MovieRow]]
    other_files: tuple[str, ...] = ()


COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP)
CSV_HEADER = ("userId", "movieId", "rating", "timestamp")
MOVIELENS_100K = Edition(
    name="MovieLens 100K",
    ratings_file="u.data",
    movies_file="u.item",
    rating_scale=(1.0, 5.0),
    layout=Layout("\t", COLUMNS, "a MovieLens 100K file"),
    read_movies=read_item_file,
)
MOVIELENS_1M = Edition(
    name="MovieLens 1M",
    ratings_file="ratings.dat",
    movies_file="movies.dat",
    rating_scale=(1.0, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 1M file"),
    read_movies=read_dat_file,
)
MOVIELENS_10M = dataclasses.replace(
    MOVIELENS_1M,
    name="MovieLens 10M",
    rating_scale=(0.5, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 10M file"),
    other_files=("tags.dat",),
)
MOVIELENS_CSV = Edition(
    name="MovieLens CSV",
    ratings_file="ratings.csv",
    movies_file="movies.csv",
    rating_scale=(0.5, 5.0),
    layout=Layout(",", COLUMNS, "a MovieLens CSV file", CSV_HEADER, skip_rows=1),
    read_movies=read_csv_file,
)
EDITIONS = (MOVIELENS_100K, MOVIELENS_10M, MOVIELENS_1M, MOVIELENS_CSV)


def edition_folder(archive: zipfile.ZipFile, path: pathlib.Path) -> zipfile.Path:
    """The folder of the archive that has the ratings of a MovieLens edition; its top level where none has."""
    files = {edition.ratings_file for edition in EDITIONS}
    folders = sorted({posixpath.dirname(name) for name in archive.namelist() if posixpath.basename(name) in files})
    if len(folders) > 1:
        raise InputError(f"{path}: ratings in several folders: {', '.join(folders)}; unpack it and name one of them")
    return zipfile.Path(archive, f"{folders[0]}/" if folders and folders[0] else "")


def read_edition(folder: AnyPath, source: str) -> RawData:
    """The ratings and movies of the MovieLens edition in a folder; `source` is for messages."""
    found = sorted(file.name for file in folder.iterdir())
    matching = (edition for edition in EDITIONS if {edition.ratings_file, *edition.other_files} <= set(found))
    edition = next(matching, None)
    if edition is None:
        expected = " or ".join(dict.fromkeys(edition.ratings_file for edition in EDITIONS))
        shown = ", ".join(found)[:400] or "nothing"
        raise InputError(f"{folder}: no MovieLens ratings; found {shown}; expected {expected} (or name one file)")
    ratings_path, movies_path = folder / edition.ratings_file, folder / edition.movies_file
    layout = find_layout(ratings_path) if edition.layout.header else edition.layout
    ratings = read_text(ratings_path, layout)
    has_half_stars = (pd.to_numeric(ratings[RATING], errors="coerce") % 1 == 0.5).any()
    if edition is MOVIELENS_1M and has_half_stars:
        edition = MOVIELENS_10M  # whose other files were not kept
    rows = edition.read_movies(movies_path) if edition.movies_file in found else ()
    return RawData(
        ratings,
        movies=movie_table(movies_path, rows, ratings),
        source=f"{edition.name} in {source}",
        rating_scale=edition.rating_scale if layout.header == edition.layout.header else None,
    )
