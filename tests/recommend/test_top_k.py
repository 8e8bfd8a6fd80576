"""Lists against a brute-force sort of every score, whatever the blocks; and pairs one by one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movierec_jax.config import ModelConfig, ScoreConfig, TrainConfig
from movierec_jax.model.two_tower import Encoded, Head, TwoTowers
from movierec_jax.recommend import top_k as recommend
from movierec_jax.recommend.top_k import (
    BLOCK_PAIRS,
    LIKING_SCALE,
    Order,
    Rated,
    directions,
    diversified,
    one_ahead,
    order_of,
    predict_ratings,
    score_block,
    tile_users,
    top_k_block,
    top_k_blocks,
)
from movierec_jax.training.state import TrainingSetup

# More users than a tile holds, so that blocks differ in their number of tiles.
NUM_USERS, NUM_MOVIES, NUM_MEMBERS = 150, 17, 2
CONFIG = ModelConfig(embedding_dim=4, hidden_dims=(6,), implicit_feedback_dim=3)
MODEL = TwoTowers(NUM_USERS, NUM_MOVIES, 0, 0, CONFIG)
EVERYBODY = np.arange(NUM_USERS, dtype=np.int32)
ORDER = Order("stars", relevant_rating=0.5, scale=0.7)
NOTHING_SEEN = [set() for _ in range(NUM_USERS)]
ALL_BUT_TWO, ALL = 3, 4


def numbers(shape, seed=0):
    return jnp.float32(np.random.default_rng(seed).normal(size=(NUM_MEMBERS, *shape)))


def encoded(num_rows, seed) -> Encoded:
    """Random users or movies, the unknown one too."""
    shapes = ((num_rows + 1,), (num_rows + 1, 4), (num_rows + 1, 6), (num_rows + 1, 4))
    return Encoded(*(numbers(shape, seed + place) for place, shape in enumerate(shapes)))


@pytest.fixture(scope="module")
def asked():
    """A model with random parameters of the head, of two members, and random users and movies."""
    users, movies = encoded(NUM_USERS, 10), encoded(NUM_MOVIES, 20)
    init = jax.eval_shape(Head(0.0, CONFIG).init, jax.random.key(0), users[0, 0], movies[0, 0])["params"]
    return {"head": jax.tree.map(lambda leaf: numbers(leaf.shape), init)}, users, movies


@pytest.fixture(scope="module")
def member_ratings(asked):
    """The stars of every member for every user and movie, unknown ones last."""
    params, users, movies = asked
    stars = []
    for member in range(NUM_MEMBERS):
        head = jax.tree.map(lambda leaf, member=member: leaf[member], params)
        stars.append(MODEL.apply({"params": head}, users[member, :, None], movies[member, None], method="stars"))
    return np.array(stars)


@pytest.fixture(scope="module")
def stars(member_ratings):
    """The mean of the members."""
    return member_ratings.mean(axis=0)


@pytest.fixture(scope="module")
def seen_sets():
    """The movies that each user has seen: a random third, but user 3 all except 5 and 11, and user 4 all."""
    rng = np.random.default_rng(1)
    seen_sets = [set(np.flatnonzero(rng.random(NUM_MOVIES) < 1 / 3).tolist()) for _ in range(NUM_USERS)]
    seen_sets[ALL_BUT_TWO] = set(range(NUM_MOVIES)) - {5, 11}
    seen_sets[ALL] = set(range(NUM_MOVIES))
    return seen_sets


def seen_of(seen_sets) -> Rated:
    pairs = [(place, movie) for place, movies in enumerate(seen_sets) for movie in sorted(movies)]
    place, movie_row = np.array(pairs, np.int64).reshape(-1, 2).T
    return Rated.of(place, movie_row.astype(np.int32), len(seen_sets), NUM_MOVIES)


def lists_of(asked, k, seen_sets, block_users=ScoreConfig.block_users, user_row=EVERYBODY, order=ORDER, **options):
    """Movie rows and scores of all users, end to end."""
    seen = seen_of(seen_sets)
    blocks = list(top_k_blocks(MODEL, order, *asked, user_row, seen, k, block_users, **options))
    assert [place.start for place, _ in blocks] == [0, *(place.stop for place, _ in blocks)][:-1]
    return tuple(np.concatenate([getattr(top, name) for _, top in blocks]) for name in ("movie_row", "score"))


def sorted_lists(stars, seen_sets, k):
    """Movie rows by a stable sort of each user's scores, the unknown row in places that stay empty."""
    lists = np.full((NUM_USERS, k), NUM_MOVIES)
    for user, seen in enumerate(seen_sets):
        best = [movie for movie in np.argsort(-stars[user, :NUM_MOVIES], kind="stable") if movie not in seen][:k]
        lists[user, : len(best)] = best
    return lists


@pytest.mark.parametrize("k", [1, 5, NUM_MOVIES])
def test_lists_are_those_of_a_sort_of_all_unseen_movies(asked, stars, seen_sets, k):
    movie_row, score = lists_of(asked, k, seen_sets)
    np.testing.assert_array_equal(movie_row, sorted_lists(stars, seen_sets, k))
    filled = movie_row < NUM_MOVIES
    expected = np.take_along_axis(stars[:NUM_USERS], movie_row, axis=1)
    np.testing.assert_allclose(score[filled], expected[filled], rtol=1e-4, atol=1e-5)


def test_lists_fall_by_the_implicit_feedback_score_and_the_chance_of_liking_with_stars_beside_it(
    asked, stars, seen_sets
):
    _, users, movies = asked
    implicit_score = np.einsum("mud,mvd->muv", users.implicit_feedback, movies.implicit_feedback).mean(axis=0)
    chance = 1 / (1 + np.exp(-(stars - ORDER.relevant_rating) / ORDER.scale))
    score = np.where(implicit_score > 0, implicit_score * chance, implicit_score)
    order = dataclasses.replace(ORDER, by="expected_hits")
    np.testing.assert_array_equal(lists_of(asked, 6, seen_sets, order=order)[0], sorted_lists(score, seen_sets, 6))
    (_, top), *_ = top_k_blocks(MODEL, order, *asked, EVERYBODY[:5], seen_of(NOTHING_SEEN[:5]), 6)
    for told, expected in ((top.score, score), (top.stars, stars)):
        np.testing.assert_allclose(told, np.take_along_axis(expected[:5], top.movie_row, axis=1), rtol=1e-3, atol=1e-4)


def test_more_of_either_never_lowers_a_score():
    implicit_score, stars = jnp.meshgrid(jnp.linspace(-0.3, 1.2, 40), jnp.linspace(0, 6, 30), indexing="ij")
    score = np.asarray(dataclasses.replace(ORDER, by="expected_hits").score(implicit_score, stars))
    assert (np.diff(score, axis=0) >= 0).all()
    assert (np.diff(score, axis=1) >= 0).all()


@pytest.mark.parametrize(("implicit_feedback_dim", "by"), [(0, "stars"), (2, "expected_hits")])
def test_what_has_been_learnt_decides_the_order(implicit_feedback_dim, by):
    model = TwoTowers(1, 1, 0, 0, ModelConfig(implicit_feedback_dim=implicit_feedback_dim))
    config = TrainConfig().for_ratings(1, is_by_time=False)
    order = order_of(TrainingSetup(model, config, 1, rating_scale=(1.0, 5.0), relevant_rating=3.5))
    assert order == Order(by, relevant_rating=3.5, scale=LIKING_SCALE * 4)


def test_a_list_of_the_whole_catalogue_holds_every_movie_once(asked):
    movie_row, _ = lists_of(asked, NUM_MOVIES, NOTHING_SEEN)
    np.testing.assert_array_equal(np.sort(movie_row, axis=1), np.tile(np.arange(NUM_MOVIES), (NUM_USERS, 1)))


def test_a_user_who_has_seen_all_but_two_movies_gets_these_two_and_empty_places(asked, stars, seen_sets):
    movie_row, score = (column[ALL_BUT_TWO] for column in lists_of(asked, 5, seen_sets))
    best_two = [5, 11] if stars[ALL_BUT_TWO, 5] > stars[ALL_BUT_TWO, 11] else [11, 5]
    assert movie_row.tolist() == [*best_two, NUM_MOVIES, NUM_MOVIES, NUM_MOVIES]
    assert np.isneginf(score).tolist() == [False, False, True, True, True]


def test_a_user_who_has_seen_every_movie_gets_empty_places_alone(asked, seen_sets):
    movie_row, score = (column[ALL] for column in lists_of(asked, 5, seen_sets))
    assert movie_row.tolist() == [NUM_MOVIES] * 5
    assert np.isneginf(score).all()


def test_movies_of_equal_score_stand_in_the_order_of_rows(asked):
    params, users, movies = jax.tree.map(jnp.zeros_like, asked)
    best = dataclasses.replace(movies, bias=movies.bias.at[:, 9].set(1))
    movie_row, _ = lists_of((params, users, best), 4, [{1}] * NUM_USERS)
    assert np.unique(movie_row, axis=0).tolist() == [[9, 0, 2, 3]]


# Lists by stars, by all there is, and by that and what stands above.
KINDS = pytest.mark.parametrize(("by", "diversity"), [("stars", 0.0), ("expected_hits", 0.0), ("expected_hits", 0.4)])


@KINDS
@pytest.mark.parametrize("block_users", [1, 3, 100])
def test_lists_are_the_same_to_the_last_bit_whatever_the_size_of_blocks(asked, seen_sets, block_users, by, diversity):
    kind = {"order": dataclasses.replace(ORDER, by=by), "diversity": diversity}
    one = lists_of(asked, 5, seen_sets, block_users=1000, **kind)
    other = lists_of(asked, 5, seen_sets, block_users=block_users, **kind)
    for column, expected in zip(other, one, strict=True):
        np.testing.assert_array_equal(column, expected)


@KINDS
def test_a_users_list_is_the_same_to_the_last_bit_whoever_else_is_asked_for(asked, seen_sets, by, diversity):
    kind = {"order": dataclasses.replace(ORDER, by=by), "diversity": diversity}
    everybody = lists_of(asked, 5, seen_sets, **kind)
    order = np.random.default_rng(2).permutation(NUM_USERS)[:70]
    some = lists_of(asked, 5, [seen_sets[user] for user in order], user_row=EVERYBODY[order], **kind)
    for column, expected in zip(some, everybody, strict=True):
        np.testing.assert_array_equal(column, expected[order])


def test_an_unknown_user_gets_the_list_of_the_unknown_row(asked, stars):
    movie_row, _ = lists_of(asked, 5, [set()], user_row=np.int32([NUM_USERS]))
    assert movie_row[0].tolist() == np.argsort(-stars[NUM_USERS, :NUM_MOVIES], kind="stable")[:5].tolist()


def test_no_users_give_one_empty_block(asked):
    movie_row, score = lists_of(asked, 5, [], user_row=EVERYBODY[:0])
    assert movie_row.shape == score.shape == (0, 5)


@pytest.mark.parametrize(("on_host", "program"), [(True, score_block), (False, top_k_block)])
def test_all_blocks_share_one_program_and_another_call_needs_none(asked, seen_sets, on_host, program):
    before = program._cache_size()
    for _ in range(2):
        # In an order that no other test asks for.
        order = dataclasses.replace(ORDER, scale=0.9)
        lists_of(asked, 2, seen_sets, block_users=64, order=order, on_host=on_host)
        assert program._cache_size() - before == 1


@pytest.mark.parametrize("by", ["stars", "expected_hits"])
@pytest.mark.parametrize("k", [1, 5, NUM_MOVIES])
def test_the_host_picks_what_the_device_picks_with_the_same_scores_and_stars(asked, seen_sets, by, k):
    kind = {"order": dataclasses.replace(ORDER, by=by), "block_users": 64}
    one, other = (lists_of(asked, k, seen_sets, on_host=on_host, **kind) for on_host in (True, False))
    for column, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(column, expected)


def test_the_host_picks_from_listed_movies_alone(asked, seen_sets):
    is_listed = (np.arange(NUM_MOVIES) % 3 == 1)[None]
    blocks = [
        next(
            top_k_blocks(
                MODEL,
                ORDER,
                *asked,
                EVERYBODY,
                seen_of(seen_sets),
                4,
                NUM_USERS,
                is_listed=is_listed,
                on_host=on_host,
            )
        )[1]
        for on_host in (True, False)
    ]
    np.testing.assert_array_equal(blocks[0].movie_row, blocks[1].movie_row)


def test_users_who_have_rated_nothing_stand_in_for_those_who_are_not_among_the_users():
    rated = seen_of([{1, 4}, set(), {2}])
    some = rated.of_users(np.array([2, -1, 0, 0]))
    assert [some.of_user(user).tolist() for user in range(4)] == [[2], [], [1, 4], [1, 4]]


@given(st.integers(1, 10**8), st.integers(0, 10**4), st.integers(1, 100))
def test_a_tile_is_as_many_users_as_fit_but_1_at_least_and_64_at_most(num_movies, width, num_members):
    model = TwoTowers(1, num_movies, 0, 0, ModelConfig(hidden_dims=(width,) if width else ()))
    tile = tile_users(model, num_members, num_users=9)
    numbers_of_user = num_movies * max(1, width) * num_members
    assert tile in (1, 2, 4, 8, 16, 32, 64)
    assert tile == 1 or tile * numbers_of_user <= recommend.TILE_NUMBERS
    assert tile == 64 or 2 * tile * numbers_of_user > recommend.TILE_NUMBERS
    assert tile_users(model, num_members, num_users=8) == min(tile, 8)


def by_hand(score, alike, diversity, k):
    """Maximal marginal relevance of one user, a candidate after another."""
    share, chosen = score / score.max(), []
    for _ in range(k):
        rest = [n for n in range(len(score)) if n not in chosen]
        gain = [(1 - diversity) * share[n] - diversity * max([0, *(alike[n, m] for m in chosen)]) for n in rest]
        chosen.append(rest[int(np.argmax(gain))])
    return chosen


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 0.95])
def test_a_diverse_list_takes_one_after_another_what_is_good_and_unlike_those_before(diversity):
    rng = np.random.default_rng(5)
    score, direction = rng.random((4, 12)), rng.normal(size=(4, 12, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    alike = np.einsum("ucf,udf->ucd", direction, direction)
    places = diversified(jnp.float32(score), jnp.float32(direction), jnp.float32(diversity), 6)
    assert places.tolist() == [by_hand(*user, diversity, 6) for user in zip(score, alike, strict=True)]
    if diversity == 0:
        assert places.tolist() == np.argsort(-score, axis=1)[:, :6].tolist()


def test_diverse_lists_are_chosen_from_the_best_unseen_movies_and_keep_their_scores(asked, seen_sets):
    wide = dict(zip(*(column[7].tolist() for column in lists_of(asked, NUM_MOVIES, seen_sets)), strict=True))
    blocks = top_k_blocks(MODEL, ORDER, *asked, EVERYBODY[7:8], seen_of(seen_sets[7:8]), 2, diversity=0.8)
    top = next(blocks)[1]
    assert top.movie_row[0, 0] == next(iter(wide))
    assert set(top.movie_row[0].tolist()) <= set(wide)
    assert top.score[0].tolist() == pytest.approx([wide[row] for row in top.movie_row[0].tolist()], rel=1e-5)


def test_a_shorter_diverse_list_is_the_beginning_of_a_longer_one(asked, seen_sets):
    short, long = (lists_of(asked, k, seen_sets, diversity=0.6)[0] for k in (3, 7))
    np.testing.assert_array_equal(short, long[:, :3])


def test_a_diverse_list_longer_than_what_is_left_ends_with_empty_places(asked, seen_sets):
    seen = seen_of([seen_sets[ALL_BUT_TWO]])
    top = next(top_k_blocks(MODEL, ORDER, *asked, EVERYBODY[:1], seen, 4, diversity=0.5))[1]
    assert sorted(top.movie_row[0].tolist()) == [5, 11, NUM_MOVIES, NUM_MOVIES]


def test_movies_that_may_not_be_listed_are_in_no_list(asked, stars):
    is_listed = (np.arange(NUM_MOVIES) % 3 == 1)[None]
    _, top = next(top_k_blocks(MODEL, ORDER, *asked, EVERYBODY[:9], seen_of(NOTHING_SEEN[:9]), 4, is_listed=is_listed))
    expected = [[row for row in order if is_listed[0, row]][:4] for order in np.argsort(-stars[:9, :NUM_MOVIES])]
    assert top.movie_row.tolist() == expected


def test_directions_have_length_1_and_those_of_nothing_0(asked):
    _, _, movies = asked
    empty = dataclasses.replace(movies, factors=movies.factors.at[:, 3].set(0))
    length = np.linalg.norm(directions(empty), axis=1)
    assert length == pytest.approx([float(row != 3) for row in range(NUM_MOVIES + 1)], abs=1e-5)


# What users have seen.


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 6)), max_size=20), st.integers(0, 4), st.integers(1, 4))
def test_a_mask_is_true_at_each_listed_users_known_movies_alone(ratings, first, block):
    num_users, num_movies = 5, 6
    place, movie_row = np.array(ratings, np.int64).reshape(-1, 2).T
    seen = Rated.of(place, movie_row.astype(np.int32), num_users, num_movies)
    stop = min(first + block, num_users)
    expected = np.zeros((block, num_movies), bool)
    for user, movie in ratings:
        if first <= user < stop and movie < num_movies:
            expected[user - first, movie] = True
    np.testing.assert_array_equal(seen.mask(slice(first, stop), (block, num_movies)), expected)


def test_each_users_movies_lie_together_in_the_order_given():
    seen = Rated.of(np.array([2, 0, -1, 2, 2]), np.int32([4, 1, 3, 0, 5]), num_users=3, num_movies=5)
    assert seen.start.tolist() == [0, 1, 1, 3]
    assert seen.movie_row.tolist() == [1, 4, 0]


# Pairs.


NO_SCALE = (-1e9, 1e9)


def test_predicted_stars_and_spreads_are_those_of_the_pairs_one_by_one(asked, stars, member_ratings):
    user_row, movie_row = np.int32([0, 7, 7, NUM_USERS]), np.int32([3, NUM_MOVIES, 2, 1])
    together = predict_ratings(MODEL, *asked, user_row, movie_row, NO_SCALE)
    alone = [predict_ratings(MODEL, *asked, user_row[[n]], movie_row[[n]], NO_SCALE) for n in range(4)]
    np.testing.assert_array_equal(together, np.squeeze(alone, axis=2).T)
    np.testing.assert_allclose(together[0], stars[user_row, movie_row], rtol=1e-4, atol=1e-5)
    # The standard deviation of two numbers is half of how far they are apart.
    one, other = member_ratings[:, user_row, movie_row]
    np.testing.assert_allclose(together[1], np.abs(one - other) / 2, rtol=1e-4, atol=1e-5)


def test_a_single_member_has_no_spread(asked):
    one = jax.tree.map(lambda leaf: leaf[:1], asked)
    assert not predict_ratings(MODEL, *one, EVERYBODY, np.zeros(NUM_USERS, np.int32), NO_SCALE)[1].any()


def test_more_pairs_than_a_block_holds_are_predicted_in_their_order(asked, stars):
    rng = np.random.default_rng(3)
    user_row, movie_row = (rng.integers(0, n, BLOCK_PAIRS + 3, np.int32) for n in (NUM_USERS, NUM_MOVIES))
    predicted, _ = predict_ratings(MODEL, *asked, user_row, movie_row, NO_SCALE)
    np.testing.assert_allclose(predicted, stars[user_row, movie_row], rtol=1e-4, atol=1e-4)


def test_predicted_stars_are_held_to_the_scale_and_spreads_are_not(asked, stars):
    user_row, movie_row = (axis.ravel() for axis in np.indices((NUM_USERS, NUM_MOVIES), np.int32))
    predicted, spread = predict_ratings(MODEL, *asked, user_row, movie_row, (0.1, 0.7))
    assert (predicted.min(), predicted.max()) == (np.float32(0.1), np.float32(0.7))
    is_inside = (predicted > np.float32(0.1)) & (predicted < np.float32(0.7))
    np.testing.assert_allclose(predicted[is_inside], stars[user_row, movie_row][is_inside], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(spread, predict_ratings(MODEL, *asked, user_row, movie_row, NO_SCALE)[1])


def test_no_pairs_have_neither_stars_nor_spread(asked):
    stars, spread = predict_ratings(MODEL, *asked, EVERYBODY[:0], EVERYBODY[:0], (1.0, 5.0))
    assert stars.shape == spread.shape == (0,)


# Work ahead of its use.


@pytest.mark.parametrize("num_jobs", [0, 1, 2, 5])
def test_each_job_is_handed_out_in_order_once_the_next_has_been_started(num_jobs):
    started, num_started_when_handed_out = [], []

    def start(job):
        started.append(job)
        return job

    handed_out = []
    for job in one_ahead(start(job) for job in range(num_jobs)):
        handed_out.append(job)
        num_started_when_handed_out.append(len(started))
    assert handed_out == list(range(num_jobs))
    assert num_started_when_handed_out == [min(job + 2, num_jobs) for job in range(num_jobs)]
