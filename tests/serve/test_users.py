import numpy as np
import pytest

from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.serve.users import Rating, RequestUser, Users, by_user


@pytest.fixture(scope="module")
def users(recommender):
    return Users(recommender)


def test_what_everybody_rated_is_that_of_all_parts(users, recommender):
    for user in recommender.user_ids().tolist()[::20]:
        expected = recommender.rated_by(user)
        found = users.ratings(RequestUser(user, {}))
        mine = dict(zip(expected[MOVIE_ID].tolist(), expected[RATING].tolist(), strict=True))
        assert {movie: one.rating for movie, one in found.items()} == mine


def test_what_was_recorded_stands_in_place_of_what_was_known(users, recommender):
    user = int(recommender.user_ids()[3])
    movie = next(iter(users.ratings(RequestUser(user, {}))))
    request_user = RequestUser(user, {movie: Rating(1.5, 9), 900: Rating(2.0, 10)})
    rated = users.ratings(request_user)
    assert rated[movie] == Rating(1.5, 9)
    assert rated[900] == Rating(2.0, 10)
    history = users.history(request_user)
    row = users.movie_rows[movie]
    assert history.rating[history.movie_row == row].tolist() == [1.5]


def test_a_history_has_train_alone_and_what_is_seen_has_all_parts(users, recommender):
    run = recommender.run
    for user in recommender.user_ids().tolist()[::30]:
        request_user = RequestUser(user, {})
        mine = run.parts.train[run.parts.train[USER_ID] == user]
        history = users.history(request_user)
        assert sorted(history.movie_row) == sorted(run.movies.rows(mine[MOVIE_ID]))
        assert users.num_train_ratings(user) == len(mine)
        everything = {movie for movie in users.ratings(request_user) if users.movie_rows[movie] < users.num_movies}
        assert {int(run.movies.ids[row]) for row in users.seen_rows(request_user)} == everything


def test_texts_that_stand_for_ratings_are_marked_until_their_movie_is_rated(films):
    users, from_reviews = Users(films), films.parts.from_reviews
    user = int(from_reviews[USER_ID].mode()[0])
    wrote = set(films.run.movies.rows(from_reviews[MOVIE_ID][from_reviews[USER_ID] == user]).tolist())
    history = users.history(RequestUser(user, {}))
    assert set(history.movie_row[history.is_text].tolist()) == wrote
    assert len(history.is_text) == users.num_train_ratings(user) + len(wrote)
    row = min(wrote)
    history = users.history(RequestUser(user, {int(films.run.movies.ids[row]): Rating(5.0, 9)}))
    assert set(history.movie_row[history.is_text].tolist()) == wrote - {row}
    assert history.is_text[history.movie_row == row].tolist() == [False]


def test_somebody_new_has_no_row_and_what_they_give_alone(users, recommender):
    movie = int(recommender.run.movies.ids[0])
    history = users.history(RequestUser(None, {movie: Rating(4.0, 7)}))
    assert history.user_row == recommender.run.users.unknown
    assert (history.movie_row.tolist(), history.rating.tolist(), history.timestamp.tolist()) == ([0], [4.0], [7])
    assert not users.is_in_data(123_456)
    assert users.is_in_data(5000)
    # Of whom the test part alone has ratings.
    assert users.num_train_ratings(5000) == 0


def test_ratings_are_told_apart_by_user():
    order, start = by_user(np.array([2, 0, 2, 2]), 4)
    assert [order[start[user] : start[user + 1]].tolist() for user in range(4)] == [[1], [], [0, 2, 3], []]
