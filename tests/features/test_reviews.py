"""What reviews and tags say about movies, without leaks of held-out ratings; aspects and ratings made of texts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from movierec_jax.config import Config
from movierec_jax.data.schema import (
    MOVIE_ID,
    NO_TIMESTAMP,
    RATING,
    STARS,
    TAG,
    TEXT,
    TIMESTAMP,
    USER_ID,
    CleanData,
    Opinions,
)
from movierec_jax.data.splits import Split
from movierec_jax.features.reviews import (
    ASPECT_OF_WORD,
    ASPECTS,
    IS_TAG,
    MAX_SENTENCES,
    aspect_sentences,
    fit_reviews,
    judged_sentences,
    movie_aspects,
    ratings_from_reviews,
    review_content,
    reviewed_movies,
    train_texts,
)
from movierec_jax.runs.prepare import new_run

SCALE = (1.0, 5.0)


def judge(texts):
    """Texts that count the words "good" and "bad", of two or so of which praise is sure."""
    off = np.array([text.count("good") - text.count("bad") for text in texts], np.float32)
    return Opinions(1 / (1 + np.exp(-2 * off)), np.full(len(texts), np.nan, np.float32), np.ones(len(texts), bool))


def ratings_of(*rows) -> pd.DataFrame:
    """Ratings from (user, movie, rating, timestamp)."""
    table = pd.DataFrame(list(rows), columns=[USER_ID, MOVIE_ID, RATING, TIMESTAMP])
    return table.astype({USER_ID: np.int64, MOVIE_ID: np.int64, RATING: np.float32, TIMESTAMP: np.int64})


def texts_of(*rows, is_tag=False) -> pd.DataFrame:
    """Texts from (user or None, movie, text, timestamp), without stars."""
    table = pd.DataFrame(list(rows), columns=[USER_ID, MOVIE_ID, TEXT, TIMESTAMP]).astype({TEXT: "str"})
    table = table.astype({USER_ID: "Int64", MOVIE_ID: np.int64, TIMESTAMP: np.int64})
    return table.assign(**{STARS: np.float32(np.nan)}).assign(**{IS_TAG: is_tag})


TRAIN = ratings_of((1, 10, 5, 100), (1, 20, 1, 110), (2, 10, 4, 100), (2, 30, 2, 120), (3, 20, 3, 130))
PARTS = Split.of(TRAIN, valid=ratings_of((2, 20, 3, 200)), test=ratings_of((1, 30, 4, 210), (3, 10, 5, 220)))


# Texts that may be used.


def test_texts_of_held_out_ratings_are_not_used():
    texts = texts_of((1, 30, "of test", 1), (2, 20, "of validation", 1), (1, 10, "of train", 1), (1, 99, "of none", 1))
    assert train_texts(texts, PARTS, "random")[TEXT].tolist() == ["of train", "of none"]


def test_texts_of_users_outside_the_data_are_used():
    texts = texts_of((None, 30, "anonymous", 999), (77, 30, "somebody else", NO_TIMESTAMP))
    assert len(train_texts(texts, PARTS, "random")) == 2


def test_where_time_splits_only_texts_from_before_are_used():
    times = {"early": 199, "at the time": 200, "late": 999, "whenever": NO_TIMESTAMP}
    texts = texts_of(*((None, 10, name, time) for name, time in times.items()))
    assert train_texts(texts, PARTS, "time")[TEXT].tolist() == ["early"]


def test_where_each_users_time_splits_the_writers_time_decides():
    texts = texts_of(
        (1, 40, "before", 209), (1, 40, "after", 210), (1, 40, "whenever", NO_TIMESTAMP), (None, 40, "x", 999)
    )
    assert train_texts(texts, PARTS, "user_time")[TEXT].tolist() == ["before", "x"]


def test_no_text_and_no_tag_of_what_is_held_out_reaches_features_or_histories(tmp_path):
    """A run with texts of held-out ratings knows the same, bit by bit, as one without them."""
    own = [(1, 10, "good music", 90), (None, 30, "bad story", 95), (2, 40, "good", 90)]
    held_out = [(1, 30, "good acting", 205), (3, 10, "bad pace", 90), (2, 20, "bad", 90)]
    tags = [(user, movie, "late night", 90) for user, movie in ((1, 10), (1, 20), (2, 30), (2, 10))]
    runs = []
    for number, extra in enumerate(([], held_out)):
        path = tmp_path / f"{number}.csv"
        pd.DataFrame([*own, *extra], columns=["user_id", "movie_id", "text", "timestamp"]).to_csv(path, index=False)
        of_held_out = [(user, movie, "hidden tag", time) for user, movie, _, time in extra]
        data = CleanData(
            pd.concat([TRAIN, PARTS.valid, PARTS.test], ignore_index=True),
            pd.DataFrame({MOVIE_ID: [10, 20, 30, 40], "title": "x", "year": np.int32(1990), "genres": ""}),
            SCALE,
            "a test",
            {},
            tags=pd.DataFrame([*tags, *of_held_out], columns=[USER_ID, MOVIE_ID, TAG, TIMESTAMP]),
        )
        runs.append(new_run(Config().replace(reviews=(str(path),)), data, PARTS))
    one, other = runs
    assert one.movie_content.names == other.movie_content.names
    assert "praise in texts" in one.movie_content.names
    for field in ("row", "feature", "value"):
        np.testing.assert_array_equal(getattr(one.movie_content, field), getattr(other.movie_content, field))
    pd.testing.assert_frame_equal(one.reviews, other.reviews)
    pd.testing.assert_frame_equal(one.parts.from_reviews, other.parts.from_reviews)


# Features.

IDS, NUM_TRAIN = pd.Index([10, 20, 30, 40]), 3


def as_dicts(bags):
    """The features of each movie by name."""
    rows = [{} for _ in IDS]
    for row, feature, value in zip(bags.row, bags.feature, bags.value, strict=True):
        rows[row][bags.names[feature]] = float(value)
    return rows


def test_movies_that_are_praised_more_have_more_of_the_feature_and_cold_ones_have_it_too():
    texts = [(None, movie, text, 0) for movie, text in ((10, "good good"), (20, "bad bad"), (40, "good"))]
    features = as_dicts(fit_reviews([(texts_of(*texts), judge)], PARTS, IDS, NUM_TRAIN, SCALE).content)
    praise = [row.get("praise in texts") for row in features]
    assert praise[0] > praise[3] > praise[1]
    assert praise[2] is None


def test_one_text_moves_a_movie_less_than_many_of_its_kind():
    texts = [(None, 10, "good", 0), *((None, 20, f"good {number}", 0) for number in range(9)), (None, 30, "bad bad", 0)]
    features = as_dicts(fit_reviews([(texts_of(*texts), judge)], PARTS, IDS, NUM_TRAIN, SCALE).content)
    assert features[1]["praise in texts"] > features[0]["praise in texts"]
    assert features[1]["number of texts"] > features[0]["number of texts"]


def test_movies_on_which_texts_disagree_have_more_spread():
    texts = [
        (None, movie, text, 0) for movie in (10, 20) for text in (["good", "bad"] * 5 if movie == 10 else ["ok"] * 10)
    ]
    texts = [(user, movie, f"{text} {number}", time) for number, (user, movie, text, time) in enumerate(texts)]
    features = as_dicts(fit_reviews([(texts_of(*texts), judge)], PARTS, IDS, NUM_TRAIN, SCALE).content)
    assert features[0]["spread of texts"] > features[1]["spread of texts"]


def test_what_is_praised_and_blamed_is_what_the_sentences_on_it_say():
    ten = [(None, 10, "The acting is good. The plot is bad.", 0)] * 3
    twenty = [(None, 20, "The acting is bad. The plot is good.", 0)] * 3
    reviews = fit_reviews([(texts_of(*ten, *twenty), judge)], PARTS, IDS, NUM_TRAIN, SCALE)
    assert reviews.movies.set_index(MOVIE_ID)[["num_texts", "praised", "blamed"]].to_dict("index") == {
        10: {"num_texts": 3, "praised": "acting", "blamed": "story"},
        20: {"num_texts": 3, "praised": "story", "blamed": "acting"},
    }
    features = as_dicts(reviews.content)
    assert {"praised=acting", "blamed=story"} <= features[0].keys()
    assert {"praised=story", "blamed=acting"} <= features[1].keys()


def test_each_table_is_judged_by_its_own_function():
    def judge_oppositely(texts):
        opinions = judge(texts)
        return opinions._replace(praise=1 - opinions.praise)

    ten, twenty = (texts_of(*[(None, movie, "The acting is good.", 0)] * 3) for movie in (10, 20))
    reviews = fit_reviews([(ten, judge), (twenty, judge_oppositely)], PARTS, IDS, NUM_TRAIN, SCALE)
    movies = reviews.movies.set_index(MOVIE_ID)
    assert movies["praise"].loc[10] > 0.5 > movies["praise"].loc[20]
    assert movies[["praised", "blamed"]].to_numpy().tolist() == [["acting", ""], ["", "acting"]]


def test_tags_count_as_texts_but_are_no_reviews():
    tags = texts_of((1, 10, "good music", 0), (1, 20, "bad", 0), is_tag=True)
    reviews = fit_reviews([(tags, judge)], PARTS, IDS, NUM_TRAIN, SCALE)
    assert reviews.movies.empty
    assert set(reviews.content.names) == {"praise in texts", "spread of texts"}
    assert as_dicts(reviews.content)[0]["praise in texts"] > as_dicts(reviews.content)[1]["praise in texts"]


def test_features_do_not_depend_on_the_order_of_texts():
    rows = [(None, movie, f"good plot {movie}. bad music {user}", 0) for movie in IDS for user in range(3)]
    one, other = (fit_reviews([(texts_of(*some), judge)], PARTS, IDS, NUM_TRAIN, SCALE) for some in (rows, rows[::-1]))
    assert one.content.names == other.content.names
    np.testing.assert_allclose(one.content.value, other.content.value, rtol=1e-5)
    pd.testing.assert_frame_equal(one.movies, other.movies, rtol=1e-5)


# Ratings that texts stand for.


def ratings_of_texts(texts, parts=PARTS):
    return fit_reviews([(texts, judge)], parts, IDS, NUM_TRAIN, SCALE).ratings.set_index([USER_ID, MOVIE_ID])[RATING]


def test_texts_stand_for_ratings_where_there_are_none():
    found = ratings_of_texts(
        texts_of((3, 30, "good", 7), (1, 10, "rated in train", 7), (9, 10, "no user of train", 7), (3, 40, "cold", 7))
    )
    assert found.index.tolist() == [(3, 30)]


def test_praise_stands_for_more_stars_than_blame_and_stays_on_the_scale():
    found = ratings_of_texts(texts_of((3, 30, "good " * 9, 0), (2, 20, "bad " * 9, 0), (1, 30, "ok", 0)))
    assert found[3, 30] > found[1, 30]
    assert found.between(*SCALE).all()


def test_a_text_with_stars_stands_for_these():
    texts = texts_of((3, 30, "bad", 0), (2, 20, "good", 0))
    texts[STARS] = np.array([4.5, np.nan], np.float32)
    assert ratings_of_texts(texts)[3, 30] == 4.5


def test_the_weight_of_praise_is_learnt_from_texts_beside_ratings():
    rng = np.random.default_rng(0)
    pairs = [(user, movie) for user in range(40) for movie in range(20)]
    likes = rng.random(len(pairs)) < 0.5
    train = ratings_of(*((*pair, 5 if like else 1, 0) for pair, like in zip(pairs, likes.tolist(), strict=True)))
    nothing = train.head(0)
    spreads = []
    for is_true in (True, False):
        says = likes if is_true else rng.random(len(pairs)) < 0.5
        rows = [
            (*pair, "good" if says_good else "bad", 0) for pair, says_good in zip(pairs, says.tolist(), strict=True)
        ]
        kept = train[rng.random(len(train)) < 0.5]
        opinions = told_ratings_of(texts_of(*rows), Split.of(kept, nothing, nothing))
        spreads.append(opinions[RATING].std())
    assert spreads[0] > 1.5
    assert spreads[1] < 0.5


def told_ratings_of(texts, parts):
    opinions = judge(texts[TEXT].tolist())
    return ratings_from_reviews(texts.assign(praise=opinions.praise), parts, SCALE)


def test_tables_of_no_texts_have_the_right_types():
    nothing = texts_of().assign(praise=np.float32(0.5))
    aspects = movie_aspects(judged_sentences(nothing, judge))
    assert reviewed_movies(nothing, aspects).empty
    assert review_content(nothing, aspects, IDS, NUM_TRAIN).names == ()
    assert ratings_from_reviews(nothing, PARTS, SCALE).empty
    assert (
        dataclasses.replace(PARTS, from_reviews=ratings_from_reviews(nothing, PARTS, SCALE)).from_reviews.dtypes[RATING]
        == np.float32
    )


@pytest.mark.parametrize("rule", ["random", "time", "user_time"])
def test_without_held_out_ratings_all_texts_are_used(rule):
    parts = Split.of(TRAIN, TRAIN.head(0), TRAIN.head(0))
    assert len(train_texts(texts_of((1, 10, "x", 5), (None, 20, "y", NO_TIMESTAMP)), parts, rule)) == 2


# Aspects.


def test_a_sentence_is_found_for_every_aspect_that_it_names():
    texts = ["Great acting and music! The plot was thin.<br />Nice", "", "Funny; the MUSIC too"]
    assert list(aspect_sentences(texts)) == [
        (0, "acting", "Great acting and music"),
        (0, "music", "Great acting and music"),
        (0, "story", " The plot was thin"),
        (2, "humour", "Funny; the MUSIC too"),
        (2, "music", "Funny; the MUSIC too"),
    ]


def test_a_word_names_one_aspect():
    words = [word for names in ASPECTS.values() for word in names.split()]
    assert len(words) == len(set(words)) == len(ASPECT_OF_WORD)


def test_parts_of_words_name_nothing():
    assert list(aspect_sentences(["castle, plotted, scoreboard"])) == []


def test_only_the_first_sentences_of_a_long_text_are_read():
    assert len(list(aspect_sentences(["The plot. " * 10 * MAX_SENTENCES]))) == MAX_SENTENCES
