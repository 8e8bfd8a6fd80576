"""Every MovieLens edition as a folder or zip, or one file or log of ratings -> `RawData`, before any row is judged.

`read_ratings` is the entrance. Each published edition of MovieLens is one entry of `EDITIONS`, at the end.
"""

import contextlib
import csv
import dataclasses
import itertools
import os
import pathlib
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pandas as pd

from movierec_jax.data.readers import ratings_log
from movierec_jax.data.readers.links_file import read_links_file
from movierec_jax.data.readers.ratings_file import (
    AnyPath,
    Layout,
    errors_naming,
    find_layout,
    opened,
    plain,
    read_parquet,
    read_text,
    split_line,
    text_columns,
    text_of,
    to_series,
)
from movierec_jax.data.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE_ID,
    OCCUPATION,
    RATING,
    TAG,
    TIMESTAMP,
    TITLE,
    USER_ID,
    RawData,
    no_links,
    no_tags,
)
from movierec_jax.data.storage import downloaded, is_url
from movierec_jax.errors import InputError

# Line of the file, movie id, title, genres joined by "|".
MovieRow = tuple[int, str, str, str]

# Line of the file, user id, age in years, gender, occupation.
UserRow = tuple[int, str, str, str, str]

# The flags of u.item according to its README, for copies without u.genre.
GENRES_100K = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|"
    "Mystery|Romance|Sci-Fi|Thriller|War|Western"
)

# The occupations of users.dat (1M) by number, according to its README, where 0 is "other or not specified".
OCCUPATIONS_1M = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def read_ratings(path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> RawData:
    """Reads ratings, and what is at hand of movies, users, tags and links, from a folder, a zip archive or one file.

    A folder holds one of the `EDITIONS`; so does an archive, in whatever folder of it. One file is Parquet or text,
    plain or .gz; its movies, users, tags and links come from MovieLens tables in the same folder. Of a ratings log it
    is what is recorded at this moment. A URL of object storage is fetched first; of a file there, it alone.

    cache: folder for the ratings of large text files, from which the same content is read faster the next time; made
      if missing, and not used where that is impossible. Ratings of such a file cannot be changed in place.

    Raises:
      InputError: the path cannot be read as such; the message names the file, and the line where there is one.
    """
    if is_url(path):
        with downloaded(str(path)) as copy:
            return dataclasses.replace(read_ratings(copy), source=str(path))
    path, cache = pathlib.Path(path), pathlib.Path(cache) if cache is not None else None
    with errors_naming(path):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.is_dir():
            return read_edition(path, str(path), cache)
        if ratings_log.is_log(path):
            return read_log(path)
        with path.open("rb") as stream:
            magic = stream.read(4)
        if path.suffix.lower() == ".zip" or magic == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                return read_edition(edition_folder(archive, path), str(path), cache)
        is_parquet = path.suffix.lower() in (".parquet", ".pq") or magic == b"PAR1"
        ratings = read_parquet(path) if is_parquet else read_text(path, find_layout(path), cache)
        return raw_data(ratings, tables_beside(path, ratings), path, source=str(path))


def read_log(path: pathlib.Path) -> RawData:
    """The ratings that stand in a ratings log; of a log without any, none."""
    ratings = ratings_log.read_latest(path)
    for column, name in ((USER_ID, "user"), (MOVIE_ID, "movie")):
        if ratings[column].dtype == object:
            raise InputError(f"{path}: some {name} ids are integers and some are text; write them all the same way")
    return raw_data(ratings, {}, path, source=str(path))


def lines_of(path: AnyPath) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a table that is not empty."""
    return ((line, text.rstrip("\n")) for line, text in enumerate(text_of(path), start=1) if text != "\n")


def read_item_file(path: AnyPath) -> Iterator[MovieRow]:
    """Movies of u.item (100K): id|title|release|video release|url, and a flag for each genre of u.genre."""
    genre_path = cast(AnyPath, path.parent) / "u.genre"
    genres = GENRES_100K.split("|")
    if genre_path.exists():
        genres = [text.split("|")[0] for _, text in lines_of(genre_path)]
    num_columns = 5 + len(genres)
    for line, text in lines_of(path):
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
    for line, text in lines_of(path):
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


def read_user_file(path: AnyPath) -> Iterator[UserRow]:
    """Users of u.user (100K): id|age|gender|occupation|zip."""
    for line, text in lines_of(path):
        fields = text.split("|")
        if len(fields) != 5:
            raise InputError(f"{path}:{line}: {len(fields)} columns; u.user has 5, split by '|'")
        user_id, age, gender, occupation, _ = fields
        yield line, user_id, age, gender, occupation


def read_users_dat_file(path: AnyPath) -> Iterator[UserRow]:
    """Users of users.dat (1M): id::gender::age::occupation::zip.

    The age is the lowest of a range (1 for those under 18), the occupation a number.
    """
    for line, text in lines_of(path):
        fields = text.split("::")
        if len(fields) != 5:
            raise InputError(f"{path}:{line}: {len(fields)} columns; users.dat has 5, split by '::'")
        user_id, gender, age, number, _ = fields
        if not re.fullmatch("[0-9]{1,2}", number) or int(number) >= len(OCCUPATIONS_1M):
            raise InputError(f"{path}:{line}: occupation {number[:80]!r}; expected 0 to {len(OCCUPATIONS_1M) - 1}")
        yield line, user_id, age, gender, OCCUPATIONS_1M[int(number)]


def read_tags_dat_file(path: AnyPath) -> pd.DataFrame:
    """Tags of tags.dat (10M): user::movie::tag::timestamp."""
    return read_tags(path, Layout("::", TAG_COLUMNS, "tags.dat"))


def read_tags_csv_file(path: AnyPath) -> pd.DataFrame:
    """Tags of tags.csv (20M and later): columns userId, movieId, tag and timestamp, in any order and among others."""
    with opened(path) as stream:
        header = split_line(stream.readline().decode("utf-8-sig", "replace").rstrip("\r\n"), ",")
    spelled = dict(zip(("userid", "movieid", "tag", "timestamp"), TAG_COLUMNS, strict=True))
    columns = tuple(spelled.pop(plain(name), None) for name in header)
    if spelled:
        raise InputError(f"{path}:1: columns {', '.join(header)[:400]}; expected userId, movieId, tag and timestamp")
    return read_tags(path, Layout(",", columns, "line 1", tuple(header), skip_rows=1))


def read_tags(path: AnyPath, layout: Layout) -> pd.DataFrame:
    """The tags of a text file that say whose, of what and what; no rows where the file has none."""
    if not has_rows(path, layout.skip_rows):
        return no_tags()
    tags = text_columns(path, layout)
    return pd.DataFrame({column: to_series(tags[column]) for column in TAG_COLUMNS})


def read_links_csv_file(path: AnyPath) -> pd.DataFrame:
    """Links of links.csv (20M and later) by line: columns movieId, imdbId and tmdbId; no rows where it has none."""
    return read_links_file(path) if has_rows(path, 1) else no_links()


def has_rows(path: AnyPath, num_lines: int) -> bool:
    """Whether a text file has anything after its first lines."""
    with opened(path) as stream:
        return any(line.strip() for line in itertools.islice(stream, num_lines, None))


def movie_table(path: AnyPath, rows: Iterable[MovieRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """The movies with ids of the ratings' kind, the first where an id comes again; `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    movies: dict[int | str, tuple[str, str]] = {}
    for line, movie_id, title, genres in rows:
        listed = [genre for genre in genres.split("|") if genre not in ("(no genres listed)", "unknown")]
        key = parse_id(movie_id, "movie", f"{path}:{line}") if has_integer_ids else movie_id
        movies.setdefault(key, (title, "|".join(listed)))
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(list(movies), dtype="int64" if has_integer_ids else "str"),
            TITLE: pd.Series([title for title, _ in movies.values()], dtype="str"),
            GENRES: pd.Series([genres for _, genres in movies.values()], dtype="str"),
        }
    )


def user_table(path: AnyPath, rows: Iterable[UserRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """The users with ids of the ratings' kind, the first where an id comes again; `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[USER_ID])
    users: dict[int | str, tuple[int, str, str]] = {}
    for line, user_id, age, gender, occupation in rows:
        if not re.fullmatch(r"\s*[0-9]{1,3}\s*", age):
            raise InputError(f"{path}:{line}: age {age[:80]!r}; expected a whole number of years")
        key = parse_id(user_id, "user", f"{path}:{line}") if has_integer_ids else user_id
        users.setdefault(key, (int(age), gender, occupation))
    columns = zip(*users.values(), strict=True) if users else [()] * 3
    types = {AGE: "int64", GENDER: "str", OCCUPATION: "str"}
    return pd.DataFrame(
        {USER_ID: pd.Series(list(users), dtype="int64" if has_integer_ids else "str")}
        | {name: pd.Series(values, dtype=types[name]) for name, values in zip(types, columns, strict=True)}
    )


def tag_table(path: AnyPath, tags: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """The tags with ids of the ratings' kinds, without rows that miss an id or the tag; `path` is for messages."""
    tags = tags.dropna(subset=[USER_ID, MOVIE_ID, TAG])
    types = {}
    for column, name in ((USER_ID, "user"), (MOVIE_ID, "movie")):
        types[column] = "int64" if pd.api.types.is_integer_dtype(ratings[column]) else "str"
        if types[column] == "int64" and not pd.api.types.is_integer_dtype(tags[column]):
            for number, text in zip(tags.index + 1, tags[column], strict=True):
                parse_id(text, name, f"{path}: tag {number}")
    return tags.astype(types).reset_index(drop=True)


def link_table(path: AnyPath, links: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """The links with ids of the ratings' kind, from those by line; `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    if has_integer_ids and not pd.api.types.is_integer_dtype(links[MOVIE_ID]):
        for line, text in links[MOVIE_ID].items():
            parse_id(text, "movie", f"{path}:{line}")
    return links.astype({MOVIE_ID: "int64" if has_integer_ids else "str"}).reset_index(drop=True)


def parse_id(text: str, name: str, place: str) -> int:
    """The id as an integer. Raises InputError, in the name of the place, where it is none."""
    # 18 digits always fit int64.
    if not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", text):
        raise InputError(f"{place}: {name} id {text[:80]!r}; the {name} ids of the ratings are integers")
    return int(text)


def tables_beside(path: pathlib.Path, ratings: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Movies, users, tags and links of MovieLens tables in the folder of a ratings file, by field of RawData.

    A file that only has the name of one, or ids of another kind, belongs to other data and is no error.
    """
    tables: dict[str, pd.DataFrame] = {}
    for file in (file for edition in EDITIONS for file in edition.tables):
        table = path.with_name(file.name)
        if file.field not in tables and table.is_file():
            with contextlib.suppress(InputError):
                tables[file.field] = file.table(table, file.read(table), ratings)
    return tables


def raw_data(
    ratings: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    path: AnyPath,
    source: str,
    rating_scale: tuple[float, float] | None = None,
) -> RawData:
    """The ratings with the tables found, by field of RawData, and empty ones for the others; `path` is for messages."""
    return RawData(
        ratings,
        tables.get("movies", movie_table(path, (), ratings)),
        source,
        rating_scale,
        tables.get("users", user_table(path, (), ratings)),
        tables.get("tags", tag_table(path, no_tags(), ratings)),
        tables.get("links", link_table(path, no_links(), ratings)),
    )


@dataclasses.dataclass(frozen=True)
class TableFile:
    """A table beside the ratings of an edition.

    field: of RawData that it fills.
    read: what the file has.
    table: what RawData takes, from the path (for messages), what the file has, and the ratings.
    """

    name: str
    field: str
    read: Callable[[AnyPath], Any]
    table: Callable[[AnyPath, Any, pd.DataFrame], pd.DataFrame]


@dataclasses.dataclass(frozen=True)
class Edition:
    """One published form of MovieLens.

    layout: of the ratings; with a header, of which the file may have another, whose rating scale is unknown then.
    other_files: those beside the ratings that tell it from the editions after it in `EDITIONS`.
    """

    name: str
    ratings_file: str
    rating_scale: tuple[float, float]
    layout: Layout
    tables: tuple[TableFile, ...]
    other_files: tuple[str, ...] = ()


COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP)

TAG_COLUMNS = (USER_ID, MOVIE_ID, TAG, TIMESTAMP)

CSV_HEADER = ("userId", "movieId", "rating", "timestamp")

MOVIELENS_100K = Edition(
    name="MovieLens 100K",
    ratings_file="u.data",
    rating_scale=(1.0, 5.0),
    layout=Layout("\t", COLUMNS, "a MovieLens 100K file"),
    tables=(
        TableFile("u.item", "movies", read_item_file, movie_table),
        TableFile("u.user", "users", read_user_file, user_table),
    ),
)

MOVIELENS_1M = Edition(
    name="MovieLens 1M",
    ratings_file="ratings.dat",
    rating_scale=(1.0, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 1M file"),
    tables=(
        TableFile("movies.dat", "movies", read_dat_file, movie_table),
        TableFile("users.dat", "users", read_users_dat_file, user_table),
    ),
)

MOVIELENS_10M = dataclasses.replace(
    MOVIELENS_1M,
    name="MovieLens 10M",
    rating_scale=(0.5, 5.0),
    layout=Layout("::", COLUMNS, "a MovieLens 10M file"),
    tables=(
        TableFile("movies.dat", "movies", read_dat_file, movie_table),
        TableFile("tags.dat", "tags", read_tags_dat_file, tag_table),
    ),
    other_files=("tags.dat",),
)

MOVIELENS_CSV = Edition(
    name="MovieLens CSV",
    ratings_file="ratings.csv",
    rating_scale=(0.5, 5.0),
    layout=Layout(",", COLUMNS, "a MovieLens CSV file", CSV_HEADER, skip_rows=1),
    tables=(
        TableFile("movies.csv", "movies", read_csv_file, movie_table),
        TableFile("tags.csv", "tags", read_tags_csv_file, tag_table),
        TableFile("links.csv", "links", read_links_csv_file, link_table),
    ),
)

EDITIONS = (MOVIELENS_100K, MOVIELENS_10M, MOVIELENS_1M, MOVIELENS_CSV)


def edition_folder(archive: zipfile.ZipFile, path: pathlib.Path) -> zipfile.Path:
    """The folder of the archive that has the ratings of a MovieLens edition; its top level where none has."""
    files = {edition.ratings_file for edition in EDITIONS}
    folders = sorted({posixpath.dirname(name) for name in archive.namelist() if posixpath.basename(name) in files})
    if len(folders) > 1:
        raise InputError(f"{path}: ratings in several folders: {', '.join(folders)}; unpack it and name one of them")
    return zipfile.Path(archive, f"{folders[0]}/" if folders and folders[0] else "")


def read_edition(folder: AnyPath, source: str, cache: pathlib.Path | None) -> RawData:
    """The ratings and tables of the MovieLens edition in a folder; `source` is for messages, `cache` for ratings."""
    found = sorted(file.name for file in folder.iterdir())
    matching = (edition for edition in EDITIONS if {edition.ratings_file, *edition.other_files} <= set(found))
    edition = next(matching, None)
    if edition is None:
        expected = " or ".join(dict.fromkeys(edition.ratings_file for edition in EDITIONS))
        shown = ", ".join(found)[:400] or "nothing"
        raise InputError(f"{folder}: no MovieLens ratings; found {shown}; expected {expected} (or name one file)")
    ratings_path = folder / edition.ratings_file
    layout = find_layout(ratings_path) if edition.layout.header else edition.layout
    ratings = read_text(ratings_path, layout, cache)
    if edition is MOVIELENS_1M and has_half_stars(ratings):
        edition = MOVIELENS_10M  # whose other files were not kept
    present = [(file, folder / file.name) for file in edition.tables if file.name in found]
    tables = {file.field: file.table(path, file.read(path), ratings) for file, path in present}
    scale = edition.rating_scale if layout.header == edition.layout.header else None
    return raw_data(ratings, tables, folder, f"{edition.name} in {source}", scale)


def has_half_stars(ratings: pd.DataFrame) -> bool:
    """Whether any of the ratings lies halfway between two whole ones."""
    return bool((pd.to_numeric(ratings[RATING], errors="coerce") % 1 == 0.5).any())
