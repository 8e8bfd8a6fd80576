"""Figures of a model with hand-made predictions, and of one that has the checkerboard right."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import checkerboard
from helpers.checkerboard import table

from movierec_jax.config import Config, EvalConfig, ModelConfig, ScoreConfig
from movierec_jax.data.schema import MOVIE_ID, USER_ID
from movierec_jax.data.splits import Split
from movierec_jax.data.values.scale import relevant_from
from movierec_jax.data_config import DataConfig
from movierec_jax.errors import InputError
from movierec_jax.evaluation.evaluate import evaluate
from movierec_jax.recommend import scoring
from movierec_jax.runs.prepare import new_run
from movierec_jax.runs.run import Run

# Train has users 1, 2, 4 and movies 10, 20, 30, 40; it lacks user 3 and movie 99.
TRAIN = table([1, 2, 2, 2, 4, 4], [10, 20, 30, 40, 20, 30], [5, 1, 5, 1, 1, 5])
MEAN, SPREAD = 3.0, 2.0
VALID = table([4], [10], [3])
TEST = table([1, 1, 2, 3, 1], [30, 20, 10, 40, 99], [5, 2, 4, 5, 3])
EVAL_K = (1, 2)


def run_of(train=TRAIN, valid=VALID, test=TEST, rating_scale=(1.0, 5.0)) -> Run:
    """A run whose model has one factor and no layers, and knows ids alone."""
    parts = Split.of(train=train, valid=valid, test=test)
    model = ModelConfig(embedding_dim=1, hidden_dims=(), history=(), implicit_feedback_dim=0)
    config = Config(data=DataConfig(content=()), model=model, evaluation=EvalConfig(eval_k=EVAL_K))
    return new_run(config, checkerboard.clean_data(parts, rating_scale), parts)


def params_of(mean, movie_bias, user_factor, movie_factor, rating_mean=MEAN, rating_spread=SPREAD):
    """Parameters of a single member of stars = mean + movie bias + user factor * movie factor.

    rating_mean, rating_spread: of the train ratings.
    """

    def column(values):
        return jnp.float32(values)[None, :, None]

    return {
        "head": {"offset": jnp.float32([(mean - rating_mean) / rating_spread])},
        "user_tower": {
            "bias": jnp.zeros((1, len(user_factor), 1)),
            "embedding": column(user_factor) / rating_spread,
        },
        "movie_tower": {"bias": column(movie_bias) / rating_spread, "embedding": column(movie_factor)},
    }


# For every user the model predicts 4, 3.5, 3 and 2 stars for movies 10, 20, 30, 40; and 3 for an unknown movie.
BIASES = params_of(3, [1, 0.5, 0, -1], user_factor=[0, 0, 0], movie_factor=[0, 0, 0, 0])


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(run_of(), BIASES, TEST, EvalConfig(eval_k=EVAL_K))


def test_predictions_are_in_the_order_of_the_held_out_rows(evaluation):
    assert evaluation.predicted.tolist() == [3, 3.5, 4, 2, 3]


def test_rating_figures_are_over_all_warm_and_cold_rows(evaluation):
    model = evaluation.rating["model"]
    assert model["all"]["rmse"] == pytest.approx(math.sqrt((2**2 + 1.5**2 + 0 + 3**2 + 0) / 5))
    assert model["warm"]["rmse"] == pytest.approx(math.sqrt((2**2 + 1.5**2 + 0) / 3))
    assert model["cold"]["rmse"] == pytest.approx(math.sqrt((3**2 + 0) / 2))
    assert model["all"]["within_half_star"] == 2 / 5


def test_baselines_stand_beside_the_model_on_the_same_rows(evaluation):
    assert list(evaluation.rating) == ["model", "constant", "user mean", "movie mean", "biases"]
    errors = np.float64([5, 2, 4, 5, 3]) - MEAN
    assert evaluation.rating["constant"]["all"]["rmse"] == pytest.approx(math.sqrt(np.mean(errors**2)))


def test_cold_users_and_movies_are_counted(evaluation):
    assert evaluation.counts == {
        "rows": 5,
        "rated_rows": 5,
        "warm_rows": 3,
        "cold_rows": 2,
        "cold_users": 1,
        "cold_movies": 1,
        "ranked_users": 3,
    }


def test_ranking_figures_are_means_over_users_with_a_movie_of_4_stars_or_more(evaluation):
    # User 1 has seen 10 and gets 20, 30: a hit at rank 2. User 2 has seen all but 10: a hit at rank 1, the rest empty.
    # User 3, unknown, gets 10, 20, and 40 is none of them.
    model = evaluation.ranking["model"]
    assert model["ndcg@2"] == pytest.approx((1 / math.log2(3) + 1 + 0) / 3)
    assert model["recall@2"] == pytest.approx((1 + 1 + 0) / 3)
    assert model["precision@2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert model["mrr@2"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert model["hit_rate@1"] == pytest.approx((0 + 1 + 0) / 3)


def test_coverage_and_novelty_are_of_the_lists_of_these_users(evaluation):
    # Lists [20], [10], [10] and [20, 30], [10], [10, 20] of 4 movies; 10 has 1 rating in train, 20 and 30 have 2.
    model = evaluation.ranking["model"]
    assert model["coverage@1"] == 2 / 4
    assert model["coverage@2"] == 3 / 4
    bits = {10: math.log2(3 / 1), 20: math.log2(3 / 2), 30: math.log2(3 / 2)}
    assert model["novelty@2"] == pytest.approx((bits[20] + bits[30] + bits[10] + bits[10] + bits[20]) / 5)
    # Every movie has the genres Even and Drama, so no two differ; a list of one has no pair.
    assert model["diversity@2"] == pytest.approx(0)
    assert math.isnan(model["diversity@1"])
    # Listed 0, 1, 2 and 2 times in rising order: 40, 30, then 10 and 20.
    assert model["gini@2"] == pytest.approx((-3 * 0 - 1 * 1 + 1 * 2 + 3 * 2) / (4 * 5))


def test_popularity_lists_the_unseen_movies_with_most_ratings(evaluation):
    # In train 20 and 30 have 2 ratings, 10 and 40 one: user 1 gets 20, 30, user 2 gets 10, user 3 gets 20, 30.
    assert evaluation.ranking["popularity"]["ndcg@2"] == pytest.approx((1 / math.log2(3) + 1 + 0) / 3)
    assert evaluation.ranking["popularity"]["coverage@2"] == 3 / 4


def test_what_a_user_rated_in_validation_is_not_listed():
    # Without 20, which user 1 has now rated in the validation part, 30 comes first.
    valid = table([4, 1], [10, 20], [3, 3])
    ranking = evaluate(run_of(valid=valid), BIASES, TEST, EvalConfig(eval_k=(1,))).ranking
    assert ranking["model"]["hit_rate@1"] == pytest.approx((1 + 1 + 0) / 3)


def test_the_flat_table_has_the_models_figures_over_all_rows(evaluation):
    figures = evaluation.figures()
    assert figures["rmse"] == evaluation.rating["model"]["all"]["rmse"]
    assert figures["ndcg@2"] == evaluation.ranking["model"]["ndcg@2"]


def test_lists_longer_than_the_catalogue_end_with_empty_slots():
    ranking = evaluate(run_of(), BIASES, TEST, EvalConfig(eval_k=(1, 10))).ranking
    for figures in ranking.values():
        # Every relevant movie is in the list then: ranks 2, 1 and, in a list of all four, 4.
        assert figures["recall@10"] == 1
        assert figures["precision@10"] == pytest.approx(1 / 10)
    assert ranking["model"]["mrr@10"] == pytest.approx((1 / 2 + 1 + 1 / 4) / 3)


def test_an_empty_slot_is_no_hit_for_a_movie_that_train_does_not_have():
    # User 2 has seen all but 10; the movie that is relevant, 99, can be in no list.
    ranking = evaluate(run_of(), BIASES, table([2], [99], [5]), EvalConfig(eval_k=(2,))).ranking
    assert [figures["hit_rate@2"] for figures in ranking.values()] == [0, 0]


def test_where_nobody_has_a_relevant_movie_there_are_no_ranking_figures():
    evaluation = evaluate(run_of(), BIASES, TEST, EvalConfig(eval_k=EVAL_K, relevant_rating=5.5))
    assert evaluation.counts["ranked_users"] == 0
    assert all(math.isnan(figures[f"{name}@2"]) for figures in evaluation.ranking.values() for name in ("ndcg", "gini"))
    assert evaluation.rating["model"]["all"]["within_half_star"] == 2 / 5


def test_without_cold_rows_their_figures_are_nan():
    evaluation = evaluate(run_of(), BIASES, TEST[:3], EvalConfig(eval_k=EVAL_K))
    assert math.isnan(evaluation.rating["model"]["cold"]["rmse"])
    assert evaluation.rating["model"]["all"] == evaluation.rating["model"]["warm"]


def test_one_held_out_rating_is_enough():
    evaluation = evaluate(run_of(), BIASES, TEST[:1], EvalConfig(eval_k=EVAL_K))
    assert evaluation.figures()["mae"] == 2
    assert evaluation.figures()["ndcg@2"] == pytest.approx(1 / math.log2(3))


def test_a_model_that_predicts_no_numbers_is_refused():
    with pytest.raises(InputError, match="diverged: the model predicts values that are not finite"):
        evaluate(run_of(), params_of(math.nan, [0] * 4, [0] * 3, [0] * 4), TEST, EvalConfig(eval_k=EVAL_K))


def test_predictions_are_held_to_the_scale():
    params = params_of(3, [2.5, 0.5, 0, -2.5], user_factor=[0, 0, 0], movie_factor=[0, 0, 0, 0])
    assert evaluate(run_of(), params, TEST, EvalConfig(eval_k=EVAL_K)).predicted.tolist() == [3, 3.5, 5, 1, 3]


def test_baselines_are_held_to_the_scale():
    # The mean of movie 20 is 1, below a scale that starts at 2.
    rating = evaluate(run_of(rating_scale=(2.0, 5.0)), BIASES, table([1], [20], [2]), EvalConfig(eval_k=EVAL_K)).rating
    assert rating["movie mean"]["all"]["mae"] == 0


# Intervals.


def test_intervals_are_as_wide_as_the_validation_part_says():
    # Its one rating, 3 for a prediction of 4, makes the noise 1. Errors are 2, 1.5, 0, 3 and 0, and half of the
    # normal distribution lies within 0.67 of its mean, 80% within 1.28, and 95% within 1.96.
    intervals = evaluate(run_of(), BIASES, TEST, EvalConfig(eval_k=EVAL_K)).intervals
    assert intervals == {"noise": 1, "mean_spread": 0, "coverage@50": 2 / 5, "coverage@80": 2 / 5, "coverage@95": 3 / 5}


def test_what_members_are_apart_is_not_noise_and_widens_intervals_where_it_is():
    # The members give movie 10 3 and 5 stars, which are 0 and 1 spreads above the mean, and everything else what BIASES
    # says.
    apart = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), BIASES)
    apart["movie_tower"]["bias"] = apart["movie_tower"]["bias"].at[:, 0, 0].set(jnp.float32([0, 1]))
    evaluation = evaluate(run_of(), apart, TEST.assign(rating=np.float32([3, 3.5, 5, 2, 4])), EvalConfig(eval_k=EVAL_K))
    assert evaluation.predicted.tolist() == [3, 3.5, 4, 2, 3]
    # The squared error of the validation rating, 1, is the variance of the members. Of the test ratings the third is
    # off by 1, the deviation of the members there, and the last by 1 where they agree.
    expected = {"noise": 0, "mean_spread": 1 / 5, "coverage@50": 3 / 5, "coverage@80": 4 / 5, "coverage@95": 4 / 5}
    assert evaluation.intervals == pytest.approx(expected)


def test_without_a_validation_part_there_are_no_intervals():
    assert evaluate(run_of(valid=VALID[:0]), BIASES, TEST, EvalConfig(eval_k=EVAL_K)).intervals == {}


@pytest.mark.parametrize(
    ("rating_scale", "asked_for", "expected"),
    [
        ((1.0, 5.0), None, 4),
        ((0.5, 5.0), None, 0.5 + 0.75 * 4.5),
        ((0.0, 1.0), None, 0.75),
        ((-10.0, 10.0), None, 5),
        ((1.0, 5.0), 3.5, 3.5),
        ((1.0, 5.0), 0.0, 0),
    ],
)
def test_a_hit_is_a_rating_three_quarters_up_the_scale_unless_another_is_asked_for(rating_scale, asked_for, expected):
    train = TEST.assign(rating=np.float32(rating_scale[1]))
    assert relevant_from(EvalConfig(relevant_rating=asked_for), train["rating"].to_numpy(), rating_scale) == expected


# More users than a block of lists holds.

PARTS = checkerboard.parts(num_users=ScoreConfig.block_users + 10, num_movies=18)


def knows_the_board(run):
    """Parameters that give 3 + 2 stars for equal parities and 3 - 2 for others."""
    user, movie = ((-1.0) ** vocab.ids.to_numpy() for vocab in (run.users, run.movies))
    train = run.model.rating_mean, run.model.rating_spread
    return params_of(checkerboard.MEAN, 0 * movie, 2 * user, movie, *train)


def test_a_model_that_knows_the_checkerboard_beats_popularity():
    run = run_of(PARTS.train, PARTS.valid, PARTS.test)
    evaluation = evaluate(run, knows_the_board(run), PARTS.test, EvalConfig(eval_k=(3,)))
    assert evaluation.figures()["rmse"] == pytest.approx(0, abs=1e-6)
    assert evaluation.rating["biases"]["all"]["rmse"] > 1.9
    model, popularity = (evaluation.ranking[name]["ndcg@3"] for name in ("model", "popularity"))
    assert model > 1.5 * popularity


def test_figures_do_not_depend_on_blocks_nor_on_the_order_of_rows(monkeypatch):
    run = run_of(PARTS.train, PARTS.valid, PARTS.test)
    params = knows_the_board(run)
    one = evaluate(run, params, PARTS.test, EvalConfig(eval_k=(1, 3)))
    monkeypatch.setattr(scoring, "BLOCK_PAIRS", 7)
    order = np.random.default_rng(0).permutation(len(PARTS.test))
    shuffled = evaluate(run, params, PARTS.test.iloc[order].reset_index(drop=True), EvalConfig(eval_k=(1, 3)))
    np.testing.assert_array_equal(shuffled.predicted, one.predicted[order])
    assert shuffled.counts == one.counts
    assert shuffled.figures() == pytest.approx(one.figures(), nan_ok=True)


def test_string_ids_are_as_good_as_numbers(evaluation):
    def as_text(part):
        return part.assign(**{name: part[name].astype("str") for name in (USER_ID, MOVIE_ID)})

    run = run_of(*(as_text(part) for part in (TRAIN, VALID, TEST)))
    in_text = evaluate(run, BIASES, as_text(TEST), EvalConfig(eval_k=EVAL_K))
    assert in_text.figures() == evaluation.figures()
    assert run.users.ids.tolist() == ["1", "2", "4", "3"]
