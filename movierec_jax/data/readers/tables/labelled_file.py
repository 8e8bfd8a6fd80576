"""Reads any CSV, TSV or Parquet file of texts labelled as praise or blame as `LabelledTexts`."""

import os

import numpy as np
import pandas as pd

from movierec_jax.data.cleaning import describe_dropped
from movierec_jax.data.matching.id_spaces import COLUMNS, id_numbers
from movierec_jax.data.readers.source_file import local_file
from movierec_jax.data.readers.tables.reviews_file import (
    REVIEW_SPELLINGS,
    find_columns,
    find_movie_column,
    says_something,
    take_columns,
)
from movierec_jax.data.readers.tables.table_file import Columns, read_columns, read_header
from movierec_jax.data.readers.text.columns import SPELLINGS
from movierec_jax.data.schema import LABEL, OWN, SPLIT, STARS, TEXT, LabelledTexts
from movierec_jax.data.values.scale import infer_scale
from movierec_jax.errors import InputError

PRAISE = ("pos", "positive", "praise", "1", "true", "yes")

BLAME = ("neg", "negative", "blame", "0", "-1", "false", "no")

IS_TEST = {"train": False, "training": False, "test": True}

# Fewer texts say nothing of how people praise and blame.
MIN_TEXTS = 20


def read_labelled(path: str | os.PathLike[str]) -> LabelledTexts:
    """Reads texts that a label or stars mark as praise or blame, from Parquet or text, either perhaps packed (.gz).

    A label is one of `PRAISE` or `BLAME`, in any case. For a text without a label, stars above the middle of their
    scale count as praise and stars below it as blame. A column `split` may set a test part aside.

    Raises:
      InputError: the file cannot be read as such, or it has too few texts to learn from, or texts of one kind only; the
        message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        header = read_header(file, REVIEW_SPELLINGS, "columns of text, and of a label or stars")
        names = find_columns(header, (TEXT, LABEL, STARS, SPLIT))
        if TEXT not in names:
            raise header.missing(TEXT)
        if not {LABEL, STARS} & set(names):
            raise header.missing(f"{LABEL} or {STARS}", [*SPELLINGS[LABEL], *SPELLINGS[STARS]])
        names |= find_movie_column(header)
        found = read_columns(header, list(names.values()))
        labelled = label_texts(take_columns(found, names), found, str(path))
    require_both_labels(labelled)
    return labelled


def label_texts(table: pd.DataFrame, found: Columns, path: str) -> LabelledTexts:
    """Returns the rows that have text, and a label or stars that say praise or blame."""
    stars, scale = stars_on_scale(table)
    praise = praise_labels(table, found)
    by_stars = np.full(len(table), np.nan)
    if scale is not None:
        by_stars = np.where(np.isnan(stars), np.nan, 0.5 + 0.5 * np.sign(stars - np.mean(scale)))
    praise = np.where(np.isnan(praise), by_stars, praise)
    reasons = {
        "no text": ~says_something(table[TEXT]).to_numpy(bool),
        "no label and no stars": np.isnan(praise),
        "stars in the middle of their scale": praise == 0.5,
    }
    is_kept, dropped = np.ones(len(table), bool), {}
    for reason, mask in reasons.items():
        if count := int((is_kept & mask).sum()):
            dropped[reason] = count
        is_kept &= ~mask
    is_test = test_part(table, found)[is_kept]
    kept = table[is_kept]
    return LabelledTexts(
        path=path,
        text=kept[TEXT].reset_index(drop=True),
        is_praise=praise[is_kept] == 1,
        stars=stars[is_kept].astype(np.float32),
        scale=scale,
        group=group_ids(kept),
        is_test=is_test if is_test.any() else None,
        dropped=dropped,
    )


def stars_on_scale(table: pd.DataFrame) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Returns each row's stars, NaN for none and for stars off the scale, and the inferred scale."""
    if STARS not in table:
        return np.full(len(table), np.nan), None
    stars = pd.to_numeric(table[STARS], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    is_number = np.isfinite(stars)
    if not is_number.any():
        return np.full(len(table), np.nan), None
    scale = infer_scale(stars[is_number])
    lowest, highest = scale.lowest, scale.highest
    return np.where(is_number & (stars >= lowest) & (stars <= highest), stars, np.nan), (lowest, highest)


def praise_labels(table: pd.DataFrame, found: Columns) -> np.ndarray:
    """Returns 1 for labels of praise, 0 for labels of blame, NaN for none. Raises InputError for another label."""
    if LABEL not in table:
        return np.full(len(table), np.nan)
    values = dict.fromkeys(PRAISE, 1.0) | dict.fromkeys(BLAME, 0.0)
    return values_of_words(table[LABEL].str.replace(r"\.0+$", "", regex=True), values, found, LABEL)


def test_part(table: pd.DataFrame, found: Columns) -> np.ndarray:
    """Returns whether each row is in the test part. Raises InputError for another part, and for a row without one."""
    if SPLIT not in table:
        return np.zeros(len(table), bool)
    is_test = values_of_words(table[SPLIT], {word: float(is_test) for word, is_test in IS_TEST.items()}, found, SPLIT)
    if np.isnan(is_test).any():
        where = found.where(int(np.isnan(is_test).argmax()))
        raise InputError(f"{where}: no {SPLIT}, where other rows have one; fill it in, or leave the column out")
    return is_test == 1


def values_of_words(words: pd.Series, values: dict[str, float], found: Columns, column: str) -> np.ndarray:
    """Returns the values of words in any case, NaN for none. Raises InputError for a word that has no value."""
    numbers = words.str.lower().map(values).to_numpy(np.float64, na_value=np.nan)
    unknown = np.isnan(numbers) & words.notna().to_numpy(bool)
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(f"{found.where(row)}: {column} {words.iloc[row][:80]!r}; expected one of {', '.join(values)}")
    return numbers


def group_ids(table: pd.DataFrame) -> np.ndarray:
    """Returns a number from 0 for each row's movie or, without a movie id, for its text, int32."""
    text, _ = pd.factorize(table[TEXT])
    movie = np.full(len(table), -1)
    for space, column in COLUMNS.items():
        if column in table:
            movie, _ = pd.factorize(table[column] if space == OWN else id_numbers(table[column], space))
    group, _ = pd.factorize(np.where(movie < 0, text + movie.max(initial=-1) + 1, movie))
    return group.astype(np.int32)


def require_both_labels(labelled: LabelledTexts) -> None:
    """Raises InputError where there are few texts to learn from, or none of praise, or none of blame."""
    is_train = np.ones(len(labelled), bool) if labelled.is_test is None else ~labelled.is_test
    left_out = f", after dropping {describe_dropped(labelled.dropped)}" if labelled.dropped else ""
    where = "" if labelled.is_test is None else f" of the {SPLIT} train"
    if is_train.sum() < MIN_TEXTS:
        raise InputError(
            f"{labelled.path}: {is_train.sum():,} labelled texts{where}; at least {MIN_TEXTS} are needed{left_out}"
        )
    is_praise = labelled.is_praise[is_train]
    if is_praise.all() or not is_praise.any():
        kind = "praise" if is_praise.all() else "blame"
        raise InputError(
            f"{labelled.path}: all {len(is_praise):,} labelled texts{where} are {kind}; texts of both kinds are needed"
            f"{left_out}"
        )
