"""Finds the files of ratings that can be read out of core, and how their columns make ratings."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import cast

import pandas as pd

from movierec_jax.data.matching.id_spaces import has_links
from movierec_jax.data.readers.archives import is_archive
from movierec_jax.data.readers.folder import (
    Candidate,
    find_ratings,
    labelled,
    with_note_on_partition,
    with_tables,
)
from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.formats.parts import find_part_layout, note_on_parts
from movierec_jax.data.readers.formats.rating_formats import format_of, read_text_file
from movierec_jax.data.readers.movielens import edition_data
from movierec_jax.data.readers.movielens_tables import has_records
from movierec_jax.data.readers.ratings import here_or_bundled, require_one_file
from movierec_jax.data.readers.ratings_file import find_ratings_layout, hold_columns
from movierec_jax.data.readers.ratings_log.reading import is_log
from movierec_jax.data.readers.source_file import AnyPath, is_parquet, open_parquet, read_head
from movierec_jax.data.readers.text.layout import TextLayout
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns
from movierec_jax.data.schema import MOVIE_ID, RawData
from movierec_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A file of ratings.

    named: what its columns hold, by name of schema: their names in the file. names: of all columns; empty without a
    header. layout: of text; None for Parquet.
    """

    path: pathlib.Path
    named: dict[str, str]
    names: tuple[str, ...]
    layout: TextLayout | None = None


@dataclasses.dataclass(frozen=True)
class Source:
    """Ratings that are read out of core.

    path: of the file or folder, for messages. notes: what was inferred from the beginnings of the files.
    data: returns the ratings with the tables beside them, from a content that stands for all ratings, and how often
        each rating occurs, as `movielens.counted` returns it.
    """

    path: pathlib.Path
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...]
    data: Callable[[FileContent, pd.Series], RawData]
    movie_name: str
    has_links: bool


def refusal(where: object, why: str) -> InputError:
    """Returns the error of ratings that are not read out of core."""
    return InputError(f"{where}: {why}, which movierec prepare cannot do; `movierec train` reads this itself")


def find_source(path: pathlib.Path, stated: StatedColumns) -> Source:
    """Returns the files of ratings at a path. Raises InputError for formats that are not read out of core."""
    path = here_or_bundled(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    require_one_file(path, stated)
    if path.is_dir():
        return source_in_folder(path)
    file, notes = describe_file(path, stated)
    return new_source(path, [file], notes, lambda content, counts: with_tables(content, path, str(path)))


def source_in_folder(folder: pathlib.Path) -> Source:
    """Returns the files of ratings in a folder: of an edition of MovieLens, one file, or parts of one."""
    found = find_ratings(folder, str(folder))
    if edition := found.edition:
        path = cast(pathlib.Path, found.files[edition.ratings_file])
        layout = find_ratings_layout(path) if edition.layout.names else edition.layout
        return new_source(
            folder,
            [text_file(path, layout)],
            layout.notes,
            lambda content, counts: edition_data(edition, found.files, str(folder), content, counts),
        )
    candidate = found.candidate
    if not candidate.is_cut:
        file, notes = describe_file(cast(pathlib.Path, candidate.paths[0]), NOTHING_STATED)
        return new_source(folder, [file], notes, lambda content, counts: candidate_data(content, candidate, folder))
    files, notes = describe_parts(cast(Sequence[pathlib.Path], candidate.paths), str(folder))
    source = new_source(folder, files, notes, lambda content, counts: candidate_data(content, candidate, folder))
    return dataclasses.replace(source, has_links=False)


def new_source(
    path: pathlib.Path,
    files: Sequence[SourceFile],
    notes: Sequence[str],
    data: Callable[[FileContent, pd.Series], RawData],
) -> Source:
    """Returns a source whose first file tells what the movies are called."""
    first = files[0]
    movie_name = first.named[MOVIE_ID] if first.names else ""
    return Source(path, tuple(files), tuple(notes), data, movie_name, has_links(first.names))


def candidate_data(content: FileContent, candidate: Candidate, folder: pathlib.Path) -> RawData:
    """Returns the ratings of a candidate in a folder with the tables beside them."""
    path = cast(AnyPath, candidate.paths[0].parent if candidate.is_cut else candidate.paths[0])
    content = with_note_on_partition(content, candidate.partition, str(folder))
    return with_tables(*labelled(content, candidate, path, str(folder)))


def describe_file(path: pathlib.Path, stated: StatedColumns) -> tuple[SourceFile, Sequence[str]]:
    """Returns one file of ratings, and notes on its columns."""
    if is_archive(path) or is_log(path):
        raise refusal(path, "this is an archive or a ratings log, to be read as a whole")
    if is_parquet(path):
        return parquet_file(path, stated)
    require_text(path, stated)
    layout = find_ratings_layout(path, stated)
    return text_file(path, layout), layout.notes


def describe_parts(paths: Sequence[pathlib.Path], where: str) -> tuple[list[SourceFile], Sequence[str]]:
    """Returns the parts of ratings that are not empty, and notes on their columns, as `read_parts` reads them."""
    files: list[SourceFile] = []
    notes: list[str] = []
    header = None
    for path in paths:
        if is_parquet(path):
            with open_parquet(path) as opened:
                is_empty = opened.metadata.num_rows == 0
            file, of_file = parquet_file(path, NOTHING_STATED)
        elif is_empty := not read_head(path).strip():
            continue
        else:
            require_text(path, NOTHING_STATED)
            layout = find_part_layout(path, header)
            is_empty, of_file, file = not has_records(path, layout.skip_lines), layout.notes, text_file(path, layout)
            header = header or (layout if layout.names and not is_empty else None)
        if is_empty:
            continue
        files.append(file)
        notes += of_file
        if {*file.named} != {*files[0].named}:
            raise InputError(
                f"{path}: columns of {', '.join(sorted(file.named))}; the first part has "
                f"{', '.join(sorted(files[0].named))}"
            )
    if not files:
        raise InputError(f"{where}: no ratings in any of {len(paths):,} parts")
    return files, (note_on_parts(paths), *dict.fromkeys(notes))


def require_text(path: pathlib.Path, stated: StatedColumns) -> None:
    """Raises InputError for a file that is not delimited text."""
    if format_of(path, stated).read is not read_text_file:
        raise refusal(path, "this is neither Parquet nor a table of text")


def parquet_file(path: pathlib.Path, stated: StatedColumns) -> tuple[SourceFile, Sequence[str]]:
    """Returns a Parquet file, and notes on its columns."""
    with open_parquet(path) as file:
        names = file.schema_arrow.names
    held, notes = hold_columns(names, len(names), str(path), stated)
    named = {column: name for column, name in zip(held, names, strict=True) if column}
    return SourceFile(path, named, tuple(names)), notes


def text_file(path: pathlib.Path, layout: TextLayout) -> SourceFile:
    """Returns a text file."""
    names = layout.names or [f"column {number}" for number in range(1, len(layout.columns) + 1)]
    named = {column: name for column, name in zip(layout.columns, names, strict=False) if column}
    return SourceFile(path, named, layout.names, layout)
