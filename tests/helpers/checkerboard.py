"""Ratings whose answer is known: users give 5 stars to movies of their own parity and 1 star to the others.

Users are 1000, 1001, ... and movies 500, 501, ..., so an id has the parity of its number. Every ninth pair is a test
rating and every ninth a validation rating; two in nine are nobody's, so that each user has unseen movies of both kinds.
"""

import pathlib

import numpy as np
import pandas as pd

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID, CleanData
from movierec_jax.data.splits import Split

HIGH, LOW, MEAN = 5.0, 1.0, 3.0
NUM_USERS, NUM_MOVIES = 150, 24


def table(users, movies, ratings) -> pd.DataFrame:
    """A clean table of these columns."""
    columns = {USER_ID: users, MOVIE_ID: movies, RATING: np.float32(ratings)}
    return pd.DataFrame(columns).assign(**{TIMESTAMP: NO_TIMESTAMP})


def agree(user_ids, movie_ids) -> np.ndarray:
    """Whether each user and movie are of one parity."""
    return (np.asarray(user_ids) + np.asarray(movie_ids)) % 2 == 0


def parts(num_users: int = NUM_USERS, num_movies: int = NUM_MOVIES) -> Split:
    """The ratings of the board, in the order of users, then movies."""
    user, movie = (axis.ravel() for axis in np.indices((num_users, num_movies)))
    kind = (user + 2 * movie) % 9
    users, movies = 1000 + user, 500 + movie
    whole = table(users, movies, np.where(agree(users, movies), HIGH, LOW))
    train, valid, test = (whole[mask].reset_index(drop=True) for mask in (kind > 3, kind == 1, kind == 0))
    return Split.of(train=train, valid=valid, test=test)


def movie_table(movie_ids) -> pd.DataFrame:
    """Titles that tell the id, years and genres."""
    ids = pd.Index(movie_ids)
    genres = ["Odd|Drama" if int(id) % 2 else "Even|Drama" for id in ids]
    return pd.DataFrame(
        {MOVIE_ID: ids, "title": [f"Film {id}" for id in ids], "year": np.int32(1999), "genres": genres}
    )


def clean_data(split: Split, rating_scale: tuple[float, float] = (LOW, HIGH)) -> CleanData:
    """Clean data made of these parts."""
    whole = pd.concat(split.all(), ignore_index=True)
    movies = movie_table(whole[MOVIE_ID].drop_duplicates().sort_values())
    return CleanData(whole, movies, rating_scale, "checkerboard", {})


def write(folder: pathlib.Path, split: Split) -> None:
    """The parts as MovieLens files: a folder with ratings.csv and movies.csv, and valid.csv and test.csv beside it."""
    (folder / "ml").mkdir()
    paths = {"train": folder / "ml" / "ratings.csv", "valid": folder / "valid.csv", "test": folder / "test.csv"}
    for name, path in paths.items():
        part = getattr(split, name).drop(columns=TIMESTAMP)
        part.set_axis(["userId", "movieId", "rating"], axis=1).assign(timestamp=0).to_csv(path, index=False)
    movies = movie_table(pd.concat(split.all())[MOVIE_ID].drop_duplicates())
    titles = movies["title"] + " (1999)"
    pd.DataFrame({"movieId": movies[MOVIE_ID], "title": titles, "genres": movies["genres"]}).to_csv(
        folder / "ml" / "movies.csv", index=False
    )


def crowds(num_users: int = 60, num_movies: int = 20) -> Split:
    """Users who rate half of the movies of their own parity, by chance, and no other; 4 or 5 stars, all of it train."""
    user, movie = (axis.ravel() for axis in np.indices((num_users, num_movies)))
    rng = np.random.default_rng(0)
    is_rated = agree(user, movie) & (rng.random(len(user)) < 0.5)
    train = table(1000 + user[is_rated], 500 + movie[is_rated], rng.integers(4, 6, is_rated.sum()))
    return Split.of(train=train, valid=train[:0], test=train[:0])
