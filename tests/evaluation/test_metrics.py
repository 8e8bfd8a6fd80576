"""Known answers by arithmetic, edges, properties, and the definitions written out over plain lists and sets."""

import inspect
import math
from collections.abc import Callable

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.evaluation import metrics
from movierec_jax.evaluation.metrics import RANKING_METRICS

# "NaN, without a warning" is a promise of the module.
pytestmark = pytest.mark.filterwarnings("error")

RATING_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "r2": metrics.r2,
    "within": lambda predicted, rating: metrics.within(predicted, rating, 1.0),
}
each_rating_metric = pytest.mark.parametrize("metric", RATING_METRICS.values(), ids=RATING_METRICS)
each_ranking_metric = pytest.mark.parametrize("metric", RANKING_METRICS.values(), ids=RANKING_METRICS)


def floats(*values):
    return np.array(values, dtype=np.float32)


def rows(*lists):
    return np.array(lists, dtype=np.int32)


def hits(*users):
    """is_hit from one string per user: "x." is a hit at rank 1 and none at rank 2."""
    return np.array([[slot == "x" for slot in user] for user in users], dtype=bool)


def relevant(*counts):
    return np.array(counts, dtype=np.int64)


def without_shape_checks(function):
    """The function as a user's program calls it: in the test run a hook checks annotated shapes and refuses first."""
    return inspect.unwrap(function)


# Rating metrics: known answers.


def test_rmse_is_the_root_of_the_mean_squared_error():
    assert metrics.rmse(floats(3, 4, 1), floats(4, 4, 3)) == pytest.approx(math.sqrt((1**2 + 0**2 + 2**2) / 3))


def test_mae_is_the_mean_absolute_error():
    assert metrics.mae(floats(3, 4, 5), floats(4, 4, 3)) == pytest.approx((1 + 0 + 2) / 3)


def test_r2_is_one_less_the_unexplained_share_of_the_variance():
    # Squares about the mean 2: 1 + 0 + 1.
    assert metrics.r2(floats(1, 2, 2), floats(1, 2, 3)) == pytest.approx(1 - 1**2 / (1 + 0 + 1))


def test_r2_of_predicting_the_mean_is_0():
    assert metrics.r2(floats(3, 3, 3), floats(1, 3, 5)) == pytest.approx(0)


def test_r2_of_predictions_worse_than_the_mean_is_negative():
    assert metrics.r2(floats(3, 2, 1), floats(1, 2, 3)) == pytest.approx(1 - (2**2 + 0 + 2**2) / (1 + 0 + 1))


def test_within_counts_errors_up_to_and_including_the_tolerance():
    predicted, rating = floats(3, 3.5, 2.25, 5), floats(3, 3, 3, 3)
    assert metrics.within(predicted, rating, 0.5) == 2 / 4
    assert metrics.within(predicted, rating, 1.0) == 3 / 4


def test_within_forgives_float32_rounding():
    predicted, rating = floats(4.3), floats(3.8)
    assert float(predicted[0]) - float(rating[0]) > 0.5
    assert metrics.within(predicted, rating, 0.5) == 1


def test_within_forgives_no_more_than_rounding():
    assert metrics.within(floats(3.50001), floats(3), 0.5) == 0


def test_a_nan_prediction_is_within_no_tolerance():
    assert metrics.within(floats(np.nan, 3), floats(3, 3), 5.0) == 1 / 2


def test_rating_metrics_gives_every_figure_by_name():
    # Errors 0.5, -1, 0, 2; ratings 1, 2, 3, 2 lie -1, 0, 1, 0 from their mean.
    assert metrics.rating_metrics(floats(1.5, 1, 3, 4), floats(1, 2, 3, 2)) == pytest.approx(
        {
            "rmse": math.sqrt((0.25 + 1 + 0 + 4) / 4),
            "mae": (0.5 + 1 + 0 + 2) / 4,
            "r2": 1 - (0.25 + 1 + 0 + 4) / (1 + 0 + 1 + 0),
            "within_half_star": 2 / 4,
            "within_one_star": 3 / 4,
        }
    )


# Rating metrics: edges.


@pytest.mark.parametrize("metric", [metrics.rmse, metrics.mae])
def test_the_error_of_one_rating_is_its_distance(metric):
    assert metric(floats(2.5), floats(4)) == 4 - 2.5


@each_rating_metric
def test_without_ratings_a_figure_is_nan(metric):
    assert math.isnan(metric(floats(), floats()))


@pytest.mark.parametrize("rating", [[4], [4, 4, 4], [0.1, 0.1, 0.1]])
def test_r2_of_equal_ratings_is_nan(rating):
    assert math.isnan(metrics.r2(np.full(len(rating), 3.0), np.array(rating, dtype=np.float64)))


def test_mean_of_equal_ratings_need_not_be_equal_to_them():
    """So r2 of [0.1, 0.1, 0.1] above is a case that the sum of squares alone would get wrong."""
    assert np.mean([0.1, 0.1, 0.1]) != 0.1


def test_r2_of_perfect_predictions_of_equal_ratings_is_nan():
    assert math.isnan(metrics.r2(floats(3, 3), floats(3, 3)))


def test_errors_of_float32_ratings_are_taken_in_float64():
    in_float64 = float(np.float32(4.3)) - float(np.float32(0.1))
    assert metrics.mae(floats(4.3), floats(0.1)) == in_float64
    assert float(np.float32(4.3) - np.float32(0.1)) != in_float64


@pytest.mark.parametrize(
    "metric",
    [metrics.rmse, metrics.mae, metrics.r2, lambda *pair: without_shape_checks(metrics.within)(*pair, 1.0)],
    ids=RATING_METRICS,
)
@pytest.mark.parametrize("shape", [(3, 1), (1,), (2,)])
def test_unequal_shapes_are_refused_and_named(metric, shape):
    with pytest.raises(ValueError, match=r"predicted has shape .*, rating \(3,\)"):
        without_shape_checks(metric)(np.ones(shape, np.float32), floats(1, 2, 3))


# Rating metrics: properties.

rating_values = st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0])
predictions = st.floats(0, 5.5, width=32)


def rating_pairs(min_size=1):
    """(predicted, rating), float32 [ratings] each."""
    return st.lists(st.tuples(predictions, rating_values), min_size=min_size, max_size=20).map(
        lambda pairs: tuple(np.array(column, dtype=np.float32) for column in zip(*pairs, strict=True))
    )


@hypothesis.given(rating_pairs())
def test_rmse_is_at_least_mae(pair):
    assert metrics.rmse(*pair) >= metrics.mae(*pair) - 1e-12


@hypothesis.given(rating_pairs())
def test_rmse_and_mae_agree_with_their_definitions(pair):
    errors = [float(predicted) - float(rating) for predicted, rating in zip(*pair, strict=True)]
    assert metrics.rmse(*pair) == pytest.approx(math.sqrt(math.fsum(e**2 for e in errors) / len(errors)))
    assert metrics.mae(*pair) == pytest.approx(math.fsum(abs(e) for e in errors) / len(errors))


@hypothesis.given(rating_pairs(min_size=2))
def test_r2_is_one_less_the_squared_rmse_over_the_variance(pair):
    hypothesis.assume(np.ptp(pair[1]) > 0)
    variance = np.var(pair[1].astype(np.float64))
    assert metrics.r2(*pair) == pytest.approx(1 - metrics.rmse(*pair) ** 2 / variance, abs=1e-9)


@hypothesis.given(st.lists(rating_values, min_size=2, max_size=20).filter(lambda rating: len(set(rating)) > 1))
def test_perfect_predictions_have_no_error_and_r2_of_1(rating):
    assert metrics.rating_metrics(floats(*rating), floats(*rating)) == {
        "rmse": 0,
        "mae": 0,
        "r2": 1,
        "within_half_star": 1,
        "within_one_star": 1,
    }


@each_rating_metric
@hypothesis.given(pair=rating_pairs(), data=st.data())
def test_the_order_of_the_ratings_does_not_matter(metric, pair, data):
    order = np.array(data.draw(st.permutations(range(len(pair[0])))))
    assert metric(pair[0][order], pair[1][order]) == pytest.approx(metric(*pair), nan_ok=True)


@hypothesis.given(rating_pairs(), st.floats(0, 5), st.floats(0, 5))
def test_a_larger_tolerance_holds_no_fewer_predictions(pair, tolerance, more):
    assert metrics.within(*pair, tolerance) <= metrics.within(*pair, tolerance + more)


# Intervals.


@pytest.mark.parametrize(
    ("errors", "deviations", "level", "expected"),
    [
        ([0, 100], [1, 1], 0.5, 1 / 2),
        ([0, 0, 0], [0, 1, 2], 0.95, 1),
        ([100], [1], 0.95, 0),
        # Half of the normal distribution lies within 0.674 deviations of its mean, and 95% within 1.960.
        ([0.67, -0.67, 0.68, -0.68], [1, 1, 1, 1], 0.5, 2 / 4),
        ([1.95, -1.95, 1.97, -1.97], [1, 1, 1, 1], 0.95, 2 / 4),
        # The same error, on predictions that are surer or less sure.
        ([1.95, 1.95], [2, 0.5], 0.95, 1 / 2),
        ([0.1], [0], 0.95, 0),
    ],
)
def test_an_interval_holds_the_ratings_within_so_many_deviations(errors, deviations, level, expected):
    rating = np.full(len(errors), 3.0)
    assert metrics.interval_coverage(rating + np.float64(errors), np.float64(deviations), rating, level) == expected


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_of_normal_errors_hold_as_many_ratings_as_they_should(level):
    rng = np.random.default_rng(0)
    deviation = rng.uniform(0.5, 2, 20_000)
    coverage = metrics.interval_coverage(rng.normal(0, deviation), deviation, np.zeros(20_000), level)
    assert coverage == pytest.approx(level, abs=0.01)


def test_without_ratings_the_coverage_is_nan():
    assert math.isnan(metrics.interval_coverage(np.zeros(0), np.zeros(0), np.zeros(0), 0.5))


# Hits of lists.


def test_a_slot_is_a_hit_where_its_movie_is_relevant_to_the_user_and_empty_slots_are_none():
    lists = np.array([[0, 1, 3], [2, 3, 3], [1, 2, 0]])
    is_hit, num_relevant = metrics.hits(lists, np.array([0, 0, 1]), np.array([0, 2, 2]), num_movies=3)
    assert is_hit.tolist() == [[True, False, False], [True, False, False], [False, False, False]]
    assert num_relevant.tolist() == [2, 1, 0]


def test_a_movie_that_no_list_can_hold_is_relevant_and_never_a_hit():
    is_hit, num_relevant = metrics.hits(np.array([[2, 3]]), np.array([0, 0]), np.array([3, 7]), num_movies=3)
    assert is_hit.tolist() == [[False, False]]
    assert num_relevant.tolist() == [2]


# Ranking metrics: known answers.


def test_ndcg_of_one_hit_at_rank_2_is_its_discount_over_that_of_rank_1():
    assert metrics.ndcg_at_k(hits(".x"), relevant(1), 2) == pytest.approx([(1 / np.log2(3)) / (1 / np.log2(2))])


def test_ndcg_sums_the_discounts_of_the_hits():
    best = 1 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert metrics.ndcg_at_k(hits("x..x"), relevant(3), 4) == pytest.approx([(1 / np.log2(2) + 1 / np.log2(5)) / best])


def test_best_dcg_has_no_more_than_k_hits():
    best = 1 / np.log2(2) + 1 / np.log2(3)
    assert metrics.ndcg_at_k(hits(".x"), relevant(9), 2) == pytest.approx([(1 / np.log2(3)) / best])


def test_recall_is_the_share_of_the_relevant_movies_found():
    assert metrics.recall_at_k(hits("x..x"), relevant(3), 4) == pytest.approx([2 / 3])


def test_recall_of_more_relevant_movies_than_slots_is_over_the_slots():
    assert metrics.recall_at_k(hits("x..x"), relevant(9), 4) == pytest.approx([2 / 4])


def test_precision_is_the_fraction_of_slots_that_are_hits():
    assert metrics.precision_at_k(hits("x..x", "x..."), relevant(2, 9), 4) == pytest.approx([2 / 4, 1 / 4])


def test_average_precision_sums_the_precision_at_each_hit():
    assert metrics.average_precision_at_k(hits("x.xx"), relevant(3), 4) == pytest.approx([(1 / 1 + 2 / 3 + 3 / 4) / 3])


def test_average_precision_counts_relevant_movies_that_were_not_found():
    assert metrics.average_precision_at_k(hits(".x.."), relevant(3), 4) == pytest.approx([(1 / 2) / 3])


def test_average_precision_of_more_relevant_movies_than_slots_is_over_the_slots():
    assert metrics.average_precision_at_k(hits(".x"), relevant(9), 2) == pytest.approx([(1 / 2) / 2])


def test_reciprocal_rank_looks_at_the_first_hit_only():
    assert metrics.reciprocal_rank_at_k(hits("..x.", "..xx"), relevant(2, 2), 4) == pytest.approx([1 / 3, 1 / 3])


def test_hit_rate_is_1_for_any_number_of_hits():
    assert metrics.hit_rate_at_k(hits("....", "...x", "xxxx"), relevant(4, 4, 4), 4).tolist() == [0, 1, 1]


def test_ranking_metrics_gives_every_metric_at_every_length():
    figures = metrics.ranking_metrics(hits(".xx", "..."), relevant(2, 1), ks=(1, 3))
    best_of_two = 1 / np.log2(2) + 1 / np.log2(3)
    assert figures == pytest.approx(
        {
            "ndcg@1": 0,
            "recall@1": 0,
            "precision@1": 0,
            "map@1": 0,
            "mrr@1": 0,
            "hit_rate@1": 0,
            "ndcg@3": ((1 / np.log2(3) + 1 / np.log2(4)) / best_of_two + 0) / 2,
            "recall@3": (2 / 2 + 0) / 2,
            "precision@3": (2 / 3 + 0) / 2,
            "map@3": ((1 / 2 + 2 / 3) / 2 + 0) / 2,
            "mrr@3": (1 / 2 + 0) / 2,
            "hit_rate@3": (1 + 0) / 2,
        }
    )


# Ranking metrics: edges.


@each_ranking_metric
def test_a_list_of_hits_alone_scores_1(metric):
    assert metric(hits("xxxxx"), relevant(7), 5).tolist() == [1]


def test_ndcg_of_a_perfect_list_is_1_without_rounding_at_any_length():
    # User u has u + 1 relevant movies, all of them first.
    assert np.all(metrics.ndcg_at_k(np.tri(100, dtype=bool), np.arange(1, 101), 100) == 1)


@each_ranking_metric
def test_a_list_without_a_hit_scores_0(metric):
    assert metric(hits("....."), relevant(7), 5).tolist() == [0]


@each_ranking_metric
def test_users_without_a_relevant_movie_and_only_they_are_nan(metric):
    assert np.isnan(metric(hits("..", "x.", ".."), relevant(0, 1, 2), 2)).tolist() == [True, False, False]


@each_ranking_metric
def test_no_users_give_no_values(metric):
    assert metric(np.zeros((0, 3), dtype=bool), relevant(), 2).shape == (0,)


def test_means_leave_out_users_without_a_relevant_movie():
    figures = metrics.ranking_metrics(hits("x.", "..", ".."), relevant(1, 1, 0), ks=[2])
    assert figures["hit_rate@2"] == (1 + 0) / 2


@pytest.mark.parametrize("is_hit", [hits("..", ".."), np.zeros((0, 2), dtype=bool)], ids=["two users", "no users"])
def test_means_are_nan_where_nobody_has_a_relevant_movie(is_hit):
    figures = metrics.ranking_metrics(is_hit, np.zeros(len(is_hit), dtype=np.int64), ks=[1, 2])
    assert len(figures) == 2 * len(RANKING_METRICS)
    assert all(math.isnan(figure) for figure in figures.values())


def test_a_short_list_with_all_relevant_movies_has_full_recall_but_not_precision():
    # Two movies were left to recommend; the other three slots are empty.
    is_hit, num_relevant = hits("xx..."), relevant(2)
    assert metrics.recall_at_k(is_hit, num_relevant, 5) == 2 / 2
    assert metrics.precision_at_k(is_hit, num_relevant, 5) == 2 / 5


@each_ranking_metric
@pytest.mark.parametrize("k", [3, 0, -1])
def test_k_beyond_the_lists_or_below_1_is_refused(metric, k):
    with pytest.raises(ValueError, match=f"k={k}, but the lists have 2 slots"):
        metric(hits("x."), relevant(1), k)


@each_ranking_metric
@pytest.mark.parametrize(
    ("is_hit", "num_relevant"),
    [
        (hits("x.", ".x"), relevant(1, 1)[:, None]),
        (hits("x.", ".x"), relevant(1)),
        (hits("x.")[0], relevant(1, 1)),
    ],
    ids=["column of counts", "one count for two users", "one list for two users"],
)
def test_shapes_that_do_not_fit_are_refused(metric, is_hit, num_relevant):
    with pytest.raises(ValueError, match=r"must be \[users, k\] and \[users\]"):
        without_shape_checks(metric)(is_hit, num_relevant, 1)


@each_ranking_metric
def test_more_hits_than_relevant_movies_are_refused_and_the_user_named(metric):
    with pytest.raises(ValueError, match="user 1 has 2 hits, but num_relevant is 1"):
        metric(hits("xx", "xx"), relevant(2, 1), 1)


# Ranking metrics: properties.


@st.composite
def recommendations(draw, max_users=6):
    """(list of movies and set of relevant movies per user, number of slots); lists may be short, sets empty."""
    num_slots = draw(st.integers(1, 6))
    movies = st.integers(0, 9)
    user = st.tuples(st.lists(movies, max_size=num_slots, unique=True), st.sets(movies))
    return draw(st.lists(user, min_size=1, max_size=max_users)), num_slots


def as_arrays(users, num_slots):
    """(is_hit [users, num_slots], num_relevant [users]) of what `recommendations` draws."""
    is_hit = np.zeros((len(users), num_slots), dtype=bool)
    for user, (movies, relevant_movies) in enumerate(users):
        is_hit[user, : len(movies)] = [movie in relevant_movies for movie in movies]
    return is_hit, relevant(*(len(relevant_movies) for _, relevant_movies in users))


hit_arrays = recommendations().map(lambda drawn: as_arrays(*drawn))


def all_values(is_hit, num_relevant, k):
    """Every ranking metric, stacked: [metrics, users]."""
    return np.stack([metric(is_hit, num_relevant, k) for metric in RANKING_METRICS.values()])


def defined_ndcg(movies, relevant_movies, k):
    gains = [1 / math.log2(rank + 1) for rank, movie in enumerate(movies[:k], 1) if movie in relevant_movies]
    return sum(gains) / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant_movies)) + 1))


def defined_recall(movies, relevant_movies, k):
    return len(relevant_movies.intersection(movies[:k])) / min(k, len(relevant_movies))


def defined_precision(movies, relevant_movies, k):
    return len(relevant_movies.intersection(movies[:k])) / k


def defined_average_precision(movies, relevant_movies, k):
    precisions = [
        defined_precision(movies, relevant_movies, rank)
        for rank, movie in enumerate(movies[:k], 1)
        if movie in relevant_movies
    ]
    return sum(precisions) / min(k, len(relevant_movies))


def defined_reciprocal_rank(movies, relevant_movies, k):
    return next((1 / rank for rank, movie in enumerate(movies[:k], 1) if movie in relevant_movies), 0)


def defined_hit_rate(movies, relevant_movies, k):
    return float(not relevant_movies.isdisjoint(movies[:k]))


DEFINITIONS = {
    "ndcg": defined_ndcg,
    "recall": defined_recall,
    "precision": defined_precision,
    "map": defined_average_precision,
    "mrr": defined_reciprocal_rank,
    "hit_rate": defined_hit_rate,
}


@pytest.mark.parametrize("name", RANKING_METRICS)
@hypothesis.given(recommendations(), st.data())
def test_ranking_metrics_agree_with_their_definitions(name, drawn, data):
    users, num_slots = drawn
    k = data.draw(st.integers(1, num_slots))
    expected = [
        DEFINITIONS[name](movies, relevant_movies, k) if relevant_movies else math.nan
        for movies, relevant_movies in users
    ]
    assert RANKING_METRICS[name](*as_arrays(users, num_slots), k) == pytest.approx(expected, nan_ok=True)


@hypothesis.given(hit_arrays)
def test_every_value_is_between_0_and_1(arrays):
    is_hit, num_relevant = arrays
    values = all_values(is_hit, num_relevant, is_hit.shape[1])[:, num_relevant > 0]
    assert np.all((values >= 0) & (values <= 1))


@pytest.mark.parametrize("metric", [metrics.ndcg_at_k, metrics.average_precision_at_k])
@hypothesis.given(hit_arrays)
def test_the_value_is_1_exactly_where_all_possible_hits_come_first(metric, arrays):
    is_hit, num_relevant = arrays
    k = is_hit.shape[1]
    is_best = [bool(hit[: min(k, n)].all()) and n > 0 for hit, n in zip(is_hit, num_relevant, strict=True)]
    assert (metric(is_hit, num_relevant, k) == 1).tolist() == is_best


@hypothesis.given(hit_arrays)
def test_at_k_of_1_every_metric_is_whether_the_first_movie_is_a_hit(arrays):
    is_hit, num_relevant = arrays
    expected = np.where(num_relevant > 0, is_hit[:, 0], np.nan)
    np.testing.assert_array_equal(all_values(is_hit, num_relevant, 1), [expected] * len(RANKING_METRICS))


@hypothesis.given(arrays=hit_arrays, data=st.data())
def test_permuting_users_permutes_the_values(arrays, data):
    is_hit, num_relevant = arrays
    k = is_hit.shape[1]
    order = np.array(data.draw(st.permutations(range(len(is_hit)))))
    permuted = all_values(is_hit[order], num_relevant[order], k)
    np.testing.assert_array_equal(permuted, all_values(is_hit, num_relevant, k)[:, order])


@each_ranking_metric
@pytest.mark.parametrize("block", [1, 7, 64])
def test_values_are_the_same_to_the_last_bit_in_blocks_of_users(metric, block):
    is_hit = np.random.default_rng(0).random((100, 100)) < 0.3
    num_relevant = is_hit.sum(axis=1) + 5
    blocks = [metric(is_hit[i : i + block], num_relevant[i : i + block], 100) for i in range(0, 100, block)]
    np.testing.assert_array_equal(np.concatenate(blocks), metric(is_hit, num_relevant, 100))


@hypothesis.given(arrays=hit_arrays, data=st.data())
def test_movies_below_rank_k_do_not_matter(arrays, data):
    is_hit, num_relevant = arrays
    k = data.draw(st.integers(1, is_hit.shape[1]))
    np.testing.assert_array_equal(all_values(is_hit, num_relevant, k), all_values(is_hit[:, :k], num_relevant, k))


@pytest.mark.parametrize("metric", [metrics.ndcg_at_k, metrics.average_precision_at_k, metrics.reciprocal_rank_at_k])
@hypothesis.given(st.integers(1, 6), st.lists(st.booleans(), max_size=6), st.integers(0, 3))
def test_moving_the_first_hit_up_raises_the_value(metric, num_misses, rest, num_missed):
    misses = [False] * num_misses
    is_hit = np.array([[*misses[1:], True, False, *rest], [*misses, True, *rest]])
    values = metric(is_hit, is_hit.sum(axis=1) + num_missed, is_hit.shape[1])
    assert values[0] > values[1]


@pytest.mark.parametrize("metric", [metrics.recall_at_k, metrics.precision_at_k, metrics.hit_rate_at_k])
@hypothesis.given(arrays=hit_arrays, data=st.data())
def test_metrics_of_sets_do_not_see_the_order_within_the_list(metric, arrays, data):
    is_hit, num_relevant = arrays
    k = is_hit.shape[1]
    order = np.array(data.draw(st.permutations(range(k))))
    np.testing.assert_array_equal(metric(is_hit[:, order], num_relevant, k), metric(is_hit, num_relevant, k))


# Beyond accuracy.


def test_coverage_is_the_share_of_movies_in_any_list():
    assert metrics.catalogue_coverage(rows([0, 1], [1, 3]), num_movies=5) == 3 / 5


def test_coverage_of_a_catalogue_without_movies_is_nan():
    assert math.isnan(metrics.catalogue_coverage(rows([0]), num_movies=0))


def test_novelty_is_the_mean_information_of_the_listed_movies():
    # Of 8 users, 4 rated movie 0, 1 rated movie 1; movie 2 is not listed.
    bits = [-np.log2(4 / 8), -np.log2(1 / 8), -np.log2(1 / 8), -np.log2(1 / 8)]
    assert metrics.novelty(rows([0, 1], [1, 1]), relevant(4, 1, 8), num_users=8) == pytest.approx(np.mean(bits))


def test_movies_that_everybody_rated_are_not_novel():
    assert metrics.novelty(rows([0, 1]), relevant(7, 7), num_users=7) == 0


def test_a_movie_nobody_rated_is_as_novel_as_one_with_a_single_rating():
    assert metrics.novelty(rows([0]), relevant(0), num_users=8) == pytest.approx(-np.log2(1 / 8))


def test_more_raters_than_users_are_refused():
    with pytest.raises(ValueError, match="rated by 9 users, but num_users is 8"):
        metrics.novelty(rows([0]), relevant(1, 9), num_users=8)


def test_gini_is_half_the_mean_difference_over_the_mean():
    # Listed 1, 2 and 3 times, mean 2; the 9 ordered pairs differ by 1 four times and by 2 twice.
    lists = rows([0, 1], [1, 2], [2, 2])
    assert metrics.gini(lists, num_movies=3) == pytest.approx(((4 * 1 + 2 * 2) / 9) / (2 * 2))


def test_gini_is_0_where_all_movies_are_listed_equally_often():
    assert metrics.gini(rows([0, 1], [2, 3]), num_movies=4) == 0


def test_gini_of_equal_lists_is_the_share_of_the_catalogue_outside_them():
    assert metrics.gini(rows([5, 7], [5, 7], [7, 5]), num_movies=100) == pytest.approx(1 - 2 / 100)


LIST_METRICS: dict[str, Callable[[np.ndarray, int], float]] = {
    "catalogue_coverage": metrics.catalogue_coverage,
    "novelty": lambda lists, num_movies: metrics.novelty(lists, np.arange(num_movies), num_users=99),
    "gini": metrics.gini,
}
each_list_metric = pytest.mark.parametrize("metric", LIST_METRICS.values(), ids=LIST_METRICS)


@each_list_metric
def test_rows_past_the_catalogue_are_empty_slots(metric):
    assert metric(rows([0, 2, 3], [2, 3, 4]), 3) == metric(rows([0], [2], [2]), 3)


@each_list_metric
def test_rows_below_0_are_refused(metric):
    with pytest.raises(ValueError, match="lists hold row -1"):
        metric(rows([0, -1]), 3)


@each_list_metric
@pytest.mark.parametrize("lists", [rows([3, 3]), np.zeros((0, 2), dtype=np.int32)], ids=["empty slots", "no users"])
def test_lists_of_nothing_cover_nothing_and_have_no_other_figure(metric, lists):
    figure = metric(lists, 3)
    assert figure == 0 if metric is LIST_METRICS["catalogue_coverage"] else math.isnan(figure)


@st.composite
def movie_lists(draw):
    """(lists [users, k], num_movies); row num_movies is an empty slot."""
    num_movies, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    row = st.lists(st.integers(0, num_movies), min_size=k, max_size=k)
    lists = rows(*draw(st.lists(row, min_size=1, max_size=6)))
    hypothesis.assume((lists < num_movies).any())
    return lists, num_movies


@hypothesis.given(movie_lists())
def test_list_metrics_agree_with_their_definitions(drawn):
    lists, num_movies = drawn
    listed = [row for movies in lists.tolist() for row in movies if row < num_movies]
    counts = [listed.count(row) for row in range(num_movies)]
    difference = sum(abs(count - other) for count in counts for other in counts)
    assert metrics.catalogue_coverage(lists, num_movies) == len(set(listed)) / num_movies
    assert metrics.gini(lists, num_movies) == pytest.approx(difference / (2 * num_movies * sum(counts)))
    assert metrics.novelty(lists, np.arange(num_movies), num_users=99) == pytest.approx(
        sum(-math.log2(max(row, 1) / 99) for row in listed) / len(listed)
    )


@each_list_metric
@hypothesis.given(drawn=movie_lists(), data=st.data())
def test_the_order_of_users_and_ranks_does_not_matter(metric, drawn, data):
    lists, num_movies = drawn
    users = np.array(data.draw(st.permutations(range(lists.shape[0]))))
    ranks = np.array(data.draw(st.permutations(range(lists.shape[1]))))
    assert metric(lists[users][:, ranks], num_movies) == pytest.approx(metric(lists, num_movies))


@pytest.mark.parametrize("metric", [metrics.catalogue_coverage, metrics.gini])
@hypothesis.given(drawn=movie_lists(), data=st.data())
def test_which_movie_has_which_row_does_not_matter(metric, drawn, data):
    lists, num_movies = drawn
    new_row = np.array([*data.draw(st.permutations(range(num_movies))), num_movies], dtype=np.int32)
    assert metric(new_row[lists], num_movies) == metric(lists, num_movies)


# How varied a list is.

# Movies of genres a, a and b, b, none, and a again.
GENRES_OF_MOVIES = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], np.float64)


@pytest.mark.parametrize(
    ("movies", "expected"),
    [
        ([0, 4], 0),
        ([0, 2], 1),
        ([0, 1], 1 - 1 / math.sqrt(2)),
        ([0, 1, 2], 1 - (1 / math.sqrt(2) + 0 + 1 / math.sqrt(2)) / 3),
        ([0, 3, 2], 1),
        ([0, 2, 5], 1),
        ([0, 3, 5], math.nan),
        ([5, 5, 5], math.nan),
    ],
    ids=["alike", "unlike", "half alike", "three", "one without genres", "an empty slot", "no pair", "nothing"],
)
def test_diversity_is_the_mean_dissimilarity_of_pairs(movies, expected):
    diversity = metrics.intra_list_diversity(rows(movies), GENRES_OF_MOVIES)
    assert diversity.tolist() == pytest.approx([expected], nan_ok=True)


def test_diversity_is_one_number_for_each_list():
    assert metrics.intra_list_diversity(rows([0, 4], [0, 2]), GENRES_OF_MOVIES).tolist() == pytest.approx([0, 1])
