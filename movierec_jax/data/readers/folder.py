"""Finds the ratings in a folder or archive: a MovieLens edition, one file of any name and format, or parts of one."""

import contextlib
import dataclasses
import itertools
import pathlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

from movierec_jax.data.readers.archives import is_archive, open_archive
from movierec_jax.data.readers.formats.file_content import FileContent
from movierec_jax.data.readers.formats.netflix_file import TITLES_FILE
from movierec_jax.data.readers.formats.parts import is_part, part_order, read_parts
from movierec_jax.data.readers.formats.rating_formats import find_columns, read_ratings_file
from movierec_jax.data.readers.movielens import (
    EDITIONS,
    Edition,
    find_edition,
    has_edition_layout,
    raw_data,
    read_edition,
    tables_beside,
)
from movierec_jax.data.readers.movielens_tables import link_table
from movierec_jax.data.readers.source_file import AnyPath, on_disk, read_head, unpacked_name
from movierec_jax.data.readers.tables.links_file import read_links_file
from movierec_jax.data.readers.text.columns import SPELLINGS, normalized_name
from movierec_jax.data.schema import RATING, TIMESTAMP, RawData
from movierec_jax.errors import InputError

# Folders within each other that are looked into: few on disk, where anything may lie; any in an archive.
DEEPEST_ON_DISK = 3
DEEPEST_IN_ARCHIVE = 20

# Files that are listed, and files that are opened to tell what they hold.
MOST_LISTED = 50_000
MOST_OPENED = 200

EDITION_FILES = tuple(dict.fromkeys(edition.ratings_file for edition in EDITIONS))

# Files that are never ratings, though those without a header may look so.
TABLE_FILES = {TITLES_FILE, *(file.name for edition in EDITIONS for file in edition.tables)}

# Beginnings and endings of the names of what people put beside data.
DOCUMENTS = ("readme", "license", "licence", "copying", "changelog", "citation")
DOCUMENT_SUFFIXES = (".md", ".rst", ".pdf", ".html", ".htm", ".png", ".jpg", ".jpeg", ".svg", ".docx", ".ipynb", ".py")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What may hold ratings: one file, or parts in their order.

    folder: names of the folders around the file, or around the folder of parts.
    name: of the file, or of the folder of parts; empty for the folder that is looked into.
    partition: name of the first folder that holds a value of parts, such as "dt=2014-05-13"; empty without one.
    """

    folder: tuple[str, ...]
    name: str
    paths: tuple[AnyPath, ...]
    is_cut: bool = False
    partition: str = ""

    @property
    def label(self) -> str:
        """Returns the path within the folder that was looked into."""
        return "/".join((*self.folder, self.name))


def read_folder(root: AnyPath, source: str, cache: pathlib.Path | None) -> RawData:
    """Reads the ratings in a folder or opened archive, and the tables beside them.

    source: of the data, for messages. cache: folder for parsed ratings; see `read_ratings`.

    Raises InputError as `find_ratings`.
    """
    found = find_ratings(root, source)
    if found.edition:
        return read_edition(found.edition, found.files, source, cache)
    if found.is_only_file:
        return read_only_file(found.candidate, source, cache)
    return read_candidate(found.candidate, source, cache)


@dataclasses.dataclass(frozen=True)
class FoundRatings:
    """The ratings of a folder.

    edition: None where they are no edition of MovieLens. files: of an edition, all files in its folder by name.
    is_only_file: whether the candidate is taken as the only file, whatever it holds.
    """

    candidate: Candidate
    edition: Edition | None = None
    files: dict[str, AnyPath] = dataclasses.field(default_factory=dict)
    is_only_file: bool = False


def find_ratings(root: AnyPath, source: str) -> FoundRatings:
    """Returns what holds the ratings of a folder or opened archive.

    Of folders within each other, the outermost with ratings counts. source: as for `read_folder`.

    Raises InputError where there are no ratings, or several files could be meant.
    """
    candidates = find_candidates(root, source)
    advice = "name one of them" if str(root) == source else "unpack it and name one of them"
    by_level = sorted(candidates, key=lambda candidate: len(candidate.folder))
    for _, level in itertools.groupby(by_level, key=lambda candidate: len(candidate.folder)):
        on_level = list(level)
        named = [found for found in on_level if unpacked_name(found.name) in EDITION_FILES and not found.is_cut]
        folders = sorted({found.folder for found in named})
        if len(folders) > 1:
            listed = ", ".join("/".join(folder) for folder in folders)
            raise InputError(f"{source}: ratings in several folders: {listed}; {advice}")
        if folders:
            return find_named([found for found in on_level if found.folder == folders[0]], named[0])
        holding = with_ratings(on_level, source)
        if len(holding) > 1:
            listed = ", ".join(candidate.label or "its parts together" for candidate in holding)[:600]
            raise InputError(f"{source}: several files could hold the ratings: {listed}; {advice}")
        if holding:
            return FoundRatings(holding[0])
    data = [candidate for candidate in candidates if not is_beside_ratings(candidate.name)]
    if len(data) == 1:
        return FoundRatings(data[0], is_only_file=True)
    shown = ", ".join(candidate.label for candidate in candidates)[:400] or "nothing"
    expected = " or ".join(EDITION_FILES)
    raise InputError(f"{source}: no ratings; found {shown}; expected {expected}, or one file of ratings")


def read_archive(path: AnyPath, source: str, cache: pathlib.Path | None) -> RawData:
    """Reads the ratings in a zip or tar archive; arguments and errors as of `read_folder`."""
    with on_disk(path) as file, open_archive(file) as folder:
        data = read_folder(folder, source, cache)
    return renamed(data, str(folder).rstrip("/"), str(path))


def renamed(data: RawData, copy: str, path: str) -> RawData:
    """Returns data whose source and notes name the given path instead of a copy of it."""
    notes = tuple(note.replace(copy, path) for note in data.notes)
    return dataclasses.replace(data, source=data.source.replace(copy, path), notes=notes)


def find_candidates(root: AnyPath, source: str) -> list[Candidate]:
    """Returns all files in a folder, those that are parts of one taken together."""
    deepest = DEEPEST_ON_DISK if isinstance(root, pathlib.Path) else DEEPEST_IN_ARCHIVE
    files = list(itertools.islice(visible_files(root, (), deepest), MOST_LISTED + 1))
    if len(files) > MOST_LISTED:
        raise InputError(f"{source}: more than {MOST_LISTED:,} files; name the file or folder with the ratings")
    parts: dict[tuple[str, ...], list[AnyPath]] = defaultdict(list)
    partition: dict[tuple[str, ...], str] = {}
    candidates = []
    for folder, path in files:
        if is_part(path.name):
            # Hive and Spark name folders "year=2020" after a column that their parts lack.
            outer = tuple(itertools.takewhile(lambda name: "=" not in name, folder))
            parts[outer].append(path)
            partition.setdefault(outer, next(iter(folder[len(outer) :]), ""))
        else:
            candidates.append(Candidate(folder, path.name, (path,)))
    for folder, paths in parts.items():
        in_order = tuple(sorted(paths, key=lambda path: part_order(str(path))))
        name = folder[-1] if folder else ""
        candidates.append(Candidate(folder[:-1], name, in_order, is_cut=True, partition=partition[folder]))
    return candidates


def visible_files(folder: AnyPath, names: tuple[str, ...], deepest: int) -> Iterator[tuple[tuple[str, ...], AnyPath]]:
    """Yields the files in a folder and those within it, by name, each after the names of its folders.

    Left out is what programs add: names that begin with "." or "_", such as Spark's _SUCCESS.
    """
    found: list[AnyPath] = list(folder.iterdir())
    for path in sorted(found, key=lambda path: path.name):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            if deepest:
                yield from visible_files(path, (*names, path.name), deepest - 1)
        else:
            yield names, path


def find_named(beside: Sequence[Candidate], named: Candidate) -> FoundRatings:
    """Returns the file with the name of an edition's ratings, as that edition if it is laid out so.

    beside: all files in its folder.
    """
    files = {unpacked_name(found.name): found.paths[0] for found in beside} | {
        found.name: found.paths[0] for found in beside
    }
    edition = find_edition(files)
    if edition and has_edition_layout(files[edition.ratings_file], edition):
        return FoundRatings(named, edition, files)
    return FoundRatings(named)


def with_ratings(candidates: Sequence[Candidate], source: str) -> list[Candidate]:
    """Returns the candidates that hold ratings, only those with stars if any has stars."""
    has_stars: dict[Candidate, bool] = {}
    data = [candidate for candidate in candidates if not is_beside_ratings(candidate.name)]
    if len(data) > MOST_OPENED:
        raise InputError(f"{source}: {len(data):,} files could hold the ratings; name one of them")
    for candidate in data:
        with contextlib.suppress(InputError):
            has_stars[candidate] = RATING in find_columns(first_filled(candidate.paths))
    return [candidate for candidate in has_stars if has_stars[candidate]] or list(has_stars)


def first_filled(paths: Sequence[AnyPath]) -> AnyPath:
    """Returns the first part that is not empty, the first of all if all are."""
    return next((path for path in paths if read_head(path).strip()), paths[0])


def is_beside_ratings(name: str) -> bool:
    """Returns whether the name of a file says that it is something else beside ratings: a table, or a document."""
    name = name.lower()
    is_document = name.startswith(DOCUMENTS) or name.endswith(DOCUMENT_SUFFIXES)
    return is_document or unpacked_name(name) in TABLE_FILES


def read_candidate(candidate: Candidate, source: str, cache: pathlib.Path | None) -> RawData:
    """Reads the ratings of a candidate, and the tables beside them."""
    path = candidate.paths[0]
    if candidate.is_cut:
        content = read_parts(candidate.paths, source, cache)
        content = with_note_on_partition(content, candidate.partition, source)
        path = cast(AnyPath, path.parent)
    else:
        content = read_ratings_file(path, cache)
    return with_tables(*labelled(content, candidate, path, source))


def labelled(
    content: FileContent, candidate: Candidate, path: AnyPath, source: str
) -> tuple[FileContent, AnyPath, str]:
    """Returns the arguments of `with_tables` for a candidate's content, which say where in a folder it was found."""
    if not candidate.label:
        return content, path, source
    content = dataclasses.replace(content, notes=(f"{source}: the ratings are {candidate.label}", *content.notes))
    return content, path, f"{candidate.label} in {source}"


def with_note_on_partition(content: FileContent, folder: str, source: str) -> FileContent:
    """Returns parts with a note on values that stand in the names of their folders, as Hive and Spark write them.

    Raises InputError where these are the ratings or the times, which the parts lack.
    """
    if not folder:
        return content
    name = normalized_name(folder.split("=")[0])
    for column in (RATING, TIMESTAMP):
        if name in SPELLINGS[column] and column not in content.ratings:
            raise InputError(
                f"{source}: the {column} stands in names of folders, such as {folder!r}, which are not read; write it "
                "as a column of the parts (in Spark: without partitionBy)"
            )
    note = f"values in names of folders, such as {folder!r}, are not read"
    return dataclasses.replace(content, notes=(*content.notes, note))


def read_only_file(candidate: Candidate, source: str, cache: pathlib.Path | None) -> RawData:
    """Reads the only file in a folder, which may be an archive; for any other its reader says what is wrong."""
    path = candidate.paths[0]
    if is_archive(path):
        return read_archive(path, str(path), cache)
    return read_candidate(candidate, source, cache)


def with_tables(content: FileContent, path: AnyPath, source: str) -> RawData:
    """Returns the ratings of a file with the tables beside it."""
    tables, notes = tables_beside(path, content.ratings)
    if content.movies is not None:
        tables["movies"] = content.movies
    if content.has_links and "links" not in tables:
        # A file of several parts is none; only links are lost where these cannot be read.
        with contextlib.suppress(InputError):
            tables["links"] = link_table(path, read_links_file(path).drop_duplicates(), content.ratings)
    notes = (*content.notes, *notes)
    return raw_data(content.ratings, tables, path, source, notes=notes, movie_name=content.movie_name)
