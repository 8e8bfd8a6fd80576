"""Reasons for recommended movies."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.recommenders import own_train_ratings

from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID, FeatureBags
from movierec_jax.errors import InputError
from movierec_jax.model.history import explicit_rows
from movierec_jax.recommend.attribution import content_parts, features_liked, is_liked, is_telling
from movierec_jax.recommend.recommender import Recommender
from movierec_jax.recommend.scoring import predict_ratings


def without(recommender, tower: str, *names: str) -> Recommender:
    """The same with tables of a tower that add nothing."""
    tables = {name: jnp.zeros_like(recommender.params[tower][name]) for name in names}
    if "explicit" in tables:
        # Of zeros there is a damped mean left.
        tables["explicit"] -= explicit_rows(tables["explicit"])
    params = {**recommender.params, tower: {**recommender.params[tower], **tables}}
    return Recommender.of(recommender.run, params)


def added(recommender, other, user_id, movie_ids) -> np.ndarray:
    """How much higher one predicts than the other, not clipped to the scale."""
    rows = recommender.users.rows([user_id] * len(movie_ids)), recommender.run.movies.rows(movie_ids)
    one, two = (predict_ratings(model.scorer, *rows, (-1e9, 1e9))[0] for model in (recommender, other))
    return one - two


def test_rated_movies_add_up_to_the_part_of_the_history(positive):
    movies = [500, 503, 519]
    own = own_train_ratings(positive, 1003)
    reasons = positive.explain(1003, movies, k=len(own))
    rated = reasons[reasons["source"] == "rated"]
    assert rated.groupby("movie_id")["reason"].agg(set).tolist() == [set(own[MOVIE_ID])] * 3
    together = rated.groupby("movie_id")[["implicit_score", "predicted_rating"]].sum()
    without_part = without(positive, "user_tower", "explicit", "implicit")
    np.testing.assert_allclose(
        together["predicted_rating"], added(positive, without_part, 1003, movies), rtol=1e-3, atol=1e-4
    )
    of_movies = positive.scorer.movies
    user = positive.scorer.encode_on_host(positive.users.rows([1003]))[:, 0]
    row = positive.run.movies.rows(movies)
    implicit_score = np.einsum("md,mnd->mn", user.implicit_feedback, of_movies.implicit_feedback[:, row]).mean(axis=0)
    bias = np.asarray(positive.params["exposure"]["bias"])[:, row, 0].mean(axis=0)
    np.testing.assert_allclose(together["implicit_score"], implicit_score - bias, rtol=1e-3, atol=1e-4)


def test_features_add_up_to_the_part_of_the_content(positive):
    run, (params, _) = positive.run, positive.on_host
    content, user = run.movie_content, positive.scorer.encode_on_host(positive.users.rows([1003]))[:, 0]
    together = []
    for row in run.movies.rows([500, 503]).tolist():
        own = content.entries_of(row)
        parts = content_parts(params, content.feature[own], content.value[own], user)
        together.append(parts.sum() * run.model.rating_spread)
    without_part = without(positive, "movie_tower", "features")
    np.testing.assert_allclose(together, added(positive, without_part, 1003, [500, 503]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        ([5.0, 4.0, 3.5, 0.5], [True, True, True, False]),  # 3.5 is above the mean, and two thirds up the scale
        ([5.0, 5.0, 3.5], [True, True, False]),
        ([3.5], [True]),
        ([3.0], [False]),
        ([1.0, 0.5], [False, False]),
        ([np.nan, 2.0], [True, False]),
        ([np.nan], [True]),
    ],
)
def test_a_movie_is_liked_for_its_rating_beside_the_users_own(ratings, expected):
    assert is_liked(np.float32(ratings), 4.0, (0.5, 5.0)).tolist() == expected


def test_only_names_of_few_movies_are_telling():
    row = np.arange(40, dtype=np.int32).repeat(2)
    feature = np.int32([0, 2] + [0, 1] * 39)
    content = FeatureBags(row, feature, np.ones(80, np.float32), ("genre=Drama", "year~1995", "tag=robots"))
    assert is_telling(content, np.int32([0, 1, 2]), 40).tolist() == [False, False, True]


def test_a_feature_is_a_reason_where_more_liked_movies_than_others_have_it():
    # Movie 0 has features 0 and 1, movie 1 has 1 and 2, movie 2 has 2, and movie 3 none.
    content = FeatureBags(np.int32([0, 0, 1, 1, 2]), np.int32([0, 1, 1, 2, 2]), np.ones(5, np.float32), ("a", "b", "c"))
    rated = np.int32([2, 0, 1, 3])
    assert features_liked(content, rated, np.array([True, True, False, True])).tolist() == [True, False, False]
    assert features_liked(content, rated[:0], np.zeros(0, bool)).tolist() == [False] * 3


def test_a_movie_disliked_is_no_reason(positive):
    new = positive.with_new_users([(1, 501, 5.0), (1, 503, 1.0)])
    reasons = new.explain(1, list(range(504, 520)))
    assert set(reasons["reason"][reasons["source"] == "rated"]) == {501}


def test_reasons_are_the_strongest_ones_strongest_first(positive):
    every, two = (positive.explain(1003, [504], k=k) for k in (99, 2))
    for source, by in (("rated", "implicit_score"), ("content", "predicted_rating")):
        one, other = (table[table["source"] == source].reset_index(drop=True) for table in (every, two))
        assert one[by].is_monotonic_decreasing
        assert (one[by] > 0).all()
        pd.testing.assert_frame_equal(other, one.head(2))


@pytest.mark.slow
def test_movies_that_a_user_only_wrote_about_have_a_source_of_their_own(films):
    from_reviews = films.parts.from_reviews
    user = int(from_reviews[USER_ID].mode()[0])
    reasons = films.explain(user, films.run.movies.ids[:500], k=10_000)
    own = reasons[reasons["source"] != "content"].groupby("source")["reason"].agg(set)
    wrote = from_reviews[from_reviews[USER_ID] == user]
    assert set() < own["text"] <= set(wrote[MOVIE_ID])
    assert set() < own["rated"] < set(own_train_ratings(films, user)[MOVIE_ID])
    assert not own["text"] & own["rated"]


def test_a_new_user_gets_reasons_too(positive):
    new = positive.with_new_users(pd.DataFrame({USER_ID: [1, 1], MOVIE_ID: [501, 503], RATING: [5.0, 4.0]}))
    reasons = new.explain(1, list(range(500, 520)))
    assert set(reasons["reason"][reasons["source"] == "rated"]) == {501, 503}


def test_reasons_of_no_number_are_refused(positive):
    with pytest.raises(InputError, match="k=0: must be 1 or more"):
        positive.explain(1003, [500], k=0)


@pytest.mark.parametrize(("user", "movie", "message"), [(7, 500, "unknown user id 7"), (1000, 7, "unknown movie id 7")])
def test_strangers_cannot_be_positive(positive, user, movie, message):
    with pytest.raises(InputError, match=message):
        positive.explain(user, [movie])
