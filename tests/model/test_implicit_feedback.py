"""The implicit-feedback score against sums written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.model.embedding_bag import BothWays, WeightedLinks
from movierec_jax.model.implicit_feedback import ImplicitFeedback, liking_weight
from movierec_jax.model.interactions import pad_links

NUM_USERS, NUM_MOVIES, DIM = 5, 7, 3
# User 3 has rated nothing, user 4 everything; user 2's first rating counts little, and so does the only one of user 1.
RATED = np.array(
    [[1, 0, 0, 1, 0, 0, 1], [0, 0.4, 0, 0, 0, 0, 0], [0.3, 1, 1, 0, 0, 1, 0], [0] * 7, [1] * 7], np.float32
)
IMPLICIT_FEEDBACK = ImplicitFeedback(NUM_MOVIES, NUM_MOVIES, DIM)


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(0)
    shapes = {"rated": (NUM_MOVIES, DIM), "movie": (NUM_MOVIES, DIM), "bias": (NUM_MOVIES, 1)}
    return {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


def by_hand(params, user: int, movie: int) -> float:
    weights = dict(enumerate(RATED[user].tolist()))
    total = sum((weight * np.asarray(params["rated"][other]) for other, weight in weights.items()), np.zeros(DIM))
    vector = total / max(1.0, sum(weight**2 for weight in weights.values())) ** 0.5
    return float(vector @ params["movie"][movie] + params["bias"][movie, 0])


def test_the_score_is_the_product_of_the_weighted_rated_movies_and_the_movie_plus_its_bias(params):
    catalogue = IMPLICIT_FEEDBACK.apply({"params": params}, jnp.asarray(RATED), method="score_catalogue")
    expected = [[by_hand(params, user, movie) for movie in range(NUM_MOVIES)] for user in range(NUM_USERS)]
    np.testing.assert_allclose(catalogue, expected, rtol=1e-4, atol=1e-5)


def test_a_rating_counts_double_two_deviations_above_the_level_and_nothing_two_below():
    weight = liking_weight(np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]))
    assert weight.tolist() == [0, 0, 0.5, 1, 1.5, 2, 2]


def test_users_by_links_are_those_by_tables(params):
    user, movie = (axis.astype(np.int32) for axis in np.nonzero(RATED))
    links = jax.device_put(pad_links(user, movie, RATED[user, movie]))
    rated = BothWays(*(WeightedLinks(links.owner, links.other, links.values),) * 2)
    users = IMPLICIT_FEEDBACK.apply({"params": params}, rated, NUM_USERS, method="users")
    movies = IMPLICIT_FEEDBACK.apply({"params": params}, NUM_MOVIES + 2, method="movies")
    assert not movies[NUM_MOVIES:].any()
    expected = IMPLICIT_FEEDBACK.apply({"params": params}, jnp.asarray(RATED), method="score_catalogue")
    np.testing.assert_allclose(users @ movies[:NUM_MOVIES].T, expected, rtol=1e-4, atol=1e-5)
