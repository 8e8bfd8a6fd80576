"""Any CSV, TSV or Parquet file of texts about movies -> `RawReviews`, or `LabelledTexts` if labelled."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from movierec_jax.data.cleaning import (
    describe_dropped,
    infer_scale,
)
from movierec_jax.data.readers.links_file import IMDB_NAMES, MOVIE_NAMES, id_name, ids_of, imdb_numbers
from movierec_jax.data.readers.ratings_file import SPELLINGS, parquet_column, to_pandas
from movierec_jax.data.readers.table_file import (
    Columns,
    Header,
    as_text,
    local_file,
    missing_column,
    one_of,
    read_columns,
    read_header,
    spelled,
)
from movierec_jax.data.schema import (
    IMDB_ID,
    MOVIE_ID,
    RATING,
    STARS,
    TEXT,
    TIMESTAMP,
    USER_ID,
    LabelledTexts,
    RawReviews,
)
from movierec_jax.errors import InputError

LABEL, SPLIT = "label", "split"

# What columns may be called, in lower case and without spaces, "_" and "-".
TEXT_NAMES = "text review reviewtext reviewbody reviewcontent comment comments body content tag"

LABEL_NAMES = "label sentiment polarity class"

SPLIT_NAMES = "split part subset"

NAMES = {
    TEXT: TEXT_NAMES.split(),
    STARS: SPELLINGS[RATING],
    TIMESTAMP: SPELLINGS[TIMESTAMP],
    USER_ID: SPELLINGS[USER_ID],
    LABEL: LABEL_NAMES.split(),
    SPLIT: SPLIT_NAMES.split(),
}

ID_NAMES = (*MOVIE_NAMES, *IMDB_NAMES)

KNOWN_NAMES = {*ID_NAMES, *(name for names in NAMES.values() for name in names)}

PRAISE = ("pos", "positive", "praise", "1", "true", "yes")

BLAME = ("neg", "negative", "blame", "0", "-1", "false", "no")

IS_TEST = {"train": False, "training": False, "test": True}

# Fewer texts say nothing of how people praise and blame.
MIN_TEXTS = 20


def read_reviews(path: str | os.PathLike[str]) -> RawReviews:
    """Reads what people wrote about movies, from Parquet or text, either of which may be packed (.gz).

    The columns have usual names: one of movie ids or, where there is none, of IMDb's ids; one of text; and perhaps
    user, stars and timestamp.

    Raises:
      InputError: the file cannot be read as such; the message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        expected = "columns of a movie_id or imdb_id, and of text"
        header = read_header(file, KNOWN_NAMES, expected)
        movie = movie_column(header)
        if movie is None:
            raise missing_column(header, f"{MOVIE_ID} or {IMDB_ID}", ID_NAMES)
        names = dict([movie]) | find_columns(header, (TEXT, USER_ID, STARS, TIMESTAMP))
        if TEXT not in names:
            raise missing_column(header, TEXT, NAMES[TEXT])
        found = read_columns(header, list(names.values()))
        table = pd.DataFrame({column: take(found, name, column) for column, name in names.items()}, copy=False)
    return RawReviews(str(path), table, found.line, found.unit)


def movie_column(header: Header) -> tuple[str, str] | None:
    """`movie_id` or else `imdb_id`, and the name under which a file has it; None where it has neither."""
    found = ((column, id_name(header, column)) for column in (MOVIE_ID, IMDB_ID))
    return next(((column, name) for column, name in found if name is not None), None)


def find_columns(header: Header, columns: Sequence[str]) -> dict[str, str]:
    """The names under which a file has columns, of those that it has."""
    names = {column: one_of(header, column, spelled(header, NAMES[column])) for column in columns}
    return {column: name for column, name in names.items() if name is not None}


def take(found: Columns, name: str, column: str) -> pd.Series:
    """A column of a file as `RawReviews` has it, taken out of what was found, so that no text is held twice."""
    if column in (MOVIE_ID, IMDB_ID, USER_ID):
        return ids_of(found, name, column)
    values = found.by_name.pop(name)
    if found.unit == "line":
        return to_pandas(values)
    try:
        if column not in (STARS, TIMESTAMP):
            if pa.types.is_dictionary(values.type):
                values = values.cast(values.type.value_type)
            return as_text(values)
        values = parquet_column(values, RATING if column == STARS else TIMESTAMP)
    except pa.ArrowException as error:
        raise InputError(f"{found.path}: column {name!r} cannot be the {column}: {error}") from error
    return as_text(values) if pa.types.is_string(values.type) else to_pandas(values)


def read_labelled(path: str | os.PathLike[str]) -> LabelledTexts:
    """Reads texts of which a label or stars tell whether they praise or blame, from the same kinds of files.

    A label is one of `PRAISE` or `BLAME`, in any case. Where a text has none, stars above the middle of their scale are
    praise and those below it blame. A column `split` may set a test part aside.

    Raises:
      InputError: the file cannot be read as such, or what it has to learn from is too little or all of one kind; the
        message names the file, and the line where there is one.
    """
    with local_file(path) as file:
        expected = "columns of text, and of a label or stars"
        header = read_header(file, KNOWN_NAMES, expected)
        names = find_columns(header, (TEXT, LABEL, STARS, SPLIT))
        if TEXT not in names:
            raise missing_column(header, TEXT, NAMES[TEXT])
        if not {LABEL, STARS} & set(names):
            raise missing_column(header, f"{LABEL} or {STARS}", [*NAMES[LABEL], *NAMES[STARS]])
        names |= dict(filter(None, [movie_column(header)]))
        found = read_columns(header, list(names.values()))
        table = pd.DataFrame({column: take(found, name, column) for column, name in names.items()}, copy=False)
        labelled = judged(table, found, str(path))
    require_both(labelled)
    return labelled


def judged(table: pd.DataFrame, found: Columns, path: str) -> LabelledTexts:
    """The rows of a file that have text, and a label or stars that tell."""
    stars, scale = file_stars(table)
    praise = praise_of(table, found)
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
        group=groups_of(kept),
        is_test=is_test if is_test.any() else None,
        dropped=dropped,
    )


def file_stars(table: pd.DataFrame) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The stars of rows, NaN where there are none on the scale that nearly all are on; and this scale."""
    if STARS not in table:
        return np.full(len(table), np.nan), None
    stars = pd.to_numeric(table[STARS], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    is_number = np.isfinite(stars)
    if not is_number.any():
        return np.full(len(table), np.nan), None
    lowest, highest = infer_scale(stars[is_number])
    return np.where(is_number & (stars >= lowest) & (stars <= highest), stars, np.nan), (lowest, highest)


def praise_of(table: pd.DataFrame, found: Columns) -> np.ndarray:
    """1 for a label of praise, 0 for one of blame, NaN where there is none. Raises InputError for another."""
    if LABEL not in table:
        return np.full(len(table), np.nan)
    values = dict.fromkeys(PRAISE, 1.0) | dict.fromkeys(BLAME, 0.0)
    return known_words(table[LABEL].str.replace(r"\.0+$", "", regex=True), values, found, LABEL)


def test_part(table: pd.DataFrame, found: Columns) -> np.ndarray:
    """Whether each row is of the test part. Raises InputError for another part, and for none where others have one."""
    if SPLIT not in table:
        return np.zeros(len(table), bool)
    is_test = known_words(table[SPLIT], {word: float(is_test) for word, is_test in IS_TEST.items()}, found, SPLIT)
    if np.isnan(is_test).any():
        place = found.place(int(np.isnan(is_test).argmax()))
        raise InputError(f"{place}: no {SPLIT}, where other rows have one; fill it in, or leave the column out")
    return is_test == 1


def known_words(words: pd.Series, values: dict[str, float], found: Columns, column: str) -> np.ndarray:
    """The values of words in any case, NaN where there is none. Raises InputError for a word that has no value."""
    numbers = words.str.lower().map(values).to_numpy(np.float64, na_value=np.nan)
    unknown = np.isnan(numbers) & words.notna().to_numpy(bool)
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(f"{found.place(row)}: {column} {words.iloc[row][:80]!r}; expected one of {', '.join(values)}")
    return numbers


def groups_of(table: pd.DataFrame) -> np.ndarray:
    """A number from 0 for the movie of each row or, where it is not known, for its text, int32."""
    text, _ = pd.factorize(table[TEXT])
    movie = np.full(len(table), -1)
    if MOVIE_ID in table or IMDB_ID in table:
        ids = table[MOVIE_ID] if MOVIE_ID in table else imdb_numbers(table[IMDB_ID])
        movie, _ = pd.factorize(ids)
    group, _ = pd.factorize(np.where(movie < 0, text + movie.max(initial=-1) + 1, movie))
    return group.astype(np.int32)


def require_both(labelled: LabelledTexts) -> None:
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


# Text that says nothing: spaces, tags and entities of HTML.
MARKUP = r"(?:[\s\u00a0\u200b\ufeff]|<[^<>]*>|&#?\w{1,8};)*"


def says_something(text: pd.Series) -> pd.Series:
    """Whether texts have more in them than spaces and markup."""
    return text.notna() & ~text.str.fullmatch(MARKUP, na=True)
