"""Matrix factorisation of likes by alternating least squares (Hu, Koren, Volinsky 2008): the implicit library."""

from movierec_jax.benchmark.ranker import Ranker
from movierec_jax.packages import import_extra


def fit(likes, settings, seed):
    """Users are folded in from their likes, also those of train, as the last half of an iteration would do."""
    als = import_extra("implicit.als", "bench")
    model = als.AlternatingLeastSquares(**settings, random_state=seed)
    model.fit(likes.astype("float32"), show_progress=False)

    def scores(likes, row):
        users = model.recalculate_user(range(likes.shape[0]), likes.astype("float32"))
        return users @ model.item_factors.T

    return scores


RANKER = Ranker(
    "implicit ALS",
    fit,
    tuple(
        {"factors": factors, "regularization": regularization, "alpha": alpha}
        for factors, regularization, alpha in (
            (32, 0.1, 2.0),
            (32, 10.0, 1.0),
            (32, 50.0, 10.0),
            (64, 30.0, 3.0),
            (128, 50.0, 10.0),
            (128, 100.0, 10.0),
        )
    ),
    library="implicit",
)
