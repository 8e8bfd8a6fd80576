"""Reads ratings of JSON: one object a line, an array of objects, or objects after each other, in bounded memory."""

import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.json

from movierec_jax.data.readers.formats.file_content import FileContent, describe_columns
from movierec_jax.data.readers.formats.loose_values import join_arrays, ratings_frame, typed_values
from movierec_jax.data.readers.ratings_file import name_columns
from movierec_jax.data.readers.source_file import MAX_LINE_BYTES, AnyPath, open_bytes, overlong_error, read_head
from movierec_jax.data.readers.text.stated_columns import NOTHING_STATED, StatedColumns
from movierec_jax.data.schema import MOVIE_ID, RATING
from movierec_jax.errors import InputError

# How a file of objects begins, in UTF-8.
BEGINNING = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*[\[\{\]])')

# Objects whose names make the columns: a first object may lack some.
NAMING_OBJECTS = 1000

# Objects that are Python's at the same time.
OBJECTS_AT_ONCE = 20_000

# Letters, and bytes, read together. Arrow takes no object that is longer.
BLOCK_LETTERS = 1 << 20
BLOCK_BYTES = 1 << 23

# Between objects: those of an array, or of several arrays after each other.
BETWEEN = re.compile(r"[\s,\[\]]*")

# Letters at the end of a block that may be part of a longer word, number or escape.
LONGEST_WORD = 16

DECODER = json.JSONDecoder()

EXPECTED = 'expected objects such as {"userId": 1, "movieId": 2, "rating": 4.5}'

# An object, and the line on which it begins.
Found = tuple[int, dict[str, Any]]


def is_json(head: bytes) -> bool:
    """Returns whether a file that begins with `head` holds JSON objects, or an array."""
    return BEGINNING.match(head) is not None


def find_json_columns(path: AnyPath) -> tuple[str | None, ...]:
    """Returns what the names of the first objects hold. Raises InputError for a file without ratings."""
    with open_objects(path) as objects:
        return name_objects(path, list(itertools.islice(objects, NAMING_OBJECTS)))[1]


def read_json(path: AnyPath, stated: StatedColumns = NOTHING_STATED) -> FileContent:
    """Reads the ratings of a JSON file; values keep their kind, so that an id within quotes is text.

    Raises InputError with the line of an object that cannot be read.
    """
    with open_objects(path) as objects:
        first = list(itertools.islice(objects, NAMING_OBJECTS))
    names, held = name_objects(path, first, stated)
    named = {column: name for column, name in zip(held, names, strict=True) if column}
    columns = parse_lines(path, first, named) or parse_objects(path, named)
    notes = (f"JSON; {describe_columns(named)}",)
    return FileContent(ratings_frame(columns, str(path)), notes, movie_name=named[MOVIE_ID])


def parse_lines(path: AnyPath, first: Sequence[Found], named: dict[str, str]) -> dict[str, pa.ChunkedArray] | None:
    """Returns the columns of JSON lines, parsed by Arrow; None where values are not of the kinds of the first ones.

    first: the first objects, with their lines.
    named: names by column.
    """
    kinds = {name: {type(found[name]) for _, found in first if name in found} - {type(None)} for name in named.values()}
    types = {name: arrow_type(found, is_rating=name == named.get(RATING)) for name, found in kinds.items()}
    if None in types.values() or read_head(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return None
    options = pyarrow.json.ParseOptions(explicit_schema=pa.schema(types), unexpected_field_behavior="ignore")
    reading = pyarrow.json.ReadOptions(block_size=BLOCK_BYTES)
    try:
        with open_bytes(path) as stream, pyarrow.json.open_json(stream, reading, options) as reader:
            table = pa.Table.from_batches(reader, pa.schema(types))
        table.validate(full=True)
    except pa.ArrowException:
        return None  # Python finds the line, and takes values of any kind.
    return {column: table.column(name) for column, name in named.items()}


def arrow_type(kinds: set[type], *, is_rating: bool) -> pa.DataType | None:
    """Returns the type of values of some kinds; None for kinds that do not go together."""
    if kinds == {str}:
        return pa.string()
    if kinds == {int} and not is_rating:
        return pa.int64()
    return pa.float64() if is_rating and kinds <= {int, float} else None


def parse_objects(path: AnyPath, named: dict[str, str]) -> dict[str, pa.ChunkedArray]:
    """Returns the columns of objects in any arrangement, with values of any kind."""
    chunks: dict[str, list[pa.Array]] = {column: [] for column in named}
    with open_objects(path) as objects:
        while block := list(itertools.islice(objects, OBJECTS_AT_ONCE)):
            for column, name in named.items():
                chunks[column].append(column_values(path, block, name, column))
    return {column: join_arrays(arrays) for column, arrays in chunks.items()}


def name_objects(
    path: AnyPath, first: Sequence[Found], stated: StatedColumns = NOTHING_STATED
) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Returns the names in the first objects of a file, and what each holds."""
    if not first:
        raise InputError(f"{path}: no ratings")
    names = tuple(dict.fromkeys(name for _, found in first for name in found))
    return names, name_columns(names, f"{path}:{first[0][0]}", stated)


def column_values(path: AnyPath, block: Sequence[Found], name: str, column: str) -> pa.Array:
    """Returns the values that objects have under a name, missing where they have none."""
    try:
        return typed_values([found.get(name) for _, found in block], column)
    except TypeError:
        for line, found in block:
            try:
                typed_values([found.get(name)], column)
            except TypeError as error:
                raise InputError(f"{path}:{line}: {name!r}: {error}; {EXPECTED}") from error
        raise


@contextlib.contextmanager
def open_objects(path: AnyPath) -> Iterator[Iterator[Found]]:
    """Opens a file for reading object by object."""
    with open_bytes(path) as stream, io.TextIOWrapper(stream, "utf-8-sig") as text:
        yield read_objects(path, text)


def read_objects(path: AnyPath, text: io.TextIOWrapper) -> Iterator[Found]:
    """Yields the objects of a text. Raises InputError with the line of anything else."""
    buffer, position, line, depth = "", 0, 1, 0
    while True:
        start = cast(re.Match, BETWEEN.match(buffer, position)).end()
        between = buffer[position:start]
        line += between.count("\n")
        depth += between.count("[") - between.count("]")
        found = decode(path, line, buffer, start) if start < len(buffer) else None
        if found:
            value, position = found
            if not isinstance(value, dict):
                raise InputError(f"{path}:{line}: {str(value)[:80]!r} among the objects of JSON; {EXPECTED}")
            yield line, value
            line += buffer.count("\n", start, position)
        elif len(buffer) - start > MAX_LINE_BYTES:
            raise overlong_error(f"{path}:{line}", "JSON object")
        elif more := text.read(max(BLOCK_LETTERS, len(buffer) - start)):
            buffer, position = buffer[start:] + more, 0
        elif start < len(buffer):
            decode(path, line, buffer, start, is_last=True)
        elif depth > 0:
            raise InputError(f"{path}:{line}: the file ends amid the array of JSON")
        else:
            return


def decode(path: AnyPath, line: int, buffer: str, start: int, *, is_last: bool = False) -> tuple[Any, int] | None:
    """Returns the value at a position and where it ends; None where the buffer may end amid it, unless it is the last.

    line: of the position.
    """
    try:
        return DECODER.raw_decode(buffer, start)
    except RecursionError:
        raise InputError(f"{path}:{line}: JSON nested too deep; {EXPECTED}") from None
    except json.JSONDecodeError as error:
        may_go_on = error.pos > len(buffer) - LONGEST_WORD or error.msg.startswith("Unterminated string")
        if may_go_on and not is_last:
            return None
        where = line + buffer.count("\n", start, error.pos)
        found = (
            repr(buffer[error.pos : error.pos + 40].partition("\n")[0]) if buffer[error.pos :].strip() else "the end"
        )
        raise InputError(f"{path}:{where}: no JSON: {error.msg}, found {found}") from error
