"""Users encoded by parts from their own histories are those that the model encodes from all ratings at once."""

import dataclasses

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.config import ModelConfig
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.model.encoding import encode_users, encoder_params
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions, movie_levels
from movierec_jax.model.two_tower import Encoded, TwoTowers, encode, whole_inputs
from movierec_jax.model.user_histories import PART_USERS, UserHistories, build_histories

# The last user with content has no rating in train, and the one after that is unknown.
NUM_USERS, NUM_MOVIES, NUM_FEATURES, NUM_MEMBERS, LENGTH = 150, 20, 3, 2, 8
COLD_USER, UNKNOWN_USER = NUM_USERS, NUM_USERS + 1
CONFIGS = {
    "histories": ModelConfig(embedding_dim=4, hidden_dims=(6,), implicit_feedback_dim=5),
    "no histories": ModelConfig(embedding_dim=4, hidden_dims=(), implicit_feedback_dim=0, history=()),
    "sequences": ModelConfig(
        embedding_dim=4, hidden_dims=(6,), implicit_feedback_dim=5, sequence_dim=4, sequence_length=LENGTH
    ),
}


@dataclasses.dataclass(frozen=True)
class Case:
    model: TwoTowers
    params: dict
    interactions: Interactions
    histories: UserHistories

    def encode(self, rows, num_devices: int = 1) -> Encoded:
        """Users of these rows, by parts."""
        parts = self.histories.lay_out(np.array(rows), len(rows), num_devices)
        return jax.device_get(encode_users(self.params, parts, model=self.model))[:, : len(rows)]


def some_ratings() -> Ratings:
    """From 0 to all movies of each user; one in ten watched alone."""
    rng = np.random.default_rng(0)
    share = rng.uniform(0, 1, (NUM_USERS, 1)) ** 2
    user, movie = np.nonzero(rng.uniform(size=(NUM_USERS, NUM_MOVIES)) < share)
    order = rng.permutation(len(user))
    stars = rng.integers(1, 6, len(user)).astype(np.float32)
    is_rated = rng.uniform(size=len(user)) < 0.9
    return Ratings(
        user[order].astype(np.int32),
        movie[order].astype(np.int32),
        np.where(is_rated, stars, np.float32(np.nan)),
        rng.permutation(len(user)).astype(np.int64),
        np.zeros((len(user), 0), np.int32),
        is_rated.astype(np.float32),
    )


@pytest.fixture(scope="module", params=CONFIGS)
def case(request) -> Case:
    config, train = CONFIGS[request.param], some_ratings()
    reads_sequences = request.param == "sequences"
    with_content = np.array([*range(0, NUM_USERS, 3), COLD_USER], np.int32)
    values = np.linspace(-1, 1, len(with_content), dtype=np.float32)
    names = tuple(map(str, range(NUM_FEATURES)))
    content = FeatureBags(with_content, with_content % NUM_FEATURES, values, names)
    nothing = FeatureBags(*(np.zeros(0, dtype) for dtype in (np.int32, np.int32, np.float32)), ())
    length = LENGTH if reads_sequences else None
    options = {"is_recent_most": not reads_sequences, "sequence_length": length}
    interactions = jax.device_put(build_interactions(train, UNKNOWN_USER, NUM_MOVIES, content, nothing, **options))
    users = np.arange(UNKNOWN_USER + 1, dtype=np.int32)
    histories = build_histories(train, train, movie_levels(train, NUM_MOVIES), content, users, **options)
    model = TwoTowers(NUM_USERS, NUM_MOVIES, NUM_FEATURES, 0, config, 3.0, 1.5, reads_sequences=reads_sequences)
    return Case(model, random_params(model, interactions), interactions, histories)


def random_params(model: TwoTowers, interactions: Interactions) -> dict:
    rng = np.random.default_rng(1)
    row, no_time = jnp.zeros(1, jnp.int32), jnp.zeros((1, 0), jnp.int32)

    def init():
        return model.init(jax.random.key(0), *whole_inputs(interactions, model), row, row, no_time)["params"]

    shapes = jax.eval_shape(init)
    return jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=(NUM_MEMBERS, *leaf.shape))), shapes)


def test_users_by_parts_are_those_of_all_ratings_at_once(case):
    users, _ = encode(case.params, case.interactions, model=case.model)
    found = case.encode(np.arange(UNKNOWN_USER + 1))
    jax.tree.map(lambda one, all: np.testing.assert_allclose(one, all, rtol=1e-5, atol=1e-5), found, users)


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(rows=st.lists(st.integers(0, UNKNOWN_USER), min_size=1, max_size=2 * PART_USERS + 3))
def test_a_users_bits_do_not_depend_on_who_else_is_encoded(case, rows):
    every = case.encode(np.arange(UNKNOWN_USER + 1))
    jax.tree.map(np.testing.assert_array_equal, case.encode(rows), every[:, np.array(rows)])


def test_users_of_many_devices_are_in_the_order_asked_for(case):
    rows = np.arange(UNKNOWN_USER + 1)[::-1]
    jax.tree.map(np.testing.assert_array_equal, case.encode(rows, num_devices=4), case.encode(rows))


def test_a_user_without_train_ratings_has_their_content_alone_and_the_unknown_one_nothing(case):
    cold, unknown = (case.encode([row]) for row in (COLD_USER, UNKNOWN_USER))
    feature = case.params["user_tower"]["features"][:, COLD_USER % NUM_FEATURES]
    np.testing.assert_allclose(cold.factors[:, 0], feature[:, :-1], rtol=1e-6)
    np.testing.assert_allclose(cold.bias[:, 0], feature[:, -1], rtol=1e-6)
    assert not unknown.factors.any()
    assert not unknown.bias.any()


def test_other_users_with_as_many_ratings_need_no_new_program(case):
    case.encode(np.arange(PART_USERS))
    before = encode_users._cache_size()
    for first in range(0, NUM_USERS - PART_USERS, 10):
        case.encode(np.arange(first, first + PART_USERS))
    assert encode_users._cache_size() == before


def test_on_one_device_the_parameters_that_encode_users_are_no_copies(case):
    needed = encoder_params(case.params, None)
    assert "head" not in needed
    assert all(needed[scope] is case.params[scope] for scope in needed)
