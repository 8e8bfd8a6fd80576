"""The two towers and the head against the same sums written out in NumPy, and what an untrained model says."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from movierec_jax.config import ModelConfig
from movierec_jax.data.arrays import damped_means
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.model.embedding_bag import BothWays, WeightedLinks
from movierec_jax.model.encoding import encode_histories
from movierec_jax.model.history import BIAS_DAMPING, BIAS_GAIN, as_cold_start, tower_inputs
from movierec_jax.model.implicit_feedback import TREND_WEIGHT, add_trend, liking_weight
from movierec_jax.model.inputs import Interactions
from movierec_jax.model.interactions import build_interactions, pad_links, rating_deviation
from movierec_jax.model.two_tower import (
    INITIAL_SPREAD,
    TwoTowers,
    encode,
    mean_rating,
    member_ratings,
    small_normal,
)

# Users 0 to 4 and movies 0 to 6 have ratings, user 4 and movie 6 one each; user 5 and movie 7 have content alone; the
# rows after them are the unknown ones. User 3 and movies 5 and 6 have no content.
NUM_USERS, NUM_MOVIES = 5, 7
COLD_USER, COLD_MOVIE, UNKNOWN_USER, UNKNOWN_MOVIE = 5, 7, 6, 8
USER_ROWS, MOVIE_ROWS = UNKNOWN_USER + 1, UNKNOWN_MOVIE + 1
MEAN, SPREAD = 3.5, 1.25
CONFIG = ModelConfig(embedding_dim=4, hidden_dims=(6, 3), implicit_feedback_dim=5, dropout=0.5)
each_depth = pytest.mark.parametrize("hidden_dims", [(), pytest.param((6,), marks=pytest.mark.slow), (6, 3)])

PAIRS = [(user, movie) for user in range(4) for movie in range(6) if (2 * user + movie) % 3] + [(4, 2), (0, 6)]


def ratings() -> Ratings:
    user, movie = np.array(PAIRS, np.int32).T
    stars = np.random.default_rng(0).integers(1, 6, len(PAIRS)).astype(np.float32)
    return Ratings(user, movie, stars, np.zeros(len(PAIRS), np.int64), np.zeros((len(PAIRS), 0), np.int32))


def bags(rows, num_features) -> FeatureBags:
    """Two features of random values for each of the rows."""
    rng = np.random.default_rng(1)
    feature = [sorted(rng.permutation(num_features)[:2]) for _ in rows]
    value = rng.normal(size=2 * len(rows)).astype(np.float32)
    names = tuple(map(str, range(num_features)))
    return FeatureBags(np.repeat(rows, 2).astype(np.int32), np.ravel(feature).astype(np.int32), value, names)


USER_CONTENT, MOVIE_CONTENT = bags([0, 1, 2, 4, COLD_USER], 3), bags([0, 1, 2, 3, 4, COLD_MOVIE], 4)
INTERACTIONS: Interactions = jax.device_put(
    build_interactions(ratings(), COLD_USER + 1, COLD_MOVIE + 1, USER_CONTENT, MOVIE_CONTENT)
)
# What counts in the implicit-feedback scores of users.
RATED = BothWays(
    *(WeightedLinks(INTERACTIONS.by_user.owner, INTERACTIONS.by_user.other, (None,), INTERACTIONS.by_user.link >= 0),)
    * 2
)


def model_of(config=CONFIG, num_user_features=3, num_movie_features=4, **time_sizes) -> TwoTowers:
    return TwoTowers(NUM_USERS, NUM_MOVIES, num_user_features, num_movie_features, config, MEAN, SPREAD, **time_sizes)


def whole(interactions=INTERACTIONS):
    """What the towers see of all users and movies by all ratings."""
    return tower_inputs(interactions, interactions.by_user.link >= 0, interactions.by_movie.link >= 0)


@functools.cache
def untrained():
    """A model with its initial parameters."""
    model = model_of()
    return model, jax.jit(model.init)(jax.random.key(0), *whole(), rows(0), rows(0), at_no_time(1))["params"]


def as_if_trained(config=CONFIG, seed=0, **sizes):
    """A model with parameters that are all different from their initial values, of a spread of one."""
    model = model_of(config, **sizes)
    params = jax.eval_shape(model.init, jax.random.key(0), *whole(), rows(0), rows(0), at_no_time(1))["params"]
    rng = np.random.default_rng(seed)
    return model, jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=leaf.shape)), params)


def ensemble_of(*members):
    """The parameters of several members as one."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


def encoded(model, params, interactions=INTERACTIONS):
    """Users and movies as a single member sees them."""
    return tuple(side[0] for side in encode(ensemble_of(params), interactions, model=model))


def rows(*numbers):
    return jnp.array(numbers, jnp.int32)


def at_no_time(pairs):
    """Rating times without features."""
    return jnp.zeros((pairs, 0), jnp.int32)


def all_pairs():
    """The rows of every user with every movie, the cold and unknown ones too."""
    user, movie = np.indices((USER_ROWS, MOVIE_ROWS), np.int32)
    return jnp.asarray(user.ravel()), jnp.asarray(movie.ravel())


def stars_of(model, params, user_row, movie_row, interactions=INTERACTIONS, **options):
    time_features = at_no_time(len(user_row))
    return np.asarray(apply(model, params, *whole(interactions), user_row, movie_row, time_features, **options)[0])


@functools.partial(jax.jit, static_argnames=("model", "is_training", "method"))
def apply(model, params, *inputs, **options):
    return model.apply({"params": params}, *inputs, **options)


def without_hidden_dims(**settings):
    return ModelConfig(**{"embedding_dim": 4, "hidden_dims": (), "implicit_feedback_dim": 0, **settings})


def assert_close(one, other):
    """Every array close to the other's."""
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


# The same by hand.


def relu(values):
    return np.maximum(values, 0)


def vector_by_hand(tower, row: int, history, content) -> np.ndarray:
    """Factors and bias; `history` has the other side's rows and values, `content` the features and theirs."""
    vector = np.zeros(tower["embedding"].shape[1] + 1)
    if row < len(tower["embedding"]):
        vector += np.concatenate([tower["embedding"][row], tower["bias"][row]])
    if "explicit" in tower and history:
        total = sum(value / SPREAD * tower["explicit"][other] + tower["implicit"][other] for other, value in history)
        vector[:-1] += total[:-1] / np.sqrt(len(history))
        mean = sum(value / SPREAD for _, value in history) / (len(history) + BIAS_DAMPING)
        vector[-1] += mean + total[-1] * BIAS_GAIN / (len(history) + BIAS_DAMPING)
    return vector + sum(value * tower["features"][feature] for feature, value in content)


def content_by_hand(content: FeatureBags, row: int) -> list[tuple]:
    mine = content.row == row
    return list(zip(content.feature[mine], content.value[mine], strict=True))


def deviations() -> tuple[np.ndarray, np.ndarray]:
    """Each rating's deviation for its user's tower and for its movie's tower."""
    total = np.zeros((2, len(PAIRS) + 1), np.float32)
    for links, values in zip((INTERACTIONS.by_user, INTERACTIONS.by_movie), total, strict=True):
        # The slot after the last takes the filling.
        values[np.asarray(links.link)] = links.values[0 if links is INTERACTIONS.by_user else 1]
    return total[0, :-1], total[1, :-1]


def stars_by_hand(params, user_row: int, movie_row: int) -> float:
    """The model's formula over plain arrays, with its first dense layer on both vectors side by side."""
    params = jax.tree.map(np.asarray, params)
    user, movie, head = params["user_tower"], params["movie_tower"], params["head"]
    to_user, to_movie = deviations()
    movies_of_user = [(other, value) for (one, other), value in zip(PAIRS, to_user, strict=True) if one == user_row]
    users_of_movie = [(one, value) for (one, other), value in zip(PAIRS, to_movie, strict=True) if other == movie_row]
    *of_user, user_bias = vector_by_hand(user, user_row, movies_of_user, content_by_hand(USER_CONTENT, user_row))
    *of_movie, movie_bias = vector_by_hand(movie, movie_row, users_of_movie, content_by_hand(MOVIE_CONTENT, movie_row))
    deviation = head["offset"] + user_bias + movie_bias + np.dot(of_user, of_movie)
    if "user_layer" not in params:
        return MEAN + SPREAD * deviation
    layers = params["user_layer"], params["movie_layer"]
    kernel = np.concatenate([layer["kernel"] for layer in layers])
    hidden = relu(np.concatenate([of_user, of_movie]) @ kernel + sum(layer["bias"] for layer in layers))
    for name in sorted(name for name in head if name.startswith("Dense")):
        hidden = relu(hidden @ head[name]["kernel"] + head[name]["bias"])
    deviation += (hidden @ head["residual"]["kernel"] + head["residual"]["bias"])[0]
    return MEAN + SPREAD * deviation


@pytest.mark.parametrize(
    ("hidden_dims", "history"),
    [
        ((), ("user", "movie")),
        ((6,), ("user", "movie")),
        ((6, 3), ("user", "movie")),
        ((), ("user",)),
        ((), ("movie",)),
    ],
)
def test_stars_are_mean_biases_product_and_dense_layers_on_the_sums_of_ids_histories_and_content(hidden_dims, history):
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=hidden_dims, history=history))
    user_row, movie_row = all_pairs()
    expected = [stars_by_hand(params, *pair) for pair in zip(user_row.tolist(), movie_row.tolist(), strict=True)]
    np.testing.assert_allclose(stars_of(model, params, user_row, movie_row), expected, rtol=1e-4, atol=1e-3)


@each_depth
def test_all_pairs_by_broadcasting_equal_pairs_one_by_one(hidden_dims):
    model, params = as_if_trained(ModelConfig(embedding_dim=4, hidden_dims=hidden_dims))
    users, movies = encoded(model, params)
    table = apply(model, params, users[:, None], movies[None], method="predict")
    pairs = zip(*map(np.asarray, all_pairs()), strict=True)
    one_by_one = [stars_of(model, params, np.array([user]), np.array([movie]))[0] for user, movie in pairs]
    assert table.shape == (USER_ROWS, MOVIE_ROWS)
    np.testing.assert_allclose(np.ravel(table), one_by_one, rtol=1e-5, atol=1e-4)


# Histories.


def without(left_out: set[int]) -> Interactions:
    """INTERACTIONS without some of the ratings."""
    kept = np.array([number not in left_out for number in range(len(PAIRS))])
    values = [value[kept] for value in deviations()]
    user, movie = (column[kept] for column in (ratings().user_row, ratings().movie_row))
    by_user = pad_links(user, movie, *values, np.ones(len(user), np.float32))
    return jax.device_put(INTERACTIONS._replace(by_user=by_user, by_movie=pad_links(movie, user, *values)))


@pytest.mark.parametrize(
    "left_out",
    [{0}, {len(PAIRS) - 2}, {0, 3, 5}, set(range(len(PAIRS) - 2)), set(range(len(PAIRS)))],
    ids=["one", "a user's only one", "three", "all but two", "all"],
)
def test_leaving_ratings_out_equals_not_having_them(left_out):
    model, params = as_if_trained(CONFIG)
    counts = (
        (links.link >= 0) & ~np.isin(np.asarray(links.link), list(left_out))
        for links in (INTERACTIONS.by_user, INTERACTIONS.by_movie)
    )
    users, movies = tower_inputs(INTERACTIONS, *counts)
    is_left, by_user = users.ratings.forward.counts, INTERACTIONS.by_user
    liking = liking_weight(by_user.values[0] / model.rating_spread)
    rated = BothWays(*(dataclasses.replace(RATED.forward, weights=(liking * is_left,), counts=is_left),) * 2)
    ours = (
        apply(model, params, users, rated, method="encode_users"),
        apply(model, params, movies, method="encode_movies"),
    )
    assert_close(ours, encoded(model, params, without(left_out)))


def test_a_rating_left_out_changes_its_user_and_its_movie_alone():
    model, params = as_if_trained(CONFIG)
    user, movie = PAIRS[3]
    for side, row, one, other in zip(
        ("user", "movie"), (user, movie), encoded(model, params), encoded(model, params, without({3})), strict=True
    ):
        is_other = np.any(np.abs(one.factors - other.factors) > 1e-4, axis=1)
        assert (side, np.flatnonzero(is_other).tolist()) == (side, [row])


def test_without_histories_ids_and_content_are_all_there_is():
    model, params = as_if_trained(without_hidden_dims(history=()))
    assert sorted(params["user_tower"]) == sorted(params["movie_tower"]) == ["bias", "embedding", "features"]
    assert_close(encoded(model, params), encoded(model, params, without(set(range(len(PAIRS))))))


def test_without_histories_and_content_a_tower_is_its_table_of_ids():
    model, params = as_if_trained(without_hidden_dims(history=()), num_user_features=0, num_movie_features=0)
    for side, tower, size in zip(encoded(model, params), ("user_tower", "movie_tower"), (5, 7), strict=True):
        assert sorted(params[tower]) == ["bias", "embedding"]
        np.testing.assert_array_equal(side.factors[:size], params[tower]["embedding"])
        np.testing.assert_array_equal(side.bias[:size], params[tower]["bias"][:, 0])
        assert not side.factors[size:].any()
        assert not side.bias[size:].any()


@pytest.mark.parametrize(("history", "other"), [(("user",), "movie_tower"), (("movie",), "user_tower")])
def test_a_history_may_be_that_of_one_side(history, other):
    _, params = as_if_trained(without_hidden_dims(history=history))
    assert "explicit" not in params[other]
    assert "explicit" in params[f"{history[0]}_tower"]


def test_a_user_without_a_row_is_encoded_from_the_history_alone():
    model, params = as_if_trained(without_hidden_dims())
    train = ratings()
    of_users = np.isin(train.user_row, [1, 3])
    index = np.int32([{1: 0, 3: 2}[user] for user in train.user_row[of_users]])
    level = damped_means(train.movie_row, train.rating, COLD_MOVIE + 1)
    movie_row = train.movie_row[of_users]
    deviation = rating_deviation(level, movie_row, train.rating[of_users])
    links = pad_links(index, movie_row, deviation, np.ones(of_users.sum(), np.float32))
    members = ensemble_of(params)
    nothing = jnp.zeros((1, 4, params["user_tower"]["embedding"].shape[1] + 1))
    new = encode_histories(members, nothing, jax.device_put(links), model=model)[0]
    users, _ = encoded(model, params)
    tower = jax.tree.map(np.asarray, params["user_tower"])
    content = vector_by_hand(tower, UNKNOWN_USER, [], content_by_hand(USER_CONTENT, 1))
    assert_close(new.factors[0], users.factors[1] - tower["embedding"][1] - content[:-1])
    assert_close(new.bias[0], users.bias[1] - tower["bias"][1, 0] - content[-1])
    # User 3 has no content.
    assert_close(new.factors[2], users.factors[3] - tower["embedding"][3])
    # Those without ratings are average ones.
    assert not new.factors[1].any()
    assert not new.factors[3].any()


UNIFORM = tuple(jnp.full(links.link.shape, 0.5) for links in (INTERACTIONS.by_user, INTERACTIONS.by_movie))


def test_an_owner_taken_for_new_has_no_row_and_the_ratings_that_are_left():
    model, params = as_if_trained(without_hidden_dims())
    users, _ = whole()
    # All are new, and nothing is left of their ratings.
    new = as_cold_start(users, 1 - 1e-6, 0.0, UNIFORM, jax.random.key(0))
    hidden = apply(model, params, new, RATED, method="encode_users")
    tower = jax.tree.map(np.asarray, params["user_tower"])
    for row in range(USER_ROWS):
        content = vector_by_hand(tower, UNKNOWN_USER, [], content_by_hand(USER_CONTENT, row))
        assert_close((hidden.factors[row], hidden.bias[row]), (content[:-1], content[-1]))
    # All are new, and all of it is left.
    new = as_cold_start(users, 1 - 1e-6, 1e9, UNIFORM, jax.random.key(0))
    without_row = apply(model, params, new, RATED, method="encode_users")
    shown, _ = encoded(model, params)
    assert_close(without_row.factors[:NUM_USERS], shown.factors[:NUM_USERS] - tower["embedding"])
    assert_close(without_row.factors[NUM_USERS:], shown.factors[NUM_USERS:])


def test_nobody_is_taken_for_new_where_the_share_is_0():
    for side, uniform in zip(whole(), (UNIFORM, UNIFORM[::-1]), strict=True):
        assert_close(as_cold_start(side, 0.0, 3.0, uniform, jax.random.key(0)), side)


def test_ratings_that_are_left_are_the_same_in_both_layouts():
    users, _ = whole()
    uniform = np.random.default_rng(0).random(len(PAIRS) + 1).astype(np.float32)
    in_both = tuple(jnp.asarray(uniform[links.link]) for links in (INTERACTIONS.by_user, INTERACTIONS.by_movie))
    new = as_cold_start(users, 1 - 1e-6, 3.0, in_both, jax.random.key(1))
    left = [
        sorted(np.asarray(links.link)[np.asarray(weighted.counts)].tolist())
        for links, weighted in zip((INTERACTIONS.by_user, INTERACTIONS.by_movie), new.ratings, strict=True)
    ]
    assert left[0] == left[1]
    assert 0 < len(left[0]) < len(PAIRS)
    count = np.bincount(ratings().user_row[left[0]], minlength=USER_ROWS)
    np.testing.assert_array_equal(new.num_ratings, count)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_owners_taken_for_new_are_a_share_drawn_by_chance(share):
    users, _ = whole()
    many = users._replace(has_row=jnp.ones(10_000), num_ratings=jnp.ones(10_000))
    drawn = [np.asarray(as_cold_start(many, share, 1.0, UNIFORM, jax.random.key(seed)).has_row) for seed in (0, 0, 1)]
    assert np.mean(drawn[0] == 0) == pytest.approx(share, abs=0.02)
    assert set(np.unique(drawn[0])) <= {0, 1}
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any() == (share > 0)


# RatingTimeFeatures.


def test_a_rating_time_moves_users_by_all_its_rows_and_movies_by_the_shared_ones():
    model, params = as_if_trained(without_hidden_dims(), num_time_features=5, num_shared_time_features=3)
    assert params["user_tower"]["time_features"].shape == (5, 4 + 1)
    assert params["movie_tower"]["time_features"].shape == (3, 4 + 1)
    users, movies = encoded(model, params)
    user_row, movie_row = all_pairs()
    # The last row stands for unknown features.
    time_features = np.random.default_rng(0).integers(0, 5 + 1, (len(user_row), 2)).astype(np.int32)

    def moved(side, tower, row):
        table = np.zeros((6, 5), np.float32)
        rows = params[tower]["time_features"]
        table[: len(rows)] = rows
        shift = table[time_features].sum(axis=1)
        return side.factors[row] + shift[:, :-1], side.bias[row] + shift[:, -1]

    (of_user, user_bias), (of_movie, movie_bias) = (
        moved(users, "user_tower", user_row),
        moved(movies, "movie_tower", movie_row),
    )
    deviation = params["head"]["offset"] + user_bias + movie_bias + np.sum(of_user * of_movie, axis=1)
    stars = apply(model, params, *whole(), user_row, movie_row, jnp.asarray(time_features))[0]
    np.testing.assert_allclose(stars, MEAN + SPREAD * deviation, rtol=1e-4, atol=1e-3)


def test_an_unknown_rating_time_moves_nothing():
    model, params = as_if_trained(CONFIG, num_time_features=5, num_shared_time_features=3)
    user_row, movie_row = all_pairs()
    users, movies = (side[rows] for side, rows in zip(encoded(model, params), (user_row, movie_row), strict=True))
    unknown = jnp.full((len(user_row), 3), 5, jnp.int32)
    moved = apply(model, params, users, movies, unknown, method="at_time")
    jax.tree.map(np.testing.assert_array_equal, moved, (users, movies))


# Rows without ratings.


def test_the_content_of_a_cold_movie_changes_what_is_predicted_for_it():
    model, params = as_if_trained(CONFIG)
    nothing = dataclasses.replace(
        MOVIE_CONTENT, value=np.where(MOVIE_CONTENT.row == COLD_MOVIE, 0, MOVIE_CONTENT.value)
    )
    other = jax.device_put(build_interactions(ratings(), COLD_USER + 1, COLD_MOVIE + 1, USER_CONTENT, nothing))
    one, without_content = (
        stars_of(model, params, *all_pairs(), interactions=interactions).reshape(USER_ROWS, -1)
        for interactions in (INTERACTIONS, other)
    )
    is_other = np.any(np.abs(one - without_content) > 1e-4, axis=0)
    assert np.flatnonzero(is_other).tolist() == [COLD_MOVIE]
    np.testing.assert_allclose(without_content[:, COLD_MOVIE], without_content[:, UNKNOWN_MOVIE], rtol=1e-5)


def test_a_trend_adds_shares_in_units_of_the_average_users_score():
    model, params = as_if_trained()
    share = np.array([0.4, 0.3, 0.1, 0.1, 0.05, 0.05, 0, 0, 0], np.float32)
    users, movies = jax.device_get(encoded(model, params))
    mean_user = users.implicit_feedback[:NUM_USERS].mean(axis=0)
    added = add_trend(mean_user[None], movies.implicit_feedback[None], share)[0] - movies.implicit_feedback
    assert not added[..., :-1].any()
    score = movies.implicit_feedback @ mean_user
    scale = max(0, np.linalg.lstsq(share[:, None], score)[0].item())
    np.testing.assert_allclose(added[:, -1], TREND_WEIGHT * scale * share, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("params", [untrained, as_if_trained], ids=["untrained", "trained"])
def test_unknown_rows_are_zero(params):
    for side in encoded(*params()):
        assert not side.factors[-1].any()
        assert side.bias[-1] == 0
        assert np.all(np.any(side.factors[:-1] != 0, axis=1))


def test_an_unknown_pair_gets_the_mean_before_training():
    model, params = untrained()
    assert stars_of(model, params, rows(UNKNOWN_USER), rows(UNKNOWN_MOVIE)) == MEAN


# Before training.


def test_before_training_the_dense_layers_add_nothing():
    model, params = untrained()
    users, movies = encoded(model, params)
    deviation = users.bias[:, None] + movies.bias[None] + users.factors @ movies.factors.T
    np.testing.assert_allclose(stars_of(model, params, *all_pairs()), np.ravel(MEAN + SPREAD * deviation), rtol=1e-6)


@pytest.mark.parametrize("width", [1, 64])
def test_before_training_products_of_embeddings_have_a_known_spread(width):
    user, movie = (small_normal(jax.random.key(seed), (1001, width)) for seed in (1, 2))
    assert np.std(user @ movie.T) == pytest.approx(INITIAL_SPREAD, rel=0.1)


def test_without_hidden_layers_there_are_no_dense_parameters_and_nothing_hidden_to_carry():
    model, params = as_if_trained(without_hidden_dims())
    assert sorted(params["head"]) == ["offset"]
    assert not {"user_layer", "movie_layer"} & set(params)
    assert encoded(model, params)[0].hidden.shape == (USER_ROWS, 0)


# Members.


def test_an_ensemble_encodes_and_predicts_what_its_members_do_one_by_one():
    members = [as_if_trained(CONFIG, seed=seed)[1] for seed in range(3)]
    model, params = model_of(), ensemble_of(*members)
    users, movies = encode(params, INTERACTIONS, model=model)
    user_row, movie_row = all_pairs()
    stars = member_ratings(params, users[:, user_row], movies[:, movie_row], model=model)
    for number, member in enumerate(members):
        assert_close((users[number], movies[number]), encoded(model, member))
        np.testing.assert_allclose(stars[number], stars_of(model, member, user_row, movie_row), rtol=1e-4, atol=1e-3)
    mean = mean_rating(params, users[:, user_row], movies[:, movie_row], model=model)
    np.testing.assert_allclose(mean, np.mean(stars, axis=0), rtol=1e-5, atol=1e-5)


# Arithmetic and dropout.


def test_bfloat16_keeps_parameters_and_stars_in_float32():
    config = dataclasses.replace(CONFIG, precision="bfloat16")
    model, params = as_if_trained(config)
    initial = jax.eval_shape(model.init, jax.random.key(0), *whole(), rows(0), rows(0), at_no_time(1))
    assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {jnp.dtype("float32")}
    assert stars_of(model, params, *all_pairs()).dtype == np.float32


def test_bfloat16_is_close_to_float32_but_not_equal():
    in_float32, in_bfloat16 = (
        stars_of(*as_if_trained(dataclasses.replace(CONFIG, precision=precision)), *all_pairs())
        for precision in ("float32", "bfloat16")
    )
    # A bfloat16 has 8 bits: each rounding is off by up to 1/256 of numbers as large as the largest, and a few add up.
    assert 0 < np.abs(in_float32 - in_bfloat16).max() < 4 * np.abs(in_float32).max() / 256


def test_dropout_acts_in_training_alone():
    model, params = as_if_trained(CONFIG)
    in_training, other = (
        stars_of(model, params, *all_pairs(), is_training=True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 1)
    )
    without_dropout = stars_of(model, params, *all_pairs())
    assert (in_training != without_dropout).any()
    assert (in_training != other).any()
    np.testing.assert_array_equal(without_dropout, stars_of(model, params, *all_pairs()))
