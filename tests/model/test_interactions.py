"""Every rating and feature once in each layout, and what they say recomputed by hand."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from movierec_jax.data.arrays import OFFSET_DAMPING, damped_means
from movierec_jax.data.schema import FeatureBags, Ratings
from movierec_jax.model.interactions import (
    ALIGNMENT,
    aligned_empty,
    build_interactions,
    pad_links,
    segment_length,
)

many = hypothesis.settings(deadline=None, max_examples=60)
owners_of_links = st.lists(st.integers(0, 4), max_size=12)


def ratings_of(*rows) -> Ratings:
    """Ratings from (user row, movie row, stars)."""
    user, movie, stars = np.array(rows, np.float64).reshape(-1, 3).T
    nothing = np.zeros(len(rows), np.int64), np.zeros((len(rows), 0), np.int32)
    return Ratings(user.astype(np.int32), movie.astype(np.int32), stars.astype(np.float32), *nothing)


def bags_of(*entries, num_features=0) -> FeatureBags:
    """FeatureBags from (row, feature, value)."""
    row, feature, value = np.array(entries, np.float64).reshape(-1, 3).T
    names = tuple(f"feature {n}" for n in range(num_features))
    return FeatureBags(row.astype(np.int32), feature.astype(np.int32), value.astype(np.float32), names)


def content_of(links) -> list[tuple]:
    """(link, owner, other, values) of every index that is not filling, in the order of links."""
    owner = np.broadcast_to(links.owner, links.link.shape)
    columns = (links.link, owner, links.other, *links.values)
    is_link = links.link >= 0
    return sorted(zip(*(column[is_link].tolist() for column in columns), strict=True))


# Padded links.


@many
@hypothesis.given(owners_of_links, st.integers(1, 3))
def test_every_link_has_one_slot_and_filling_is_zero(owners, length):
    owner = np.array(owners, np.int32)
    other, value = np.arange(len(owner), dtype=np.int32) + 7, np.arange(len(owner), dtype=np.float32) / 2
    links = pad_links(owner, other, value, -value, length=length)
    expected = zip(range(len(owner)), owners, other.tolist(), value.tolist(), (-value).tolist(), strict=True)
    assert content_of(links) == list(expected)
    is_filling = links.link == -1
    assert all(not column[is_filling].any() for column in (links.other, *links.values))


@many
@hypothesis.given(owners_of_links, st.integers(1, 3))
def test_owners_rise_and_have_the_fewest_segments_that_hold_their_links(owners, length):
    links = pad_links(np.array(owners, np.int32), np.zeros(len(owners), np.int32), length=length)
    expected = [owner for owner in range(5) for _ in range(-(-owners.count(owner) // length))]
    assert links.owner.tolist() == expected
    assert links.link.shape == (length, len(expected))


@pytest.mark.parametrize(("links_of_each", "length"), [([], 4), ([1] * 9, 4), ([5] * 9, 8), ([64, 640], 64)])
def test_segments_are_about_as_long_as_owners_have_links(links_of_each, length):
    assert segment_length([np.repeat(np.arange(len(links_of_each), dtype=np.int32), links_of_each)]) == length


@pytest.mark.parametrize(("num_links", "num_segments"), [(0, 0), (1, 1), (8, 1), (9, 2)])
def test_a_link_beyond_a_full_segment_begins_another(num_links, num_segments):
    links = pad_links(np.full(num_links, 3, np.int32), np.zeros(num_links, np.int32), length=8)
    assert links.owner.tolist() == [3] * num_segments
    assert (links.link >= 0).sum() == num_links


def test_arrays_have_the_dtypes_that_a_compiled_step_expects():
    links = pad_links(np.int32([0]), np.int32([1]), np.float64([0.5]))
    assert [array.dtype for array in (links.owner, links.other, links.link, *links.values)] == [
        np.int32,
        np.int32,
        np.int32,
        np.float32,
    ]


# Values of ratings.

# User 2 and movie 3 have no rating.
FOUR = ratings_of((0, 0, 5), (1, 0, 4), (1, 1, 2), (0, 2, 1))
NO_CONTENT = bags_of()
MEAN = (5 + 4 + 2 + 1) / 4
LEVEL = damped_means(FOUR.movie_row, FOUR.rating, 4)


def interactions_of_four(user_content=NO_CONTENT, movie_content=NO_CONTENT):
    return build_interactions(FOUR, 3, 4, user_content, movie_content)


def level_of(*stars) -> float:
    """The mean of some stars with five ratings at the mean of all beside them."""
    return (sum(stars) + OFFSET_DAMPING * MEAN) / (len(stars) + OFFSET_DAMPING)


def test_the_level_of_a_row_is_its_mean_pulled_to_the_mean_of_all_ratings():
    expected = [level_of(5, 4), level_of(2), level_of(1), MEAN, MEAN]
    np.testing.assert_allclose(damped_means(FOUR.movie_row, FOUR.rating, 4), expected)


def test_a_rating_is_its_deviation_from_the_movie_for_users_and_from_the_user_for_movies():
    movie_level = [level_of(5, 4), level_of(2), level_of(1)]
    user_level = [level_of(5, 1), level_of(4, 2)]
    rows = list(zip(FOUR.user_row, FOUR.movie_row, FOUR.rating, strict=True))
    to_user, to_movie = zip(
        *((stars - movie_level[movie], stars - user_level[user]) for user, movie, stars in rows), strict=True
    )
    expected = list(enumerate(zip(FOUR.user_row, FOUR.movie_row, to_user, to_movie, strict=True)))
    seen = interactions_of_four()
    assert content_of(seen.by_user) == [
        (link, user, movie, pytest.approx(one), pytest.approx(other)) for link, (user, movie, one, other) in expected
    ]
    assert content_of(seen.by_movie) == [
        (link, movie, user, pytest.approx(one), pytest.approx(other)) for link, (user, movie, one, other) in expected
    ]


def test_a_users_other_ratings_change_a_deviation_only_through_the_mean_of_all_ratings():
    # So that what is left of a history says nothing of the rating that was left out.
    more = ratings_of((0, 0, 5), (1, 0, 4), (1, 1, 2), (0, 2, 4))
    one, other = (
        content_of(build_interactions(train, 3, 4, NO_CONTENT, NO_CONTENT).by_user)[0] for train in (FOUR, more)
    )
    means = (MEAN, (5 + 4 + 2 + 4) / 4)
    # All that differs is the mean of all, by the damping.
    assert other[3] - one[3] == pytest.approx((means[0] - means[1]) * OFFSET_DAMPING / (2 + OFFSET_DAMPING), rel=1e-4)


@many
@hypothesis.given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=15))
def test_both_layouts_hold_the_same_ratings_and_counts_say_how_many(rows):
    train = ratings_of(*rows)
    seen = build_interactions(train, 4, 5, NO_CONTENT, NO_CONTENT)
    by_user, by_movie = content_of(seen.by_user), content_of(seen.by_movie)
    assert [row[1:3] for row in by_user] == [(user, movie) for user, movie, _ in rows]
    assert [(link, movie, user, *values) for link, user, movie, *values in by_user] == by_movie
    assert seen.user_count.tolist() == [*np.bincount(train.user_row, minlength=4), 0]
    assert seen.movie_count.tolist() == [*np.bincount(train.movie_row, minlength=5), 0]


def test_cold_rows_are_counted_0_and_have_no_pieces():
    seen = interactions_of_four()
    assert seen.user_count.tolist() == [2, 2, 0, 0]
    assert seen.movie_count.tolist() == [2, 1, 1, 0, 0]
    assert seen.by_user.owner.tolist() == [0, 1]
    assert seen.by_movie.owner.tolist() == [0, 1, 2]


# Content.


def test_content_lies_by_row_and_by_feature():
    movies = bags_of((0, 0, 0.6), (0, 1, 0.8), (1, 1, 1), (3, 2, 1), num_features=4)
    seen = interactions_of_four(movie_content=movies)
    assert content_of(seen.movie_features) == [
        (link, row, feature, pytest.approx(value))
        for link, (row, feature, value) in enumerate([(0, 0, 0.6), (0, 1, 0.8), (1, 1, 1), (3, 2, 1)])
    ]
    assert [(link, row, feature) for link, feature, row, _ in content_of(seen.by_movie_feature)] == [
        row[:3] for row in content_of(seen.movie_features)
    ]


def test_content_of_users_stands_apart_from_that_of_movies():
    seen = interactions_of_four(user_content=bags_of((1, 0, 1), (2, 0, 1), num_features=1))
    assert [row[1] for row in content_of(seen.user_features)] == [1, 2]
    assert content_of(seen.movie_features) == []


def test_recent_ratings_count_most_if_asked_for():
    train = dataclasses.replace(FOUR, timestamp=np.int64([30, 20, 10, 20]))
    seen = build_interactions(train, 3, 4, NO_CONTENT, NO_CONTENT, is_recent_most=True)
    assert [row[-1] for row in content_of(seen.by_user)] == [1, 1, (1 / 2) ** 2, (1 / 2) ** 2]


def test_without_ratings_only_their_numbers_are_kept():
    whole = interactions_of_four()
    bare = build_interactions(FOUR, 3, 4, NO_CONTENT, NO_CONTENT, has_ratings=False)
    assert content_of(bare.by_user) == content_of(bare.by_movie) == []
    np.testing.assert_array_equal(bare.user_count, whole.user_count)
    np.testing.assert_array_equal(bare.movie_count, whole.movie_count)


@pytest.mark.parametrize("length", [1, 1000, 10**6])
def test_arrays_begin_at_multiples_of_the_alignment(length):
    array = aligned_empty(length, np.int32)
    assert (len(array), array.dtype) == (length, np.int32)
    assert array.ctypes.data % ALIGNMENT == 0


# Ratings from reviews.


def test_ratings_from_reviews_are_links_after_those_of_train_and_change_no_level():
    train, from_reviews = ratings_of((0, 0, 5), (0, 1, 1), (1, 0, 3)), ratings_of((1, 1, 4))
    alone, interactions = (
        build_interactions(train, 2, 2, NO_CONTENT, NO_CONTENT, from_reviews=more) for more in (None, from_reviews)
    )
    level = damped_means(train.movie_row, train.rating, 3)
    assert content_of(interactions.by_user)[:3] == content_of(alone.by_user)
    link, owner, other, to_user, _ = content_of(interactions.by_user)[3]
    assert (link, owner, other) == (3, 1, 1)
    assert to_user == pytest.approx(4 - level[1], abs=1e-6)
    assert [row[:3] for row in content_of(interactions.by_movie)][3] == (3, 1, 1)
    assert interactions.user_count.tolist() == alone.user_count.tolist()
