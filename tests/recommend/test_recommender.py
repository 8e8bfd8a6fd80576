"""Lists, predictions, similar movies and titles of a trained run of the checkerboard, in the ids of the data."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers.checkerboard import HIGH, LOW, NUM_MOVIES, NUM_USERS, agree, clean_data, table
from helpers.recommenders import hand_made_recommender

from movierec_jax.config import Config
from movierec_jax.data.splits import Split
from movierec_jax.errors import InputError
from movierec_jax.recommend.recommender import Recommender, load
from movierec_jax.runs.prepare import new_run

# User 5000 and movie 900 are in the test part alone.
COLD_USER, COLD_MOVIE, UNKNOWN_USER = 5000, 900, 7
COLUMNS = ["user_id", "movie_id", "rank", "score", "predicted_rating"]


def seen_by(recommender, user_id) -> set:
    return {movie for part in recommender.run.parts.all() for movie in part.movie_id[part.user_id == user_id]}


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


def test_predicted_ratings_are_scores_clipped_to_the_scale(recommender):
    lists = recommender.recommend(recommender.user_ids(), NUM_MOVIES, include_seen=True)
    np.testing.assert_array_equal(lists["predicted_rating"], lists["score"].clip(LOW, HIGH))
    assert (lists["score"] > HIGH).any()
    assert (lists["score"] < LOW).any()


def test_users_come_in_the_order_asked_for_each_once(recommender):
    lists = recommender.recommend([1007, 1002, 1007], 2)
    assert lists["user_id"].tolist() == [1007, 1007, 1002, 1002]
    assert lists["rank"].tolist() == [1, 2, 1, 2]


def test_no_users_give_an_empty_table(recommender):
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
        (["7"], r"unknown user id 7: not among"),
        (True, "user id True: the ids of this data are integers, such as 1000"),
    ],
)
def test_users_that_the_data_does_not_have_are_refused_by_name(recommender, users, message):
    with pytest.raises(InputError, match=message):
        recommender.recommend(users, 1)


@pytest.mark.parametrize("k", [-1, 0, NUM_MOVIES + 1])
def test_a_list_of_no_movies_or_of_more_than_there_are_is_refused(recommender, k):
    with pytest.raises(InputError, match=f"top_k={k}: must be 1 to {NUM_MOVIES}, the number of movies"):
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
    recommender = hand_made_recommender([0.5, -1, 1, 0])
    lists = recommender.recommend(["c", "a"], 4)
    assert lists["user_id"].tolist() == ["c"] * 3 + ["a"] * 3
    assert lists["movie_id"].tolist() == ["3", "1", "4", "3", "4", "2"]
    assert lists["score"].tolist() == [4, 3.5, 3, 4, 3, 2]


@pytest.mark.parametrize("ids", [int, str])
def test_a_user_who_has_seen_everything_has_no_rows_and_columns_keep_their_types(ids):
    recommender = hand_made_recommender([0, 0, 0], ids=ids)
    nothing, something = recommender.recommend(["b"], 3), recommender.recommend(["a", "b"], 3)
    assert nothing.empty
    assert something["user_id"].tolist() == ["a", "a"]
    assert nothing.dtypes.to_dict() == something.dtypes.to_dict()


@pytest.mark.parametrize("given", [1001, "1001", 1001.0, np.int16(1001), np.array(1001), ["1001"], {1001: 0}.keys()])
def test_one_user_may_be_given_in_any_unambiguous_way(recommender, given):
    pd.testing.assert_frame_equal(recommender.recommend(given, 2), recommender.recommend([1001], 2))


def test_every_method_takes_ids_of_another_spelling(recommender):
    equal = pd.testing.assert_frame_equal
    np.testing.assert_array_equal(recommender.predict("1001", 501.0), recommender.predict([1001], [501]))
    np.testing.assert_array_equal(recommender.spread(["1001"], "501"), recommender.spread([1001], [501]))
    equal(recommender.similar("501", 2), recommender.similar(501, 2))
    equal(recommender.rated_by("1001"), recommender.rated_by(1001))
    equal(recommender.explain("1001", "501"), recommender.explain(1001, [501]))
    equal(recommender.recommend(1001, 2, movies=["501", 503.0]), recommender.recommend([1001], 2, movies=[501, 503]))
    equal(recommender.recommend_for({"500": 5}, 2), recommender.recommend_for({500: 5}, 2))
    assert 501 not in recommender.select_movies(exclude_movies="501")


@pytest.mark.parametrize("movies", [[501, 503], []])
def test_a_single_movie_is_asked_for_where_one_is_needed(recommender, movies):
    with pytest.raises(InputError, match=f"{len(movies)} movie ids: give one, such as 500"):
        recommender.similar(movies)


def test_integers_stand_for_text_ids_that_the_data_has_alone():
    recommender = hand_made_recommender([0.5, -1, 1])
    assert recommender.predict("a", 1).tolist() == recommender.predict("a", "1").tolist() == [3.5]
    with pytest.raises(InputError, match="movie id 7: the ids of this data are text, such as '1'"):
        recommender.predict("a", 7)


# Ratings of pairs.


def test_predictions_equal_those_of_the_lists(recommender):
    lists = recommender.recommend([1001, COLD_USER], NUM_MOVIES, include_seen=True)
    predicted = recommender.predict(lists["user_id"], lists["movie_id"])
    np.testing.assert_allclose(predicted, lists["predicted_rating"], rtol=1e-5)


def test_predictions_are_high_where_parities_agree(recommender):
    np.testing.assert_allclose(recommender.predict([1000, 1000, 1001], [500, 501, 501]), [HIGH, LOW, HIGH], atol=0.5)


def test_an_unknown_user_and_an_unknown_movie_count_as_average_ones():
    recommender = hand_made_recommender([0.5, -1])
    assert recommender.predict(["a", "nobody", "a", "nobody"], ["1", "1", "new", "new"]).tolist() == [3.5, 3.5, 3, 3]


@pytest.mark.parametrize("method", [Recommender.predict, Recommender.spread])
def test_users_and_movies_of_unequal_number_are_refused(recommender, method):
    with pytest.raises(InputError, match="2 users and 1 movies: give one movie for each user"):
        method(recommender, [1000, 1001], [500])


def test_predictions_are_means_of_the_members_and_spreads_their_standard_deviation():
    recommender = hand_made_recommender([0.5, -1], mean=(2, 3, 4))
    pairs = ["a", "nobody"], ["1", "2"]
    np.testing.assert_allclose(recommender.predict(*pairs), [3 + 0.5, 3 - 1])
    np.testing.assert_allclose(recommender.spread(*pairs), np.sqrt([(1 + 0 + 1) / 3] * 2), rtol=1e-6)
    assert recommender.recommend(["a"], 1)["score"].tolist() == [3 - 1]


def test_a_single_member_has_no_spread(recommender):
    assert recommender.spread([1000, UNKNOWN_USER], [500, 501]).tolist() == [0, 0]


def test_the_genres_of_a_movie_without_train_ratings_change_its_prediction(recommender):
    cold, unknown = (recommender.predict([1000, 1001], [movie] * 2) for movie in (COLD_MOVIE, 77))
    assert cold[0] > unknown[0]
    assert cold[1] < unknown[1]


# Lists of some movies.


def test_lists_hold_selected_movies_alone_and_are_shorter_where_these_are_few(recommender):
    lists = recommender.recommend([1000, 1001], NUM_MOVIES, movies=pd.Index([501, 503, 500]), include_seen=True)
    assert lists.groupby("user_id")["movie_id"].agg(set).tolist() == [{500, 501, 503}] * 2
    assert lists["rank"].tolist() == [1, 2, 3] * 2


@pytest.mark.parametrize("movies", [["x"], [501, 77], [COLD_MOVIE]])
def test_movies_that_no_list_can_hold_cannot_be_selected(recommender, movies):
    with pytest.raises(InputError, match="movie id"):
        recommender.recommend([1000], 1, movies=pd.Index(movies))


# What reviews say.


def test_reviews_come_in_the_order_of_movies_without_those_that_have_none(reviewed):
    table = reviewed.reviews_of([780, 1, 318, 1076])
    assert table.columns.tolist() == ["movie_id", "num_texts", "praise", "spread", "praised", "blamed"]
    assert table["movie_id"].tolist() == [780, 318, 1076]
    assert table["num_texts"].tolist() == [4, 4, 1]
    assert [set(names) for names in table["praised"]] == [set(), {"music", "acting"}, {"music", "acting"}]
    assert [set(names) for names in table["blamed"]] == [{"acting", "pace"}, set(), set()]
    assert (table["praise"] > 0.5).tolist() == [False, True, True]
    assert table["spread"].iloc[2] == 0


@pytest.mark.parametrize("movies", [[], [500, 501, COLD_MOVIE]])
def test_movies_without_reviews_have_no_rows(recommender, movies):
    assert recommender.reviews_of(movies).empty


@pytest.mark.parametrize(
    ("movies", "message"), [([318, 10**9], "unknown movie id 1000000000"), (["Heat"], "movie id 'Heat'")]
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


def test_a_diverse_list_has_movies_of_both_kinds(recommender):
    plain, diverse = (recommender.recommend([1001], 4, diversity=diversity) for diversity in (0.0, 0.9))
    assert agree(1001, plain["movie_id"]).all()
    assert not agree(1001, diverse["movie_id"]).all()
    assert diverse["movie_id"].iloc[0] == plain["movie_id"].iloc[0]


def test_a_diversity_that_is_no_share_is_refused(recommender):
    with pytest.raises(InputError, match=r"--diversity=1: must be 0 or more and below 1"):
        recommender.recommend([1000], 1, diversity=1.0)


# Similar movies.


def test_movies_of_the_same_parity_are_the_most_similar(recommender):
    similar = recommender.similar(500, NUM_MOVIES - 1)
    assert sorted([500, *similar["movie_id"]]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(500, similar["movie_id"]).tolist() == [True] * (NUM_MOVIES // 2 - 1) + [False] * (NUM_MOVIES // 2)
    assert similar["similarity"].is_monotonic_decreasing
    assert similar["similarity"].between(-1.00001, 1.00001).all()


@pytest.mark.parametrize("size", [1, 1e-9, 1e9])
def test_similarity_is_the_cosine_shrunk_by_few_ratings_whatever_the_size_of_factors(size):
    recommender = hand_made_recommender([0, 0, 0, 0], factors=size * np.float32([[3, 0], [0, 5], [1, 1], [-2, 0]]))
    similar = recommender.similar("1", 3)
    assert similar["movie_id"].tolist() == ["3", "2", "4"]
    # Each of them has one rating.
    np.testing.assert_allclose(similar["similarity"], np.array([1 / np.sqrt(2), 0, -1]) / (1 + 2), atol=1e-6)


def test_a_movie_without_factors_is_like_no_other():
    recommender = hand_made_recommender([0, 0, 0], factors=[[0, 0], [0, 5], [1, 1]])
    assert recommender.similar("1", 2)["similarity"].tolist() == [0, 0]


def test_equally_similar_movies_are_in_the_order_of_ids():
    recommender = hand_made_recommender([0] * 4, factors=[[1, 0], [0, 1], [0, -1], [0, 2]])
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


def test_factors_of_members_are_side_by_side(recommender):
    movies = jax.tree.map(lambda leaf: jnp.concatenate([leaf, 2 * leaf]), recommender.scorer.movies)
    twice = dataclasses.replace(recommender, scorer=dataclasses.replace(recommender.scorer, movies=movies))
    one, both = recommender.movie_factors().to_numpy(), twice.movie_factors().to_numpy()
    np.testing.assert_array_equal(both, np.concatenate([one, 2 * one], axis=1))
    assert twice.similar(500, 5)["movie_id"].tolist() == recommender.similar(500, 5)["movie_id"].tolist()


# Titles and users.


def test_titles_years_and_genres_are_added_to_movie_ids(recommender):
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


def test_titles_can_be_added_again_to_a_table_that_has_them(recommender):
    once = recommender.with_titles(recommender.recommend(1001, 3))
    pd.testing.assert_frame_equal(recommender.with_titles(once), once)


def test_titles_are_found_by_ids_of_another_spelling(recommender):
    assert recommender.with_titles(pd.DataFrame({"movie_id": ["501"]}))["title"].tolist() == ["Film 501"]


def test_a_table_without_movie_ids_has_no_titles(recommender):
    with pytest.raises(InputError, match="no column movie_id among movie, score"):
        recommender.with_titles(pd.DataFrame({"movie": [501], "score": [1.0]}))


def test_a_recommender_and_its_records_are_printed_as_one_line(recommender, workdir):
    assert repr(recommender) == f"Recommender('{workdir}', 150 users, 24 movies, 1 to 5 stars)"
    new = recommender.with_new_users([("ann", 500, 5)])
    assert repr(new) == f"Recommender('{workdir}', 1 new users, 24 movies, 1 to 5 stars)"
    for record in (recommender.run, recommender.parts, recommender.users, recommender.run.train, recommender.scorer):
        assert "\n" not in repr(record)
        assert len(repr(record)) < 800


def test_a_users_own_ratings_come_from_all_parts_best_first(recommender):
    rated = recommender.rated_by(1001)
    assert set(rated["movie_id"]) == seen_by(recommender, 1001)
    assert rated["rating"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("ids", "texts", "expected"), [(int, ["12", "7", "12"], [12, 7]), (str, ["b", "12", "b"], ["b", "12"])]
)
def test_typed_user_ids_are_read_as_the_data_writes_them_each_once(recommender, ids, texts, expected):
    typed_to = recommender if ids is int else hand_made_recommender([0, 0])
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
    with pytest.raises(InputError, match=r"no config\.json; name a folder that movierec train has written"):
        load(tmp_path)
