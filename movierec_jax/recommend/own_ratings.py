"""A new user whose ratings come from a file of another site, matched to the movies of a run."""

import os

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int32

from movierec_jax.data.match_movies import MovieIndex
from movierec_jax.data.own_ratings import OwnRatings, counted, match_ratings
from movierec_jax.data.readers.personal_file import read_personal
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, no_links
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.run import Run

# The id of the user whose ratings a file holds.
ME = "me"


def movie_index(run: Run) -> MovieIndex:
    """Returns the movies of a run by all that files of other sites call them."""
    return MovieIndex(run.movie_table, movie_links(run))


def movie_links(run: Run) -> pd.DataFrame:
    """Returns the links of a run's movies to IMDb and TMDb; empty where its workdir has none."""
    return getattr(run, "links", no_links())


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
    lines = own.lines()
    num_rated, num_known = len(own.ratings), int(is_in_train(run, own.ratings[MOVIE_ID]).sum())
    if num_known < num_rated:
        lines.append(
            f"  {counted(num_rated - num_known, 'film')} without a rating in train: nothing is learnt from them"
        )
    if not num_known and len(own.watched):
        lines.append("  without stars: each film counts as watched, and as liked as by everybody")
    return lines


def known_ratings(own: OwnRatings, run: Run) -> pd.DataFrame:
    """Returns the ratings that say something to the model, `movie_id, rating, timestamp`: of movies in train.

    Where the file has no such rating, each watched movie counts as rated as by everybody: it says what the user
    watches, not how many stars they give.
    """
    rated, watched = (table[is_in_train(run, table[MOVIE_ID])] for table in (own.ratings, own.watched))
    if len(rated):
        return rated[[MOVIE_ID, RATING, TIMESTAMP]].reset_index(drop=True)
    rating = usual_ratings(run, run.movies.rows(watched[MOVIE_ID]))
    return watched[[MOVIE_ID, TIMESTAMP]].assign(**{RATING: rating}).reset_index(drop=True)


def is_in_train(run: Run, movie_ids: pd.Series) -> np.ndarray:
    """Returns whether each movie is one of train."""
    return run.movies.is_in_train(run.movies.rows(movie_ids)) if len(movie_ids) else np.zeros(0, bool)


def usual_ratings(run: Run, movie_row: Int32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Returns the level of movies in train, a rating that says nothing about its user's taste in stars."""
    return np.clip(run.movie_level[movie_row], *run.rating_scale).astype(np.float32)


def with_own_ratings(recommender: Recommender, own: OwnRatings) -> Recommender:
    """Returns the same model for the user `ME`, from a person's own ratings.

    Raises InputError where none of them is of a movie in train.
    """
    known = known_ratings(own, recommender.run)
    if known.empty:
        raise InputError(
            f"{own.path}: none of its {own.num_films:,} films has a rating in train, so nothing can be told"
        )
    return recommender.with_new_users(known.assign(**{USER_ID: ME}))


def unseen(movies: pd.Index, own: OwnRatings) -> pd.Index:
    """Returns the movies without those watched and not rated; lists leave out rated ones by themselves."""
    return movies[~movies.isin(own.watched[MOVIE_ID])]
