"""EASE^R in closed form (Steck 2019, "Embarrassingly shallow autoencoders for sparse data")."""

import numpy as np

from movierec_jax.benchmark.baselines.records import RankingBaseline


def fit(likes, settings, seed):
    """Solves for the weights between movies; needs no seed."""
    gram = (likes.T @ likes).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += settings["decay"]
    inverse = np.linalg.inv(gram)
    weight = inverse / -np.diagonal(inverse)
    np.fill_diagonal(weight, 0)
    return lambda likes, row: likes @ weight


BASELINES = {
    "ease": RankingBaseline("EASE^R", fit, tuple({"decay": decay} for decay in (30, 100, 200, 300, 500, 1000)))
}
