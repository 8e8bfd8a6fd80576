"""Makes features of movies and users from the data's own tables: genres, years, tags, ages, genders, occupations.

`bags` has the scaling that all features share, `feature_tables` the columns of files that a user adds.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int32, Int64

from movierec_jax.data.matching.id_join import KnownMovies
from movierec_jax.data.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE_ID,
    OCCUPATION,
    TAG,
    USER_ID,
    YEAR,
    FeatureBags,
    FeatureTable,
)
from movierec_jax.data_config import MOVIE_CONTENT, USER_CONTENT
from movierec_jax.features.bags import build_bags, category_features, fit_bags, join_bags, set_features
from movierec_jax.features.feature_tables import table_features

# Years between the centres of neighbouring bins.
YEARS_PER_BIN = 5

# Tags on fewer movies tell more about their writers than about movies.
MIN_MOVIES_PER_TAG = 3

# The lowest age of each bin after the first: the ranges of MovieLens 1M, which has no exact ages.
AGE_BINS = (18, 25, 35, 45, 50, 56)

AGE_NAMES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")


def movie_content(
    movies: pd.DataFrame,
    tags: pd.DataFrame,
    extra: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    *,
    groups: Sequence[str] = MOVIE_CONTENT,
    known: KnownMovies | None = None,
    log: Callable[[str], None] = print,
) -> FeatureBags:
    """Returns the features of movies, a row for each of `ids`; the first `num_train` ids are those of train.

    movies, tags: as in CleanData; ids that are not among `ids` are skipped.
    extra: tables of `read_features` with movie ids; ids that are not among `ids` are counted and logged.
    groups: which of genres, year and tags to use (`reviews` makes the others). Extra tables are always used.
    known: the movies that the extra tables join, which may name them by ids of any space; None: by `ids` alone.
    log: takes a line on each extra table and each of its columns.

    Raises InputError for an extra table that is given twice, has an id twice, or has none of the ids.
    """
    parts = []
    row = ids.get_indexer(pd.Index(movies[MOVIE_ID]))
    if "genres" in groups:
        parts.append(set_features("genre", row, movies[GENRES].str.split("|"), num_train))
    if "year" in groups:
        parts.append(year_features(row, movies[YEAR].to_numpy(np.int32), num_train))
    if "tags" in groups:
        parts.append(tag_features(tags, ids, num_train))
    return join_bags([*parts, *table_features(extra, ids, num_train, parts, log, known)])


def user_content(
    users: pd.DataFrame,
    extra: Sequence[FeatureTable],
    ids: pd.Index,
    num_train: int,
    *,
    groups: Sequence[str] = USER_CONTENT,
    log: Callable[[str], None] = print,
) -> FeatureBags:
    """Returns the features of users, as `movie_content` does those of movies.

    users: as in CleanData.
    groups: which of age, gender and occupation to use.
    """
    row = ids.get_indexer(pd.Index(users[USER_ID]))
    columns = {
        "age": pd.Series(np.array(AGE_NAMES, object)[np.searchsorted(AGE_BINS, users[AGE], side="right")]),
        "gender": users[GENDER],
        "occupation": users[OCCUPATION],
    }
    parts = [category_features(name, row, columns[name], num_train) for name in USER_CONTENT if name in groups]
    return join_bags([*parts, *table_features(extra, ids, num_train, parts, log)])


def year_features(row: Int64[np.ndarray, " rows"], year: Int32[np.ndarray, " rows"], num_train: int) -> FeatureBags:
    """Returns overlapping bins of years: 1993 is 0.4 of "year~1990" and 0.6 of "year~1995"; year 0 has none.

    With bins that end somewhere, 1994 and 1995 would be as different as 1924 and 1995.
    """
    has_year = (row >= 0) & (year > 0)
    row, year = row[has_year], year[has_year]
    below = year // YEARS_PER_BIN * YEARS_PER_BIN
    share = (year - below) / YEARS_PER_BIN
    centre = np.concatenate([below, below + YEARS_PER_BIN])
    weight = np.concatenate([1 - share, share])
    is_in_bin = weight > 0
    names = [f"year~{bin}" for bin in centre[is_in_bin]]
    return fit_bags(build_bags(np.tile(row, 2)[is_in_bin], names, weight[is_in_bin]), num_train)


def tag_features(tags: pd.DataFrame, ids: pd.Index, num_train: int) -> FeatureBags:
    """Returns a feature for each lower-case tag that at least 3 movies of train have: log(1 + users who gave it)."""
    row = ids.get_indexer(pd.Index(tags[MOVIE_ID]))
    given = pd.DataFrame({"row": row, "tag": tags[TAG].str.lower().str.strip(), "user": tags[USER_ID]})
    given = given[(row >= 0) & given["tag"].ne("")].drop_duplicates()
    num_users = given.groupby(["row", "tag"])["user"].size().reset_index(name="users")
    names = "tag=" + num_users["tag"].astype(object)
    bags = build_bags(num_users["row"].to_numpy(), names, np.log1p(num_users["users"].to_numpy()))
    return fit_bags(bags, num_train, MIN_MOVIES_PER_TAG)
