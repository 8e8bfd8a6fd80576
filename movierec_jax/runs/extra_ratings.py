"""Reads the files of --extra_ratings: those with a column of users, and one person's, whom --extra_user names."""

import pathlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from movierec_jax.data.cleaning import clean_movies, with_ids_of
from movierec_jax.data.matching.id_join import KnownMovies, join_ratings
from movierec_jax.data.matching.match_movies import MovieIndex
from movierec_jax.data.matching.own_ratings import OwnRatings, match_ratings
from movierec_jax.data.readers.personal_file import is_personal, read_personal
from movierec_jax.data.readers.ratings import read_ratings
from movierec_jax.data.schema import GENRES, MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, TITLE, USER_ID, WEIGHT, RawData
from movierec_jax.data.values.rating_values import parse_rating_values
from movierec_jax.data.values.scale import infer_scale
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError


def read_extra_ratings(
    raw: RawData,
    known: KnownMovies,
    config: DataConfig,
    cache: pathlib.Path | None = None,
    log: Callable[[str], None] = print,
) -> list[RawData]:
    """Reads the files of --extra_ratings; log takes what was found of one person's.

    raw: the data whose movies such a file is matched to. known: its movies, which other files may name by ids of any
    space. cache: folder as for `read_ratings`. Raises InputError where a
    file of one person comes without --extra_user, or the reverse.
    """
    personal = {path for path in config.extra_ratings if is_personal(path)}
    for path in personal:
        if config.extra_user is None:
            raise InputError(f"{path}: ratings without a column of users; --extra_user=NAME says whose they are")
    if config.extra_user is not None and not personal:
        raise InputError(
            f"--extra_user={config.extra_user}: names the user of --extra_ratings without a column of users; "
            "no such file is given"
        )
    movies = linked_movies(raw) if personal else None
    extra = []
    for path in config.extra_ratings:
        if movies is None or path not in personal:
            extra.append(join_ratings(read_ratings(path, cache), known))
            continue
        own = match_ratings(read_personal(path), movies[1], movies[0], rating_scale(raw, config))
        for line in own.lines():
            log(f"{path}: {line}" if not line.startswith(" ") else line)
        extra.append(as_raw_data(own, user_id(str(config.extra_user), raw)))
    return extra


def linked_movies(raw: RawData) -> tuple[pd.Series, MovieIndex]:
    """Returns the ids of all movies of the data, and the movies by all that other files call them, in this order."""
    rated = raw.ratings[[MOVIE_ID]].dropna()
    if pd.api.types.is_integer_dtype(rated[MOVIE_ID]):
        rated = rated.astype({MOVIE_ID: np.int64})
    movies = clean_movies(raw.movies, rated[MOVIE_ID])
    return movies[MOVIE_ID], MovieIndex(movies, with_ids_of(raw.links, rated, MOVIE_ID))


def rating_scale(raw: RawData, config: DataConfig) -> tuple[float, float]:
    """Returns lowest and highest rating as stated, else as the ratings show."""
    stated = config.rating_scale or raw.rating_scale
    if stated is None:
        written = raw.ratings[RATING] if RATING in raw.ratings else pd.Series(dtype=np.float64)
        values = parse_rating_values(written)
        rating = values.rating.astype(np.float64)
        inferred = infer_scale(rating[np.isfinite(rating)])
        stated = inferred.lowest, inferred.highest
    lowest, highest = stated
    return float(lowest), float(highest)


def user_id(text: str, raw: RawData) -> int | str:
    """Returns the id of --extra_user as the data writes ids. Raises InputError where it cannot be one."""
    if not pd.api.types.is_integer_dtype(raw.ratings[USER_ID]):
        return text
    if not text.strip().lstrip("-").isdecimal():
        unused = int(raw.ratings[USER_ID].max()) + 1
        raise InputError(f"--extra_user={text}: the user ids of the data are integers; {unused} is not in use yet")
    return int(text)


def as_raw_data(own: OwnRatings, user: int | str) -> RawData:
    """Returns what a person has rated and watched, as of a user of the data.

    Raises InputError where there is nothing.
    """
    table = own.weighted()
    if table.empty:
        raise InputError(f"{own.path}: none of its {own.num_movies:,} films is one of the data")
    times = table[TIMESTAMP].astype("Int64").mask(table[TIMESTAMP] == NO_TIMESTAMP)
    table = table.drop(columns=TIMESTAMP) if times.isna().all() else table.assign(**{TIMESTAMP: times})
    if own.watched.empty:
        table = table.drop(columns=WEIGHT)
    users = pd.Series([user] * len(table), dtype="int64" if isinstance(user, int) else "str")
    no_movies = pd.DataFrame({column: pd.Series(dtype="str") for column in (MOVIE_ID, TITLE, GENRES)})
    return RawData(table.assign(**{USER_ID: users}), no_movies, own.path)
