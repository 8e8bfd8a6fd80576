"""Matrix factorisation of likes by the implicit library: alternating least squares, and ranking of sampled pairs."""

from movierec_jax.benchmark.baselines.records import RankingBaseline
from movierec_jax.packages import import_extra

LIBRARY = "implicit"


def fit_als(likes, settings, seed):
    """Fits factors, then computes each user's factors from their likes, as the last half of an iteration does."""
    als = import_extra(f"{LIBRARY}.als", "bench")
    model = als.AlternatingLeastSquares(**settings, random_state=seed)
    model.fit(likes.astype("float32"), show_progress=False)

    def score(likes, row):
        users = model.recalculate_user(range(likes.shape[0]), likes.astype("float32"))
        return users @ model.item_factors.T

    return score


def fit_bpr(likes, settings, seed):
    """Fits factors of the users of train: the library cannot add others. One thread, because threads race."""
    bpr = import_extra(f"{LIBRARY}.bpr", "bench")
    model = bpr.BayesianPersonalizedRanking(**settings, random_state=seed, num_threads=1)
    model.fit(likes.astype("float32"), show_progress=False)
    return lambda likes, row: model.user_factors[row] @ model.item_factors.T


ALS_GRID = tuple(
    {"factors": factors, "regularization": regularization, "alpha": alpha}
    for factors, regularization, alpha in (
        (32, 0.1, 2.0),
        (32, 10.0, 1.0),
        (32, 50.0, 10.0),
        (64, 30.0, 3.0),
        (128, 50.0, 10.0),
        (128, 100.0, 10.0),
    )
)

BPR_GRID = tuple(
    {"factors": factors, "learning_rate": rate, "regularization": regularization, "iterations": iterations}
    for factors, rate, regularization, iterations in (
        (32, 0.02, 0.01, 30),
        (32, 0.01, 0.01, 100),
        (32, 0.01, 0.05, 100),
        (128, 0.02, 0.01, 30),
        (128, 0.01, 0.01, 100),
        (128, 0.02, 0.05, 100),
    )
)

BASELINES = {
    # Hu, Koren, Volinsky 2008, "Collaborative filtering for implicit feedback datasets".
    "implicit_als": RankingBaseline("implicit ALS", fit_als, ALS_GRID, LIBRARY),
    # Rendle et al. 2009, "BPR: Bayesian personalized ranking from implicit feedback".
    "implicit_bpr": RankingBaseline("implicit BPR", fit_bpr, BPR_GRID, LIBRARY, can_score_new_users=False),
}
