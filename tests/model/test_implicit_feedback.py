"""The implicit-feedback score against sums written out, and on two crowds who watch different films."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.checkerboard import agree, clean_data, crowds, table

from movierec_jax.config import Config, EvalConfig, ModelConfig, TrainConfig
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError
from movierec_jax.model.embedding_bag import BothWays, WeightedLinks
from movierec_jax.model.implicit_feedback import ImplicitFeedback
from movierec_jax.model.inputs import UserBatches
from movierec_jax.model.interactions import pad_links
from movierec_jax.model.two_tower import encode, mean_implicit_score
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.batches import make_user_batches
from movierec_jax.training.loop import fit
from movierec_jax.training.masking import masked_targets
from movierec_jax.training.state import TrainingSetup, new_state
from movierec_jax.training.step import train_steps

NUM_USERS, NUM_MOVIES, DIM = 5, 7, 3
# User 3 has rated nothing, user 4 everything; user 2's first rating counts little.
RATED = np.array([[1, 0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0], [0.3, 1, 1, 0, 0, 1, 0], [0] * 7, [1] * 7], np.float32)
IMPLICIT_FEEDBACK = ImplicitFeedback(NUM_MOVIES, NUM_MOVIES, DIM)


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(0)
    shapes = {"rated": (NUM_MOVIES, DIM), "movie": (NUM_MOVIES, DIM), "bias": (NUM_MOVIES, 1)}
    return {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


def by_hand(params, user: int, movie: int) -> float:
    weights = dict(enumerate(RATED[user].tolist()))
    total = sum((weight * np.asarray(params["rated"][other]) for other, weight in weights.items()), np.zeros(DIM))
    vector = total / max(1e-9, sum(weight**2 for weight in weights.values())) ** 0.5
    return float(vector @ params["movie"][movie] + params["bias"][movie, 0])


def test_exposure_is_the_product_of_what_was_rated_as_it_counts_and_the_movie_and_its_bias(params):
    catalogue = IMPLICIT_FEEDBACK.apply({"params": params}, jnp.asarray(RATED), method="score_catalogue")
    expected = [[by_hand(params, user, movie) for movie in range(NUM_MOVIES)] for user in range(NUM_USERS)]
    np.testing.assert_allclose(catalogue, expected, rtol=1e-4, atol=1e-5)


def test_users_by_links_are_those_by_tables(params):
    user, movie = (axis.astype(np.int32) for axis in np.nonzero(RATED))
    links = jax.device_put(pad_links(user, movie, RATED[user, movie]))
    rated = BothWays(*(WeightedLinks(links.owner, links.other, links.values),) * 2)
    users = IMPLICIT_FEEDBACK.apply({"params": params}, rated, NUM_USERS, method="users")
    movies = IMPLICIT_FEEDBACK.apply({"params": params}, NUM_MOVIES + 2, method="movies")
    assert not movies[NUM_MOVIES:].any()
    expected = IMPLICIT_FEEDBACK.apply({"params": params}, jnp.asarray(RATED), method="score_catalogue")
    np.testing.assert_allclose(users @ movies[:NUM_MOVIES].T, expected, rtol=1e-4, atol=1e-5)


# What a step is to tell.


def setup_of(run, implicit_feedback_target="any", **settings) -> TrainingSetup:
    config = TrainConfig(implicit_feedback_target=implicit_feedback_target, **settings).for_ratings(
        100, is_by_time=False
    )
    return TrainingSetup(run.model, config, 1, (1.0, 5.0), relevant_rating=4.0)


def last_user_batch(run) -> UserBatches:
    """The last of the batches of 16 users: 12 users."""
    made = make_user_batches(run.train, 16, seed=0, has_positions=True)
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


def test_what_a_user_is_known_by_is_not_to_be_told_and_nothing_else_is_left_out(run):
    setup = setup_of(run, users_per_step=16, unobserved_weight=0.25, masked_fraction=0.4)
    last = last_user_batch(run)
    is_rated, label, weight = map(np.asarray, masked_targets(jax.device_put(last), jax.random.key(1), setup))
    rated = np.zeros((17, 20), bool)
    rated[last.user, last.movie_row] = True
    rated = rated[:16]
    assert 0 < is_rated.sum() < rated.sum()
    assert (is_rated <= rated).all()
    is_told = rated & (is_rated == 0)
    np.testing.assert_array_equal(label, is_told)
    # 60 users in batches of 16: the last has 12, and slots of no user count nothing.
    is_user = rated.any(axis=1, keepdims=True)
    assert is_user.sum() == 12
    np.testing.assert_array_equal(weight, np.where(is_told, 1, 0.25 * (1 - is_rated)) * is_user)


def test_what_comes_next_is_told_by_what_came_before_of_which_the_last_counts_most(run):
    setup = setup_of(run, "next", users_per_step=16, unobserved_weight=0.25, masked_fraction=0.3)
    last = last_user_batch(run)
    rated, label, weight = map(np.asarray, masked_targets(jax.device_put(last), jax.random.key(1), setup))
    num_known = []
    for user in range(12):
        own = np.flatnonzero(last.user == user)
        movies = last.movie_row[own[np.argsort(last.position[own])]]
        counts, is_told = rated[user, movies], label[user, movies] == 1
        interactions, told = int((counts > 0).sum()), int(is_told.sum())
        num_known.append(interactions)
        np.testing.assert_allclose(
            counts[:interactions], (np.arange(1, interactions + 1) / max(1, interactions)) ** 2, rtol=1e-6
        )
        assert is_told.tolist() == [interactions <= position < interactions + told for position in range(len(own))]
        assert told == min(len(own) - interactions, int(np.ceil(max(1, 0.3 * len(own)))))
        # Those that come later still count nothing, and what was never rated little.
        np.testing.assert_array_equal(weight[user, movies], is_told)
        assert np.unique(np.delete(weight[user], movies)).tolist() == [0.25]
    assert len(set(num_known)) > 3
    assert not weight[12:].any()


def series(num_users: int = 60, num_movies: int = 20, length: int = 8) -> Split:
    """Users who each watch some films of a long series, from one on, in their order."""
    user, place = (axis.ravel() for axis in np.indices((num_users, length)))
    movie = user % (num_movies - length + 1) + place
    train = table(1000 + user, 500 + movie, np.full(len(user), 5)).assign(timestamp=place)
    return Split.of(train=train, valid=train[:0], test=train[:0])


def test_the_next_film_of_a_series_is_told_from_the_one_before_it():
    config = Config(
        model=ModelConfig(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=16, history=()),
        train=TrainConfig(epochs=40, learning_rate=0.05, implicit_feedback_decay=1.0, implicit_feedback_target="next"),
    )
    run = new_run(config, clean_data(series()), series())
    *_, (state, _) = fit(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    users, movies = encode(state.params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, :60], movies[:, :20]))
    first = np.array([run.movies.rows([500 + n])[0] for n in range(20)])
    for user in range(60):
        start = user % 13
        if start > 0 and start + 8 < 20:
            assert implicit_score[user, first[start + 8]] > implicit_score[user, first[start - 1]] + 0.1


def test_what_comes_next_needs_times(run):
    config = run.config.replace(implicit_feedback_target="next")
    with pytest.raises(InputError, match=r"--implicit_feedback_target=next: no rating of .* has a time"):
        new_run(config, clean_data(crowds()), crowds())


@pytest.mark.slow
def test_users_who_have_rated_every_movie_leave_nothing_to_tell_and_do_no_harm():
    whole = table(np.repeat([1, 2, 3], 2), np.tile([7, 8], 3), [5, 4, 3, 2, 1, 5])
    parts = Split.of(train=whole, valid=whole[:0], test=whole[:0])
    config = Config().replace(embedding_dim=2, hidden_dims=(), implicit_feedback_dim=2, epochs=4)
    run = new_run(config, clean_data(parts), parts)
    *_, (state, record) = fit(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
    assert np.isfinite(record.catalogue_error)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_a_step_takes_a_share_of_the_users_and_sums_take_the_place_of_large_tables(run):
    assert setup_of(run).users_per_step == 6
    assert setup_of(run, users_per_step=9).users_per_step == 9
    for num_movies, has_tables in ((2**15, True), (2**15 + 1, False)):
        model = run.model.clone(num_users=10 * 2**10, num_movies=num_movies)
        assert dataclasses.replace(run.setup, model=model, config=setup_of(run).config).has_tables == has_tables


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"implicit_feedback_target": "next", "ensemble_size": 2}])
def test_sums_train_to_what_tables_train_to(monkeypatch, settings):
    config = Config().replace(
        embedding_dim=2, hidden_dims=(), implicit_feedback_dim=4, history=(), epochs=3, **settings
    )
    train = series().train.sample(frac=0.7, random_state=0).reset_index(drop=True)
    parts = Split.of(train=train.assign(rating=np.float32(1 + train.index % 5)), valid=train[:0], test=train[:0])
    ends = []
    for table_numbers in (10**9, 0):
        monkeypatch.setattr("movierec_jax.training.state.TABLE_NUMBERS", table_numbers)
        run = new_run(config, clean_data(parts), parts)
        assert run.setup.has_tables == (table_numbers > 0)
        # The program depends on the number as well, which is no argument of it.
        train_steps.clear_cache()
        *_, (state, record) = fit(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup)
        ends.append((state.params["exposure"], record.catalogue_error))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5), *ends)
    train_steps.clear_cache()


@pytest.fixture(scope="module")
def trained(run):
    """The last state of the run and the records of its epochs."""
    epochs = list(fit(new_state(run.setup), run.train, run.valid, run.interactions, setup=run.setup))
    return epochs[-1][0], [record for _, record in epochs]


def test_movies_of_ones_own_crowd_are_told_from_the_others(run, trained):
    state, records = trained
    users, movies = encode(state.params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, :60], movies[:, :20]))
    is_own = agree(*np.indices((60, 20)))
    is_rated = np.zeros((60, 20), bool)
    is_rated[run.train.user_row, run.train.movie_row] = True
    assert implicit_score[is_own & ~is_rated].min() > implicit_score[~is_own].max()
    # Half of a crowd's movies are rated: more than that cannot be told.
    assert implicit_score[is_own & ~is_rated].mean() == pytest.approx(0.5, abs=0.15)
    assert records[-1].catalogue_error < records[0].catalogue_error / 1.5


def test_somebody_without_ratings_is_exposed_to_what_most_people_are(run, trained):
    users, movies = encode(trained[0].params, run.interactions, model=run.model)
    implicit_score = np.asarray(mean_implicit_score(users[:, -1:], movies[:, :20]))[0]
    np.testing.assert_allclose(implicit_score, trained[0].params["exposure"]["bias"][0, :, 0], rtol=1e-6)
