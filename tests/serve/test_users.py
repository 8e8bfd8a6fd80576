import numpy as np
import pytest

from movierec_jax.data.schema import MOVIE_ID, RATING, USER_ID
from movierec_jax.serve.users import Rating, RequestUser, Users, by_user


@pytest.fixture(scope="module")
def users(recommender):
    return Users(recommender)


def test_ratings_come_from_all_parts(users, recommender):
    for user in recommender.user_ids().tolist()[::20]:
        expected = recommender.rated_by(user)
        found = users.ratings(RequestUser(user, {}))
        mine = dict(zip(expected[MOVIE_ID].tolist(), expected[RATING].tolist(), strict=True))
        assert {movie: one.rating for movie, one in found.items()} == mine


def test_a_new_rating_replaces_the_rating_of_the_data(users, recommender):
    user = int(recommender.user_ids()[3])
    movie = next(iter(users.ratings(RequestUser(user, {}))))
    request_user = RequestUser(user, {movie: Rating(1.5, 9), 900: Rating(2.0, 10)})
    rated = users.ratings(request_user)
    assert rated[movie] == Rating(1.5, 9)
    assert rated[900] == Rating(2.0, 10)
    history = users.history(request_user)
    row = users.movie_rows[movie]
    assert history.rating[history.movie_row == row].tolist() == [1.5]


def test_a_history_has_train_only_and_seen_rows_have_all_parts(users, recommender):
    run = recommender.run
    for user in recommender.user_ids().tolist()[::30]:
        request_user = RequestUser(user, {})
        mine = run.parts.train[run.parts.train[USER_ID] == user]
        history = users.history(request_user)
        assert sorted(history.movie_row) == sorted(run.movies.rows(mine[MOVIE_ID]))
        assert users.num_train_ratings(user) == len(mine)
        everything = {movie for movie in users.ratings(request_user) if users.movie_rows[movie] < users.num_movies}
        assert {int(run.movies.ids[row]) for row in users.seen_rows(request_user)} == everything


def test_ratings_read_from_reviews_are_marked_until_replaced_by_a_new_rating(films):
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


def test_a_new_user_has_the_unknown_row_and_new_ratings_only(users, recommender):
    movie = int(recommender.run.movies.ids[0])
    history = users.history(RequestUser(None, {movie: Rating(4.0, 7)}))
    assert history.user_row == recommender.run.users.unknown
    assert (history.movie_row.tolist(), history.rating.tolist(), history.timestamp.tolist()) == ([0], [4.0], [7])
    assert not users.is_in_data(123_456)
    assert users.is_in_data(5000)
    # Has ratings in the test part only.
    assert users.num_train_ratings(5000) == 0


def test_by_user_groups_ratings():
    order, start = by_user(np.array([2, 0, 2, 2]), 4)
    assert [order[start[user] : start[user + 1]].tolist() for user in range(4)] == [[1], [], [0, 2, 3], []]
