"""The manifest of a prepared dataset: what the folder holds, and from which ratings and settings it was made.

manifest.json   written last, sealed: without it, or with another digest, the folder is no prepared dataset
users.parquet   user ids in row order, and whether train has each; movies.parquet also has titles, years and genres
user_table.parquet, tags.parquet, links.parquet   the tables beside the ratings, where there are any
train/users-00003-movies-00001.parquet   the ratings of a range of user rows and a range of movie rows, in the order
    of `number`; valid/ and test/ the same way
"""

import dataclasses
import math
import os
import pathlib
from typing import Any

from movierec_jax.data.files import file_sha256, first_line, sealed, unsealed
from movierec_jax.data.files import read_json as read_any_json
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, WEIGHT
from movierec_jax.errors import InputError
from movierec_jax.settings import from_json

MANIFEST = "manifest.json"

# Changes with the meaning of any file; a dataset of another format is prepared anew.
FORMAT = 1

# What tells the manifest of a prepared dataset from any other file of its name.
KIND = "movierec prepared dataset"

PARTS = ("train", "valid", "test")

USERS, MOVIES, USER_TABLE, TAGS, LINKS = (
    f"{name}.parquet" for name in ("users", "movies", "user_table", "tags", "links")
)

# Columns of the parts.
NUMBER, USER_ROW, MOVIE_ROW = "number", "user_row", "movie_row"
COLUMNS = (NUMBER, USER_ROW, MOVIE_ROW, RATING, TIMESTAMP, WEIGHT)

PREPARE_AGAIN = "run movierec prepare again, with --overwrite"


@dataclasses.dataclass(frozen=True)
class Ranges:
    """Equal ranges of consecutive rows; the last may be shorter.

    num_rows: of all ranges together. count: of the ranges.
    """

    num_rows: int
    count: int

    @property
    def length(self) -> int:
        """Rows of a range."""
        return max(1, math.ceil(self.num_rows / self.count))

    def overlapping(self, rows: range | None) -> range:
        """Returns the ranges that hold any of the rows; all where None is given."""
        if rows is None:
            return range(self.count)
        return range(rows.start // self.length, min(self.count, math.ceil(rows.stop / self.length)))


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a prepared dataset. rows: of its table."""

    rows: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a prepared dataset says of itself.

    settings: those of DataConfig that shaped it, by name. source: of the ratings, for messages.
    rating_scale, dropped, notes, movie_id_space: as in CleanData. id_types: "int64" or "str", by column of ids.
    is_scale_inferred: whether the scale is neither stated by a flag nor by the format. has_ratings_column: whether the
        file has ratings.
    counts: of users and movies (all rows), and of the ratings of each part.
    user_ranges, movie_ranges: how many ranges of rows the parts are cut into.
    files: by their path within the folder.
    """

    settings: dict[str, Any]
    source: str
    rating_scale: tuple[float, float]
    is_scale_inferred: bool
    has_ratings_column: bool
    has_weights: bool
    dropped: dict[str, int]
    notes: tuple[str, ...]
    movie_id_space: str
    id_types: dict[str, str]
    counts: dict[str, int]
    user_ranges: int
    movie_ranges: int
    files: dict[str, File]

    @property
    def users(self) -> Ranges:
        """Ranges of user rows."""
        return Ranges(self.counts["users"], self.user_ranges)

    @property
    def movies(self) -> Ranges:
        """Ranges of movie rows."""
        return Ranges(self.counts["movies"], self.movie_ranges)

    @property
    def num_ratings(self) -> int:
        """Ratings of all parts together."""
        return sum(self.counts[part] for part in PARTS)


def part_file(part: str, user_range: int, movie_range: int) -> str:
    """Returns the path, within the folder, of the ratings of a range of user rows and one of movie rows."""
    return f"{part}/users-{user_range:05}-movies-{movie_range:05}.parquet"


def is_prepared(path: str | os.PathLike[str]) -> bool:
    """Returns whether a path is the folder of a prepared dataset, whole or damaged."""
    manifest = pathlib.Path(path) / MANIFEST
    try:
        return manifest.is_file() and KIND in manifest.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def as_json(manifest: Manifest) -> dict[str, Any]:
    """Returns what manifest.json holds, sealed."""
    return sealed({"kind": KIND, "format": FORMAT, **dataclasses.asdict(manifest)})


def read_manifest(folder: pathlib.Path) -> Manifest:
    """Reads the manifest of a prepared dataset. Raises InputError where it has changed, or is of another format."""
    path = folder / MANIFEST
    try:
        values = unsealed(read_any_json(path))
    except (InputError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); {PREPARE_AGAIN}") from None
    if values is None:
        raise InputError(f"{path}: has changed since it was written; {PREPARE_AGAIN}")
    if values["format"] != FORMAT:
        raise InputError(f"{path}: has format {values['format']}, this version reads {FORMAT}; {PREPARE_AGAIN}")
    files = {name: from_json(File, value, f"{path}: {name}") for name, value in values["files"].items()}
    lists: dict[str, Any] = {name: tuple(values[name]) for name in ("rating_scale", "notes")}
    others: dict[str, Any] = {field.name: values[field.name] for field in dataclasses.fields(Manifest)}
    return Manifest(**others | lists | {"files": files})


def require_unchanged(folder: pathlib.Path, name: str, manifest: Manifest) -> pathlib.Path:
    """Returns the path of a file. Raises InputError where it is missing or has changed since it was written."""
    path = folder / name
    try:
        found = file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {PREPARE_AGAIN}") from None
    if found != manifest.files[name].sha256:
        raise InputError(f"{path}: has changed since it was written; {PREPARE_AGAIN}")
    return path


def id_column(name: str) -> str:
    """Returns the column of ids of users.parquet or movies.parquet."""
    return USER_ID if name == USERS else MOVIE_ID
