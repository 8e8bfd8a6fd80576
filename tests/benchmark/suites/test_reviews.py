"""The suite of reviews on reviews that agree with the ratings, and which sentiment judges which file."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.suites import reviews as suite
from movierec_jax.benchmark.suites.judged_reviews import JudgedReviews, judge_apart
from movierec_jax.benchmark.suites.reviews import (
    ALL_MOVIES,
    COLD,
    RANDOM,
    REVIEWED,
    REVIEWS,
    TAGS,
    WITHOUT,
    ReviewsCase,
    ReviewsResult,
    kinds_of_movies,
    ndcg_difference,
    new_variants,
    rmse_difference,
)
from movierec_jax.config import Config
from movierec_jax.data.schema import MOVIE_ID
from movierec_jax.errors import InputError
from movierec_jax.features.sentiment.config import SentimentConfig
from movierec_jax.features.sentiment.saved import load_sentiment

SMALL = SentimentConfig(num_buckets=2**12, epochs=3)
NUM_MOVIES = 60


def write_reviews(path, **columns):
    """Two reviews of each movie, of which the first is of the split train: odd movies are lovely, others dreadful."""
    movie = np.repeat(np.arange(1, NUM_MOVIES + 1), 2)
    word = np.where(movie % 2, "lovely", "dreadful")
    table = {
        "movieId": movie,
        "text": [f"some {one} film" for one in word],
        "label": np.where(movie % 2, "pos", "neg"),
        "stars": np.where(movie % 2, 10, 1),
        "split": ["train", "test"] * NUM_MOVIES,
    }
    pd.DataFrame({name: values for name, values in (table | columns).items() if values is not None}).to_csv(path)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A MovieLens folder in which odd movies get 5 stars from everybody and others 1, and their reviews beside it."""
    folder = tmp_path_factory.mktemp("ml")
    movies = pd.DataFrame({"movieId": range(1, NUM_MOVIES + 1)})
    movies = movies.assign(title=[f"Film {n} (1990)" for n in movies["movieId"]], genres="Drama")
    pairs = [(user, movie) for user in range(1, 41) for movie in range(1, NUM_MOVIES + 1) if (user + movie) % 3]
    ratings = pd.DataFrame(pairs, columns=["userId", "movieId"])
    ratings = ratings.assign(rating=np.where(ratings["movieId"] % 2, 5.0, 1.0), timestamp=1_000_000_000)
    movies.to_csv(folder / "movies.csv", index=False)
    ratings.to_csv(folder / "ratings.csv", index=False)
    write_reviews(folder / "reviews.csv")
    return folder


@pytest.fixture(scope="module")
def config(folder):
    return Config().replace(
        ratings=str(folder),
        reviews=(str(folder / "reviews.csv"),),
        rating_scale=(1.0, 5.0),
        epochs=10,
        cold_start_fraction=0.2,
        embedding_dim=4,
        # Content alone is tested; fewer other parts compile faster.
        history=(),
        implicit_feedback_dim=0,
        hidden_dims=(),
        learning_rate=0.05,
    )


@pytest.fixture(scope="module")
def figures(config, tmp_path_factory):
    """Figures of the suite for these ratings and reviews."""
    output = tmp_path_factory.mktemp("figures")
    benchmark = BenchmarkConfig(suite="reviews", output=str(output), seeds=(1,))
    figures = suite.run_suite(config, benchmark, "the command", SMALL)
    assert json.loads((output / "reviews.json").read_text()) == json.loads(json.dumps(figures))
    assert f"| {COLD} | {ALL_MOVIES} | {REVIEWS} |" in (output / "reviews.md").read_text()
    return figures


@pytest.mark.slow
def test_reviews_that_agree_with_ratings_predict_those_of_movies_that_nobody_has_rated(figures):
    row = {(row["case"], row["movies"], row["variant"]): row for row in figures["rows"]}
    without, reviews = (row[COLD, ALL_MOVIES, variant] for variant in (WITHOUT, REVIEWS))
    assert np.mean(reviews["rmse"]) < 0.5 * np.mean(without["rmse"])
    found = reviews["differences"]["rmse"]
    assert found["difference"] == pytest.approx(np.mean(reviews["rmse"]) - np.mean(without["rmse"]))
    assert found["interval"][1] < 0
    # No list holds a movie that train lacks.
    assert reviews["ndcg@10"] == []
    assert "ndcg@10" not in reviews["differences"]


@pytest.mark.slow
def test_rows_are_cases_movies_and_variants_each_fitted_with_the_seed(figures):
    kinds = {(row["case"], row["movies"]) for row in figures["rows"]}
    # Each movie has 26 or 27 ratings, all but some of them in train.
    by_count = {(RANDOM, name) for name in ("with reviews, 6 to 20", "with reviews, more")}
    assert kinds == {(COLD, ALL_MOVIES), (COLD, REVIEWED), (RANDOM, ALL_MOVIES), (RANDOM, REVIEWED)} | by_count
    # The data has no tags, which would be read as texts.
    assert [row["variant"] for row in figures["rows"]] == [WITHOUT, REVIEWS] * len(kinds)
    assert all(row["seeds"] == [1] for row in figures["rows"])
    assert all(bool(row["differences"]) == (row["variant"] != WITHOUT) for row in figures["rows"])


def judged_by(judged):
    """Yields the texts of each file, and the probability of praise that its sentiment gives "lovely"."""
    for path, folder in zip(judged.reviews, judged.sentiment[:-1], strict=True):
        yield pd.read_parquet(path), float(load_sentiment(folder).opinions(["some lovely film"]).praise[0])


@pytest.mark.slow
def test_each_part_of_a_labelled_file_is_judged_by_a_sentiment_learnt_from_the_other(config, folder, tmp_path):
    # In the part test words mean the opposite.
    movie, is_test = np.repeat(np.arange(1, NUM_MOVIES + 1), 2), np.arange(2 * NUM_MOVIES) % 2 == 1
    label = np.where((movie % 2 == 1) == is_test, "neg", "pos")
    path = write_reviews(tmp_path / "odd.csv", label=label)
    (train, of_train), (test, of_test) = judged_by(judge_apart(config.replace(reviews=(path,)), SMALL, tmp_path))
    assert of_train < 0.5 < of_test
    assert len(train) == len(test) == NUM_MOVIES
    assert "stars" not in (*train, *test)


@pytest.mark.parametrize("missing", [{"split": None}, {"label": None, "stars": None}])
def test_a_file_without_labels_or_split_is_judged_by_the_sentiment_given(missing, config, tmp_path):
    path = write_reviews(tmp_path / "reviews.csv", **missing)
    judged = judge_apart(config.replace(reviews=(path,), sentiment=("one",)), SMALL, tmp_path)
    assert judged.sentiment == ("one", "one")
    (file,) = judged.reviews
    assert "stars" not in pd.read_parquet(file)
    assert len(pd.read_parquet(file)) == 2 * NUM_MOVIES


def test_variants_differ_only_in_what_is_read_as_texts(config, tmp_path):
    judged = JudgedReviews(("a", "b"), ("of a", "of b", "of tags"))
    variants = new_variants(config, judged, has_tags=True)
    assert list(variants) == [WITHOUT, TAGS, REVIEWS]
    assert {
        name: ("reviews" in one.data.content, one.data.reviews, one.data.sentiment) for name, one in variants.items()
    } == {
        WITHOUT: (False, (), ()),
        TAGS: (True, (), ("of tags",)),
        REVIEWS: (True, ("a", "b"), ("of a", "of b", "of tags")),
    }
    assert all("tags" in one.data.content for one in variants.values())


def test_kinds_of_movies_go_by_reviews_and_the_number_of_train_ratings():
    count = {10: 0, 11: 1, 12: 5, 13: 6, 14: 20, 15: 21, 16: 3}
    train = pd.DataFrame({MOVIE_ID: np.repeat(list(count), list(count.values()))})
    test = pd.DataFrame({MOVIE_ID: list(count)})
    kinds = kinds_of_movies(ReviewsCase(RANDOM, train, test), reviewed={10, 11, 12, 13, 14, 15})
    assert {name: test[MOVIE_ID][which].tolist() for name, which in kinds.items()} == {
        ALL_MOVIES: list(count),
        REVIEWED: [10, 11, 12, 13, 14, 15],
        "with reviews, 0 ratings": [10],
        "with reviews, 1 to 5": [11, 12],
        "with reviews, 6 to 20": [13, 14],
        "with reviews, more": [15],
    }
    assert list(kinds_of_movies(ReviewsCase(COLD, train, test), reviewed=set())) == [ALL_MOVIES]


def new_result(seed, users, errors, ndcg):
    """Returns a fit with one rating of each user, with these errors."""
    return ReviewsResult(seed, pd.Index(users), np.square(errors), np.ones(len(users), np.int64), np.array(ndcg))


def test_differences_are_of_means_over_seeds_whose_users_may_differ():
    without = [new_result(0, [1, 2], [1.0, 1.0], [0.5, np.nan]), new_result(1, [2, 3], [3.0, 3.0], [0.25, 0.25])]
    fits = [new_result(0, [1, 2], [0.5, 0.5], [0.75, np.nan]), new_result(1, [2, 3], [2.5, 2.5], [0.5, 0.5])]
    found = rmse_difference(fits, without)
    assert found.value == pytest.approx((0.5 + 2.5) / 2 - (1 + 3) / 2)
    assert found.interval == pytest.approx((-0.5, -0.5))
    found = ndcg_difference(fits, without)
    assert (found.value, found.interval) == (0.25, pytest.approx((0.25, 0.25)))


def test_a_run_without_reviews_or_with_a_test_part_of_its_own_says_what_to_give(config):
    for settings, message in (
        ({"reviews": ()}, "give --reviews=FILE"),
        ({"test_ratings": "test.csv"}, "makes its own parts; give --ratings alone"),
    ):
        with pytest.raises(InputError, match=message):
            suite.run_suite(config.replace(**settings), BenchmarkConfig(suite="reviews"), "the command")
