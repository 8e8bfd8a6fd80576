"""The scale of ratings, the value that stands for none, and the ratings that are relevant, told from the ratings."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.values.scale import counts_of, find_unrated_value, infer_scale, relevant_threshold


def spread(shares: dict, total: int = 1000) -> np.ndarray:
    """Ratings of which each has its share of the total."""
    return np.repeat(np.array(list(shares), np.float32), [round(share * total) for share in shares.values()])


def ends(rating) -> tuple[float, float]:
    scale = infer_scale(np.asarray(rating, np.float32))
    return scale.lowest, scale.highest


@pytest.mark.parametrize(
    ("rating", "scale"),
    [
        ([2, 4], (1, 5)),
        ([1, 2, 3, 4], (1, 5)),
        ([0.5, 4], (0.5, 5)),
        ([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4], (0.5, 4)),
        ([0, 4], (0, 5)),
        ([1, 1], (0, 1)),
        ([0, 0.5], (0, 1)),
        ([-1, 1], (-1, 1)),
        ([-1, -0.5, 0, 0.5, 1], (-1, 1)),
        ([-2, 0, 2], (-2, 2)),
        ([1, 3, 4, 5, 7], (1, 7)),
        ([4, 5, 7], (1, 10)),
        ([1, 2, 3, 4, 5, 6], (1, 6)),
        ([1, 9.5], (1, 10)),
        ([2, 4, 6, 8, 10], (1, 10)),
        ([0, 9.5], (0, 10)),
        ([-9, 9], (-10, 10)),
        ([-9.95, -3.2, 0.4, 9.9], (-10, 10)),
        ([10, 20, 30, 40, 50], (0, 50)),
        ([20, 40, 60, 80, 100], (0, 100)),
        ([0, 99], (0, 100)),
        ([3, 14, 17.5], (0, 20)),
        ([100, 200, 300], (100, 300)),
        ([-1, 1, 5, 10], (-1, 10)),
        ([-50, 200], (-50, 200)),
    ],
)
def test_an_inferred_scale_is_a_usual_one_or_the_range_of_the_ratings(rating, scale):
    assert ends(rating) == scale


def test_without_ratings_the_scale_is_the_first():
    assert ends([]) == ends([np.nan]) == (0, 1)


@pytest.mark.parametrize(
    ("num_outside", "value", "scale"),
    [
        (10, 99, (1, 5)),
        (10, 999, (1, 5)),
        (11, 99, (0, 100)),
        (10, -1, (1, 5)),
        (3, 10, (1, 10)),
        (3, 8, (1, 10)),
        (1, 0.5, (0.5, 5)),
        (1, 0, (0, 5)),
    ],
)
def test_a_hundredth_may_lie_outside_if_it_is_far_off(num_outside, value, scale):
    assert ends([1.0, 5.0] * 495 + [5.0] * (10 - num_outside) + [value] * num_outside) == scale


def test_the_reason_names_the_ratings_and_those_outside():
    assert infer_scale(np.array([1.0, 3.0, 7.0])).reason == "the ratings are 1, 3, 7"
    few = infer_scale(np.array([1.0, 5.0] * 200 + [99.0]))
    assert few.reason == "the ratings are 1, 5; 1 of 401, such as 99, lie outside"
    assert infer_scale(np.array([100.0, 300.0])).reason == "the ratings are 100, 300, on none of the usual scales"


@pytest.mark.parametrize("seed", range(3))
def test_play_counts_are_said_to_look_like_counts_and_keep_their_range(seed):
    generator = np.random.default_rng(seed)
    for plays in (
        generator.geometric(0.2, 2000),
        np.ceil(generator.pareto(1.2, 2000)),
        generator.integers(3, 5000, 99),
    ):
        plays = np.maximum(plays, 1).astype(np.float32)
        scale = infer_scale(plays)
        assert (scale.lowest, scale.highest) == (plays.min(), plays.max())
        assert "look like counts" in scale.reason


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(stars=st.lists(st.integers(1, 5), min_size=1, max_size=30), times=st.integers(1, 4))
def test_a_scale_depends_on_shares_alone_and_holds_all_stars(stars, times):
    lowest, highest = ends(stars)
    assert lowest <= min(stars) <= max(stars) <= highest
    assert ends(stars * times) == ends(stars[::-1]) == (lowest, highest)


@pytest.mark.parametrize("lowest", [0.5, 1])
def test_stars_times_two_twenty_or_ten_are_on_a_scale_up_to_so_much(lowest):
    stars = np.arange(lowest, 5.5, lowest)
    assert ends(stars) == (lowest, 5)
    assert [ends(stars * times)[1] for times in (2, 10, 20)] == [10, 50, 100]


# Seen, not rated.

BOOKS = {1: 0.01, 2: 0.01, 3: 0.02, 4: 0.03, 5: 0.06, 6: 0.05, 7: 0.08, 8: 0.07, 9: 0.03, 10: 0.02}
STARS = {1: 0.05, 2: 0.1, 3: 0.25, 4: 0.35, 5: 0.25}
JOKES = dict.fromkeys(np.arange(-10, 10.5, 0.5), 1 / 41)


@pytest.mark.parametrize(
    ("rest", "value", "share"),
    [(BOOKS, 0, 0.62), (BOOKS, -1, 0.2), (STARS, 0, 0.5), (JOKES, 99, 0.4), (STARS, 99, 0.1)],
)
def test_a_frequent_value_apart_from_the_ratings_means_not_rated(rest, value, share):
    others = {rating: part * (1 - share) / sum(rest.values()) for rating, part in rest.items()}
    found = find_unrated_value(counts_of(spread({value: share, **others}, 10_000)))
    assert found.value == value
    assert found.share == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "shares",
    [
        {0: 0.4, 1: 0.6},
        {-1: 0.7, 1: 0.3},
        {-1: 0.5, 0: 0.1, 1: 0.4},
        {-1: 0.5, -0.5: 0.1, 0: 0.1, 0.5: 0.1, 1: 0.2},
        {0: 0.4, 0.25: 0.1, 0.5: 0.1, 0.75: 0.2, 1: 0.2},
        STARS,
        {1: 0.4, 2: 0.05, 3: 0.05, 4: 0.1, 5: 0.4},
        {1: 0.02, 2: 0.03, 3: 0.05, 4: 0.1, 5: 0.8},
        {0: 0.001, **BOOKS},
        {0: 0.05, **STARS},
        {0: 0.6, 1: 0.2, 2: 0.1, 3: 0.05, 4: 0.03, 5: 0.02},
        JOKES,
        {1: 1.0},
    ],
    ids=str,
)
def test_no_rating_is_taken_for_not_rated_where_it_may_be_one(shares):
    assert find_unrated_value(counts_of(spread(shares))) is None


# Relevant ratings.


@pytest.mark.parametrize(
    ("shares", "scale", "threshold"),
    [
        (STARS, (1, 5), 4),
        ({-1: 0.5, 1: 0.5}, (-1, 1), 0.5),
        ({1: 0.2, 2: 0.4, 3: 0.35, 4: 0.04, 5: 0.01}, (1, 5), 4),
        ({1: 0.2, 2: 0.4, 3: 0.36, 4: 0.03, 5: 0.01}, (1, 5), 3),
        ({1: 0.1, 2: 0.2, 3: 0.2, 4: 0.3, 5: 0.19, 10: 0.01}, (1, 10), 4),
        ({1: 0.9, 2: 0.05, 3: 0.04, 500: 0.01}, (1, 500), 2),
        ({3: 1.0}, (1, 10), 3),
    ],
)
def test_where_few_ratings_are_relevant_a_lower_threshold_is_taken_and_said(shares, scale, threshold):
    lowest, highest = scale
    rating = spread(shares)
    found, reason = relevant_threshold(rating, (float(lowest), float(highest)))
    usual = lowest + 0.75 * (highest - lowest)
    assert found == threshold
    assert (reason is None) == (np.mean(rating >= usual) >= 0.05)
    assert np.mean(rating >= found) >= 0.05
    assert reason is None or reason.startswith(f"{np.mean(rating >= usual):.2%} of the ratings reach {usual:g}")


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    rating=st.lists(st.integers(0, 10), min_size=1, max_size=40), fraction=st.sampled_from([0.5, 0.75, 1.0])
)
def test_some_ratings_are_always_relevant_and_a_reason_stands_for_a_lower_threshold(rating, fraction):
    rating = np.array(rating, np.float32)
    threshold, reason = relevant_threshold(rating, (0.0, 10.0), fraction)
    assert (rating >= threshold).any()
    assert (threshold == 10 * fraction) == (reason is None)
