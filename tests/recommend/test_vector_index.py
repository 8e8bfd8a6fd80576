import json
import sys
import types

import numpy as np
import pytest
from helpers.recommenders import positive_recommender

from movierec_jax.errors import InputError
from movierec_jax.recommend.vector_index import INDEX_FILES, export_index, implicit_vectors, measure_index


@pytest.fixture(scope="module")
def ensemble():
    """A recommender of two members with an implicit-feedback score."""
    return positive_recommender("any")


def test_products_of_the_vectors_order_movies_as_the_implicit_feedback_score_does(ensemble):
    users, movies = implicit_vectors(ensemble)
    encoded = ensemble.scorer.encode_on_host(ensemble.users.rows(ensemble.user_ids()))
    of_members = np.einsum("muf,mif->ui", encoded.implicit_feedback, ensemble.scorer.movies.implicit_feedback)
    expected = of_members[:, : len(ensemble.run.movies)]
    np.testing.assert_allclose(users @ movies.T, expected, rtol=1e-5, atol=1e-6)


def test_the_index_of_few_movies_finds_the_best_of_each_user(ensemble, tmp_path):
    faiss = pytest.importorskip("faiss")
    figures = export_index(ensemble, tmp_path / "index", 3)
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == sorted(INDEX_FILES)
    users, index = np.load(tmp_path / "index" / "users.npy"), faiss.read_index(str(tmp_path / "index" / "movies.faiss"))
    ids = json.loads((tmp_path / "index" / "ids.json").read_text())
    assert (len(ids["users"]), len(ids["movies"])) == (len(users), index.ntotal)
    expected = np.argsort(-(users @ implicit_vectors(ensemble)[1].T), axis=1, kind="stable")[:, :3]
    assert index.search(users, 3)[1].tolist() == expected.tolist()
    assert figures.recall == 1


def test_recall_is_the_share_of_the_best_that_the_index_finds():
    def answer(rows):
        return types.SimpleNamespace(search=lambda users, k: (None, np.array([rows])))

    figures = measure_index(answer([1, 2, 9, 8]), answer([1, 2, 3, 4]), np.zeros((5, 2), np.float32), 4)
    assert figures.recall == 0.5


def test_without_faiss_the_message_says_what_to_install(ensemble, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[faiss\]'"):
        export_index(ensemble, tmp_path / "index", 3)
