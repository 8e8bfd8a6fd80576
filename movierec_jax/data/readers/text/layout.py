"""Finds how a text file makes columns: its encoding, separator, header, quotes, and lines that are no rows.

All is found once, from the first lines of a file; `delimited` reads the rows, and checks each against what was found.
"""

import codecs
import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Collection

from movierec_jax.data.readers.source_file import HEAD_BYTES, AnyPath, open_bytes
from movierec_jax.data.readers.text.columns import normalized_name
from movierec_jax.errors import InputError

# The last one stands for any number of blanks, and is taken only where no other splits the lines.
BLANKS = " "
SEPARATORS = ("::", "\t", ",", ";", "|", BLANKS)

UTF8 = "utf-8-sig"

# Bytes and lines from the beginning of a file that decide its layout.
SAMPLE_BYTES = 1 << 20
SAMPLE_LINES = 200

# Lines that may come before the header.
LONGEST_PREAMBLE = 20

# A line that is no row: a comment, Excel's statement of the separator, or the line that sqlcmd draws below the header.
COMMENT = re.compile(r"#|sep=.$|--+\s*$", re.IGNORECASE)
RULE = re.compile(r"[-=+\s]*")

BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: UTF8}

# Characters that a field may have: the most that a C long holds everywhere, where the csv module takes 131,072.
csv.field_size_limit(2**31 - 1)


@dataclasses.dataclass(frozen=True)
class TextLayout:
    """How the lines of a text file make columns.

    columns: what each column of the file holds (a name of schema), None for columns that are not used.
    owner: what has that many columns, for messages: "a MovieLens 1M file".
    names: names of the columns as the file has them; empty without a header.
    skip_lines: lines before the first record: the header, and lines before it.
    is_quoted: whether quotes around a field are no part of it.
    quote: the quotation mark.
    skips_blanks: whether blanks after a separator are no part of the field, and a quote may follow them.
    notes: what was inferred that a user may want to know, a sentence each.
    """

    separator: str
    columns: tuple[str | None, ...]
    owner: str
    names: tuple[str, ...] = ()
    skip_lines: int = 0
    is_quoted: bool = True
    encoding: str = UTF8
    quote: str = '"'
    skips_blanks: bool = False
    notes: tuple[str, ...] = ()

    def split(self, line: str) -> list[str]:
        """Returns the fields of a line, split at every separator."""
        return line.split() if self.separator == BLANKS else line.rstrip("\r\n").split(self.separator)


def find_layout(path: AnyPath, known_names: Collection[str], expected: str, encoding: str | None = None) -> TextLayout:
    """Returns the layout of a text file, whose first line that is not empty holds the names of its columns.

    Lines before the one with known names are skipped, if they are few. The separator is the one that splits the header
    into most known names, then the one that splits most lines into the same number of fields.

    known_names: spellings of columns, as `normalized_name` writes them.
    expected: what the file should hold, for messages.
    encoding: of the file, if it is known; otherwise that of its first bytes.

    Raises InputError for a binary or empty file, and for quotes in one split by blanks.
    """
    encoding = encoding or encoding_of_beginning(path)
    lines = sample_lines(path, encoding)
    if not any(line.strip() for line in lines):
        raise InputError(f"{path}: empty; expected {expected}")
    header, separator = find_header(lines, known_names)
    quoted = next((n for n, line in enumerate(lines[header:], header + 1) if re.search(r'(^|\s)"', line)), None)
    if separator == BLANKS and quoted:
        raise InputError(
            f"{path}:{quoted}: quotation marks in a file split by blanks: {lines[quoted - 1][:80]!r}; "
            "split the columns by commas (in R: sep=','), or write no quotes"
        )
    names = tuple(split_line(lines[header], separator))
    notes = [f"line {n} is no row, and is skipped: {lines[n - 1][:80]!r}" for n in rows_before(lines, header)]
    skip_lines = header + 1
    if skip_lines < len(lines) and len(names) > 1 and is_rule(lines[skip_lines]):
        notes.append(f"line {skip_lines + 1} is no row, and is skipped: {lines[skip_lines][:80]!r}")
        skip_lines += 1
    layout = TextLayout(
        separator,
        (None,) * len(names),
        f"line {header + 1}",
        names,
        skip_lines,
        is_quoted=separator not in ("::", BLANKS),
        encoding=encoding,
        notes=(*notes, *([f"the text is in {encoding}"] if encoding not in (UTF8, "latin-1") else [])),
    )
    return with_quotes(layout, lines[header:])


def find_header(lines: list[str], known_names: Collection[str]) -> tuple[int, str]:
    """Returns the index of the line that names the columns, and the separator.

    Without known names it is the first line that is neither empty nor a comment.
    """
    filled = [index for index, line in enumerate(lines) if line.strip()][:LONGEST_PREAMBLE]
    for index in filled:
        found = {separator: split_line(lines[index], separator) for separator in SEPARATORS}
        num_known = {
            separator: sum(normalized_name(name) in known_names for name in names) for separator, names in found.items()
        }
        separator = max(SEPARATORS, key=lambda sep: (num_known[sep], sep != BLANKS, len(found[sep])))
        # One word may be chance, but not in the first line.
        if num_known[separator] > (index != filled[0]):
            return index, separator
    rows = [index for index in filled if not COMMENT.match(lines[index])] or filled
    return rows[0], find_separator(lines[rows[0] :], lines[: rows[0]])


def find_separator(lines: list[str], before: list[str]) -> str:
    """Returns the separator that splits most lines into as many fields as the first of them has, then most fields."""
    stated = [line.strip()[-1] for line in before if re.fullmatch(r"(?i)sep=.", line.strip())]
    if stated and stated[0] in SEPARATORS:
        return stated[0]
    filled = [line for line in lines if line.strip()]

    def agreement(separator: str) -> tuple[bool, bool, float, int]:
        counts = Counter(len(split_line(line, separator)) for line in filled)
        count, num_lines = max(counts.items(), key=lambda item: (item[0] > 1, item[1]))
        share = num_lines / len(filled)
        return count > 1 and share >= 0.5, separator != BLANKS, round(share, 1), count

    return max(SEPARATORS, key=agreement)


def rows_before(lines: list[str], header: int) -> list[int]:
    """Returns the numbers of lines before the header that are not empty."""
    return [number for number, line in enumerate(lines[:header], start=1) if line.strip()]


def is_rule(line: str) -> bool:
    """Returns whether a line is drawn below a header: "------,-------,------"."""
    return "-" in line and all(RULE.fullmatch(field) for field in re.split("[,;|\t ]", line.strip()))


def with_quotes(layout: TextLayout, lines: list[str]) -> TextLayout:
    """Returns the layout with the quotation mark and the blanks of lines, the first of which is the header."""
    if not layout.is_quoted:
        return layout
    separator = re.escape(layout.separator)

    def share_with(pattern: str) -> float:
        return sum(bool(re.search(pattern, line)) for line in lines) / len(lines)

    # A field within single quotes, in nearly all lines: apostrophes in titles are few.
    if share_with(rf"(?:^|{separator})'[^']*'(?:{separator}|\s*$)") > 0.9 and not share_with('"'):
        layout = dataclasses.replace(layout, quote="'", names=tuple(name.strip("'") for name in layout.names))
    if share_with(rf"{separator} +{layout.quote}"):
        names = (name.strip().strip(layout.quote) for name in layout.names)
        layout = dataclasses.replace(layout, skips_blanks=True, names=tuple(names))
    return layout


def split_line(line: str, separator: str) -> list[str]:
    """Returns the fields of a line, without quotes and outer spaces."""
    if separator == BLANKS:
        return line.split()
    if separator == "::" or '"' not in line:
        fields = line.split(separator)
    else:
        try:
            fields = next(csv.reader([line], delimiter=separator))
        except (csv.Error, StopIteration):
            fields = line.split(separator)
    return [field.strip() for field in fields]


def read_sample(path: AnyPath) -> bytes:
    """Reads the first bytes of a file. Raises InputError for a binary file."""
    with open_bytes(path) as stream:
        sample = stream.read(SAMPLE_BYTES)
    if b"\0" in sample[:HEAD_BYTES] and not encoding_of(sample).startswith("utf-16"):
        raise InputError(f"{path}: a binary file; expected text or Parquet")
    return sample


def sample_lines(path: AnyPath, encoding: str) -> list[str]:
    """Returns the first lines of a file, without line ends."""
    sample = read_sample(path)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(sample)
    lines = io.StringIO(text, newline=None).read().split("\n")
    if len(sample) == SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # It may be cut.
    return lines[:SAMPLE_LINES]


def find_encoding(path: AnyPath) -> str:
    """Returns the encoding of all of a file: UTF-8 or UTF-16, or a one-byte encoding for text that is neither."""
    sample = read_sample(path)
    encoding = encoding_of(sample)
    if encoding != UTF8:
        return encoding
    decoder, is_latin = codecs.getincrementaldecoder("utf-8")(), False
    with open_bytes(path) as stream:
        try:
            while block := stream.read(SAMPLE_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_latin = True
    return one_byte_encoding(path) if is_latin else UTF8


def one_byte_encoding(path: AnyPath) -> str:
    """Returns Windows-1252, or latin-1 where a byte has no meaning there."""
    with open_bytes(path) as stream:
        while block := stream.read(SAMPLE_BYTES):
            try:
                block.decode("cp1252")
            except UnicodeDecodeError:
                return "latin-1"
    return "cp1252"


def encoding_of_beginning(path: AnyPath) -> str:
    """Returns the encoding that the first bytes of a file show: UTF-8 unless they are none."""
    sample = read_sample(path)
    try:
        codecs.getincrementaldecoder(encoding_of(sample))().decode(sample)
    except UnicodeDecodeError:
        return one_byte_encoding(path)
    return encoding_of(sample)


def encoding_of(sample: bytes) -> str:
    """Returns the encoding that the first bytes of a text file show: UTF-16 or UTF-8."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return encoding
    # Text of few letters beyond ASCII has a zero in every other byte.
    head = sample[: len(sample) // 2 * 2]
    for encoding, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros.count(0) > 0.8 * len(zeros) > 0 and others.count(0) == 0:
            return encoding
    return UTF8
