"""How much movies are alike, and lists made more diverse."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_scorer import NUM_MOVIES

from movierec_jax.recommend.similarity import directions, diversify


def test_directions_have_length_1_or_0_for_a_movie_without_factors(scorer):
    movies = scorer.movies
    empty = dataclasses.replace(movies, factors=movies.factors.at[:, 3].set(0))
    length = np.linalg.norm(directions(empty), axis=1)
    assert length == pytest.approx([float(row != 3) for row in range(NUM_MOVIES + 1)], abs=1e-5)


def marginal_relevance(score, alike, diversity, k):
    """Returns the columns of one user by maximal marginal relevance, one candidate after another."""
    share, chosen = score / score.max(), []
    for _ in range(k):
        rest = [n for n in range(len(score)) if n not in chosen]
        gain = [(1 - diversity) * share[n] - diversity * max([0, *(alike[n, m] for m in chosen)]) for n in rest]
        chosen.append(rest[int(np.argmax(gain))])
    return chosen


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 0.95])
def test_a_diverse_list_maximises_score_less_similarity_step_by_step(diversity):
    rng = np.random.default_rng(5)
    score, direction = rng.random((4, 12)), rng.normal(size=(4, 12, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    alike = np.einsum("ucf,udf->ucd", direction, direction)
    columns = diversify(jnp.float32(score), jnp.float32(direction), jnp.float32(diversity), 6)
    assert columns.tolist() == [marginal_relevance(*user, diversity, 6) for user in zip(score, alike, strict=True)]
    if diversity == 0:
        assert columns.tolist() == np.argsort(-score, axis=1)[:, :6].tolist()
