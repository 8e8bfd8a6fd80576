"""Lists of new users, from their ratings alone."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.checkerboard import NUM_MOVIES, agree, table
from helpers.recommenders import hand_made_recommender, own_train_ratings

from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.errors import InputError
from movierec_jax.model.encoding import encode_users
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.scoring import score_block

# A movie of the test part alone.
COLD_MOVIE = 900


def test_a_new_user_gets_the_unseen_movies_of_the_parity_they_like_first(recommender):
    lists = recommender.recommend_for({501: 5.0, 503: 5.0, 500: 1.0, 502: 1.0}, NUM_MOVIES)
    assert list(lists) == ["movie_id", "rank", "score", "predicted_rating"]
    assert sorted([500, 501, 502, 503, *lists["movie_id"]]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(1, lists["movie_id"]).tolist() == [True] * (NUM_MOVIES // 2 - 2) + [False] * (NUM_MOVIES // 2 - 2)


def without_id(recommender, user_id) -> Recommender:
    """The same with zeros in the embedding of a user."""
    row = recommender.run.users.rows([user_id])[0]
    tower = recommender.params["user_tower"]
    others = jnp.arange(len(recommender.run.users))[None, :, None] != row
    nothing = {name: tower[name] * others for name in ("embedding", "bias")}
    return Recommender.of(recommender.run, {**recommender.params, "user_tower": {**tower, **nothing}})


def test_a_new_user_with_the_ratings_of_another_gets_the_same_predictions_but_for_the_embedding(recommender):
    trained, own = without_id(recommender, 1003), own_train_ratings(recommender, 1003)
    lists = trained.recommend_for(dict(zip(own[MOVIE_ID], own[RATING], strict=True)), NUM_MOVIES)
    assert set(lists["movie_id"]) == set(range(500, 500 + NUM_MOVIES)) - set(own[MOVIE_ID])
    predicted = trained.predict([1003] * len(lists), lists["movie_id"])
    np.testing.assert_allclose(lists["predicted_rating"], predicted, rtol=1e-4)


def test_many_new_users_each_get_the_list_that_they_would_get_alone_whatever_the_order(recommender):
    ratings = pd.concat([own_train_ratings(recommender, user) for user in (1003, 1000, 1007)])
    shuffled = ratings.sample(frac=1, random_state=0).assign(**{USER_ID: ratings[USER_ID].map("user {}".format)})
    together = recommender.with_new_users(shuffled)
    assert together.user_ids().tolist() == ["user 1000", "user 1003", "user 1007"]
    lists = together.recommend(["user 1007", "user 1000"], 3)
    for user in (1007, 1000):
        own = own_train_ratings(recommender, user)
        alone = recommender.recommend_for(dict(zip(own[MOVIE_ID], own[RATING], strict=True)), 3)
        mine = lists[lists["user_id"] == f"user {user}"].drop(columns="user_id").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone, rtol=1e-5)


def test_what_a_new_user_has_rated_is_left_out_unless_asked_for(recommender):
    new = recommender.with_new_users(table([7, 7, 8], [500, 502, 501], [5, 4, 1]))
    lists = new.recommend([7, 8], NUM_MOVIES)
    catalogue = set(range(500, 500 + NUM_MOVIES))
    assert set(lists["movie_id"][lists["user_id"] == 7]) == catalogue - {500, 502}
    assert set(lists["movie_id"][lists["user_id"] == 8]) == catalogue - {501}
    assert len(new.recommend([7], NUM_MOVIES, include_seen=True)) == NUM_MOVIES
    assert new.rated_by(7).to_numpy().tolist() == [[500, 5], [502, 4]]


def test_a_recommender_of_new_users_does_not_know_those_of_the_data(recommender):
    new = recommender.with_new_users(table([7], [500], [5]))
    with pytest.raises(InputError, match="unknown user id 1000: not among the 1 users of the data"):
        new.recommend([1000], 1)


def test_earlier_new_users_change_nothing_for_later_ones(recommender):
    first = recommender.with_new_users(table([7, 7], [500, 501], [1, 1]))
    lists = [one.recommend_for({501: 5.0, 502: 1.0}, 5) for one in (recommender, first)]
    pd.testing.assert_frame_equal(*lists, check_exact=True)


def test_another_new_user_needs_no_new_program(recommender):
    recommender.recommend_for({501: 5.0, 502: 1.0}, 5)
    before = [function._cache_size() for function in (score_block, encode_users)]
    recommender.recommend_for({503: 2.0, 506: 4.0, 507: 5.0}, 5)
    assert [function._cache_size() for function in (score_block, encode_users)] == before


def test_a_new_user_of_a_model_without_histories_is_an_average_one():
    recommender = hand_made_recommender([0.5, -1, 1, 0])
    assert recommender.recommend_for({"1": 5.0}, 3)["movie_id"].tolist() == ["3", "4", "2"]


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ({}, "no ratings: give one or more"),
        ({500: 5.5}, r"rating=5\.5: must be 1 to 5 stars"),
        ({500: 5, 501: 0}, "rating=0: must be"),
        ({500: float("nan")}, "rating=nan: must be"),
        ({77: 3.0}, "unknown movie id 77: not among the 24 movies trained on, such as 500"),
        ({COLD_MOVIE: 3.0}, f"unknown movie id {COLD_MOVIE}: not among"),
        ({"x": 3.0}, "movie id 'x': the ids of this data are integers, such as 500"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused(recommender, ratings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        recommender.recommend_for(ratings, 3)


@pytest.mark.parametrize("k", [0, NUM_MOVIES + 1])
def test_a_list_of_another_length_than_there_are_movies_is_refused_for_a_new_user(recommender, k):
    with pytest.raises(InputError, match=f"top_k={k}: must be 1 to {NUM_MOVIES}"):
        recommender.recommend_for({500: 5.0}, k)


def test_a_new_user_with_the_ratings_of_another_has_the_same_implicit_feedback_vector(positive):
    own = own_train_ratings(positive, 1003)
    new = positive.with_new_users(own.sample(frac=1, random_state=0))
    row = positive.users.rows([1003])[0]
    one, other = (model.scorer.encode_on_host(np.array([n]))[:, 0] for model, n in ((new, 0), (positive, row)))
    np.testing.assert_allclose(one.implicit_feedback, other.implicit_feedback, rtol=1e-4)


def test_without_times_all_ratings_of_a_new_user_count_the_same(positive):
    own = own_train_ratings(positive, 1003).drop(columns=TIMESTAMP)
    one, other = (positive.with_new_users(ratings) for ratings in (own, own[::-1]))
    vectors = [new.scorer.encode_on_host(np.arange(2)).implicit_feedback for new in (one, other)]
    np.testing.assert_allclose(*vectors, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ({MOVIE_ID: [500], "stars": [5.0]}, "ratings: no column user_id among movie_id, stars; give a table"),
        ({USER_ID: [1, 1], MOVIE_ID: [500, 500], RATING: [5.0, 4.0]}, "user 1 has rated movie 500 more than once"),
        ({USER_ID: [1, np.nan], MOVIE_ID: [500, 501], RATING: [5.0, 4.0]}, "a rating without a user id"),
        ({USER_ID: [1], MOVIE_ID: [500], RATING: ["good"]}, "rating=good: must be 1 to 5 stars"),
    ],
)
def test_tables_of_ratings_that_cannot_be_used_are_refused(positive, ratings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        positive.with_new_users(pd.DataFrame(ratings))


def test_a_new_user_can_ask_for_selected_movies(recommender):
    movies = recommender.select_movies(genres="Odd")
    listed = recommender.recommend_for({500: 5.0, 502: 5.0}, 3, movies=movies)
    assert set(listed["movie_id"]) <= set(movies)
