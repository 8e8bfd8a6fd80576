"""A trained run of the checkerboard, asked in the ids of the data."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.checkerboard import HIGH, LOW, NUM_MOVIES, NUM_USERS, agree, clean_data, crowds, table

from movierec_jax.config import Config, DataConfig, ModelConfig
from movierec_jax.data.schema import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError
from movierec_jax.model.two_tower import encode, encode_histories
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.recommend.scoring import predict_ratings, score_block
from movierec_jax.runs.prepare import new_run
from movierec_jax.training.state import new_state

# User 5000 and movie 900 are in the test part alone.
COLD_USER, COLD_MOVIE, UNKNOWN_USER = 5000, 900, 7
COLUMNS = ["user_id", "movie_id", "rank", "score", "predicted_rating"]


def seen_by(recommender, user_id) -> set:
    return {movie for part in recommender.run.parts.all() for movie in part.movie_id[part.user_id == user_id]}


def asked(run, params) -> Recommender:
    """A recommender with these parameters."""
    return Recommender(run, params, encode(params, run.interactions, model=run.model), run.users, run.parts)


def by_hand(movie_bias, factors=None, train=None, ids=str, mean=(3,)) -> Recommender:
    """A recommender of users a, b, c and as many movies as there are biases, of 3 stars plus the movie's bias.

    Movies are 1, 2, ... as `ids` writes them; user c has a rating in the test part alone. There is a member for each
    mean.
    """
    movies = [ids(n) for n in range(1, len(movie_bias) + 1)]
    train = train or [("a", movies[0]), *(("b", movie) for movie in movies)]
    users, rated = zip(*train, strict=True)
    parts = Split.of(
        train=table(users, rated, [3] * len(rated)),
        valid=table(["a"], [movies[1]], [3])[:0],
        test=table(["c"], [movies[1]], [4]),
    )
    factors = np.zeros((len(movies), 1)) if factors is None else np.array(factors)
    params = {
        "head": {"mean": jnp.float32(mean)},
        "user_tower": {"bias": jnp.zeros((2, 1)), "embedding": jnp.zeros((2, factors.shape[1]))},
        "movie_tower": {"bias": jnp.float32(movie_bias)[:, None], "embedding": jnp.float32(factors)},
    }
    for tower in ("user_tower", "movie_tower"):
        params[tower] = {name: jnp.stack([rows] * len(mean)) for name, rows in params[tower].items()}
    model = ModelConfig(embedding_dim=factors.shape[1], hidden_dims=(), history=(), implicit_feedback_dim=0)
    config = Config(data=DataConfig(content=()), model=model)
    return asked(new_run(config, clean_data(parts), parts), params)


# Lists.


def test_a_list_has_its_columns_ranks_from_1_and_falling_scores(recommender):
    lists = recommender.recommend([1001], 4)
    assert list(lists) == COLUMNS
    assert [str(dtype) for dtype in lists.dtypes] == ["int64", "int64", "int32", "float32", "float32"]
    assert lists["rank"].tolist() == [1, 2, 3, 4]
    assert lists["score"].is_monotonic_decreasing


def test_every_users_unseen_movies_of_the_same_parity_come_first(recommender):
    lists = recommender.recommend(range(1000, 1000 + NUM_USERS), 24)
    is_same = pd.Series(agree(lists["user_id"], lists["movie_id"]))
    assert (is_same == (lists["predicted_rating"] > 3)).all()
    for _, same in is_same.groupby(lists["user_id"]):
        assert same.is_monotonic_decreasing


def test_what_a_user_rated_in_any_part_is_left_out(recommender):
    lists = recommender.recommend(range(1000, 1000 + NUM_USERS), NUM_MOVIES)
    catalogue = set(range(500, 500 + NUM_MOVIES))
    for user, own in lists.groupby("user_id"):
        assert set(own["movie_id"]) == catalogue - seen_by(recommender, user)


def test_seen_movies_are_listed_when_asked_for(recommender):
    lists = recommender.recommend([1001], NUM_MOVIES, include_seen=True)
    assert sorted(lists["movie_id"]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(1001, lists["movie_id"][: NUM_MOVIES // 2]).all()


def test_predicted_ratings_are_scores_held_to_the_scale(recommender):
    lists = recommender.recommend(recommender.user_ids(), NUM_MOVIES, include_seen=True)
    np.testing.assert_array_equal(lists["predicted_rating"], lists["score"].clip(LOW, HIGH))
    assert (lists["score"] > HIGH).any()
    assert (lists["score"] < LOW).any()


def test_users_come_in_the_order_asked_for_each_once(recommender):
    lists = recommender.recommend([1007, 1002, 1007], 2)
    assert lists["user_id"].tolist() == [1007, 1007, 1002, 1002]
    assert lists["rank"].tolist() == [1, 2, 1, 2]


def test_asking_for_nobody_gives_an_empty_table(recommender):
    lists = recommender.recommend([], 2)
    assert list(lists) == COLUMNS
    assert lists.empty


def test_a_user_without_train_ratings_gets_the_list_of_an_average_user_without_what_they_rated(recommender):
    own = recommender.recommend([COLD_USER], NUM_MOVIES)
    average = recommender.predict([UNKNOWN_USER] * NUM_MOVIES, range(500, 500 + NUM_MOVIES))
    expected = pd.Series(average, range(500, 500 + NUM_MOVIES)).drop([500, 501])
    assert set(own["movie_id"]) == set(expected.index)
    np.testing.assert_allclose(own["predicted_rating"], expected[own["movie_id"]], rtol=1e-5)


def test_users_are_all_those_of_the_data_in_rising_order(recommender):
    assert recommender.user_ids().tolist() == [*range(1000, 1000 + NUM_USERS), COLD_USER]


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ([1000, UNKNOWN_USER], r"unknown user id 7: not among the 151 users of the data, 1000 to 5000"),
        ([1, 2, 3, 4, 5, 6], r"unknown user id 1, 2, 3, 4, 5, \.\.\.: not among"),
        (["1000"], r"unknown user id 1000: not among"),
    ],
)
def test_users_that_the_data_does_not_have_are_refused_by_name(recommender, users, message):
    with pytest.raises(InputError, match=message):
        recommender.recommend(users, 1)


@pytest.mark.parametrize("k", [-1, 0, NUM_MOVIES + 1])
def test_a_list_of_no_movies_or_of_more_than_there_are_is_refused(recommender, k):
    with pytest.raises(InputError, match=rf"top_k={k}: must be 1 (to {NUM_MOVIES}, the number of movies|or more)"):
        recommender.recommend([1000], k)


def test_a_list_is_the_same_for_one_user_alone_and_among_all(recommender):
    everybody = recommender.recommend(recommender.user_ids(), 5)
    for user in recommender.user_ids()[[0, -1]]:
        of_user = everybody[everybody["user_id"] == user].reset_index(drop=True)
        pd.testing.assert_frame_equal(recommender.recommend([user], 5), of_user)


@pytest.mark.parametrize("block_users", [0, -1])
def test_blocks_of_no_users_are_refused(recommender, block_users):
    with pytest.raises(InputError, match=f"block_users={block_users}: must be 1 or more"):
        next(recommender.recommend_blocks(pd.Index([1000]), 1, block_users=block_users))


def test_ids_may_be_strings():
    recommender = by_hand([0.5, -1, 1, 0])
    lists = recommender.recommend(["c", "a"], 4)
    assert lists["user_id"].tolist() == ["c"] * 3 + ["a"] * 3
    assert lists["movie_id"].tolist() == ["3", "1", "4", "3", "4", "2"]
    assert lists["score"].tolist() == [4, 3.5, 3, 4, 3, 2]


@pytest.mark.parametrize("ids", [int, str])
def test_a_user_who_has_seen_everything_has_no_rows_and_columns_keep_their_types(ids):
    recommender = by_hand([0, 0, 0], ids=ids)
    nothing, something = recommender.recommend(["b"], 3), recommender.recommend(["a", "b"], 3)
    assert nothing.empty
    assert something["user_id"].tolist() == ["a", "a"]
    assert nothing.dtypes.to_dict() == something.dtypes.to_dict()


# Stars for pairs.


def test_predictions_are_those_of_the_lists(recommender):
    lists = recommender.recommend([1001, COLD_USER], NUM_MOVIES, include_seen=True)
    predicted = recommender.predict(lists["user_id"], lists["movie_id"])
    np.testing.assert_allclose(predicted, lists["predicted_rating"], rtol=1e-5)


def test_predictions_are_high_where_parities_agree(recommender):
    np.testing.assert_allclose(recommender.predict([1000, 1000, 1001], [500, 501, 501]), [HIGH, LOW, HIGH], atol=0.5)


def test_an_unknown_user_and_an_unknown_movie_count_as_average_ones():
    recommender = by_hand([0.5, -1])
    assert recommender.predict(["a", "nobody", "a", "nobody"], ["1", "1", "new", "new"]).tolist() == [3.5, 3.5, 3, 3]


@pytest.mark.parametrize("method", [Recommender.predict, Recommender.spread])
def test_users_and_movies_of_unequal_number_are_refused(recommender, method):
    with pytest.raises(InputError, match="2 users and 1 movies: give one movie for each user"):
        method(recommender, [1000, 1001], [500])


def test_predictions_are_means_of_the_members_and_spreads_their_standard_deviation():
    recommender = by_hand([0.5, -1], mean=(2, 3, 4))
    pairs = ["a", "nobody"], ["1", "2"]
    np.testing.assert_allclose(recommender.predict(*pairs), [3 + 0.5, 3 - 1])
    np.testing.assert_allclose(recommender.spread(*pairs), np.sqrt([(1 + 0 + 1) / 3] * 2), rtol=1e-6)
    assert recommender.recommend(["a"], 1)["score"].tolist() == [3 - 1]


def test_one_member_is_of_one_mind(recommender):
    assert recommender.spread([1000, UNKNOWN_USER], [500, 501]).tolist() == [0, 0]


def test_the_genres_of_a_movie_without_train_ratings_tell_it_from_an_unknown_one(recommender):
    cold, unknown = (recommender.predict([1000, 1001], [movie] * 2) for movie in (COLD_MOVIE, 77))
    assert cold[0] > unknown[0]
    assert cold[1] < unknown[1]


# Users who are new.


def test_somebody_new_gets_the_unseen_movies_of_the_parity_they_like_first(recommender):
    lists = recommender.recommend_for({501: 5.0, 503: 5.0, 500: 1.0, 502: 1.0}, NUM_MOVIES)
    assert list(lists) == COLUMNS[1:]
    assert sorted([500, 501, 502, 503, *lists["movie_id"]]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(1, lists["movie_id"]).tolist() == [True] * (NUM_MOVIES // 2 - 2) + [False] * (NUM_MOVIES // 2 - 2)


def without_id(recommender, user_id) -> Recommender:
    """The same with nothing in the embedding of a user."""
    row = recommender.run.users.rows([user_id])[0]
    tower = recommender.params["user_tower"]
    others = jnp.arange(len(recommender.run.users))[None, :, None] != row
    nothing = {name: tower[name] * others for name in ("embedding", "bias")}
    return asked(recommender.run, {**recommender.params, "user_tower": {**tower, **nothing}})


def own_train_ratings(recommender, user_id) -> pd.DataFrame:
    train = recommender.run.parts.train
    return train[train[USER_ID] == user_id]


def test_the_same_ratings_get_somebody_new_the_stars_of_the_user_who_gave_them_but_for_the_embedding(recommender):
    known, own = without_id(recommender, 1003), own_train_ratings(recommender, 1003)
    lists = known.recommend_for(dict(zip(own[MOVIE_ID], own[RATING], strict=True)), NUM_MOVIES)
    assert set(lists["movie_id"]) == set(range(500, 500 + NUM_MOVIES)) - set(own[MOVIE_ID])
    predicted = known.predict([1003] * len(lists), lists["movie_id"])
    np.testing.assert_allclose(lists["predicted_rating"], predicted, rtol=1e-4)


def test_many_new_users_get_each_what_they_would_alone_whatever_the_order(recommender):
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


def test_users_of_the_data_are_not_among_the_new_ones(recommender):
    new = recommender.with_new_users(table([7], [500], [5]))
    with pytest.raises(InputError, match="unknown user id 1000: not among the 1 users of the data"):
        new.recommend([1000], 1)


def test_who_was_new_before_changes_nothing_for_those_who_are_new_now(recommender):
    first = recommender.with_new_users(table([7, 7], [500, 501], [1, 1]))
    lists = [one.recommend_for({501: 5.0, 502: 1.0}, 5) for one in (recommender, first)]
    pd.testing.assert_frame_equal(*lists, check_exact=True)


def test_another_new_user_needs_no_new_program(recommender):
    recommender.recommend_for({501: 5.0, 502: 1.0}, 5)
    before = [function._cache_size() for function in (score_block, encode_histories)]
    recommender.recommend_for({503: 2.0, 506: 4.0, 507: 5.0}, 5)
    assert [function._cache_size() for function in (score_block, encode_histories)] == before


def test_a_new_user_of_a_model_without_histories_is_an_average_one():
    recommender = by_hand([0.5, -1, 1, 0])
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
        ({"500": 3.0}, "movie ids such as '500' are strings"),
    ],
)
def test_ratings_that_say_nothing_are_refused(recommender, ratings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        recommender.recommend_for(ratings, 3)


@pytest.mark.parametrize("k", [0, NUM_MOVIES + 1])
def test_a_list_of_another_length_than_there_are_movies_is_refused_for_somebody_new(recommender, k):
    with pytest.raises(InputError, match=f"top_k={k}: must be 1 (to {NUM_MOVIES}|or more)"):
        recommender.recommend_for({500: 5.0}, k)


# Lists of some movies.


def test_lists_hold_selected_movies_alone_and_are_shorter_where_these_are_few(recommender):
    lists = recommender.recommend([1000, 1001], NUM_MOVIES, movies=pd.Index([501, 503, 500]), include_seen=True)
    assert lists.groupby("user_id")["movie_id"].agg(set).tolist() == [{500, 501, 503}] * 2
    assert lists["rank"].tolist() == [1, 2, 3] * 2


@pytest.mark.parametrize("movies", [["501"], [501, 77], [COLD_MOVIE]])
def test_movies_that_no_list_can_hold_cannot_be_selected(recommender, movies):
    with pytest.raises(InputError, match="movie id"):
        recommender.recommend([1000], 1, movies=pd.Index(movies))


# What reviews say.


def test_reviews_are_told_of_movies_that_have_any_in_the_order_asked_for(reviewed):
    table = reviewed.reviews_of([780, 1, 318, 1076])
    assert table.columns.tolist() == ["movie_id", "num_texts", "praise", "spread", "praised", "blamed"]
    assert table["movie_id"].tolist() == [780, 318, 1076]
    assert table["num_texts"].tolist() == [4, 4, 1]
    assert [set(names) for names in table["praised"]] == [set(), {"music", "acting"}, {"music", "acting"}]
    assert [set(names) for names in table["blamed"]] == [{"acting", "pace"}, set(), set()]
    assert (table["praise"] > 0.5).tolist() == [False, True, True]
    assert table["spread"].iloc[2] == 0


@pytest.mark.parametrize("movies", [[], [500, 501, COLD_MOVIE]])
def test_where_nobody_wrote_nothing_is_told(recommender, movies):
    assert recommender.reviews_of(movies).empty


@pytest.mark.parametrize(
    ("movies", "message"), [([318, 10**9], "unknown movie id 1000000000"), (["318"], "movie ids such as '318'")]
)
def test_reviews_of_unknown_movies_are_refused(reviewed, movies, message):
    with pytest.raises(InputError, match=message):
        reviewed.reviews_of(movies)


@pytest.mark.parametrize(("genres", "columns"), [(["", ""], []), (["Drama", ""], ["Drama"])])
def test_a_movie_without_genres_is_of_none(genres, columns):
    parts = Split.of(train=(rated := table([1, 2], [7, 8], [3, 4])), valid=rated[:0], test=rated[:0])
    data = clean_data(parts)
    run = new_run(Config(), dataclasses.replace(data, movies=data.movies.assign(genres=genres)), parts)
    assert run.genres.columns.tolist() == columns
    assert run.genres.shape[0] == 2


def test_somebody_new_can_ask_for_selected_movies(recommender):
    movies = recommender.select_movies(genres="Odd")
    listed = recommender.recommend_for({500: 5.0, 502: 5.0}, 3, movies=movies)
    assert set(listed["movie_id"]) <= set(movies)


def test_a_diverse_list_has_movies_of_both_kinds(recommender):
    plain, diverse = (recommender.recommend([1001], 4, diversity=diversity) for diversity in (0.0, 0.9))
    assert agree(1001, plain["movie_id"]).all()
    assert not agree(1001, diverse["movie_id"]).all()
    assert diverse["movie_id"].iloc[0] == plain["movie_id"].iloc[0]


def test_a_diversity_that_is_no_share_is_refused(recommender):
    with pytest.raises(InputError, match=r"--diversity=1: must be 0 or more and below 1"):
        recommender.recommend([1000], 1, diversity=1.0)


# Why a movie.


@pytest.fixture(scope="module", params=["any", "next"])
def explained(request) -> Recommender:
    """A recommender of two members with random parameters, who know histories, content and exposure."""
    config = Config().replace(
        embedding_dim=3,
        hidden_dims=(),
        implicit_feedback_dim=4,
        ensemble_size=2,
        implicit_feedback_target=request.param,
    )
    rng = np.random.default_rng(0)
    train = crowds().train.assign(timestamp=rng.permutation(len(crowds().train)))
    parts = Split.of(train=train, valid=train[:0], test=train[:0])
    run = new_run(config, clean_data(parts), parts)
    shapes = jax.eval_shape(lambda: new_state(run.setup)).params
    # Positive, so that nothing takes away from the exposure.
    return asked(run, jax.tree.map(lambda leaf: jnp.float32(np.abs(rng.normal(size=leaf.shape))), shapes))


def without(recommender, tower: str, *names: str) -> Recommender:
    """The same with nothing in some tables of a tower."""
    tables = {name: jnp.zeros_like(recommender.params[tower][name]) for name in names}
    params = {**recommender.params, tower: {**recommender.params[tower], **tables}}
    return asked(recommender.run, params)


def added(recommender, other, user_id, movie_ids) -> np.ndarray:
    """How much more stars one gives than the other, not held to the scale."""
    rows = recommender.users.rows([user_id] * len(movie_ids)), recommender.run.movies.rows(movie_ids)
    one, two = (predict_ratings(model.scorer, *rows, (-1e9, 1e9))[0] for model in (recommender, other))
    return one - two


def test_what_rated_movies_add_is_all_that_the_history_says(explained):
    movies = [500, 503, 519]
    own = own_train_ratings(explained, 1003)
    reasons = explained.explain(1003, movies, k=len(own))
    rated = reasons[reasons["source"] == "rated"]
    assert rated.groupby("movie_id")["reason"].agg(set).tolist() == [set(own[MOVIE_ID])] * 3
    together = rated.groupby("movie_id")[["implicit_score", "predicted_rating"]].sum()
    untold = without(explained, "user_tower", "explicit", "implicit")
    np.testing.assert_allclose(
        together["predicted_rating"], added(explained, untold, 1003, movies), rtol=1e-3, atol=1e-4
    )
    users, of_movies = explained.encoded
    row = explained.run.movies.rows(movies)
    implicit_score = np.einsum("md,mnd->mn", users.implicit_feedback[:, 3], of_movies.implicit_feedback[:, row]).mean(
        axis=0
    )
    bias = np.asarray(explained.params["exposure"]["bias"])[:, row, 0].mean(axis=0)
    np.testing.assert_allclose(together["implicit_score"], implicit_score - bias, rtol=1e-3, atol=1e-4)


def test_what_features_add_is_all_that_the_content_says(explained):
    reasons = explained.explain(1003, [500, 503], k=10)
    content = reasons[reasons["source"] == "content"]
    assert {"genre=Even", "genre=Drama"} <= set(content["reason"][content["movie_id"] == 500])
    untold = without(explained, "movie_tower", "features")
    together = content.groupby("movie_id")["predicted_rating"].sum()
    np.testing.assert_allclose(together, added(explained, untold, 1003, [500, 503]), rtol=1e-3, atol=1e-4)


def test_reasons_are_the_strongest_ones_in_their_order(explained):
    every, two = (explained.explain(1003, [504], k=k) for k in (99, 2))
    for source, by in (("rated", "implicit_score"), ("content", "predicted_rating")):
        one, other = (table[table["source"] == source].reset_index(drop=True) for table in (every, two))
        assert one[by].is_monotonic_decreasing
        assert (one[by] > 0).all()
        pd.testing.assert_frame_equal(other, one.head(2))


@pytest.mark.slow
def test_movies_that_a_user_only_wrote_about_are_told_from_rated_ones(films):
    from_reviews = films.parts.from_reviews
    user = int(from_reviews[USER_ID].mode()[0])
    reasons = films.explain(user, films.run.movies.ids[:500], k=10_000)
    own = reasons[reasons["source"] != "content"].groupby("source")["reason"].agg(set)
    assert own["text"] == set(from_reviews[MOVIE_ID][from_reviews[USER_ID] == user])
    assert own["rated"] == set(own_train_ratings(films, user)[MOVIE_ID])


def test_somebody_new_is_told_why_too(explained):
    new = explained.with_new_users(pd.DataFrame({USER_ID: [1, 1], MOVIE_ID: [501, 503], RATING: [5.0, 4.0]}))
    reasons = new.explain(1, list(range(500, 520)))
    assert set(reasons["reason"][reasons["source"] == "rated"]) == {501, 503}


def test_somebody_new_with_the_ratings_of_a_user_of_train_is_exposed_to_the_same(explained):
    own = own_train_ratings(explained, 1003)
    new = explained.with_new_users(own.sample(frac=1, random_state=0))
    row = explained.users.rows([1003])[0]
    np.testing.assert_allclose(
        new.encoded[0].implicit_feedback[:, 0], explained.encoded[0].implicit_feedback[:, row], rtol=1e-4
    )


def test_without_times_all_ratings_of_somebody_new_count_the_same(explained):
    own = own_train_ratings(explained, 1003).drop(columns=TIMESTAMP)
    one, other = (explained.with_new_users(ratings) for ratings in (own, own[::-1]))
    np.testing.assert_allclose(
        one.encoded[0].implicit_feedback, other.encoded[0].implicit_feedback, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ({MOVIE_ID: [500], "stars": [5.0]}, "ratings: no column user_id, rating among movie_id, stars"),
        ({USER_ID: [1, 1], MOVIE_ID: [500, 500], RATING: [5.0, 4.0]}, "user 1 has rated movie 500 more than once"),
        ({USER_ID: [1, np.nan], MOVIE_ID: [500, 501], RATING: [5.0, 4.0]}, "a rating without a user id"),
        ({USER_ID: [1], MOVIE_ID: [500], RATING: ["good"]}, "rating=good: must be 1 to 5 stars"),
    ],
)
def test_tables_of_ratings_that_cannot_be_used_are_refused(explained, ratings, message):
    with pytest.raises(InputError, match=f"^{message}"):
        explained.with_new_users(pd.DataFrame(ratings))


def test_no_reasons_are_no_answer(explained):
    with pytest.raises(InputError, match="k=0: must be 1 or more"):
        explained.explain(1003, [500], k=0)


@pytest.mark.parametrize(("user", "movie", "message"), [(7, 500, "unknown user id 7"), (1000, 7, "unknown movie id 7")])
def test_strangers_cannot_be_explained(explained, user, movie, message):
    with pytest.raises(InputError, match=message):
        explained.explain(user, [movie])


# Movies alike.


def test_movies_of_the_same_parity_are_the_most_similar(recommender):
    similar = recommender.similar(500, NUM_MOVIES - 1)
    assert sorted([500, *similar["movie_id"]]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(500, similar["movie_id"]).tolist() == [True] * (NUM_MOVIES // 2 - 1) + [False] * (NUM_MOVIES // 2)
    assert similar["similarity"].is_monotonic_decreasing
    assert similar["similarity"].between(-1.00001, 1.00001).all()


@pytest.mark.parametrize("size", [1, 1e-9, 1e9])
def test_similarity_is_the_cosine_shrunk_by_few_ratings_whatever_the_size_of_factors(size):
    recommender = by_hand([0, 0, 0, 0], factors=size * np.float32([[3, 0], [0, 5], [1, 1], [-2, 0]]))
    similar = recommender.similar("1", 3)
    assert similar["movie_id"].tolist() == ["3", "2", "4"]
    # Each of them has one rating.
    np.testing.assert_allclose(similar["similarity"], np.array([1 / np.sqrt(2), 0, -1]) / (1 + 2), atol=1e-6)


def test_a_movie_without_factors_is_like_no_other():
    recommender = by_hand([0, 0, 0], factors=[[0, 0], [0, 5], [1, 1]])
    assert recommender.similar("1", 2)["similarity"].tolist() == [0, 0]


def test_movies_equally_similar_stand_in_the_order_of_ids():
    recommender = by_hand([0] * 4, factors=[[1, 0], [0, 1], [0, -1], [0, 2]])
    assert recommender.similar("1", 3)["movie_id"].tolist() == ["2", "3", "4"]


@pytest.mark.parametrize("k", [0, NUM_MOVIES])
def test_more_similar_movies_than_there_are_others_are_refused(recommender, k):
    with pytest.raises(InputError, match=f"k={k}: must be 1 to {NUM_MOVIES - 1}, the number of other movies"):
        recommender.similar(500, k)


def test_a_movie_without_train_ratings_has_no_similar_ones(recommender):
    with pytest.raises(InputError, match=f"unknown movie id {COLD_MOVIE}"):
        recommender.similar(COLD_MOVIE, 1)


def test_movie_factors_have_a_row_for_each_movie_trained_on(recommender):
    factors = recommender.movie_factors()
    assert factors.index.tolist() == list(range(500, 500 + NUM_MOVIES))
    assert factors.shape == (NUM_MOVIES, 4)  # of the only member
    odd, even = factors.loc[501], factors.loc[500]
    assert odd @ factors.loc[503] > 0 > odd @ even


def test_factors_of_members_stand_side_by_side(recommender):
    twice = dataclasses.replace(
        recommender, encoded=jax.tree.map(lambda leaf: jnp.concatenate([leaf, 2 * leaf]), recommender.encoded)
    )
    one, both = recommender.movie_factors().to_numpy(), twice.movie_factors().to_numpy()
    np.testing.assert_array_equal(both, np.concatenate([one, 2 * one], axis=1))
    assert twice.similar(500, 5)["movie_id"].tolist() == recommender.similar(500, 5)["movie_id"].tolist()


# Titles and people.


def test_titles_years_and_genres_stand_beside_movie_ids(recommender):
    table = recommender.with_titles(pd.DataFrame({"movie_id": [501, 500], "score": [1.0, 2.0]}))
    assert table.to_dict("list") == {
        "movie_id": [501, 500],
        "score": [1.0, 2.0],
        "title": ["Film 501", "Film 500"],
        "year": [1999, 1999],
        "genres": ["Odd|Drama", "Even|Drama"],
    }
    assert table["year"].dtype == np.int32


def test_a_movie_without_a_title_goes_by_its_id(recommender):
    table = recommender.with_titles(pd.DataFrame({"movie_id": [77]}))
    assert table.to_dict("list") == {"movie_id": [77], "title": ["77"], "year": [0], "genres": [""]}


def test_a_users_own_ratings_come_from_all_parts_best_first(recommender):
    rated = recommender.rated_by(1001)
    assert set(rated["movie_id"]) == seen_by(recommender, 1001)
    assert rated["rating"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("ids", "texts", "expected"), [(int, ["12", "7", "12"], [12, 7]), (str, ["b", "12", "b"], ["b", "12"])]
)
def test_typed_user_ids_are_read_as_the_data_writes_them_each_once(recommender, ids, texts, expected):
    typed_to = recommender if ids is int else by_hand([0, 0])
    assert typed_to.parse_users(texts).tolist() == expected


def test_a_typed_user_id_that_is_no_number_is_refused_where_ids_are_numbers(recommender):
    with pytest.raises(InputError, match="user id 'bob': the ids of this data are integers, such as 1000"):
        recommender.parse_users(["bob"])


# From a workdir.


def test_the_parameters_are_those_of_the_best_epoch(recommender, workdir):
    valid = recommender.run.parts.valid
    rmse = np.sqrt(np.mean((recommender.predict(valid["user_id"], valid["movie_id"]) - valid["rating"]) ** 2))
    records = pd.read_json(workdir / "metrics.jsonl", lines=True)
    assert rmse == pytest.approx(records["valid_rmse"].min(), rel=1e-5)


def test_loading_twice_gives_the_same_lists_to_the_last_bit(recommender, workdir):
    again = load(str(workdir))
    pd.testing.assert_frame_equal(again.recommend([1001], 5), recommender.recommend([1001], 5), check_exact=True)


def test_a_folder_that_holds_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json; name a folder that scripts/train\.py has written"):
        load(tmp_path)
