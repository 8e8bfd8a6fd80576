"""How good lists become while a run trains: NDCG@10 on the validation ratings of a sample of users."""

import numpy as np
import pandas as pd

from movierec_jax.data.schema import USER_ID
from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.evaluate import relevant_rows
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.two_tower import Members
from movierec_jax.recommend.block_scorer import scorer_of_run
from movierec_jax.recommend.lists import ListRequest, SeenMovies
from movierec_jax.recommend.top_k import top_k_lists
from movierec_jax.runs import distributed
from movierec_jax.runs.run import Run, user_index_and_movie_row
from movierec_jax.training.loop import Rank

LIST_LENGTH = 10


def epoch_ranker(run: Run, num_users: int) -> Rank | None:
    """Returns what measures NDCG@10 of at most `num_users` users, the same ones whenever it is called.

    Lists rank all movies that a user has not rated in train. None where there is nothing to measure: no relevant
    validation rating, no implicit-feedback score, no users asked for, or several processes, of which none has all
    parameters.
    """
    valid = run.parts.valid
    relevant = valid[relevant_rows(run, valid, run.config.evaluation)]
    users = pd.Index(relevant[USER_ID].unique())
    if distributed.is_multi_process() or not (run.config.model.implicit_feedback_dim and num_users and len(users)):
        return None
    users = users[np.sort(np.random.default_rng(run.config.train.seed).permutation(len(users))[:num_users])]
    user, movie_row = user_index_and_movie_row(run, users, [relevant])
    user, movie_row = user[user >= 0], movie_row[user >= 0]
    num_movies = len(run.movies)
    rated = user_index_and_movie_row(run, users, [run.parts.train, run.parts.from_reviews])
    request = ListRequest(run.users.rows(users), SeenMovies.of(*rated, len(users), num_movies), LIST_LENGTH)

    def rank(params: Members, interactions: Interactions) -> float:
        scorer = scorer_of_run(run, params, interactions)
        hits = metrics.hits(top_k_lists(scorer, request), user, movie_row, num_movies)
        return metrics.mean_over_users(metrics.ndcg_at_k(*hits, LIST_LENGTH))

    return rank
