"""Which ratings a step masks, and what is learnt from them, on two crowds who watch different films."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.checkerboard import agree, clean_data, crowds, table

from movierec_jax.config import Config, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError
from movierec_jax.model.implicit_feedback import liking_weight
from movierec_jax.model.inputs import UserBatches
from movierec_jax.model.tables import IMPLICIT_FEEDBACK
from movierec_jax.model.two_tower import encode, mean_implicit_score
from movierec_jax.recommend.fold_in import fold_in
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.batches import make_user_batches
from movierec_jax.training.loop import train_epochs
from movierec_jax.training.masking import masked_targets, uniform_at
from movierec_jax.training.state import TrainingSetup, new_state
from movierec_jax.training.step import train_steps


def setup_of(run, implicit_feedback_target="any", **settings) -> TrainingSetup:
    """Settings of a step on an accelerator, which uses tables wherever they fit memory."""
    config = TrainConfig(implicit_feedback_target=implicit_feedback_target, **settings).for_ratings(100, "any")
    return TrainingSetup(run.model, config, 1, (1.0, 5.0), relevant_rating=4.0, platform="gpu")


def last_user_batch(run) -> UserBatches:
    """The last of the batches of 16 users: 12 users."""
    made = make_user_batches(run.train, run.movie_level, 16, seed=0, has_positions=True)
    return jax.tree.map(lambda column: column[-1], made)


@pytest.fixture(scope="module")
def run():
    """A run on the two crowds, not begun."""
    config = Config(
        model=ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=8, history=()),
        train=TrainConfig(epochs=40, learning_rate=0.05, users_per_step=16),
        evaluation=EvalConfig(relevant_rating=4.0),
    )
    return new_run(config, clean_data(crowds()), crowds())


def test_a_target_leaves_out_exactly_what_a_user_is_encoded_by(run):
    setup = setup_of(run, users_per_step=16, unobserved_weight=0.25, masked_fraction=0.4)
    last = last_user_batch(run)
    history, label, weight = map(np.asarray, masked_targets(jax.device_put(last), jax.random.key(1), setup))
    liking = np.zeros((17, 20))
    liking[last.user, last.movie_row] = liking_weight(last.deviation / run.model.rating_spread)
    rated, liking = liking[:16] > 0, liking[:16]
    assert 0 < (history > 0).sum() < rated.sum()
    is_rated = rated & (history > 0)
    np.testing.assert_allclose(history, liking * is_rated, rtol=1e-6)
    is_masked = rated & ~is_rated
    np.testing.assert_array_equal(label, is_masked)
    # 60 users in batches of 16: the last has 12, and slots of no user count nothing.
    is_user = rated.any(axis=1, keepdims=True)
    assert is_user.sum() == 12
    np.testing.assert_array_equal(weight, np.where(is_masked, 1, 0.25 * (1 - is_rated)) * is_user)


def test_next_ratings_are_masked_and_earlier_ones_count_by_recency_and_liking(run):
    setup = setup_of(run, "next", users_per_step=16, unobserved_weight=0.25, masked_fraction=0.3)
    last = last_user_batch(run)
    rated, label, weight = map(np.asarray, masked_targets(jax.device_put(last), jax.random.key(1), setup))
    num_before = []
    for user in range(12):
        own = np.flatnonzero(last.user == user)
        own = own[np.argsort(last.position[own])]
        movies, liking = last.movie_row[own], liking_weight(last.deviation[own] / run.model.rating_spread)
        counts, is_masked = rated[user, movies], label[user, movies] == 1
        num_seen, num_masked = int((counts > 0).sum()), int(is_masked.sum())
        num_before.append(num_seen)
        recency = (np.arange(1, num_seen + 1) / max(1, num_seen)) ** 2
        np.testing.assert_allclose(counts[:num_seen], recency * liking[:num_seen], rtol=1e-6)
        assert is_masked.tolist() == [num_seen <= position < num_seen + num_masked for position in range(len(own))]
        assert num_masked == min(len(own) - num_seen, int(np.ceil(max(1, 0.3 * len(own)))))
        # Those that come later still count nothing, and what was never rated little.
        np.testing.assert_array_equal(weight[user, movies], is_masked)
        assert np.unique(np.delete(weight[user], movies)).tolist() == [0.25]
    assert len(set(num_before)) > 3
    assert not weight[12:].any()


def series(num_users: int = 60, num_movies: int = 20, length: int = 8) -> Split:
    """Users who each watch some films of a long series, from one on, in their order."""
    user, index = (axis.ravel() for axis in np.indices((num_users, length)))
    movie = user % (num_movies - length + 1) + index
    train = table(1000 + user, 500 + movie, np.full(len(user), 5)).assign(timestamp=index)
    return Split.of(train=train, valid=train[:0], test=train[:0])


@pytest.mark.slow
def test_the_next_film_of_a_series_is_predicted_from_the_one_before_it():
    config = Config(
        model=ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=16, history=()),
        train=TrainConfig(epochs=40, learning_rate=0.05, implicit_feedback_decay=1.0, implicit_feedback_target="next"),
    )
    run = new_run(config, clean_data(series()), series())
    *_, (state, _) = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    users, movies = encode(state.params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, :60], movies[:, :20], model=run.setup.model))
    first = np.array([run.movies.rows([500 + n])[0] for n in range(20)])
    for user in range(60):
        start = user % 13
        if start > 0 and start + 8 < 20:
            assert implicit_score[user, first[start + 8]] > implicit_score[user, first[start - 1]] + 0.1


def test_masking_next_ratings_needs_times(run):
    config = run.config.replace(implicit_feedback_target="next")
    with pytest.raises(InputError, match=r"--implicit_feedback_target=next: no rating of .* has a time"):
        new_run(config, clean_data(crowds()), crowds())


@pytest.mark.slow
def test_users_who_have_rated_every_movie_do_no_harm():
    whole = table(np.repeat([1, 2, 3], 2), np.tile([7, 8], 3), [5, 4, 3, 2, 1, 5])
    parts = Split.of(train=whole, valid=whole[:0], test=whole[:0])
    config = Config().replace(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=2, epochs=4)
    run = new_run(config, clean_data(parts), parts)
    *_, (state, record) = train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    assert np.isfinite(record.catalogue_error)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_a_step_takes_a_fraction_of_the_users_unless_told_how_many(run):
    assert setup_of(run).users_per_step == 6
    assert setup_of(run, users_per_step=9).users_per_step == 9


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"implicit_feedback_target": "next", "ensemble_size": 2}])
def test_sums_train_to_what_tables_train_to(monkeypatch, settings):
    config = Config().replace(
        embedding_dim=2, hidden_dims=(), implicit_feedback_dim=4, history=(), epochs=3, **settings
    )
    train = series().train.sample(frac=0.7, random_state=0).reset_index(drop=True)
    parts = Split.of(train=train.assign(rating=np.float32(1 + train.index % 5)), valid=train[:0], test=train[:0])
    ends = []
    for cost_of_sums in (10**9, 0):
        monkeypatch.setattr("movierec_jax.training.state.SUMMED_NUMBER_COST", cost_of_sums)
        run = new_run(config, clean_data(parts), parts)
        assert run.setup.has_tables == (cost_of_sums > 0)
        # The program depends on the number as well, which is no argument of it.
        train_steps.clear_cache()
        *_, (state, record) = train_epochs(
            new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup
        )
        ends.append((state.params[IMPLICIT_FEEDBACK], record.catalogue_error))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5), *ends)
    train_steps.clear_cache()


@pytest.fixture(scope="module")
def trained(run):
    """The last state of the run and the records of its epochs."""
    epochs = list(train_epochs(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup))
    return epochs[-1][0], [record for _, record in epochs]


def test_movies_of_a_users_own_crowd_score_above_all_others(run, trained):
    state, records = trained
    users, movies = encode(state.params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, :60], movies[:, :20], model=run.setup.model))
    is_own = agree(*np.indices((60, 20)))
    is_rated = np.zeros((60, 20), bool)
    is_rated[run.train.user_row, run.train.movie_row] = True
    assert implicit_score[is_own & ~is_rated].min() > implicit_score[~is_own].max()
    # Half of a crowd's movies are rated, so no score can be surer than that.
    assert implicit_score[is_own & ~is_rated].mean() == pytest.approx(0.5, abs=0.15)
    assert records[-1].catalogue_error < records[0].catalogue_error / 1.5


def test_a_user_without_ratings_has_the_movies_biases_as_scores(run, trained):
    users, movies = encode(trained[0].params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, -1:], movies[:, :20], model=run.setup.model))[0]
    np.testing.assert_allclose(implicit_score, trained[0].params[IMPLICIT_FEEDBACK]["bias"][0, :, 0], rtol=1e-6)


def test_a_film_disliked_brings_nothing_of_its_crowd_and_one_liked_brings_it_up(run, trained):
    recommender = Recommender.of(run, trained[0].params)
    _, movies = recommender.on_host
    likes = {1: 5.0, 2: 1.0, 3: 3.0}
    ratings = pd.DataFrame({USER_ID: list(likes), MOVIE_ID: 500, RATING: list(likes.values())})
    table = ratings.assign(timestamp=NO_TIMESTAMP, rating=np.float32(ratings[RATING]))
    scorer = dataclasses.replace(recommender.scorer, histories=fold_in(run, table)[2])
    users = scorer.encode_on_host(np.arange(len(likes) + 1))
    score = np.asarray(mean_implicit_score(users, movies[:, :20], model=run.setup.model))
    liked, disliked, nobody = score[0], score[1], score[-1]
    is_crowd = (np.arange(20) % 2 == 0) & (np.arange(20) > 0)
    assert (liked[is_crowd] > nobody[is_crowd]).all()
    np.testing.assert_array_equal(disliked, nobody)


# Random numbers of single indices.


@pytest.mark.parametrize("seed", [0, 1, 2**31])
@pytest.mark.parametrize("length", [1, 2, 1000, 1001])
def test_every_index_has_the_number_of_the_whole_array(seed, length):
    key = jax.random.key(seed)
    expected = jax.random.uniform(key, (length,))
    np.testing.assert_array_equal(uniform_at(key, jnp.arange(length)), expected)
    indices = jnp.array([[length - 1, 0], [length // 2, length - 1]])
    np.testing.assert_array_equal(jax.jit(uniform_at)(key, indices), expected[indices])


def test_a_negative_index_has_a_number_as_well():
    found = uniform_at(jax.random.key(0), jnp.array([-1, -2, 2**31 - 1]))
    assert ((found >= 0) & (found < 1)).all()
    assert len(set(found.tolist())) == 3
