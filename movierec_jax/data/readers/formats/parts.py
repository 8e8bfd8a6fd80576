"""Reads ratings that are cut into parts: the output of Spark, Dask or BigQuery, or the files of the Netflix Prize."""

import dataclasses
import pathlib
import re
from collections.abc import Sequence

import pandas as pd

from movierec_jax.data.readers.formats import netflix_file
from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.formats.rating_formats import format_of, read_ratings_file, read_text_file
from movierec_jax.data.readers.movielens_tables import has_records
from movierec_jax.data.readers.ratings_file import find_ratings_layout, read_text
from movierec_jax.data.readers.source_file import AnyPath, is_parquet, open_parquet, read_head
from movierec_jax.data.readers.text.layout import TextLayout
from movierec_jax.errors import InputError

# "part-00000-5d2b.snappy.parquet" of Spark, "0.part" and "part.0.parquet" of Dask, "ratings-000000000000.csv".
PART_NAME = re.compile(rf"part[-._]?(?:[mr]-)?\d.*|\d+\.part|.*\d{{12}}(?:\.\w+)*|{netflix_file.PART_NAME.pattern}")


def is_part(name: str) -> bool:
    """Returns whether the name of a file says that it is one part of several."""
    return PART_NAME.fullmatch(name) is not None


def part_order(name: str) -> list[tuple[str, int]]:
    """Returns a key that sorts names by their numbers: "part.2" before "part.10"."""
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def read_parts(paths: Sequence[AnyPath], where: str, cache: pathlib.Path | None) -> FileContent:
    """Reads parts of ratings one after the other; empty ones are left out. `where` is for messages.

    Raises InputError where they have other columns than the first, or none has ratings.
    """
    found: list[FileContent] = []
    header = None
    for path in paths:
        content, header = read_part(path, header, cache)
        if content is None:
            continue
        found.append(content)
        columns, expected = ({*content.ratings} for content in (found[-1], found[0]))
        if columns != expected:
            raise InputError(
                f"{path}: columns of {', '.join(sorted(columns))}; the first part has {', '.join(sorted(expected))}"
            )
    if not found:
        raise InputError(f"{where}: no ratings in any of {len(paths):,} parts")
    notes = dict.fromkeys(note for content in found for note in content.notes)
    movies = next((content.movies for content in found if content.movies is not None), None)
    ratings = join_frames([content.ratings for content in found])
    return FileContent(ratings, (note_on_parts(paths), *notes), movies, found[0].movie_name)


def note_on_parts(paths: Sequence[AnyPath]) -> str:
    """Returns how many parts there are, and their names."""
    names = " to ".join(dict.fromkeys((paths[0].name, paths[-1].name)))
    return f"{len(paths):,} parts, {names}" if len(paths) > 1 else f"1 part, {names}"


def read_part(
    path: AnyPath, header: TextLayout | None, cache: pathlib.Path | None
) -> tuple[FileContent | None, TextLayout | None]:
    """Reads one part, None where it is empty; and returns the layout of the first part of text that has a header.

    header: that layout, from an earlier part. A part of text without a header has the columns of it.
    """
    if is_parquet(path):
        with open_parquet(path) as file:
            is_empty = file.metadata.num_rows == 0
        return (None if is_empty else read_ratings_file(path, cache)), header
    if not read_head(path).strip():
        return None, header
    if format_of(path).read is not read_text_file:
        return read_ratings_file(path, cache), header
    layout = find_part_layout(path, header)
    if not has_records(path, layout.skip_lines):
        return None, header
    content = read_text(path, layout, cache)
    return content, header or (layout if layout.names else None)


def find_part_layout(path: AnyPath, header: TextLayout | None) -> TextLayout:
    """Returns the layout of a part of text; one without a header has the columns that `header` names."""
    try:
        layout = find_ratings_layout(path)
    except InputError:
        if header is None:
            raise
        return dataclasses.replace(header, skip_lines=0)
    return layout if layout.names or header is None else dataclasses.replace(header, skip_lines=0)


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Returns frames of the same columns after each other; a column that is text in one of them is text in all."""
    return pd.DataFrame(
        {column: join_series([frame[column] for frame in frames]) for column in frames[0]},
        copy=False,
    )


def join_series(parts: Sequence[pd.Series]) -> pd.Series:
    """Returns the values of a column after each other, as text where they are of several kinds."""
    is_number = [pd.api.types.is_numeric_dtype(part) for part in parts]
    is_time = [pd.api.types.is_datetime64_any_dtype(part) for part in parts]
    if not (all(is_number) or all(is_time)):
        parts = [part.map(str, na_action="ignore").astype("str") for part in parts]
    return pd.concat(parts, ignore_index=True)
