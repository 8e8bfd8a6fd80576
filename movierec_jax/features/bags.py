"""Makes weighted bags of features from the values of one column, and joins them.

Which features there are, and every mean, standard deviation and count behind a value, come from the rows of train: the
first `num_train`. The rows after them (cold users and movies) get the same features.

The values of a column are scaled so that their squares sum to 1 in each row that has any: 1/sqrt(n) for a set of n. So
no column drowns another, however many features it has. Numbers are standardised instead, since scaling a single value
would leave only its sign; their squares average 1 over the rows of train.
"""

import collections
import dataclasses
import functools
import re
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from movierec_jax.data.schema import FeatureBags

# Standardised numbers are clipped to this many standard deviations from the mean.
MAX_DEVIATIONS = 3.0

# Words are hashed to this many buckets. Of 2,000 different words some 1,200 then share their bucket with no other.
NUM_WORD_BUCKETS = 2**12


def number_feature(name: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> FeatureBags:
    """Returns one feature: standard deviations from the mean of train, -3 to 3. Empty where train has no deviation."""
    number = values.to_numpy(np.float64)
    is_finite = np.isfinite(number)
    row, number = row[is_finite], number[is_finite]
    train = number[row < num_train]
    largest = np.abs(train).max(initial=0.0)
    with np.errstate(over="ignore"):  # a cold number may overflow; it is clipped below
        # Scaled to 1 at most: sums of squares can't overflow, and equal numbers have a deviation of exactly 0.
        number, train = (part / (largest or 1.0) for part in (number, train))
    deviation = train.std() if len(train) else 0.0
    if not deviation:
        return build_bags([], [])
    standard = np.clip((number - train.mean()) / deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS)
    return build_bags(row, [name] * len(row), standard)


def category_features(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> FeatureBags:
    """Returns a feature for each different text; rows of -1 are skipped."""
    has_value = (row >= 0) & (values.notna() & values.ne("")).to_numpy(bool)
    return fit_bags(build_bags(row[has_value], f"{label}=" + values[has_value].astype(object)), num_train)


def set_features(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> FeatureBags:
    """Returns a feature for each member of lists of texts; rows of -1 are skipped."""
    members = pd.DataFrame({"row": row, "name": values.to_numpy()}).explode("name").dropna()
    members["name"] = members["name"].astype("str").str.strip()
    members = members[(members["row"] >= 0) & members["name"].ne("")]
    return fit_bags(build_bags(members["row"].to_numpy(), f"{label}=" + members["name"].astype(object)), num_train)


def word_features(label: str, row: Int64[np.ndarray, " rows"], values: pd.Series, num_train: int) -> FeatureBags:
    """Returns a feature for each hash bucket of lower-case words: times in the text x rarity in train.

    The rarity is log((1 + texts) / texts with the bucket). Unlike the usual log(texts / texts with it) it is never 0,
    not even for a single text.
    """
    has_text = values.notna().to_numpy(bool)
    row = row[has_text]
    counts = [collections.Counter(map(word_bucket, re.findall(r"\w+", text.lower()))) for text in values[has_text]]
    bucket = np.array([bucket for words in counts for bucket in words], np.int64)
    times = np.array([number for words in counts for number in words.values()], np.float64)
    row_of_bucket = np.repeat(row, [len(words) for words in counts])
    num_texts = np.count_nonzero(row < num_train)
    num_with = np.bincount(bucket[row_of_bucket < num_train], minlength=NUM_WORD_BUCKETS)
    rarity = np.log((1 + num_texts) / np.maximum(num_with, 1))
    names = [f"{label}~{number}" for number in bucket]
    return fit_bags(build_bags(row_of_bucket, names, times * rarity[bucket]), num_train)


@functools.cache
def word_bucket(word: str) -> int:
    """Returns the hash bucket of a word, the same on every machine."""
    return zlib.crc32(word.encode()) % NUM_WORD_BUCKETS


def build_bags(
    row: Sequence | np.ndarray, name: Sequence | pd.Series, value: Sequence | np.ndarray | float = 1.0
) -> FeatureBags:
    """Returns bags from rows, feature names and values side by side, or one value for all.

    Names are sorted. Of entries with equal row and name the first is kept.
    """
    feature, names = pd.factorize(np.asarray(name, object), sort=True)
    order = np.lexsort((feature, row))
    row, feature = np.asarray(row, np.int32)[order], feature[order].astype(np.int32)
    values = np.broadcast_to(np.asarray(value, np.float32), len(order))[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (row[1:] != row[:-1]) | (feature[1:] != feature[:-1])
    return FeatureBags(row[is_first], feature[is_first], values[is_first], tuple(map(str, names)))


def fit_bags(bags: FeatureBags, num_train: int, min_rows: int = 1) -> FeatureBags:
    """Keeps the features that at least `min_rows` rows of train have, and scales each row's squares to sum to 1."""
    num_rows = np.bincount(bags.feature[bags.row < num_train], minlength=len(bags.names))
    is_kept = num_rows >= min_rows
    new_feature = (np.cumsum(is_kept) - 1).astype(np.int32)
    is_entry = is_kept[bags.feature]
    row, value = bags.row[is_entry], bags.value[is_entry]
    names = tuple(name for name, kept in zip(bags.names, is_kept, strict=True) if kept)
    return FeatureBags(row, new_feature[bags.feature[is_entry]], unit_norm(row, value), names)


def unit_norm(
    row: Int32[np.ndarray, " entries"], value: Float32[np.ndarray, " entries"]
) -> Float32[np.ndarray, " entries"]:
    """Divides values by the root of the sum of their row's squares."""
    square: Float64[np.ndarray, " rows"] = np.bincount(row, value.astype(np.float64) ** 2)
    return (value / np.sqrt(square[row])).astype(np.float32)


def scale_bags(bags: FeatureBags, factor: float) -> FeatureBags:
    """Multiplies all values by a factor."""
    return dataclasses.replace(bags, value=(factor * bags.value).astype(np.float32))


def join_bags(parts: Sequence[FeatureBags]) -> FeatureBags:
    """Joins bags of the same rows: the features of each part follow those of the part before."""
    if not parts:
        return build_bags([], [])
    first = np.cumsum([0, *(len(part.names) for part in parts)])
    row = np.concatenate([part.row for part in parts])
    feature = np.concatenate([part.feature + np.int32(start) for part, start in zip(parts, first, strict=False)])
    value = np.concatenate([part.value for part in parts])
    order = np.lexsort((feature, row))
    names = tuple(name for part in parts for name in part.names)
    return FeatureBags(row[order], feature[order].astype(np.int32), value[order], names)
