"""Which movies a list may hold: `ListFilter` says what is asked for, `filter_movies` turns it into a mask over movies.

`Recommender.select_movies`, which movierec score calls, and the API of `serve` both filter here.
"""

import dataclasses
from collections.abc import Collection, Iterable

import numpy as np
from jaxtyping import Bool

from movierec_jax.config import ScoreConfig
from movierec_jax.data.schema import MOVIE_ID, YEAR
from movierec_jax.errors import InputError
from movierec_jax.runs.run import Run


@dataclasses.dataclass(frozen=True)
class ListFilter:
    """What a movie has to meet to be listed. An empty field lets every movie pass.

    genres: the movie has one of these.
    years: the first and the last year in which it may have come out.
    min_ratings: ratings that it has in train at least.
    praised: reviews praise one of these aspects of it, such as "music".
    exclude_movies: ids of movies that are left out.
    """

    genres: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    min_ratings: int = 0
    praised: tuple[str, ...] = ()
    exclude_movies: tuple = ()


def filter_movies(run: Run, wanted: ListFilter, prefix: str = "--") -> Bool[np.ndarray, " movies"]:
    """Returns whether each movie trained on passes a filter; perhaps none does.

    prefix: what messages put before the name of a setting: "--" for flags, nothing for fields of a request.
    Raises InputError for genres and ids that the data does not have, and for aspects that no reviews praise.
    """
    require_filter(run, wanted, prefix)
    ids = run.movies.ids[: len(run.movies)]
    is_listed = run.movie_count[: len(ids)] >= wanted.min_ratings
    if wanted.genres:
        is_listed &= run.genres[list(wanted.genres)].any(axis=1).to_numpy()
    if wanted.praised:
        is_listed &= run.praised[list(wanted.praised)].any(axis=1).to_numpy()
    if wanted.years:
        first, last = wanted.years
        is_listed &= run.movie_table.set_index(MOVIE_ID)[YEAR].reindex(ids).between(first, last).to_numpy()
    return is_listed & ~ids.isin(list(wanted.exclude_movies))


def require_filter(run: Run, wanted: ListFilter, prefix: str) -> None:
    """Raises InputError unless the data of a run has all that a filter names."""
    # Checks these values as it does those of flags.
    ScoreConfig(years=wanted.years, min_ratings=wanted.min_ratings)
    require_names(f"{prefix}genres", wanted.genres, run.genres.columns, "not a genre of the data")
    if wanted.praised and run.reviews.empty:
        raise InputError(f"{prefix}praised={wanted.praised[0]}: this run has no reviews; train one with --reviews=FILE")
    require_names(f"{prefix}praised", wanted.praised, run.praised.columns, "not praised by reviews of this run")
    is_unknown = run.movies.rows(wanted.exclude_movies) == run.movies.unknown
    if is_unknown.any():
        unknown = wanted.exclude_movies[int(is_unknown.argmax())]
        raise InputError(f"{prefix}exclude_movies={unknown}: no movie of the data has this id; leave it out")


def require_names(setting: str, names: Iterable[str], choices: Collection[str], problem: str) -> None:
    """Raises InputError for the first name that is not among the choices."""
    for name in names:
        if name not in choices:
            raise InputError(f"{setting}={name}: {problem}; name one of {', '.join(choices) or 'none'}")


def as_tuple(names: str | Iterable[str]) -> tuple[str, ...]:
    """Returns names as a tuple; a single one may be given by itself."""
    return (names,) if isinstance(names, str) else tuple(names)
