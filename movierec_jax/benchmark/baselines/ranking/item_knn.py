"""Nearest neighbours of movies by shrunk cosine (Deshpande, Karypis 2004, "Item-based top-N recommendation")."""

import numpy as np

from movierec_jax.benchmark.baselines.records import RankingBaseline


def fit(likes, settings, seed):
    """Keeps each movie's most similar movies; needs no seed."""
    together = (likes.T @ likes).toarray().astype(np.float64)
    size = np.sqrt(np.diagonal(together))
    similarity = together / (np.outer(size, size) + settings["shrinkage"])
    np.fill_diagonal(similarity, 0)
    neighbours = min(settings["neighbours"], len(similarity))
    weakest = -np.partition(-similarity, neighbours - 1, axis=0)[neighbours - 1]
    similarity[similarity < weakest] = 0
    return lambda likes, row: likes @ similarity


GRID = tuple({"neighbours": k, "shrinkage": shrinkage} for k in (20, 50, 100) for shrinkage in (5, 50))

BASELINES = {"item_knn": RankingBaseline("item kNN", fit, GRID)}
