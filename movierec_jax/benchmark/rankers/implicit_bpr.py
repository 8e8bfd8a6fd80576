"""Bayesian personalised ranking by sampled pairs (Rendle et al. 2009): the implicit library."""

from movierec_jax.benchmark.ranker import Ranker
from movierec_jax.packages import import_extra


def fit(likes, settings, seed):
    """Users are those of train: the library has no way to add others. Threads race unless there is one."""
    bpr = import_extra("implicit.bpr", "bench")
    model = bpr.BayesianPersonalizedRanking(**settings, random_state=seed, num_threads=1)
    model.fit(likes.astype("float32"), show_progress=False)
    return lambda likes, row: model.user_factors[row] @ model.item_factors.T


RANKER = Ranker(
    "implicit BPR",
    fit,
    tuple(
        {"factors": factors, "learning_rate": rate, "regularization": regularization, "iterations": iterations}
        for factors, rate, regularization, iterations in (
            (32, 0.02, 0.01, 30),
            (32, 0.01, 0.01, 100),
            (32, 0.01, 0.05, 100),
            (128, 0.02, 0.01, 30),
            (128, 0.01, 0.01, 100),
            (128, 0.02, 0.05, 100),
        )
    ),
    library="implicit",
    knows_new_users=False,
)
