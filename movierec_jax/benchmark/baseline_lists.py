"""Lists of the ranking baselines: tunes a baseline on masked train ratings, fits it to all of them, and ranks."""

import time

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int

from movierec_jax.benchmark.baselines.records import FitSettings, Likes, RankingBaseline, ScoreMovies
from movierec_jax.benchmark.ranking_task import RankedLists, RankingTask
from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.data.vocab import Vocab
from movierec_jax.evaluation import metrics
from movierec_jax.recommend.partial_sort import top_k_of_scores

# Fraction of the train ratings that is masked to tune settings.
MASKED_FRACTION = 0.1

# Users whose scores are held at once.
BLOCK_USERS = 1024


def baseline_lists(baseline: RankingBaseline, task: RankingTask, k: int, seed: int) -> RankedLists:
    """Tunes a baseline on masked ratings of train, fits it to all of train, and ranks movies for the task's users."""
    users, train = Vocab.of(task.train[USER_ID], "user"), task.train
    is_masked = np.zeros(len(train), bool)
    is_masked[np.random.default_rng([seed, 1]).permutation(len(train))[: int(MASKED_FRACTION * len(train))]] = True
    is_liked = train[RATING].to_numpy() >= task.relevant_rating

    start = time.perf_counter()
    parts = train[is_liked & ~is_masked], train[~is_masked], train[is_liked & is_masked]
    tables = [sparse_table(part, users, task.movies) for part in parts]
    settings, ndcg_by_settings = choose_settings(baseline, *tables, seed=seed)
    tuned = time.perf_counter()
    likes, rated = (sparse_table(part, users, task.movies) for part in (train[is_liked], train))
    score = fit_with_popularity(baseline, likes, settings, seed)
    fitted = time.perf_counter()
    if len(task.given):
        new_users = Vocab(task.users, "user")
        liked = task.given[task.given[RATING] >= task.relevant_rating]
        likes, rated = (sparse_table(part, new_users, task.movies) for part in (liked, task.given))
        row = None
    else:
        # Users absent from train have the last row, which is empty.
        row = users.rows(task.users)
        likes, rated = (
            scipy.sparse.vstack([part, scipy.sparse.csr_matrix((1, part.shape[1]))], format="csr")[row]
            for part in (likes, rated)
        )
        row = np.minimum(row, len(users) - 1)  # Their scores are not used, so any row will do.
    movie_row = best_unseen(score, likes, rated, row, k)
    details = {"settings": dict(settings), "tried": ndcg_by_settings, "tuning_seconds": tuned - start}
    return RankedLists(movie_row, fitted - tuned, time.perf_counter() - fitted, details)


def sparse_table(ratings: pd.DataFrame, users: Vocab, movies: Vocab) -> Likes:
    """Returns a table of users by movies with 1 for each rating; movies outside the vocabulary are left out."""
    user, movie = users.rows(ratings[USER_ID]), movies.rows(ratings[MOVIE_ID])
    has_movie = movie < len(movies)
    pairs = user[has_movie], movie[has_movie]
    return scipy.sparse.csr_matrix((np.ones(len(pairs[0])), pairs), shape=(len(users), len(movies)))


def choose_settings(
    baseline: RankingBaseline, likes: Likes, rated: Likes, masked: Likes, seed: int
) -> tuple[FitSettings, dict[str, float]]:
    """Returns the settings of the grid with the highest NDCG@10 on masked likes, and the NDCG@10 of each settings.

    likes, rated: tables of all users without the masked ratings.
    """
    if len(baseline.grid) == 1:
        return baseline.grid[0], {}
    users = np.flatnonzero(np.diff(masked.indptr))
    user, movie = masked[users].nonzero()
    ndcg = []
    for settings in baseline.grid:
        score = fit_with_popularity(baseline, likes, settings, seed)
        lists = best_unseen(score, likes[users], rated[users], users, 10)
        is_hit, num_relevant = metrics.hits(lists, user, movie, likes.shape[1])
        ndcg.append(metrics.mean_over_users(metrics.ndcg_at_k(is_hit, num_relevant, 10)))
    return baseline.grid[int(np.argmax(ndcg))], dict(zip(map(str, baseline.grid), ndcg, strict=True))


def fit_with_popularity(baseline: RankingBaseline, likes: Likes, settings: FitSettings, seed: int) -> ScoreMovies:
    """Fits a baseline that scores by popularity for users without likes, whom it cannot tell apart."""
    score = baseline.fit(likes, settings, seed)
    count = np.asarray(likes.sum(axis=0), np.float64)

    def score_all(likes, row):
        scores = np.array(score(likes, row), np.float64)
        scores[np.diff(likes.indptr) == 0] = count
        return scores

    return score_all


def best_unseen(
    score: ScoreMovies, likes: Likes, rated: Likes, row: Int[np.ndarray, " users"] | None, k: int
) -> Int[np.ndarray, "users k"]:
    """Returns each user's k best movies that they have not rated, ties by movie; empty slots hold the number of movies.

    row: rows of these users in train; None for users absent from train.
    """
    num_users, num_movies = likes.shape
    lists = np.full((num_users, k), num_movies)
    for start in range(0, num_users, BLOCK_USERS):
        block = slice(start, min(start + BLOCK_USERS, num_users))
        scores = np.array(score(likes[block], None if row is None else row[block]), np.float64)
        own = rated[block]
        lists[block] = top_k_of_scores(scores, np.split(own.indices, own.indptr[1:-1]), k)
    return lists
