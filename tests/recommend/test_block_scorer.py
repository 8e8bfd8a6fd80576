"""Lists and ratings of users who are encoded a block at a time, from a model with every part."""

import jax
import numpy as np
import pandas as pd
import pytest

from movierec_jax.recommend import block_scorer


def lists_of(recommender, **options) -> pd.DataFrame:
    blocks = recommender.recommend_blocks(recommender.user_ids(), 10, **options)
    return pd.concat(list(blocks), ignore_index=True)


@pytest.mark.parametrize("diversity", [0.0, 0.3])
def test_lists_are_the_same_to_the_last_bit_whatever_the_block(positive, diversity):
    one, *others = (lists_of(positive, block_users=size, diversity=diversity) for size in (1, 70, 1000))
    for other in others:
        pd.testing.assert_frame_equal(other, one, check_exact=True)


def test_no_array_on_the_device_has_all_users_encoded(films):
    movie_rows = films.run.movies.unknown + 1
    width = films.run.config.model.implicit_feedback_dim + 1
    found = set()
    for _ in films.recommend_blocks(films.user_ids(), 10, block_users=64):
        found |= {array.shape[1] for array in jax.live_arrays() if array.shape[2:] == (width,)}
    assert movie_rows in found
    assert max(found - {movie_rows}) < len(films.run.users)


def test_users_on_the_host_are_those_of_each_block(positive, monkeypatch):
    monkeypatch.setattr(block_scorer, "USERS_AT_ONCE", 7)
    rows = np.arange(len(positive.run.users) + 1)
    found, own = positive.scorer.encode_on_host(rows), positive.scorer.own_vectors()
    assert own.shape[1] == found.bias.shape[1] == len(rows)
    one = positive.scorer.encode_on_host(rows[9:10])
    jax.tree.map(np.testing.assert_array_equal, one, found[:, 9:10])


def test_predictions_do_not_depend_on_the_order_of_pairs(positive):
    rng = np.random.default_rng(0)
    users = rng.choice(positive.user_ids(), 200)
    movies = rng.choice(positive.run.movies.ids[: len(positive.run.movies)], 200)
    order = rng.permutation(200)
    expected = positive.predict(users, movies)
    np.testing.assert_array_equal(positive.predict(users[order], movies[order]), expected[order])
