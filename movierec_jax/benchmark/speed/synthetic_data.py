"""Synthetic ratings that look like real ones: counts follow a power law, ratings follow biases and factors."""

import numpy as np
import pandas as pd

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID, FeatureBags, Ratings

# Numbers of users and of movies.
TABLES = {"MovieLens 1M": (6_040, 3_706), "MovieLens 25M": (162_541, 59_047)}

# How uneven counts are: the count of the n-th user or movie falls about as n to the power -(1 - 1 / power).
USER_POWER, MOVIE_POWER = 2.0, 4.0

FACTORS = 8

CHUNK_RATINGS = 2**22

# No features of users or movies.
NO_CONTENT = FeatureBags(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32), ())

NOISE = 0.8


def synthetic_ratings(num_ratings: int, num_users: int, num_movies: int, seed: int = 0) -> pd.DataFrame:
    """Returns a clean table of ratings from 0.5 to 5; pairs drawn twice count once, so there are somewhat fewer."""
    generator = np.random.default_rng(seed)
    user = draw_rows(generator, num_ratings, num_users, USER_POWER)
    movie = draw_rows(generator, num_ratings, num_movies, MOVIE_POWER)
    pair = np.unique(user * np.int64(num_movies) + movie)
    pair = pair[generator.permutation(len(pair))]
    user, movie = pair // num_movies, pair % num_movies
    users, movies = (generator.normal(size=(rows, FACTORS + 1)) / FACTORS**0.5 for rows in (num_users, num_movies))
    taste = np.einsum("nf,nf->n", users[user, 1:], movies[movie, 1:]) + users[user, 0] + movies[movie, 0]
    rating = 3.5 + taste + NOISE * generator.normal(size=len(pair))
    return pd.DataFrame(
        {
            USER_ID: user + 1,
            MOVIE_ID: movie + 1,
            RATING: (np.clip(np.round(2 * rating), 1, 10) / 2).astype(np.float32),
            TIMESTAMP: generator.integers(10**9, 16 * 10**8, len(pair)),
        }
    )


def synthetic_rows(num_ratings: int, num_users: int, num_movies: int, seed: int = 0) -> Ratings:
    """Returns exactly `num_ratings` ratings by row, made in chunks to save memory.

    A pair may occur twice, and ratings do not follow biases or factors.
    """
    generator = np.random.default_rng(seed)
    user, movie = (np.empty(num_ratings, np.int32) for _ in range(2))
    for start in range(0, num_ratings, CHUNK_RATINGS):
        part = slice(start, min(start + CHUNK_RATINGS, num_ratings))
        size = part.stop - part.start
        user[part] = draw_rows(generator, size, num_users, USER_POWER)
        movie[part] = draw_rows(generator, size, num_movies, MOVIE_POWER)
    return Ratings(
        user_row=user,
        movie_row=movie,
        rating=generator.integers(1, 11, num_ratings, dtype=np.int8).astype(np.float32) / 2,
        timestamp=np.broadcast_to(np.int64(0), num_ratings),
        time_features=np.zeros((num_ratings, 0), np.int32),
    )


def draw_rows(generator: np.random.Generator, size: int, num_rows: int, power: float) -> np.ndarray:
    """Draws rows by a power law."""
    return (num_rows * generator.random(size) ** power).astype(np.int64)
