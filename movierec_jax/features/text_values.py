"""Reads what texts of a feature file spell in other ways than the plainest: numbers, days, and sets of names.

Every column is written in one way, so each function decides by all its values: "1,500" is 1500 beside "12,345,678", and
1.5 beside "0,25".
"""

import ast
import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

# What may stand before or after a number: signs and names of money, shares, and lengths of films.
UNIT = r"(?:[$€£¥₹₽₩]|us\$|usd|eur|gbp|inr|jpy|cad|aud|%|percent|mins?\.?|minutes)"

NUMBER = rf"(?i)^\s*(?:([+-])\s*(?:{UNIT})?|(?:{UNIT})?\s*([+-])?)\s*(\d[\d.,'’\s]*|[.,]\d+)\s*(?:{UNIT})?\s*$"

# Marks between thousands that are no decimal point.
SPACES = re.compile(r"(?<=\d)['’\s](?=\d{3}(?!\d))")

# Ways to write days besides ISO 8601, the likelier first; of two that hold for all values, the first is taken.
DAY_FORMATS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)

# A member of a set is a name, not a clause: no longer than this many words.
MAX_WORDS_OF_NAME = 4


def parse_numbers(values: pd.Series) -> pd.Series:
    """Returns the numbers that texts spell, float64, missing where they spell none.

    Takes numbers with a unit ("$1,000", "7 %", "136 min"), thousands marked by ",", ".", "'" or a space, and decimal
    commas.
    """
    plain = numbers_of_text(values)
    rest = values[plain.isna() & values.notna()]
    if rest.empty:
        return plain
    found = values.dropna().astype("str").str.extract(NUMBER)
    sign = np.where(found[0].fillna("").add(found[1].fillna("")).eq("-"), -1.0, 1.0)
    digits = found[2].str.strip().str.replace(SPACES, "", regex=True)
    number = pd.to_numeric(digits.map(plain_writing(digits.dropna()), na_action="ignore"), errors="coerce")
    return (number.astype(np.float64) * sign).reindex(values.index)


def numbers_of_text(values: pd.Series) -> pd.Series:
    """Returns numbers, or those that texts spell in the plainest way, missing where they spell none."""
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def plain_writing(digits: pd.Series):
    """Returns how to write a column's numbers with a decimal point alone, as a function of one of them."""
    decimal = decimal_mark(digits)
    thousands = "." if decimal == "," else ","
    groups = re.compile(rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+(?:{re.escape(decimal)}\d*)?")

    def write(text: str) -> str:
        if thousands in text and not groups.fullmatch(text):
            return ""
        return text.replace(thousands, "").replace(decimal, ".")

    return write


def decimal_mark(digits: pd.Series) -> str:
    """Returns the decimal mark of a column of numbers, "." or ",".

    That is the mark that comes last where a number has both, or else the one that cannot mark thousands.
    """
    both = digits[digits.str.contains(".", regex=False) & digits.str.contains(",", regex=False)]
    if len(both):
        return "," if both.str.rfind(",").gt(both.str.rfind(".")).mean() > 0.5 else "."
    for mark, other in ((",", "."), (".", ",")):
        marked = digits[digits.str.contains(mark, regex=False)]
        if len(marked):
            is_grouped = marked.str.fullmatch(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+")
            # A point with three digits after it is a decimal point unless a number has several.
            if mark == "." and not marked.str.count(r"\.").gt(1).any():
                return "."
            return other if is_grouped.all() else mark
    return "."


def parse_days(values: pd.Series) -> pd.Series:
    """Returns the days since 1970 that texts spell, missing where they are no dates; all in one way of writing."""
    days = parse_iso_days(values)
    rest = values[days.isna() & values.notna()]
    for layout in DAY_FORMATS if len(rest) else ():
        # The first of them shows in no time that a column has no dates.
        if days_of(rest.head(1), layout).notna().all():
            found = days_of(values, layout)
            if found.notna().sum() > days.notna().sum():
                days = found
    return days


def parse_iso_days(values: pd.Series) -> pd.Series:
    """Returns the days since 1970 that texts spell as in 1995-11-22, missing where they spell none."""
    return days_of(values, "ISO8601")


def days_of(values: pd.Series, layout: str) -> pd.Series:
    """Returns the days since 1970 that texts of a layout spell, missing for other texts."""
    dates = pd.to_datetime(values, errors="coerce", utc=True, format=layout)
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def has_written_lists(texts: pd.Series) -> bool:
    """Returns whether all texts are lists of JSON or Python, such as "[{'id': 18, 'name': 'Drama'}]"."""
    # Most columns show in no time that they are none.
    return bool(texts.str.match(r"\s*[\[{]").all()) and bool(texts.map(names_of_list).notna().all())


def parse_lists(values: pd.Series) -> pd.Series:
    """Returns the names in texts that are lists of JSON or Python, as objects; None for missing and other texts."""
    return pd.Series([None if pd.isna(text) else names_of_list(text) for text in values], values.index, dtype=object)


def names_of_list(text: str) -> Sequence[str] | None:
    """Returns the names in a list of JSON or Python, or in one record; None for any other text."""
    for parse in (ast.literal_eval, json.loads):
        try:
            found = parse(text)
            break
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    else:
        return None
    items = found if isinstance(found, (list, tuple)) else [found]
    names = [item.get("name") if isinstance(item, dict) else item for item in items]
    is_name = all(isinstance(name, (str, int)) for name in names)
    return [str(name) for name in names] if is_name else None


def has_joined_names(values: pd.Series) -> bool:
    """Returns whether texts are names joined by commas: short, and the same ones again and again."""
    members = values.str.split(",").explode().str.strip()
    members = members[members.ne("")]
    num_names = members.nunique()
    is_repeated = 3 * num_names <= 2 * len(members) and num_names <= values.nunique()
    return is_repeated and bool(members.str.count(r"\s+").lt(MAX_WORDS_OF_NAME).all())
