import numpy as np
import pandas as pd
import pytest
from helpers.recommenders import PARAMS, random_recommender

from movierec_jax.data.schema import MOVIE_ID, NO_TIMESTAMP, RATING, TIMESTAMP, USER_ID
from movierec_jax.model.encoding import encode_histories
from movierec_jax.recommend.filters import ListFilter
from movierec_jax.recommend.scoring import score_block
from movierec_jax.serve.config import ServeConfig
from movierec_jax.serve.engine import Engine, ListQuery
from movierec_jax.serve.users import Rating, RequestUser

CONFIG = ServeConfig(max_batch=4, max_k=20, max_ratings=50)
LIKED = {318: 5.0, 296: 4.5, 2571: 2.0}


@pytest.fixture(scope="module")
def engine(films):
    return Engine(films, CONFIG, "one")


def new_user(ratings):
    return RequestUser(None, {movie: Rating(rating, NO_TIMESTAMP) for movie, rating in ratings.items()})


def user_by_id(user_id, new_ratings=None):
    return RequestUser(user_id, {movie: Rating(rating, 2**31) for movie, rating in (new_ratings or {}).items()})


def lists(engine, *questions):
    ids = engine.run.movies.ids.to_numpy()
    return [(ids[one.movie_row].tolist(), one.score, one.predicted_rating) for one in engine.answer(questions)]


def assert_same(found, expected):
    """found: of `lists`; expected: a table of `recommend`."""
    movies, score, predicted = found
    assert movies == expected[MOVIE_ID].tolist()
    np.testing.assert_allclose(score, expected["score"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(predicted, expected["predicted_rating"], rtol=1e-5)


@pytest.mark.parametrize("num_users", [1, 3, 4, 9])
def test_lists_of_users_in_the_data_equal_the_recommenders(engine, films, num_users):
    users = [1, 42, 599, 7, 414, 3, 600, 99, 610][:num_users]
    found = lists(engine, *(ListQuery(user_by_id(user), 10) for user in users))
    expected = films.recommend(users, 10)
    for user, one in zip(users, found, strict=True):
        assert_same(one, expected[expected[USER_ID] == user])


@pytest.mark.parametrize("ratings", [{318: 5.0}, LIKED, dict.fromkeys(range(1, 30), 3.0)])
def test_lists_of_new_users_equal_the_recommenders(engine, films, ratings):
    assert_same(lists(engine, ListQuery(new_user(ratings), 10))[0], films.recommend_for(ratings, 10))


def test_lists_do_not_depend_on_their_batch(engine):
    asked = [
        ListQuery(user_by_id(42), 3),
        ListQuery(new_user(LIKED), 20),
        ListQuery(user_by_id(42), 5, include_seen=True),
        ListQuery(user_by_id(7), 5, diversity=0.5),
        ListQuery(new_user({}), 1),
        ListQuery(user_by_id(7, {318: 0.5}), 7),
    ]
    for one, other in zip(lists(engine, *asked), [lists(engine, one)[0] for one in asked], strict=True):
        assert one[0] == other[0]
        np.testing.assert_allclose(one[1], other[1], rtol=1e-5)


def test_a_mask_limits_the_list(engine, films):
    is_listed = engine.filter_movies(ListFilter(genres=("Film-Noir",), years=(1940, 1949)))
    noir, any_movie = lists(engine, ListQuery(user_by_id(1), 20, is_listed), ListQuery(user_by_id(1), 20))
    expected = films.recommend([1], 20, movies=films.select_movies(("Film-Noir",), (1940, 1949)))
    assert_same(noir, expected)
    assert not set(noir[0]) & set(any_movie[0])


def test_an_empty_mask_gives_an_empty_list(engine):
    nothing = np.zeros(engine.num_movies, bool)
    assert lists(engine, ListQuery(user_by_id(1), 5, nothing))[0][0] == []


def test_diverse_lists_equal_the_recommenders(engine, films):
    assert_same(
        lists(engine, ListQuery(user_by_id(5), 10, diversity=0.5))[0],
        films.recommend([5], 10, diversity=0.5),
    )


def test_recording_ratings_of_the_data_again_changes_nothing(engine, films):
    mine = films.parts.train[films.parts.train[USER_ID] == 42]
    again = dict(zip(mine[MOVIE_ID].tolist()[:5], mine[RATING].tolist()[:5], strict=True))
    assert_same(lists(engine, ListQuery(user_by_id(42, again), 10))[0], films.recommend([42], 10))


def test_a_recorded_rating_changes_the_list_and_excludes_its_movie(engine):
    before = lists(engine, ListQuery(user_by_id(42), 10))[0]
    after = lists(engine, ListQuery(user_by_id(42, {before[0][0]: 0.5}), 10))[0]
    assert before[0][0] not in after[0]
    assert not np.allclose(before[1][1:], after[1][:-1], rtol=1e-4)
    # It is not the users of the run that have changed.
    assert lists(engine, ListQuery(user_by_id(42), 10))[0][0] == before[0]


def test_a_new_user_gets_the_same_list_with_and_without_an_id(engine):
    assert_same(
        lists(engine, ListQuery(user_by_id(99_999, LIKED), 10))[0],
        pd.DataFrame(zip(*lists(engine, ListQuery(new_user(LIKED), 10))[0], strict=True), columns=COLUMNS),
    )


COLUMNS = [MOVIE_ID, "score", "predicted_rating"]


def test_a_rating_of_a_cold_movie_is_ignored_and_reported(engine):
    cold = int(engine.run.movies.ids[len(engine.run.movies)])
    with_cold, without = lists(engine, ListQuery(new_user({**LIKED, cold: 5.0}), 10), ListQuery(new_user(LIKED), 10))
    assert with_cold[0] == without[0]
    assert engine.users.ignored_movies(new_user({**LIKED, cold: 5.0}).new_ratings) == [cold]


def test_an_encoded_user_is_cached_until_the_next_rating(engine):
    request_user = user_by_id(11, {318: 4.0})
    first = engine.encoder.encode_users([request_user])[0]
    assert engine.encoder.encode_users([request_user])[0] is first
    other = engine.encoder.encode_users([user_by_id(11, {318: 4.5})])[0]
    assert not np.allclose(other.factors, first.factors)


def test_reasons_equal_the_recommenders(engine, films):
    found = engine.answer([ListQuery(user_by_id(42), 3, explain=True)])[0]
    ids = engine.run.movies.ids.to_numpy()
    expected = films.explain(42, ids[found.movie_row], k=2)
    is_second_feature = (expected["source"] == "content") & expected.duplicated([MOVIE_ID, "source"])
    expected = expected[~is_second_feature]
    for row, reasons in zip(found.movie_row, found.reasons, strict=True):
        mine = expected[expected[MOVIE_ID] == ids[row]]
        named = [(reason["source"], reason.get("feature", reason.get(MOVIE_ID))) for reason in reasons]
        assert named == list(zip(mine["source"], mine["reason"], strict=True))
        assert 0 < sum(reason.get("share", 0) for reason in reasons) <= 1


@pytest.mark.slow
def test_reasons_distinguish_reviewed_from_rated_movies(engine, films, monkeypatch):
    for name in ("NUM_RATED_REASONS", "NUM_FEATURE_REASONS"):
        monkeypatch.setattr(f"movierec_jax.serve.engine.{name}", 10_000)
    user = int(films.parts.from_reviews[USER_ID].mode()[0])
    found = engine.answer([ListQuery(user_by_id(user), 1, explain=True)])[0]
    expected = films.explain(user, engine.run.movies.ids[found.movie_row], k=10_000)
    assert "text" in set(expected["source"])
    named = [(reason["source"], reason.get("feature", reason.get(MOVIE_ID))) for reason in found.reasons[0]]
    assert named == list(zip(expected["source"], expected["reason"], strict=True))


def test_a_user_without_ratings_gets_no_rated_movies_as_reasons(engine):
    found = engine.answer([ListQuery(new_user({}), 3, explain=True)])[0]
    assert {reason["source"] for reasons in found.reasons for reason in reasons} <= {"content"}


def test_predictions_equal_the_recommenders(engine, films):
    users, movies = [42, 42, 7], [318, 1, 296]
    rows = films.run.movies.rows(movies)
    predicted, spread = engine.predict([user_by_id(42), user_by_id(7)], np.int32([0, 0, 1]), rows)
    np.testing.assert_allclose(predicted, films.predict(users, movies), rtol=1e-5)
    assert spread == pytest.approx(engine.noise)
    assert 0.5 < engine.noise < 1.2


def test_no_request_compiles_after_the_start(engine):
    programs = score_block, encode_histories
    before = [program._cache_size() for program in programs]
    longest = {int(movie): 3.0 for movie in engine.run.movies.ids[: CONFIG.max_ratings]}
    for size in range(1, CONFIG.max_batch + 1):
        for k in (1, 10, CONFIG.max_k):
            engine.answer([ListQuery(new_user(dict(list(longest.items())[: size * k])), k)] * size)
    most_rated = int(engine.run.parts.train[USER_ID].mode()[0])
    engine.answer([ListQuery(user_by_id(most_rated, {318: 1.0}), 5)])
    assert [program._cache_size() for program in programs] == before


@pytest.mark.parametrize("case", PARAMS)
def test_every_kind_of_run_is_served(case):
    one = random_recommender(case)
    served = Engine(one, CONFIG, case)
    users, movies = one.user_ids().tolist(), one.run.movies.ids.tolist()
    asked = [users[0], users[1], users[-1]]
    tolerance = 0.05 if case == "bfloat16" else 1e-4
    expected = one.recommend(asked, 5)
    answers = lists(served, *(ListQuery(user_by_id(user), 5) for user in asked))
    for user, (found, _, predicted) in zip(asked, answers, strict=True):
        mine = expected[expected[USER_ID] == user]
        assert case == "bfloat16" or found == mine[MOVIE_ID].tolist()
        np.testing.assert_allclose(predicted, mine["predicted_rating"], rtol=tolerance)
    ratings = {movie: 1.0 + index % 5 for index, movie in enumerate(movies[:7])}
    found, _, predicted = lists(served, ListQuery(new_user(ratings), 5))[0]
    expected = one.recommend_for(ratings, 5)
    assert case == "bfloat16" or found == expected[MOVIE_ID].tolist()
    np.testing.assert_allclose(predicted, expected["predicted_rating"], rtol=tolerance)
    # With the ratings of the data recorded again, a user is encoded as in the run.
    mine = one.parts.train[one.parts.train[USER_ID] == users[1]]
    columns = (mine[column].tolist() for column in (MOVIE_ID, RATING, TIMESTAMP))
    again = RequestUser(users[1], {movie: Rating(rating, time) for movie, rating, time in zip(*columns, strict=True)})
    vector, expected_vector = served.encoder.encode_users([again, user_by_id(users[1])])
    for name in ("factors", "implicit_feedback"):
        found, expected = getattr(vector, name), getattr(expected_vector, name)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-5)
    assert len(served.answer([ListQuery(user_by_id(users[1]), 2, explain=True)])[0].reasons) == 2
