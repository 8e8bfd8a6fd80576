"""What the options of a request ask of a list: its page, and the movies that it may hold."""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Int32

from movierec_jax.config import TABLE_TOP_K
from movierec_jax.recommend.filters import ListFilter
from movierec_jax.serve.engine import Engine
from movierec_jax.serve.errors import Problem
from movierec_jax.serve.ids import as_data_id
from movierec_jax.serve.request_schemas import ListOptions

# Bounds of a list without a first or a last year.
ANY_YEAR = (1, 9999)


@dataclasses.dataclass(frozen=True)
class Choice:
    """The movies that a list chooses from.

    is_listed: mask of the movies that it may hold; None: all. left_out: rows of those that it never holds.
    ignored: ids of candidates that training lacks, which cannot be ranked.
    """

    is_listed: Bool[np.ndarray, " movies"] | None
    left_out: Int32[np.ndarray, " left_out"]
    ignored: list[int | str]


def page_of(engine: Engine, options: ListOptions) -> tuple[int, int]:
    """Returns the ranks before and at the end of a list's page. Raises Problem for ranks beyond the longest list."""
    longest = engine.longest_list
    k = min(TABLE_TOP_K, longest - options.offset) if options.k is None else options.k
    if options.offset + k > longest or k < 1:
        found = f"k={k}" if not options.offset else f"offset={options.offset:,} and k={max(k, 1):,}"
        raise Problem("over-limit", f"{found}: lists end at rank {longest:,}; ask for 1 to {longest:,}")
    return options.offset, options.offset + k


def choice_of(engine: Engine, options: ListOptions, left_out: Int32[np.ndarray, " left_out"]) -> Choice:
    """Returns the movies that options choose from. Raises Problem for names and ids that the run does not have.

    left_out: further rows that the list never holds.
    """
    wanted = filter_of(engine, options)
    is_listed = None if wanted == ListFilter() else engine.filter_movies(wanted)
    ignored: list[int | str] = []
    if options.movies is not None:
        ids = [as_data_id(engine.run.movies, one) for one in options.movies]
        rows = np.array([engine.catalogue.row(one) for one in ids], np.int32)
        ignored = [one for one, row in zip(ids, rows.tolist(), strict=True) if row >= engine.num_movies]
        is_candidate = np.zeros(engine.num_movies, bool)
        is_candidate[rows[rows < engine.num_movies]] = True
        is_listed = is_candidate if is_listed is None else is_listed & is_candidate
    if options.exclude_movies:
        ids = [as_data_id(engine.run.movies, one) for one in options.exclude_movies]
        for movie_id in ids:
            engine.catalogue.row(movie_id)
        left_out = np.concatenate([left_out, trained_rows(engine, ids)])
    return Choice(is_listed, left_out, ignored)


def filter_of(engine: Engine, options: ListOptions) -> ListFilter:
    """Returns the filter of a request; equal ones are equal whatever the order and case of names."""
    years = options.year_from, options.year_to
    bounds = tuple(bound if year is None else year for bound, year in zip(ANY_YEAR, years, strict=True))
    genres = names_of("genre", options.genres, engine.run.genres.columns)
    if options.praised and engine.run.reviews.empty:
        detail = f"praised={options.praised[0]}: this run has no reviews; train one with --reviews=FILE"
        raise Problem("unknown-aspect", detail)
    praised = names_of("aspect", options.praised, engine.run.praised.columns)
    return ListFilter(genres, () if years == (None, None) else bounds, options.min_ratings, praised)


def names_of(kind: str, names: Iterable[str], choices: Iterable[str]) -> tuple[str, ...]:
    """Returns names as the run writes them, whatever their case. Raises Problem for a name that it lacks."""
    by_name = {choice.casefold(): choice for choice in choices}
    for name in names:
        if name.casefold() not in by_name:
            valid = ", ".join(by_name.values()) or "none"
            raise Problem(f"unknown-{kind}", f"Unknown {kind} {name!r}. Valid {kind}s: {valid}")
    return tuple(sorted({by_name[name.casefold()] for name in names}))


def trained_rows(engine: Engine, movie_ids: Iterable[int | str]) -> Int32[np.ndarray, " rows"]:
    """Returns the rows of movies, without those that the data or training lacks."""
    rows = (engine.catalogue.rows.get(movie_id, engine.num_movies) for movie_id in movie_ids)
    return np.array([row for row in rows if row < engine.num_movies], np.int32)


def rows_of(engine: Engine, given: Iterable[int | str]) -> Int32[np.ndarray, " rows"]:
    """Returns the rows of movies by the ids of a request, as `trained_rows`. Raises InputError for text as a number."""
    return trained_rows(engine, [as_data_id(engine.run.movies, one) for one in given])


def require_at_most(name: str, found: int, limit: int) -> None:
    """Raises Problem for more than the limit of what a request may name."""
    if found > limit:
        raise Problem("over-limit", f"{name}: {found:,}; must be {limit:,} at most")
