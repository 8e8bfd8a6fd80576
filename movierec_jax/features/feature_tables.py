"""Makes features of the columns of feature files that a user adds, and says what each column was taken for."""

import collections
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64

from movierec_jax.data.cleaning import same_kind
from movierec_jax.data.schema import FeatureBags, FeatureTable
from movierec_jax.errors import InputError
from movierec_jax.features.bags import category_features, number_feature, scale_bags, set_features, word_features

# A column with more features than both of these (a number, and a share of its rows) tells rows apart as well as ids
# do. A model with many ratings learns such features by heart, so their values are scaled down.
MANY_FEATURES, MANY_FEATURES_SHARE, MANY_FEATURES_SCALE = 100, 0.1, 0.2

# A column of texts holds sets where at least this share of them has a "|".
MIN_SHARE_OF_SETS = 0.1

NUMBERS, DATES, CATEGORIES, SETS, WORDS = "numbers", "dates", "categories", "sets", "words"


def table_features(
    tables: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    others: Iterable[FeatureBags],
    log: Callable[[str], None],
) -> list[FeatureBags]:
    """Returns the features of each usable column of the tables, logging a line on each table and column.

    others: features of the same rows, whose labels the columns avoid.
    """
    require_different_files([table.path for table in tables])
    labels = {re.split("[=~]", name)[0] for part in others for name in part.names}
    parts = []
    for table in tables:
        row = match_rows(table, ids)
        is_in_data = row >= 0
        noun = table.id_column.removesuffix("_id")
        left_out = f"; left out {(~is_in_data).sum():,} {noun}s that the data does not have"
        log(
            f"{table.path}: describes {is_in_data.sum():,} of {len(ids):,} {noun}s"
            + (left_out if not is_in_data.all() else "")
        )
        # Sorted by row, so that nothing depends on the order of the file.
        order = np.argsort(row, kind="stable")[(~is_in_data).sum() :]
        for column in table.columns:
            label = unused_label(str(column), table.path, labels)
            labels.add(label)
            values = table.columns[column].iloc[order].reset_index(drop=True)
            kind, part = column_features(label, row[order], values, num_train)
            if part.names:
                num_rows = len(np.unique(part.row))
                log(f"  {column}: {kind}, {count_noun(len(part.names), 'feature')} of {count_noun(num_rows, noun)}")
                parts.append(part)
            else:
                log(f"  {column}: left out ({noun}s of train have nothing in it, or all the same number)")
        for column, reason in table.left_out.items():
            log(f"  {column}: left out ({reason})")
    return parts


def require_different_files(paths: Sequence[str]) -> None:
    """Raises InputError for a file that is given twice."""
    repeated = [path for path, times in collections.Counter(paths).items() if times > 1]
    if repeated:
        raise InputError(f"{repeated[0]}: given twice")


def count_noun(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 movie", "1,234 movies"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def unused_label(column: str, path: str, labels: Iterable[str]) -> str:
    """Returns the name of a column, with its file's name before it where other features have that label already."""
    longest = f"{path}:{column}"
    return next((name for name in (column, f"{pathlib.Path(path).name}:{column}") if name not in labels), longest)


def match_rows(table: FeatureTable, ids: pd.Index) -> Int64[np.ndarray, " rows"]:
    """Returns the index among `ids` of each row of a table, -1 for ids that the data does not have.

    Where the ids are integers, text counts as the integer it spells. Raises InputError where a row has no id or an id
    of another row, and where none is among the ids.
    """
    missing = np.flatnonzero(table.ids.isna()).tolist()
    if missing:
        raise InputError(
            f"{location(table, missing[0])}: no {table.id_column}; leave out the {table.unit}, or fill it in"
        )
    found = same_kind(table.ids, ids)
    repeated = np.flatnonzero(found.duplicated() & found.notna()).tolist()
    if repeated:
        first = found.eq(found[repeated[0]]).to_numpy(bool).argmax()
        raise InputError(
            f"{location(table, repeated[0])}: {table.id_column} {table.ids[repeated[0]]} again, first in {table.unit} "
            f"{table.line[first]}; keep one"
        )
    row = ids.get_indexer(pd.Index(found))
    if not (row >= 0).any():
        theirs, ours = (", ".join(map(repr, some[:3].tolist())) for some in (table.ids, ids))
        raise InputError(
            f"{table.path}: none of its {len(row):,} {table.id_column}s, such as {theirs}, is among those of the data, "
            f"such as {ours}"
        )
    return row


def location(table: FeatureTable, index: int) -> str:
    """Returns where a row of a table stands, for messages: "a.csv:7", or "a.parquet: row 7"."""
    line = table.line[index]
    return f"{table.path}:{line}" if table.unit == "line" else f"{table.path}: {table.unit} {line}"


def column_features(
    label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int
) -> tuple[str, FeatureBags]:
    """Returns what a column is taken for and its features, none where it says nothing; `row` rises."""
    kind = column_kind(values[row < num_train].dropna())
    if kind in (NUMBERS, DATES):
        part = number_feature(label, row, numbers_of_text(values) if kind == NUMBERS else parse_days(values), num_train)
    elif kind == CATEGORIES:
        part = category_features(label, row, values, num_train)
    elif kind == SETS:
        sets = values if values.dtype == object else values.str.split("|")
        part = set_features(label, row, sets, num_train)
    else:
        part = word_features(label, row, values, num_train)
    if len(part.names) > max(MANY_FEATURES, MANY_FEATURES_SHARE * len(np.unique(part.row))):
        part = scale_bags(part, MANY_FEATURES_SCALE)
    return kind, part


def column_kind(values: pd.Series) -> str:
    """Returns what a column is taken for, by its values in train without missing ones; the first rule that holds wins.

    numbers: numbers or dates of Parquet, or texts that all spell numbers.
    dates: texts that all spell dates such as 1995-11-22, which become days.
    categories: booleans or categories of Parquet.
    sets: lists, or texts of which at least a tenth have a "|".
    categories: texts with at most two thirds as many different ones as texts.
    words: any other text.
    """
    if values.dtype == np.float64:
        return NUMBERS
    if isinstance(values.dtype, pd.CategoricalDtype):
        return CATEGORIES
    if values.dtype == object:
        return SETS
    if numbers_of_text(values).notna().all():
        return NUMBERS
    if parse_days(values).notna().all():
        return DATES
    if values.str.contains("|", regex=False).mean() >= MIN_SHARE_OF_SETS:
        return SETS
    return CATEGORIES if 3 * values.nunique() <= 2 * len(values) else WORDS


def numbers_of_text(values: pd.Series) -> pd.Series:
    """Returns numbers, or those that texts spell, missing where they spell none."""
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def parse_days(values: pd.Series) -> pd.Series:
    """Returns the days since 1970 that texts spell, missing where they are no dates."""
    dates = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
