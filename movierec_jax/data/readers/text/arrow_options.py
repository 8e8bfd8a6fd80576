"""How Arrow's reader of CSV is told about a `TextLayout`."""

import pyarrow as pa
import pyarrow.csv

from movierec_jax.data.readers.text.layout import BLANKS, TextLayout

# Stands for a separator that is no single byte while Arrow reads: the control character for this use.
FIELD_SEPARATOR = "\x1f"


def is_single_byte(separator: str) -> bool:
    """Returns whether Arrow splits lines at a separator as it stands."""
    return len(separator) == 1 and separator != BLANKS


def arrow_options(
    layout: TextLayout, types: dict[str, pa.DataType], *, use_threads: bool = True
) -> tuple[pyarrow.csv.ReadOptions, pyarrow.csv.ParseOptions, pyarrow.csv.ConvertOptions]:
    """Returns how Arrow reads columns of a layout as the given types; null where a field is empty."""
    names = [column or f"unused {index}" for index, column in enumerate(layout.columns)]
    delimiter = layout.separator if is_single_byte(layout.separator) else FIELD_SEPARATOR
    return (
        pyarrow.csv.ReadOptions(use_threads=use_threads, skip_rows=layout.skip_lines, column_names=names),
        pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=layout.is_quoted and layout.quote),
        pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), strings_can_be_null=True, null_values=[""]
        ),
    )
