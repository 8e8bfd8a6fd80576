"""Bayesian SVD++ flipped (Rendle, Zhang, Koren 2019): ids, each user's rated movies, and the users of each movie."""

import scipy.sparse

from movierec_jax.benchmark.with_myfm import Features, history, myfm_peer, one_hot


def ids_and_history(myfm, user_row, movie_row, num_users: int, num_movies: int) -> tuple[list[int], Features]:
    """One-hot ids beside histories of both sides."""
    movies_of_user = history(user_row, movie_row, num_users, num_movies)
    users_of_movie = history(movie_row, user_row, num_movies, num_users)
    of_user = scipy.sparse.hstack([one_hot(num_users), movies_of_user], format="csr")
    of_movie = scipy.sparse.hstack([one_hot(num_movies), users_of_movie], format="csr")
    return [num_users, num_movies, num_movies, num_users], lambda user, movie: (
        None,
        [myfm.RelationBlock(user, of_user), myfm.RelationBlock(movie, of_movie)],
    )


PEER = myfm_peer("myFM Bayesian SVD++ flipped", ids_and_history)
