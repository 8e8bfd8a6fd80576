"""Columns of text that line up in a terminal, whatever the script of their titles, and fit its width."""

import re
import shutil
import unicodedata
from collections.abc import Sequence

# Columns of a line in a file or a pipe, which have no width: enough for all titles but freaks.
UNBOUNDED_COLUMNS = 200

# Columns that the first text of a line keeps in the narrowest terminal.
MIN_COLUMNS = 16

ELLIPSIS = "…"

# The year at the end of a title.
YEAR = re.compile(r" \(\d{4}\)$")


def line_columns() -> int:
    """Returns the columns of a line: those of the terminal or of COLUMNS, else UNBOUNDED_COLUMNS."""
    return shutil.get_terminal_size((UNBOUNDED_COLUMNS, 0)).columns


def num_columns(text: str) -> int:
    """Returns the columns that a text takes in a terminal: two for a wide character, none for one that combines."""
    return len(text) if text.isascii() else sum(map(columns_of, text))


def columns_of(character: str) -> int:
    """Returns the columns that a character takes in a terminal."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def single_line(text: str) -> str:
    """Returns a text without line breaks, tabs and other control characters, which a terminal would obey."""
    if text.isprintable():
        return text
    return " ".join("".join(" " if unicodedata.category(one) == "Cc" else one for one in text).split())


def cut(text: str, columns: int) -> str:
    """Returns a text that takes at most so many columns, with an ellipsis where it was longer; a year stays."""
    if num_columns(text) <= columns:
        return text
    year = YEAR.search(text) if columns >= MIN_COLUMNS else None
    end = ELLIPSIS + (year[0] if year else "")
    taken, length = num_columns(end), 0
    for character in text:
        taken += columns_of(character)
        if taken > columns:
            break
        length += 1
    return text[:length].rstrip() + end


def fill(text: str, columns: int) -> str:
    """Returns a text followed by spaces to so many columns."""
    return text + " " * (columns - num_columns(text))


def align(first: Sequence[str], second: Sequence[str], columns: int) -> list[str]:
    """Returns lines of two texts each, the second ones below each other, cut to so many columns.

    The first texts give way, down to MIN_COLUMNS and to half a line, then the second ones.
    """
    first, second = (list(map(single_line, texts)) for texts in (first, second))
    widest, needed = (max(map(num_columns, texts), default=0) for texts in (first, second))
    width = min(widest, max(MIN_COLUMNS, columns // 2, columns - needed - 2))
    lines = [fill(cut(one, width), width) + "  " + other for one, other in zip(first, second, strict=True)]
    return [cut(line.rstrip(), columns) for line in lines]
