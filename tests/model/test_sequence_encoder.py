"""The sequence encoder reads what comes before, of the same user alone, and only how far apart movies are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.config import ModelConfig
from movierec_jax.model.inputs import Sequences
from movierec_jax.model.sequence_encoder import SequenceScore, last_of_one_user
from movierec_jax.model.sequences import last_movies
from movierec_jax.training.losses import Compared, next_movie_error
from movierec_jax.training.sequence_steps import draw_movies

NUM_MOVIES, NUM_USERS, LENGTH = 20, 5, 16
CONFIG = ModelConfig(sequence_dim=8, sequence_blocks=2, sequence_heads=2, sequence_length=LENGTH)
MODEL = SequenceScore(num_movies=NUM_MOVIES, movie_rows=NUM_MOVIES, rating_spread=2.0, config=CONFIG)


def row_of(*users_and_movies):
    """A row of sequences of movies by user, filled up."""
    slots = [(user, movie) for user, movies in users_and_movies for movie in movies]
    slots += [(-1, 0)] * (LENGTH - len(slots))
    user, movie = (jnp.array(column, jnp.int32)[None] for column in zip(*slots, strict=True))
    return Sequences(user, movie, 0.1 * movie)


def on_device(sequences):
    return jax.tree.map(jnp.asarray, sequences)


@pytest.fixture(scope="module")
def params():
    """Random parameters: those of a new model add nothing."""
    shapes = jax.eval_shape(
        lambda: MODEL.init(jax.random.key(0), row_of((0, [1])), method=MODEL.users_after_each)["params"]
    )
    leaves, structure = jax.tree.flatten(shapes)
    rng = np.random.default_rng(0)
    return jax.tree.unflatten(structure, [jnp.float32(0.5 * rng.normal(size=leaf.shape)) for leaf in leaves])


def after_each(params, sequences):
    return np.asarray(MODEL.apply({"params": params}, sequences, method=MODEL.users_after_each))[0]


def test_what_comes_later_changes_nothing_before(params):
    one, other = (after_each(params, row_of((3, [1, 2, 3, last]))) for last in (4, 5))
    np.testing.assert_allclose(one[:3], other[:3], atol=1e-6)
    assert np.abs(one[3] - other[3]).max() > 0.01


def test_the_order_counts(params):
    one, other = (after_each(params, row_of((3, movies))) for movies in ([1, 2, 3, 4], [2, 1, 3, 4]))
    assert np.abs(one[3] - other[3]).max() > 0.001


def test_the_rating_counts(params):
    sequences = row_of((3, [1, 2, 3]))
    other = sequences._replace(deviation=sequences.deviation.at[0, 1].set(-2.0))
    assert np.abs(after_each(params, sequences)[2] - after_each(params, other)[2]).max() > 0.001


def test_users_in_the_same_row_and_their_places_in_it_change_nothing(params):
    alone = after_each(params, row_of((3, [1, 2, 3])))[:3]
    between = after_each(params, row_of((1, [9, 8, 7, 6]), (3, [1, 2, 3]), (2, [5])))[4:7]
    np.testing.assert_allclose(alone, between, atol=1e-5)


def test_users_have_the_vectors_after_their_last_movies_and_others_zero(params):
    sequences = row_of((3, [1, 2, 3]), (1, [4, 5]))
    users = np.asarray(MODEL.apply({"params": params}, sequences, NUM_USERS, method=MODEL.users))
    each = after_each(params, sequences)
    np.testing.assert_allclose(users[[3, 1]], each[[2, 4]], atol=1e-6)
    np.testing.assert_array_equal(users[[0, 2, 4]], np.eye(9)[[8] * 3])


def test_many_rows_are_read_some_at_a_time(params, monkeypatch):
    monkeypatch.setattr("movierec_jax.model.sequence_encoder.SLOTS_AT_ONCE", 2 * LENGTH)
    rng = np.random.default_rng(0)
    user = rng.integers(0, NUM_USERS, 60).astype(np.int32)
    movie = rng.integers(0, NUM_MOVIES, 60).astype(np.int32)
    sequences = on_device(last_movies(user, movie, np.float32(rng.normal(size=60)), np.arange(60), length=LENGTH))
    users = MODEL.apply({"params": params}, sequences, NUM_USERS, method=MODEL.users)
    for number, row in enumerate(np.asarray(sequences.user)):
        each = after_each(params, jax.tree.map(lambda column, number=number: column[number : number + 1], sequences))
        for owner in set(row[row >= 0].tolist()):
            np.testing.assert_allclose(users[owner], each[np.flatnonzero(row == owner)[-1]], atol=1e-5)


@pytest.mark.parametrize("num_ratings", [0, 3, 16, 30])
def test_a_single_user_on_the_device_is_laid_out_as_on_the_host(params, num_ratings):
    rng = np.random.default_rng(1)
    movie, deviation = rng.integers(0, NUM_MOVIES, 40).astype(np.int32), np.float32(rng.normal(size=40))
    is_read = np.zeros(40, bool)
    is_read[rng.permutation(40)[:num_ratings]] = True
    row = last_of_one_user(jnp.array(movie), jnp.array(deviation), jnp.array(is_read), LENGTH)
    kept = np.flatnonzero(is_read)[-LENGTH:]
    assert np.asarray(row.movie_row)[np.asarray(row.user) == 0].tolist() == movie[kept].tolist()
    found = MODEL.apply({"params": params}, row, 1, method=MODEL.users)
    host = on_device(last_movies(np.zeros(len(kept), np.int32), movie[kept], deviation[kept], kept, length=LENGTH))
    np.testing.assert_allclose(found, MODEL.apply({"params": params}, host, 1, method=MODEL.users), atol=1e-5)


@pytest.fixture(scope="module")
def users_and_movies(params):
    """Some sequences, the users after each slot of them, and the vectors of all movies."""
    sequences = row_of((3, [1, 2, 3, 1]), (1, [4, 5]), (2, [6]))
    users = MODEL.apply({"params": params}, sequences, method=MODEL.users_after_each)
    return sequences, users, MODEL.apply({"params": params}, NUM_MOVIES, method=MODEL.movies)


def expected_error(users, movies, log_count=0.0):
    """The mean cross-entropy of the four movies that follow another one of the same user."""
    errors = []
    for slot, following in [(0, 2), (1, 3), (2, 1), (4, 5)]:
        score = np.asarray(users[0, slot] @ movies.T)
        others = np.delete(score - log_count, following)
        errors.append(np.log(np.exp(score[following]) + np.sum(np.exp(others))) - score[following])
    return np.mean(errors)


@pytest.mark.parametrize("slots_at_once", [None, 5])
def test_the_error_is_the_cross_entropy_among_all_movies(users_and_movies, slots_at_once):
    sequences, users, movies = users_and_movies
    filled = Compared(jnp.pad(movies, ((0, 2), (0, 0))), None, jnp.array([0.0] * NUM_MOVIES + [np.inf] * 2))
    found = next_movie_error(users, movies[sequences.movie_row], filled, sequences, slots_at_once)
    np.testing.assert_allclose(found, expected_error(users, movies), rtol=1e-5)
    alone = row_of((1, [2]), (2, [3]))
    assert next_movie_error(users, movies[alone.movie_row], filled, alone, slots_at_once) == 0


def test_a_movie_of_a_sample_stands_for_as_many_as_it_lacks(users_and_movies):
    sequences, users, movies = users_and_movies
    log_count = jnp.linspace(-1, 1, NUM_MOVIES)
    sample = Compared(movies, jnp.arange(NUM_MOVIES), log_count)
    found = next_movie_error(users, movies[sequences.movie_row], sample, sequences)
    np.testing.assert_allclose(found, expected_error(users, movies, log_count), rtol=1e-5)


def test_movies_are_drawn_as_often_as_is_said():
    row, log_count = draw_movies(jax.random.key(0), jnp.array([90.0, 10.0, 0.0, 0.0]), 10_000)
    drawn = np.bincount(row, minlength=4)
    np.testing.assert_allclose(drawn, [5750, 1750, 1250, 1250], rtol=0.1)
    np.testing.assert_allclose(np.exp(log_count[np.argsort(row)[-1]]), 1250, rtol=1e-5)
