"""A scorer with random parameters and vectors, and every rating it predicts, computed one member at a time."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from movierec_jax.config import ModelConfig
from movierec_jax.model.two_tower import Encoded, Head, TwoTowers
from movierec_jax.recommend.scoring import Order, Scorer

# More users than a tile holds, so that blocks differ in their number of tiles.
NUM_USERS, NUM_MOVIES, NUM_MEMBERS = 150, 17, 2
CONFIG = ModelConfig(embedding_dim=4, hidden_dims=(6,), implicit_feedback_dim=3)
MODEL = TwoTowers(NUM_USERS, NUM_MOVIES, 0, 0, CONFIG)
ALL_USERS = np.arange(NUM_USERS, dtype=np.int32)
BY_RATING = Order("predicted_rating", relevant_rating=0.5, width=0.7)
BY_HITS = Order("expected_hits", relevant_rating=0.5, width=0.7)


def random_scorer(order: Order = BY_RATING) -> Scorer:
    """Returns a scorer of two members; users and movies have one more row each, for unknown ones."""
    users, movies = random_encoded(NUM_USERS, seed=10), random_encoded(NUM_MOVIES, seed=20)
    head = jax.eval_shape(Head(0.0, 1.0, CONFIG).init, jax.random.key(0), users[0, 0], movies[0, 0])["params"]
    params = {"head": jax.tree.map(lambda leaf: normal(leaf.shape, seed=0), head)}
    return Scorer(params, users, movies, model=MODEL, order=order)


def random_encoded(num_rows: int, seed: int) -> Encoded:
    shapes = ((num_rows + 1,), (num_rows + 1, 4), (num_rows + 1, 6), (num_rows + 1, 4))
    return Encoded(*(normal(shape, seed + n) for n, shape in enumerate(shapes)))


def normal(shape: tuple[int, ...], seed: int) -> jax.Array:
    return jnp.float32(np.random.default_rng(seed).normal(size=(NUM_MEMBERS, *shape)))


def member_ratings(scorer: Scorer) -> Float32[np.ndarray, "members users movies"]:
    """Returns the rating that every member predicts for every user and movie, unknown ones last."""
    ratings = []
    for member in range(NUM_MEMBERS):
        params = jax.tree.map(lambda leaf, member=member: leaf[member], scorer.params)
        pairs = scorer.users[member, :, None], scorer.movies[member, None]
        ratings.append(MODEL.apply({"params": params}, *pairs, method="predict"))
    return np.array(ratings)
