"""Looks at every byte of a text file for what Arrow would read wrongly without a word: quotes and leading zeros."""

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, UInt8

from movierec_jax.data.readers.source_file import MAX_LINE_BYTES, AnyPath, overlong_error
from movierec_jax.data.readers.text.layout import BLANKS, TextLayout

# Bytes looked at together: few enough to stay in the processor's cache.
BLOCK_BYTES = 1 << 20

LINE_FEED, CARRIAGE_RETURN, ZERO = b"\n\r0"


@dataclasses.dataclass
class TextScan:
    """What the bytes of a file show.

    num_lines: lines below the header that are not empty.
    has_odd_quotes: whether a line has an odd number of quotes, or one that neither begins nor ends a field. Without
        such lines no quoted field holds a line end.
    is_even_without_quotes: whether every line with quotes has as many fields as the layout when quotes count as text,
        and no field is within quotes.
    has_leading_zeros: whether a field of digits may begin with a zero, or be hexadecimal, which Arrow reads too.
    """

    num_lines: int = 0
    has_odd_quotes: bool = False
    is_even_without_quotes: bool = True
    has_leading_zeros: bool = False


def scan_text(stream: io.BufferedIOBase | pa.NativeFile, layout: TextLayout, path: AnyPath) -> TextScan:
    """Returns what the bytes of a file of UTF-8 text show, below the lines that the layout skips.

    Raises InputError for a line that is too long.
    """
    scan = TextScan()
    for text, line_end in whole_lines(stream, layout.skip_lines, path):
        is_end = text == line_end
        scan.num_lines += int(np.count_nonzero(is_end)) - count_empty(text, is_end)
        if layout.is_quoted:
            scan_quotes(scan, text, is_end, layout)
        if not scan.has_leading_zeros:
            scan.has_leading_zeros = has_leading_zeros(text, line_end, layout)
    return scan


def whole_lines(
    stream: io.BufferedIOBase | pa.NativeFile, num_skipped: int, path: AnyPath
) -> Iterator[tuple[UInt8[np.ndarray, " bytes"], int]]:
    """Yields blocks of whole lines and the byte that ends each line, after the first lines."""
    rest, line_end, num_lines = b"", 0, 0
    while True:
        block = stream.read(BLOCK_BYTES)
        # Old Macs end lines with a carriage return alone.
        line_end = line_end or (LINE_FEED if b"\n" in block or b"\r" not in block else CARRIAGE_RETURN)
        text = rest + block
        if not block and text and text[-1] != line_end:
            text += bytes([line_end])
        last = text.rfind(bytes([line_end])) + 1
        num_lines += text.count(bytes([line_end]), 0, last)
        rest = text[last:]
        if len(rest) > MAX_LINE_BYTES:
            raise overlong_error(f"{path}:{num_lines + 1}")
        start = 0
        while num_skipped and start < last:
            start = text.find(bytes([line_end]), start) + 1
            num_skipped -= 1
        if start < last:
            yield np.frombuffer(text, np.uint8, last - start, start), line_end
        if not block:
            return


def count_empty(text: UInt8[np.ndarray, " bytes"], is_end: Bool[np.ndarray, " bytes"]) -> int:
    """Returns the number of lines with nothing but a line end, in a block that begins with a line."""
    is_begun = np.append(True, is_end[:-1])
    count = int(np.count_nonzero(is_begun & is_end))
    is_return = text == CARRIAGE_RETURN
    if is_return.any() and not (is_return & is_end).any():
        count += int(np.count_nonzero(is_begun[:-1] & is_return[:-1] & is_end[1:]))
    return count


def scan_quotes(
    scan: TextScan, text: UInt8[np.ndarray, " bytes"], is_end: Bool[np.ndarray, " bytes"], layout: TextLayout
) -> None:
    """Notes in the scan what the quotes of a block show."""
    quote, separator = layout.quote.encode()[0], layout.separator.encode()[0]
    quotes = np.flatnonzero(text == quote)
    if not len(quotes):
        return
    ends = np.flatnonzero(is_end)
    edges = np.array([separator, ends.size and text[ends[0]], CARRIAGE_RETURN], np.uint8)
    before = np.where(quotes > 0, text[quotes - 1], edges[1])
    after = text[quotes + 1]  # a block ends with a line end
    begins, ends_field = np.isin(before, edges), np.isin(after, edges)
    line = np.searchsorted(ends, quotes)
    is_odd = np.bincount(line) % 2 == 1
    is_within = ~(begins | ends_field | (before == quote) | (after == quote))
    scan.has_odd_quotes |= bool(is_odd.any() or is_within.any())
    is_wrapped = begins[:-1] & ends_field[1:] & (line[:-1] == line[1:])
    num_separators = np.diff(np.searchsorted(np.flatnonzero(text == separator), ends), prepend=0)
    is_even = (num_separators[line] == len(layout.columns) - 1).all()
    scan.is_even_without_quotes &= bool(is_even and not is_wrapped.any())


def has_leading_zeros(text: UInt8[np.ndarray, " bytes"], line_end: int, layout: TextLayout) -> bool:
    """Returns whether a zero begins a field and a digit follows, perhaps after a quote or a blank."""
    separators = b" \t" if layout.separator == BLANKS else layout.separator.encode()[-1:]
    edges, padding = separators + bytes([line_end]), b" " + layout.quote.encode()
    may_precede = text[:-1] == line_end
    for byte in set(separators + padding):
        may_precede |= text[:-1] == byte
    zeros = 1 + np.flatnonzero(may_precede & (text[1:] == ZERO))
    if text[0] == ZERO:
        zeros = np.append(zeros, 0)
    is_edge, is_padding, is_digit = map(byte_table, (edges, padding, b"0123456789xX"))
    zeros = zeros[is_digit[text[np.minimum(zeros + 1, len(text) - 1)]]]
    before = np.where(zeros > 0, text[zeros - 1], line_end)
    second = np.where(zeros > 1, text[zeros - 2], line_end)
    return bool((is_edge[before] | (is_padding[before] & is_edge[second])).any())


def byte_table(some: bytes) -> Bool[np.ndarray, "256"]:
    """Returns which values of a byte are among some."""
    return np.isin(np.arange(256, dtype=np.uint8), np.frombuffer(some, np.uint8))
