"""Reads the tables beside MovieLens ratings: movies, users, tags and links, as each edition writes them.

A reader returns what its file holds; a table function then gives it the kind of ids that the ratings have.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import pandas as pd

from movierec_jax.data.readers.source_file import AnyPath, open_bytes
from movierec_jax.data.readers.tables.links_file import read_links_file
from movierec_jax.data.readers.text.columns import normalized_name, to_own_pandas
from movierec_jax.data.readers.text.delimited import read_lines, read_records, read_typed
from movierec_jax.data.readers.text.layout import TextLayout, find_encoding, find_layout
from movierec_jax.data.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE_ID,
    OCCUPATION,
    TAG,
    TIMESTAMP,
    TITLE,
    USER_ID,
    no_links,
    no_tags,
)
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
OCCUPATIONS_1M = [
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
]

USER_LAYOUT = TextLayout("|", (USER_ID, AGE, GENDER, OCCUPATION, None), "u.user", is_quoted=False)

USERS_DAT_LAYOUT = TextLayout("::", (USER_ID, GENDER, AGE, OCCUPATION, None), "users.dat", is_quoted=False)

TAG_COLUMNS = (USER_ID, MOVIE_ID, TAG, TIMESTAMP)

TAGS_DAT_LAYOUT = TextLayout("::", TAG_COLUMNS, "tags.dat", is_quoted=False)

# Columns by the names that the CSV editions give them.
MOVIES_CSV_NAMES = {"movieId": MOVIE_ID, "title": TITLE}

TAGS_CSV_NAMES = {"userId": USER_ID, "movieId": MOVIE_ID, "tag": TAG, "timestamp": TIMESTAMP}


def read_item_file(path: AnyPath) -> Iterator[MovieRow]:
    """Reads movies of u.item (100K): id|title|release|video release|url, and a flag for each genre of u.genre."""
    genre_path = cast(AnyPath, path.parent) / "u.genre"
    genres = GENRES_100K.split("|")
    if genre_path.exists():
        genres = [text.split("|")[0] for _, text in read_lines(genre_path, find_encoding(genre_path))]
    columns = (MOVIE_ID, TITLE, None, None, None, *genres)
    layout = TextLayout("|", columns, f"u.item with {len(genres)} genres", is_quoted=False)
    for line, fields in read_small_records(path, layout):
        flags = zip(genres, fields[5:], strict=True)
        yield line, fields[0], fields[1], "|".join(genre for genre, flag in flags if flag == "1")


def read_movies_dat(path: AnyPath) -> Iterator[MovieRow]:
    """Reads movies of movies.dat (1M, 10M): id::title::genres; the title may have "::" in it."""
    for line, text in read_lines(path, find_encoding(path)):
        movie_id, _, rest = text.partition("::")
        title, separator, genres = rest.rpartition("::")
        if not separator:
            raise InputError(f"{path}:{line}: {len(text.split('::'))} columns; movies.dat has 3, split by '::'")
        yield line, movie_id, title, genres


def read_movies_csv(path: AnyPath) -> Iterator[MovieRow]:
    """Reads movies of movies.csv (20M and later): columns movieId, title and perhaps genres, in any order."""
    layout = find_named_layout(path, MOVIES_CSV_NAMES, find_encoding(path))
    movie_id, title = map(layout.columns.index, (MOVIE_ID, TITLE))
    genres = next((index for index, name in enumerate(layout.names) if normalized_name(name) == GENRES), None)
    for line, fields in read_records(path, layout):
        yield line, fields[movie_id], fields[title], "" if genres is None else fields[genres]


def read_user_file(path: AnyPath) -> Iterator[UserRow]:
    """Reads users of u.user (100K): id|age|gender|occupation|zip."""
    for line, (user_id, age, gender, occupation, _) in read_small_records(path, USER_LAYOUT):
        yield line, user_id, age, gender, occupation


def read_users_dat(path: AnyPath) -> Iterator[UserRow]:
    """Reads users of users.dat (1M): id::gender::age::occupation::zip.

    The age is the lowest of a range (1 for those under 18), the occupation a number.
    """
    for line, (user_id, gender, age, number, _) in read_small_records(path, USERS_DAT_LAYOUT):
        if not re.fullmatch("[0-9]{1,2}", number) or int(number) >= len(OCCUPATIONS_1M):
            raise InputError(f"{path}:{line}: occupation {number[:80]!r}; expected 0 to {len(OCCUPATIONS_1M) - 1}")
        yield line, user_id, age, gender, OCCUPATIONS_1M[int(number)]


def read_small_records(path: AnyPath, layout: TextLayout) -> Iterator[tuple[int, Sequence[str]]]:
    """Yields the line and the fields of each record, in whatever encoding the file has."""
    return read_records(path, dataclasses.replace(layout, encoding=find_encoding(path)))


def read_tags_dat(path: AnyPath) -> pd.DataFrame:
    """Reads tags of tags.dat (10M): user::movie::tag::timestamp."""
    return read_tags(path, TAGS_DAT_LAYOUT)


def read_tags_csv(path: AnyPath) -> pd.DataFrame:
    """Reads tags of tags.csv (20M and later): userId, movieId, tag and timestamp, in any order and among others."""
    return read_tags(path, find_named_layout(path, TAGS_CSV_NAMES, find_encoding(path)))


def find_named_layout(path: AnyPath, names: dict[str, str], encoding: str) -> TextLayout:
    """Returns the layout of a CSV file that must have columns of certain names; names: columns of schema by name."""
    *others, last = names
    expected = f"{', '.join(others)} and {last}"
    columns = {normalized_name(name): column for name, column in names.items()}
    layout = find_layout(path, columns, f"columns {expected}", encoding)
    found = tuple(columns.pop(normalized_name(name), None) for name in layout.names)
    if columns:
        header = ", ".join(layout.names)[:400]
        raise InputError(f"{path}:{layout.skip_lines}: columns {header}; expected {expected}")
    return dataclasses.replace(layout, columns=found)


def read_tags(path: AnyPath, layout: TextLayout) -> pd.DataFrame:
    """Reads tags of a text file; no rows where the file has none."""
    if not has_records(path, layout.skip_lines):
        return no_tags()
    tags = read_typed(path, layout)
    return pd.DataFrame({column: to_own_pandas(tags[column]) for column in TAG_COLUMNS})


def read_links_csv(path: AnyPath) -> pd.DataFrame:
    """Reads links of links.csv (20M and later) by line: columns movieId, imdbId and tmdbId; no rows if it has none."""
    return read_links_file(path) if has_records(path, 1) else no_links()


def has_records(path: AnyPath, num_lines: int) -> bool:
    """Returns whether a text file has anything after its first lines."""
    with open_bytes(path) as stream:
        return any(line.strip() for line in itertools.islice(stream, num_lines, None))


def movie_table(path: AnyPath, rows: Iterable[MovieRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """Returns the movies with ids of the ratings' kind; of repeated ids the first counts. `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    movies: dict[int | str, tuple[str, str]] = {}
    for line, movie_id, title, genres in rows:
        listed = [genre for genre in genres.split("|") if genre not in ("(no genres listed)", "unknown")]
        key = integer_id(movie_id, "movie", f"{path}:{line}") if has_integer_ids else movie_id
        movies.setdefault(key, (title, "|".join(listed)))
    return pd.DataFrame(
        {
            MOVIE_ID: pd.Series(list(movies), dtype="int64" if has_integer_ids else "str"),
            TITLE: pd.Series([title for title, _ in movies.values()], dtype="str"),
            GENRES: pd.Series([genres for _, genres in movies.values()], dtype="str"),
        }
    )


def user_table(path: AnyPath, rows: Iterable[UserRow], ratings: pd.DataFrame) -> pd.DataFrame:
    """Returns the users with ids of the ratings' kind; of repeated ids the first counts. `path` is for messages."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[USER_ID])
    users: dict[int | str, tuple[int, str, str]] = {}
    for line, user_id, age, gender, occupation in rows:
        if not re.fullmatch(r"\s*[0-9]{1,3}\s*", age):
            raise InputError(f"{path}:{line}: age {age[:80]!r}; expected a whole number of years")
        key = integer_id(user_id, "user", f"{path}:{line}") if has_integer_ids else user_id
        users.setdefault(key, (int(age), gender, occupation))
    columns = zip(*users.values(), strict=True) if users else [()] * 3
    types = {AGE: "int64", GENDER: "str", OCCUPATION: "str"}
    return pd.DataFrame(
        {USER_ID: pd.Series(list(users), dtype="int64" if has_integer_ids else "str")}
        | {name: pd.Series(values, dtype=types[name]) for name, values in zip(types, columns, strict=True)}
    )


def tag_table(path: AnyPath, tags: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Returns the tags with ids of the ratings' kinds, without rows that miss an id or the tag."""
    tags = tags.dropna(subset=[USER_ID, MOVIE_ID, TAG])
    types = {}
    for column, name in ((USER_ID, "user"), (MOVIE_ID, "movie")):
        types[column] = "int64" if pd.api.types.is_integer_dtype(ratings[column]) else "str"
        if types[column] == "int64" and not pd.api.types.is_integer_dtype(tags[column]):
            for number, text in zip(tags.index + 1, tags[column], strict=True):
                integer_id(text, name, f"{path}: tag {number}")
    return tags.astype(types).reset_index(drop=True)


def link_table(path: AnyPath, links: pd.DataFrame, ratings: pd.DataFrame) -> pd.DataFrame:
    """Returns the links with ids of the ratings' kind; links: indexed by line."""
    has_integer_ids = pd.api.types.is_integer_dtype(ratings[MOVIE_ID])
    if has_integer_ids and not pd.api.types.is_integer_dtype(links[MOVIE_ID]):
        for line, text in links[MOVIE_ID].items():
            integer_id(text, "movie", f"{path}:{line}")
    return links.astype({MOVIE_ID: "int64" if has_integer_ids else "str"}).reset_index(drop=True)


def integer_id(text: str, name: str, where: str) -> int:
    """Returns the id as an integer. Raises InputError, beginning with `where`, where it is none."""
    # 18 digits always fit int64.
    if not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", text):
        raise InputError(f"{where}: {name} id {text[:80]!r}; the {name} ids of the ratings are integers")
    return int(text)
