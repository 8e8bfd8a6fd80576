"""What is known of movies and users besides their ratings -> weighted bags of features, fitted on train alone.

Which features there are, and every mean, spread and count behind a value, come from the first `num_train` ids, those of
train; the ids after them (cold ones) are then described in the same features.

Features come in groups: genres, year, tags, each column of a table of the user's. The values of a group are scaled so
that their squares sum to 1 in each row that has any: 1/sqrt(n) for a set of n. So no group drowns another, however many
features it has. Only numbers keep their size, since scaling would leave of them nothing but the sign; their squares
average 1 over the rows of train. Columns of extra tables with many features for their rows are smaller.
"""

import collections
import dataclasses
import functools
import pathlib
import re
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from movierec_jax.config import MOVIE_CONTENT, USER_CONTENT
from movierec_jax.data.cleaning import same_kind
from movierec_jax.data.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE_ID,
    OCCUPATION,
    TAG,
    USER_ID,
    YEAR,
    Bags,
    FeatureTable,
)
from movierec_jax.errors import InputError

# Years between the centres of neighbouring bins.
YEARS_PER_BIN = 5

# Tags of fewer movies say more of those who wrote them than of movies.
MIN_MOVIES_PER_TAG = 3

# The lowest age of each bin after the first: the ranges of MovieLens 1M, which has no ages but these.
AGE_BINS = (18, 25, 35, 45, 50, 56)

AGE_NAMES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")

# Numbers further from the mean than this many spreads count as that far.
LARGEST_NUMBER = 3.0

# Words are known by their bucket; of 2,000 different words 4,096 buckets keep some 1,200 apart from all others.
NUM_BUCKETS = 2**12

# A column of an extra table tells rows apart, as ids do, if it has more features than so many and than such a share of
# its rows. Where ratings are many these are learnt by heart, so its values are made so many times as large.
MANY_FEATURES, MANY_SHARE, SIZE_OF_MANY = 100, 0.1, 0.2

# Share of texts with a "|" in them from which a column is one of sets.
SHARE_OF_SETS = 0.1

NUMBERS, DATES, CATEGORIES, SETS, WORDS = "numbers", "dates", "categories", "sets", "words"


def movie_content(
    movies: pd.DataFrame,
    tags: pd.DataFrame,
    extra: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    *,
    groups: Sequence[str] = MOVIE_CONTENT,
    tell: Callable[[str], None] = print,
) -> Bags:
    """The features of movies, one row for each of the ids, of which the first `num_train` are those of train.

    movies, tags: as in CleanData; ids that are not among `ids` do not count.
    extra: tables of `read_features` with ids of movies; those that are not among `ids` are counted and told of.
    groups: which of genres, year and tags to take (`reviews` makes the others); all columns of the extra tables are.
    tell: takes a line on each extra table and each of its columns.

    Raises InputError for an extra table that is given twice, has an id twice, or none of the ids.
    """
    parts = []
    row = ids.get_indexer(pd.Index(movies[MOVIE_ID]))
    if "genres" in groups:
        parts.append(of_sets("genre", row, movies[GENRES].str.split("|"), num_train))
    if "year" in groups:
        parts.append(of_years(row, movies[YEAR].to_numpy(np.int32), num_train))
    if "tags" in groups:
        parts.append(of_tags(tags, ids, num_train))
    return with_tables(parts, extra, ids, num_train, tell)


def user_content(
    users: pd.DataFrame,
    extra: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    *,
    groups: Sequence[str] = USER_CONTENT,
    tell: Callable[[str], None] = print,
) -> Bags:
    """The features of users, as those of movies in `movie_content`.

    users: as in CleanData.
    groups: which of age, gender and occupation to take.
    """
    row = ids.get_indexer(pd.Index(users[USER_ID]))
    columns = {
        "age": pd.Series(np.array(AGE_NAMES, object)[np.searchsorted(AGE_BINS, users[AGE], side="right")]),
        "gender": users[GENDER],
        "occupation": users[OCCUPATION],
    }
    parts = [of_categories(name, row, columns[name], num_train) for name in USER_CONTENT if name in groups]
    return with_tables(parts, extra, ids, num_train, tell)


def with_tables(
    parts: Sequence[Bags], tables: Sequence[FeatureTable], ids: pd.Index, num_train: int, tell: Callable[[str], None]
) -> Bags:
    """Groups of features with those of the columns of tables, as one."""
    require_different([table.path for table in tables])
    parts = list(parts)
    labels = {re.split("[=~]", name)[0] for part in parts for name in part.names}
    for table in tables:
        row = rows_of(table, ids)
        is_known = row >= 0
        noun = table.id_column.removesuffix("_id")
        tell(
            f"{table.path}: tells of {is_known.sum():,} of {len(ids):,} {noun}s"
            + (f"; {(~is_known).sum():,} {noun}s that the data does not have left out" if not is_known.all() else "")
        )
        # In the order of rows, so that nothing depends on the order of the file.
        order = np.argsort(row, kind="stable")[(~is_known).sum() :]
        for column in table.columns:
            label = free_label(str(column), table.path, labels)
            labels.add(label)
            values = table.columns[column].iloc[order].reset_index(drop=True)
            kind, part = of_column(label, row[order], values, num_train)
            if kind:
                num_rows = len(np.unique(part.row))
                tell(f"  {column}: {kind}, {count(len(part.names), 'feature')} of {count(num_rows, noun)}")
                parts.append(part)
            else:
                tell(f"  {column}: left out ({noun}s of train have nothing in it, or all the same number)")
        for column, reason in table.left_out.items():
            tell(f"  {column}: left out ({reason})")
    return join(parts)


def require_different(paths: Sequence[str]) -> None:
    """Raises InputError for a file that is given twice."""
    repeated = [path for path, times in collections.Counter(paths).items() if times > 1]
    if repeated:
        raise InputError(f"{repeated[0]}: given twice")


def count(number: int, noun: str) -> str:
    """A number of things: "1 movie", "1,234 movies"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def free_label(column: str, path: str, labels: Iterable[str]) -> str:
    """The name of a column, after that of its file where a group of features has this name already."""
    longest = f"{path}:{column}"
    return next((name for name in (column, f"{pathlib.Path(path).name}:{column}") if name not in labels), longest)


def rows_of(table: FeatureTable, ids: pd.Index) -> Int64[np.ndarray, " rows"]:
    """The place among the ids of each row of a table, -1 for those it does not have.

    Where the ids are integers, text counts as the integer it spells. Raises InputError where a row has no id or that of
    another row, and where none is among the ids.
    """
    missing = np.flatnonzero(table.ids.isna()).tolist()
    if missing:
        raise InputError(f"{place(table, missing[0])}: no {table.id_column}; leave out the {table.unit}, or fill it in")
    found = same_kind(table.ids, ids)
    repeated = np.flatnonzero(found.duplicated() & found.notna()).tolist()
    if repeated:
        first = found.eq(found[repeated[0]]).to_numpy(bool).argmax()
        raise InputError(
            f"{place(table, repeated[0])}: {table.id_column} {table.ids[repeated[0]]} again, first in {table.unit} "
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


def place(table: FeatureTable, index: int) -> str:
    """Where a row of a table stands, for messages: "a.csv:7", or "a.parquet: row 7"."""
    line = table.line[index]
    return f"{table.path}:{line}" if table.unit == "line" else f"{table.path}: {table.unit} {line}"


def of_column(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> tuple[str, Bags]:
    """What a column of an extra table is taken for, "" where it says nothing, and its features; `row` rises."""
    is_train = row < num_train
    kind = kind_of(values[is_train].dropna())
    if kind in (NUMBERS, DATES):
        part = of_numbers(label, row, to_numbers(values) if kind == NUMBERS else to_days(values), num_train)
    elif kind == CATEGORIES:
        part = of_categories(label, row, values, num_train)
    elif kind == SETS:
        sets = values if values.dtype == object else values.str.split("|")
        part = of_sets(label, row, sets, num_train)
    else:
        part = of_words(label, row, values, num_train)
    if len(part.names) > max(MANY_FEATURES, MANY_SHARE * len(np.unique(part.row))):
        part = sized(part, SIZE_OF_MANY)
    return (kind if part.names else ""), part


def kind_of(values: pd.Series) -> str:
    """What a column is taken for, by its values in train, none of them missing; the first rule that holds decides.

    numbers: it is one of numbers or dates (of Parquet), or each text is a number.
    dates: each text is a date such as 1995-11-22, which counts as a number of days.
    categories: it is one of booleans or categories (of Parquet).
    sets: it is one of lists, or at least a tenth of the texts have a "|".
    categories: of the different texts there are at most two thirds as many as texts.
    words: any other text.
    """
    if values.dtype == np.float64:
        return NUMBERS
    if isinstance(values.dtype, pd.CategoricalDtype):
        return CATEGORIES
    if values.dtype == object:
        return SETS
    if to_numbers(values).notna().all():
        return NUMBERS
    if to_days(values).notna().all():
        return DATES
    if values.str.contains("|", regex=False).mean() >= SHARE_OF_SETS:
        return SETS
    return CATEGORIES if 3 * values.nunique() <= 2 * len(values) else WORDS


def to_numbers(values: pd.Series) -> pd.Series:
    """Numbers, or those that texts spell, missing where they spell none."""
    return pd.to_numeric(values, errors="coerce").astype(np.float64)


def to_days(values: pd.Series) -> pd.Series:
    """Days since 1970 of texts, missing where they are no dates."""
    dates = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def of_numbers(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> Bags:
    """One feature: how many spreads a number lies above the mean of train, -3 to 3; none where all of train agree."""
    number = values.to_numpy(np.float64)
    is_finite = np.isfinite(number)
    row, number = row[is_finite], number[is_finite]
    train = number[row < num_train]
    largest = np.abs(train).max(initial=0.0)
    with np.errstate(over="ignore"):  # a cold number may be beyond any scale; it is clipped below
        # So that no sum of squares overflows, and numbers that are all equal have a spread of exactly 0.
        number, train = (part / (largest or 1.0) for part in (number, train))
    spread = train.std() if len(train) else 0.0
    if not spread:
        return bags_of([], [])
    standard = np.clip((number - train.mean()) / spread, -LARGEST_NUMBER, LARGEST_NUMBER)
    return bags_of(row, [label] * len(row), standard)


def of_categories(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> Bags:
    """A feature for each text; `row` may have -1, which does not count."""
    is_there = (row >= 0) & (values.notna() & values.ne("")).to_numpy(bool)
    return fitted(bags_of(row[is_there], f"{label}=" + values[is_there].astype(object)), num_train)


def of_sets(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> Bags:
    """A feature for each member of lists of text; `row` may have -1, which does not count."""
    members = pd.DataFrame({"row": row, "name": values.to_numpy()}).explode("name").dropna()
    members["name"] = members["name"].astype("str").str.strip()
    members = members[(members["row"] >= 0) & members["name"].ne("")]
    return fitted(bags_of(members["row"].to_numpy(), f"{label}=" + members["name"].astype(object)), num_train)


def of_years(row: Int64[np.ndarray, " rows"], year: Int32[np.ndarray, " rows"], num_train: int) -> Bags:
    """Bins that overlap: 1993 is 0.4 of "year~1990" and 0.6 of "year~1995"; year 0 has none.

    With bins that end somewhere, 1994 and 1995 would be as different as 1924 and 1995.
    """
    is_there = (row >= 0) & (year > 0)
    row, year = row[is_there], year[is_there]
    below = year // YEARS_PER_BIN * YEARS_PER_BIN
    share = (year - below) / YEARS_PER_BIN
    centre = np.concatenate([below, below + YEARS_PER_BIN])
    weight = np.concatenate([1 - share, share])
    in_bin = weight > 0
    names = [f"year~{bin}" for bin in centre[in_bin]]
    return fitted(bags_of(np.tile(row, 2)[in_bin], names, weight[in_bin]), num_train)


def of_tags(tags: pd.DataFrame, ids: pd.Index, num_train: int) -> Bags:
    """A feature for each tag, in lower case, that at least 3 movies of train have: log(1 + users who gave it)."""
    row = ids.get_indexer(pd.Index(tags[MOVIE_ID]))
    found = pd.DataFrame({"row": row, "tag": tags[TAG].str.lower().str.strip(), "user": tags[USER_ID]})
    found = found[(row >= 0) & found["tag"].ne("")].drop_duplicates()
    num_users = found.groupby(["row", "tag"])["user"].size().reset_index(name="users")
    bags = bags_of(
        num_users["row"].to_numpy(), "tag=" + num_users["tag"].astype(object), np.log1p(num_users["users"].to_numpy())
    )
    return fitted(bags, num_train, MIN_MOVIES_PER_TAG)


def of_words(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> Bags:
    """A feature for each of 4,096 buckets of words in lower case: times in the text x log((1 + texts) / texts with it).

    Texts are counted in train. Unlike log(texts / texts with it) this is never 0, not even for a single text.
    """
    is_there = values.notna().to_numpy(bool)
    row = row[is_there]
    counts = [collections.Counter(map(bucket_of, re.findall(r"\w+", text.lower()))) for text in values[is_there]]
    bucket = np.array([bucket for words in counts for bucket in words], np.int64)
    times = np.array([number for words in counts for number in words.values()], np.float64)
    row_of_word = np.repeat(row, [len(words) for words in counts])
    num_texts = np.count_nonzero(row < num_train)
    num_with = np.bincount(bucket[row_of_word < num_train], minlength=NUM_BUCKETS)
    rarity = np.log((1 + num_texts) / np.maximum(num_with, 1))
    return fitted(bags_of(row_of_word, [f"{label}~{number}" for number in bucket], times * rarity[bucket]), num_train)


@functools.cache
def bucket_of(word: str) -> int:
    """The bucket of a word, the same on every machine."""
    return zlib.crc32(word.encode()) % NUM_BUCKETS


def bags_of(row: Sequence | np.ndarray, name: Sequence | pd.Series, value: Sequence | np.ndarray | float = 1.0) -> Bags:
    """Bags from rows, names of features and values side by side, or one value for all.

    Names are sorted, and of a pair that comes again the first counts.
    """
    feature, names = pd.factorize(np.asarray(name, object), sort=True)
    order = np.lexsort((feature, row))
    row, feature = np.asarray(row, np.int32)[order], feature[order].astype(np.int32)
    values = np.broadcast_to(np.asarray(value, np.float32), len(order))[order]
    is_primary = np.ones(len(order), bool)
    is_primary[1:] = (row[1:] != row[:-1]) | (feature[1:] != feature[:-1])
    return Bags(row[is_primary], feature[is_primary], values[is_primary], tuple(map(str, names)))


def fitted(bags: Bags, num_train: int, min_rows: int = 1) -> Bags:
    """The features that at least `min_rows` rows of train have, in every row, scaled to squares that sum to 1."""
    num_rows = np.bincount(bags.feature[bags.row < num_train], minlength=len(bags.names))
    is_kept = num_rows >= min_rows
    number = (np.cumsum(is_kept) - 1).astype(np.int32)
    entry = is_kept[bags.feature]
    row, value = bags.row[entry], bags.value[entry]
    names = tuple(name for name, kept in zip(bags.names, is_kept, strict=True) if kept)
    return Bags(row, number[bags.feature[entry]], unit_values(row, value), names)


def sized(bags: Bags, size: float) -> Bags:
    """The same features with values so many times as large."""
    return dataclasses.replace(bags, value=(size * bags.value).astype(np.float32))


def unit_values(
    row: Int32[np.ndarray, " entries"], value: Float32[np.ndarray, " entries"]
) -> Float32[np.ndarray, " entries"]:
    """Values divided by the root of the sum of their row's squares."""
    square: Float64[np.ndarray, " rows"] = np.bincount(row, value.astype(np.float64) ** 2)
    return (value / np.sqrt(square[row])).astype(np.float32)


def join(parts: Sequence[Bags]) -> Bags:
    """Groups of features as one, the features of each after those of the one before."""
    if not parts:
        return bags_of([], [])
    first = np.cumsum([0, *(len(part.names) for part in parts)])
    row = np.concatenate([part.row for part in parts])
    feature = np.concatenate([part.feature + np.int32(start) for part, start in zip(parts, first, strict=False)])
    value = np.concatenate([part.value for part in parts])
    order = np.lexsort((feature, row))
    names = tuple(name for part in parts for name in part.names)
    return Bags(row[order], feature[order].astype(np.int32), value[order], names)
