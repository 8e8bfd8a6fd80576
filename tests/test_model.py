"""The two towers and the head against the same sums written out in NumPy, and what an untrained model says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.config import ModelConfig
from movierec_jax.model import TwoTowers, normal_but_last

NUM_USERS, NUM_MOVIES = 5, 7
MEAN = 3.5
CONFIG = ModelConfig(embedding_dim=4, hidden_dims=(6, 3), dropout=0.5)
each_depth = pytest.mark.parametrize("hidden_dims", [(), (6,), (6, 3)])


@functools.cache
def untrained():
    """A model with its initial parameters."""
    model = TwoTowers(NUM_USERS, NUM_MOVIES, CONFIG, MEAN)
    return model, jax.jit(model.init)(jax.random.key(0), rows(0), rows(0))["params"]


def as_if_trained(config):
    """A model with parameters that are all different from their initial values, of a spread of one."""
    model = TwoTowers(NUM_USERS, NUM_MOVIES, config, MEAN)
    params = jax.eval_shape(model.init, jax.random.key(0), rows(0), rows(0))["params"]
    rng = np.random.default_rng(0)
    return model, jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=leaf.shape)), params)


def rows(*numbers):
    return jnp.array(numbers, jnp.int32)


def all_pairs():
    """The rows of every user with every movie, the unknown ones too."""
    user, movie = np.indices((NUM_USERS + 1, NUM_MOVIES + 1), np.int32)
    return jnp.asarray(user.ravel()), jnp.asarray(movie.ravel())


def stars_of(model, params, user_row, movie_row, **options):
    return np.asarray(apply(model, params, user_row, movie_row, **options)[0])


@functools.partial(jax.jit, static_argnames=("model", "is_training", "method"))
def apply(model, params, *inputs, **options):
    return model.apply({"params": params}, *inputs, **options)


def relu(values):
    return np.maximum(values, 0)


def stars_by_hand(params, user_row: int, movie_row: int) -> float:
    """The model's formula over plain arrays, with its first dense layer on both embeddings side by side."""
    params = jax.tree.map(np.asarray, params)
    user, movie, head = params["user_tower"], params["movie_tower"], params["head"]
    of_user, of_movie = user["embedding"][user_row], movie["embedding"][movie_row]
    stars = head["mean"] + user["bias"][user_row, 0] + movie["bias"][movie_row, 0] + of_user @ of_movie
    if "hidden" not in user:
        return stars
    kernel = np.concatenate([user["hidden"]["kernel"], movie["hidden"]["kernel"]])
    hidden = relu(np.concatenate([of_user, of_movie]) @ kernel + user["hidden"]["bias"] + movie["hidden"]["bias"])
    for name in sorted(name for name in head if name.startswith("Dense")):
        hidden = relu(hidden @ head[name]["kernel"] + head[name]["bias"])
    return stars + (hidden @ head["residual"]["kernel"] + head["residual"]["bias"])[0]


@each_depth
def test_stars_are_mean_biases_product_and_dense_layers_on_both_embeddings_side_by_side(hidden_dims):
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=hidden_dims))
    user_row, movie_row = all_pairs()
    expected = [stars_by_hand(params, *pair) for pair in zip(user_row.tolist(), movie_row.tolist(), strict=True)]
    np.testing.assert_allclose(stars_of(model, params, user_row, movie_row), expected, rtol=1e-4, atol=1e-4)


@each_depth
def test_all_pairs_by_broadcasting_equal_pairs_one_by_one(hidden_dims):
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=hidden_dims))
    users = apply(model, params, jnp.arange(NUM_USERS + 1), method="encode_users")
    movies = apply(model, params, jnp.arange(NUM_MOVIES + 1), method="encode_movies")
    table = apply(model, params, users[:, None], movies[None], method="stars")
    pairs = zip(*map(np.asarray, all_pairs()), strict=True)
    one_by_one = [stars_of(model, params, np.array([user]), np.array([movie]))[0] for user, movie in pairs]
    assert table.shape == (NUM_USERS + 1, NUM_MOVIES + 1)
    np.testing.assert_allclose(np.ravel(table), one_by_one, rtol=1e-5, atol=1e-5)


def test_before_training_the_dense_layers_add_nothing():
    model, params = untrained()
    user, movie = (np.asarray(params[tower]["embedding"]) for tower in ("user_tower", "movie_tower"))
    user_row, movie_row = all_pairs()
    np.testing.assert_allclose(stars_of(model, params, user_row, movie_row), MEAN + np.ravel(user @ movie.T), rtol=1e-6)


@pytest.mark.parametrize("embedding_dim", [1, 64])
def test_before_training_products_have_a_spread_of_a_hundredth_of_a_star(embedding_dim):
    user, movie = (normal_but_last(jax.random.key(seed), (1001, embedding_dim)) for seed in (1, 2))
    assert np.std(user @ movie.T) == pytest.approx(0.01, rel=0.1)


def test_an_unknown_user_and_movie_start_as_zero():
    _, params = untrained()
    for tower in ("user_tower", "movie_tower"):
        assert not params[tower]["embedding"][-1].any()
        assert params[tower]["embedding"][:-1].all()
        assert not params[tower]["bias"].any()


def test_an_unknown_pair_gets_the_mean_before_training():
    model, params = untrained()
    assert stars_of(model, params, rows(NUM_USERS), rows(NUM_MOVIES)) == MEAN


def test_without_hidden_layers_there_are_no_dense_parameters_and_nothing_hidden_to_carry():
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=()))
    assert sorted(params["head"]) == ["mean"]
    assert sorted(params["user_tower"]) == sorted(params["movie_tower"]) == ["bias", "embedding"]
    assert apply(model, params, rows(0, 1), method="encode_users").hidden.shape == (2, 0)


def test_bfloat16_keeps_parameters_and_stars_in_float32():
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=(6, 3), precision="bfloat16"))
    initial = jax.eval_shape(model.init, jax.random.key(0), rows(0), rows(0))
    assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {jnp.dtype("float32")}
    assert stars_of(model, params, *all_pairs()).dtype == np.float32


def test_bfloat16_is_close_to_float32_but_not_equal():
    in_float32, in_bfloat16 = (
        stars_of(*as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=(6, 3), precision=precision)), *all_pairs())
        for precision in ("float32", "bfloat16")
    )
    # A bfloat16 has 8 bits: each rounding is off by up to 1/256 of numbers that here reach 10 or so, and a few add up.
    assert 0 < np.abs(in_float32 - in_bfloat16).max() < 4 * 10 / 256


def test_dropout_acts_in_training_alone():
    model, params = as_if_trained(CONFIG)
    in_training, other = (
        stars_of(model, params, *all_pairs(), is_training=True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 1)
    )
    without = stars_of(model, params, *all_pairs())
    assert (in_training != without).any()
    assert (in_training != other).any()
    np.testing.assert_array_equal(without, stars_of(model, params, *all_pairs()))
