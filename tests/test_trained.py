"""A trained run of the checkerboard, asked in the ids of the data."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from checkerboard import HIGH, LOW, NUM_MOVIES, NUM_USERS, agree, clean_data, table

from movierec_jax.checkpoint import new_run
from movierec_jax.config import Config, ModelConfig
from movierec_jax.schema import InputError
from movierec_jax.splits import Split
from movierec_jax.trained import Recommender, load

# User 5000 and movie 900 are in the test part alone.
COLD_USER, COLD_MOVIE, UNKNOWN_USER = 5000, 900, 7
COLUMNS = ["user_id", "movie_id", "rank", "score", "predicted_rating"]


def seen_by(recommender, user_id) -> set:
    return {movie for part in recommender.run.parts.all() for movie in part.movie_id[part.user_id == user_id]}


def by_hand(movie_bias, factors=None, train=None, ids=str) -> Recommender:
    """A recommender of users a, b, c and as many movies as there are biases, of 3 stars plus the movie's bias.

    Movies are 1, 2, ... as `ids` writes them; user c has a rating in the test part alone.
    """
    movies = [ids(n) for n in range(1, len(movie_bias) + 1)]
    train = train or [("a", movies[0]), *(("b", movie) for movie in movies)]
    users, rated = zip(*train, strict=True)
    parts = Split(
        train=table(users, rated, [3] * len(rated)),
        valid=table(["a"], [movies[1]], [3])[:0],
        test=table(["c"], [movies[1]], [4]),
    )
    factors = np.zeros((len(movies), 1)) if factors is None else np.array(factors)
    params = {
        "head": {"mean": jnp.float32(3)},
        "user_tower": {"bias": jnp.zeros((3, 1)), "embedding": jnp.zeros((3, factors.shape[1]))},
        "movie_tower": {
            "bias": jnp.float32([*movie_bias, 0])[:, None],
            "embedding": jnp.float32([*factors, 0 * factors[0]]),
        },
    }
    config = Config(model=ModelConfig(embedding_dim=factors.shape[1], hidden_dims=()))
    return Recommender(new_run(config, clean_data(parts), parts), params)


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
    with pytest.raises(InputError, match=rf"top_k={k}: must be 1 to {NUM_MOVIES}, the number of movies trained on"):
        recommender.recommend([1000], k)


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


def test_users_and_movies_of_unequal_number_are_refused(recommender):
    with pytest.raises(InputError, match="2 users and 1 movies: give one movie for each user"):
        recommender.predict([1000, 1001], [500])


# Movies alike.


def test_movies_of_the_same_parity_are_the_most_similar(recommender):
    similar = recommender.similar(500, NUM_MOVIES - 1)
    assert sorted([500, *similar["movie_id"]]) == list(range(500, 500 + NUM_MOVIES))
    assert agree(500, similar["movie_id"]).tolist() == [True] * (NUM_MOVIES // 2 - 1) + [False] * (NUM_MOVIES // 2)
    assert similar["similarity"].is_monotonic_decreasing
    assert similar["similarity"].between(-1.00001, 1.00001).all()


@pytest.mark.parametrize("size", [1, 1e-9, 1e9])
def test_similarity_is_the_cosine_whatever_the_size_of_factors(size):
    recommender = by_hand([0, 0, 0, 0], factors=size * np.float32([[3, 0], [0, 5], [1, 1], [-2, 0]]))
    similar = recommender.similar("1", 3)
    assert similar["movie_id"].tolist() == ["3", "2", "4"]
    np.testing.assert_allclose(similar["similarity"], [1 / np.sqrt(2), 0, -1], atol=1e-6)


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
    assert factors.shape == (NUM_MOVIES, 4)
    odd, even = factors.loc[501], factors.loc[500]
    assert odd @ factors.loc[503] > 0 > odd @ even


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
    asked = recommender if ids is int else by_hand([0, 0])
    assert asked.parse_users(texts).tolist() == expected


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
