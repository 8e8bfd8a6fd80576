"""Bayesian matrix factorisation: a user and a movie are their ids."""

import scipy.sparse

from movierec_jax.benchmark.with_myfm import Features, myfm_peer, one_hot


def ids(myfm, user_row, movie_row, num_users: int, num_movies: int) -> tuple[list[int], Features]:
    """One-hot ids, as a plain table: for so few features that is faster than blocks."""
    users, movies = one_hot(num_users), one_hot(num_movies)
    return [num_users, num_movies], lambda user, movie: (
        scipy.sparse.hstack([users[user], movies[movie]], format="csr"),
        [],
    )


PEER = myfm_peer("myFM Bayesian MF", ids)
