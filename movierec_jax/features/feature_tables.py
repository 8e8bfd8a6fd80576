"""Makes features of the columns of feature files that a user adds, and says what each column was taken for."""

import collections
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64

from movierec_jax.data.cleaning import same_kind
from movierec_jax.data.matching.id_join import KnownMovies, NamedIds, example_of, join_movies
from movierec_jax.data.schema import MOVIE_ID, OWN, FeatureBags, FeatureTable
from movierec_jax.errors import InputError
from movierec_jax.features.bags import category_features, number_feature, scale_bags, set_features, word_features
from movierec_jax.features.text_values import (
    has_joined_names,
    has_written_lists,
    numbers_of_text,
    parse_days,
    parse_iso_days,
    parse_lists,
    parse_numbers,
)

# A column with more features than both of these (a number, and a share of its rows) tells rows apart as well as ids
# do. A model with many ratings learns such features by heart, so their values are scaled down.
MANY_FEATURES, MANY_FEATURES_SHARE, MANY_FEATURES_SCALE = 100, 0.1, 0.2

# A column of texts holds sets where at least this share of them has a "|".
MIN_SHARE_OF_SETS = 0.1

NUMBERS, DATES, CATEGORIES, SETS, WORDS = "numbers", "dates", "categories", "sets", "words"

# Sets by how texts write them: a list of JSON or Python, or names with a mark between them.
LISTS, COMMAS = "sets written as lists", "sets split by commas"


def table_features(
    tables: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    others: Iterable[FeatureBags],
    log: Callable[[str], None],
    known: KnownMovies | None = None,
) -> list[FeatureBags]:
    """Returns the features of each usable column of the tables, logging a line on each table and column.

    others: features of the same rows, whose labels the columns avoid.
    known: the movies of the run, which tables may name by ids of any space; None: by `ids` alone.
    """
    require_different_files([table.path for table in tables])
    labels = {re.split("[=~]", name)[0] for part in others for name in part.names}
    parts = []
    for table in tables:
        if table.note:
            log(f"{table.path}: {table.note}")
        found, notes = join_ids(table, ids, known, log)
        row = match_rows(table, found, ids)
        is_in_data = row >= 0
        noun = table.id_column.removesuffix("_id")
        others = table.ids[~is_in_data & found.notna()]
        left_out = f"; left out {count_noun(len(others), noun)} that the data does not have{example_of(others)}"
        log(f"{table.path}: describes {is_in_data.sum():,} of {len(ids):,} {noun}s" + (left_out if len(others) else ""))
        for note in notes:
            log(f"  {note}")
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


def join_ids(
    table: FeatureTable, ids: pd.Index, known: KnownMovies | None, log: Callable[[str], None]
) -> tuple[pd.Series, list[str]]:
    """Returns the id of each row of a table as the data writes it, and notes on rows that have none.

    Where the ids are integers, text counts as the integer it spells. An id is missing where the row has none, or one
    that names nothing. Raises InputError where links are needed and there are none.
    """
    notes = []
    if missing := np.flatnonzero(table.ids.isna()).tolist():
        where = location(table, missing[0])
        notes.append(f"left out {count_noun(len(missing), table.unit)} without a {table.id_column}, such as {where}")
    if table.id_column != MOVIE_ID:
        return same_kind(table.ids, ids), notes
    named = NamedIds(table.ids, table.id_space, table.path, table.id_name or table.id_column)
    joined = join_movies(named, known or KnownMovies(NamedIds(pd.Series(ids), OWN, "the data")))
    if joined.note:
        log(joined.note)
    if joined.is_linked and (lost := joined.describe_unlinked(table.ids)):
        notes.append(lost)
    found = same_kind(joined.movie_id, ids)
    if (is_text := joined.movie_id.notna() & found.isna()).any():
        notes.append(
            f"left out {count_noun(int(is_text.sum()), 'row')} with a {table.id_column} that is no integer, as those "
            f"of the data are, such as {str(table.ids[is_text].iloc[0])[:80]!r}"
        )
    return found, notes


def match_rows(table: FeatureTable, found: pd.Series, ids: pd.Index) -> Int64[np.ndarray, " rows"]:
    """Returns the index among `ids` of each row's id, -1 for ids that the data does not have, and for missing ones.

    Raises InputError where a row has the id of another row, and where none is among the ids.
    """
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
            f"{table.path}: none of its {len(row):,} {table.id_name or table.id_column}s, such as {theirs}, is among "
            f"those of the data, such as {ours}"
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
    note = ""
    if kind in (NUMBERS, DATES):
        number = parse_numbers(values) if kind == NUMBERS else parse_days(values)
        part, note = number_feature(label, row, number, num_train), note_reading(values, number, kind)
    elif kind == CATEGORIES:
        part = category_features(label, row, values, num_train)
    elif kind in (SETS, LISTS, COMMAS):
        part = set_features(label, row, split_sets(values, kind), num_train)
    else:
        part = word_features(label, row, values, num_train)
    if len(part.names) > max(MANY_FEATURES, MANY_FEATURES_SHARE * len(np.unique(part.row))):
        part = scale_bags(part, MANY_FEATURES_SCALE)
    return kind + note, part


def split_sets(values: pd.Series, kind: str) -> pd.Series:
    """Returns the members of each set of a column, as lists, missing for texts that are none."""
    if values.dtype == object:
        return values
    return parse_lists(values) if kind == LISTS else values.str.split("," if kind == COMMAS else "|")


def note_reading(values: pd.Series, number: pd.Series, kind: str) -> str:
    """Returns how numbers or dates were read where they are not written in the plainest way, such as " ('7%' is 7)"."""
    if values.dtype == np.float64:
        return ""
    plain = numbers_of_text(values) if kind == NUMBERS else parse_iso_days(values)
    other = np.flatnonzero(plain.isna() & number.notna())
    if not len(other):
        return ""
    found = number.iloc[other[-1]]
    read_as = f"{found:.12g}" if kind == NUMBERS else str(pd.Timestamp(0) + pd.Timedelta(days=found))[:10]
    return f" ({values.iloc[other[-1]]!r} is {read_as})"


def column_kind(values: pd.Series) -> str:
    """Returns what a column is taken for, by its values in train without missing ones; the first rule that holds wins.

    numbers: numbers or dates of Parquet, or texts that all spell numbers, as `parse_numbers` reads them.
    dates: texts that all spell dates such as 1995-11-22 or 22.11.1995, which become days.
    categories: booleans or categories of Parquet.
    sets: lists, texts that are lists of JSON or Python, or texts of which at least a tenth have a "|", or a comma
        between names that occur again and again.
    categories: texts with at most two thirds as many different ones as texts.
    words: any other text.
    """
    if values.dtype == np.float64:
        return NUMBERS
    if isinstance(values.dtype, pd.CategoricalDtype):
        return CATEGORIES
    if values.dtype == object:
        return SETS
    if parse_numbers(values).notna().all():
        return NUMBERS
    if parse_days(values).notna().all():
        return DATES
    if has_written_lists(values):
        return LISTS
    if values.str.contains("|", regex=False).mean() >= MIN_SHARE_OF_SETS:
        return SETS
    if values.str.contains(",", regex=False).mean() >= MIN_SHARE_OF_SETS and has_joined_names(values):
        return COMMAS
    return CATEGORIES if 3 * values.nunique() <= 2 * len(values) else WORDS
