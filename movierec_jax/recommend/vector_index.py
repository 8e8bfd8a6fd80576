"""Exports the implicit-feedback vectors of users and movies, and an approximate index of the movies' for faiss.

The product of a user's and a movie's vector orders movies as the implicit-feedback score does. The index finds a user's
candidates among very many movies without a product for each. Predicted ratings, which lists also go by, are not in it.

    index, users = faiss.read_index("movies.faiss"), numpy.load("users.npy")
    score, movie_row = index.search(users[:10], 100)

ids.json has the ids of users and movies by row. What users have rated is found too.
"""

import dataclasses
import pathlib
import time
from typing import Any

import numpy as np
from jaxtyping import Float32

from movierec_jax.data.files import atomic_folder, write_json
from movierec_jax.errors import InputError
from movierec_jax.model.two_tower import Encoded
from movierec_jax.packages import import_extra
from movierec_jax.recommend.recommender import Recommender

INDEX, USER_VECTORS, INDEX_IDS = "movies.faiss", "users.npy", "ids.json"

INDEX_FILES = (INDEX, USER_VECTORS, INDEX_IDS)

# Neighbours of a movie in the graph, and movies looked at while it is built and searched.
NUM_NEIGHBOURS, BUILD_WIDTH, SEARCH_WIDTH = 32, 100, 200

# Users whose candidates are compared with exact ones.
NUM_MEASURED_USERS = 1000


@dataclasses.dataclass(frozen=True)
class IndexFigures:
    """How an index compares with exact search, one user at a time.

    recall: share of each user's `k` best movies that the index finds.
    index_rate, exact_rate: users in a second.
    """

    k: int
    recall: float
    index_rate: float
    exact_rate: float

    def __str__(self) -> str:
        return (
            f"recall@{self.k} {self.recall:.4f} of exact search; one user at a time {self.index_rate:,.0f} users/s "
            f"(exact {self.exact_rate:,.0f} users/s)"
        )


def export_index(recommender: Recommender, folder: pathlib.Path, k: int) -> IndexFigures:
    """Writes vectors, index and ids to a folder, which appears when it is complete; returns how good the index is.

    k: movies that the figures look for. Raises InputError for a run without an implicit-feedback score.
    """
    faiss = import_extra("faiss", "faiss")
    recommender.require_top_k(k)
    users, movies = implicit_vectors(recommender)
    index = faiss.IndexHNSWFlat(movies.shape[1], NUM_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILD_WIDTH, SEARCH_WIDTH
    index.add(movies)
    exact = faiss.IndexFlatIP(movies.shape[1])
    exact.add(movies)
    ids = {"users": recommender.user_ids().tolist(), "movies": recommender.run.movies.ids[: len(movies)].tolist()}
    with atomic_folder(folder) as partial:
        faiss.write_index(index, str(partial / INDEX))
        np.save(partial / USER_VECTORS, users)
        write_json(partial / INDEX_IDS, ids)
    return measure_index(index, exact, users[:NUM_MEASURED_USERS], k)


def implicit_vectors(
    recommender: Recommender,
) -> tuple[Float32[np.ndarray, "users dim"], Float32[np.ndarray, "movies dim"]]:
    """Returns the vectors of `user_ids()` and of the movies trained on; those of an ensemble's members end to end."""
    movies = members_side_by_side(recommender.on_host[1])
    if not movies.shape[1]:
        raise InputError("the run has no implicit-feedback score to index: train with --implicit_feedback_dim above 0")
    rows = recommender.users.rows(recommender.user_ids())
    users = np.concatenate([members_side_by_side(block) for block in recommender.scorer.blocks_on_host(rows)])
    return users, np.ascontiguousarray(movies[: len(recommender.run.movies)])


def members_side_by_side(encoded: Encoded) -> Float32[np.ndarray, "rows dim"]:
    """Returns the vectors of the implicit-feedback score, those of an ensemble's members end to end."""
    return np.ascontiguousarray(np.concatenate([*np.float32(encoded.implicit_feedback)], axis=1))


def measure_index(index: Any, exact: Any, users: Float32[np.ndarray, "users dim"], k: int) -> IndexFigures:
    """Returns the recall of an index against an exact one, and the users that each answers in a second."""
    found, rates = [], []
    for one in (index, exact):
        start = time.perf_counter()
        found.append(np.concatenate([one.search(user[None], k)[1] for user in users]))
        rates.append(len(users) / (time.perf_counter() - start))
    both = [len(np.intersect1d(*pair)) for pair in zip(*found, strict=True)]
    return IndexFigures(k, float(np.mean(both)) / k, *rates)
