"""A new user whose ratings come from a file of another site, matched to the movies of a run."""

import os

import numpy as np
import pandas as pd
from jaxtyping import Bool

from movierec_jax.data.matching.match_movies import MovieIndex
from movierec_jax.data.matching.own_ratings import OwnRatings, counted, match_ratings
from movierec_jax.data.readers.personal_file import read_personal
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.run import Run

# The id of the user whose ratings a file holds.
ME = "me"


def movie_index(run: Run) -> MovieIndex:
    """Returns the movies of a run by all that files of other sites call them."""
    return MovieIndex(run.movie_table, run.links)


def read_own_ratings(
    path: str | os.PathLike[str], run: Run, index: MovieIndex | None = None, max_rows: int | None = None
) -> OwnRatings:
    """Reads one person's ratings of a run's movies, on its scale. index: of the run; made unless given.

    Raises InputError as `read_personal`, for more rows than `max_rows`, and where the run has no movie of the file.
    """
    file = read_personal(path)
    if max_rows is not None and len(file) > max_rows:
        raise InputError(f"{path}: {len(file):,} rows; at most {max_rows:,} are looked up")
    own = match_ratings(file, index or movie_index(run), run.movie_table[MOVIE_ID], run.rating_scale)
    if own.ratings.empty and own.watched.empty:
        raise InputError(f"{path}: {'; '.join(line.strip() for line in own.lines())}; none of them is one of the run")
    return own


def describe(own: OwnRatings, run: Run) -> list[str]:
    """Returns what was read, found and left out, and what the model makes of it, as lines of text."""
    found = own.weighted()[MOVIE_ID]
    num_unknown = len(found) - int(is_in_train(run, found).sum())
    unknown = [f"  {counted(num_unknown, 'film')} without a rating in train: nothing is learnt from them"]
    return own.lines() + unknown * bool(num_unknown)


def is_in_train(run: Run, movie_ids: pd.Series) -> Bool[np.ndarray, " movies"]:
    """Returns whether each movie is one of train."""
    return run.movies.is_in_train(run.movies.rows(movie_ids)) if len(movie_ids) else np.zeros(0, bool)


def with_own_ratings(recommender: Recommender, own: OwnRatings) -> Recommender:
    """Returns the same model for the user `ME`, from what a file says they have rated and watched.

    Raises InputError where none of these movies is in train.
    """
    table = own.weighted()
    known = table[is_in_train(recommender.run, table[MOVIE_ID])]
    if known.empty:
        raise InputError(
            f"{own.path}: none of its {own.num_movies:,} films has a rating in train, so nothing can be told"
        )
    return recommender.with_new_users(known.assign(**{USER_ID: ME}))
