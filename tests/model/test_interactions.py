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
    new_user_links,
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
    """(link, owner, other, values) of every place that is not filling, in the order of links."""
    owner = np.broadcast_to(links.owner, links.link.shape)
    columns = (links.link, owner, links.other, *links.values)
    is_link = links.link >= 0
    return sorted(zip(*(column[is_link].tolist() for column in columns), strict=True))


# Links in pieces.


@many
@hypothesis.given(owners_of_links, st.integers(1, 3))
def test_every_link_has_one_place_and_filling_says_nothing(owners, length):
    owner = np.array(owners, np.int32)
    other, value = np.arange(len(owner), dtype=np.int32) + 7, np.arange(len(owner), dtype=np.float32) / 2
    links = pad_links(owner, other, value, -value, length=length)
    expected = zip(range(len(owner)), owners, other.tolist(), value.tolist(), (-value).tolist(), strict=True)
    assert content_of(links) == list(expected)
    is_filling = links.link == -1
    assert all(not column[is_filling].any() for column in (links.other, *links.values))


@many
@hypothesis.given(owners_of_links, st.integers(1, 3))
def test_owners_rise_and_have_as_few_pieces_as_hold_their_links(owners, length):
    links = pad_links(np.array(owners, np.int32), np.zeros(len(owners), np.int32), length=length)
    expected = [owner for owner in range(5) for _ in range(-(-owners.count(owner) // length))]
    assert links.owner.tolist() == expected
    assert links.link.shape == (length, len(expected))


@pytest.mark.parametrize(("links_of_each", "length"), [([], 4), ([1] * 9, 4), ([5] * 9, 8), ([64, 640], 64)])
def test_pieces_are_about_as_long_as_owners_have_links(links_of_each, length):
    assert segment_length(np.repeat(np.arange(len(links_of_each), dtype=np.int32), links_of_each)) == length


@pytest.mark.parametrize(("num_links", "num_segments"), [(0, 0), (1, 1), (8, 1), (9, 2)])
def test_an_owner_has_a_piece_more_for_the_link_that_one_cannot_hold(num_links, num_segments):
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


# What ratings say.

# User 2 and movie 3 have no rating.
FOUR = ratings_of((0, 0, 5), (1, 0, 4), (1, 1, 2), (0, 2, 1))
NO_CONTENT = bags_of()
MEAN = (5 + 4 + 2 + 1) / 4
LEVEL = damped_means(FOUR.movie_row, FOUR.rating, 4)


def known_four(user_content=NO_CONTENT, movie_content=NO_CONTENT):
    return build_interactions(FOUR, 3, 4, user_content, movie_content)


def level_of(*stars) -> float:
    """The mean of some stars with five ratings at the mean of all beside them."""
    return (sum(stars) + OFFSET_DAMPING * MEAN) / (len(stars) + OFFSET_DAMPING)


def test_the_level_of_a_row_is_its_mean_pulled_to_that_of_all_which_rows_without_ratings_have():
    expected = [level_of(5, 4), level_of(2), level_of(1), MEAN, MEAN]
    np.testing.assert_allclose(damped_means(FOUR.movie_row, FOUR.rating, 4), expected)


def test_a_rating_tells_its_user_how_far_it_is_above_its_movie_and_its_movie_how_far_above_its_user():
    movie_level = [level_of(5, 4), level_of(2), level_of(1)]
    user_level = [level_of(5, 1), level_of(4, 2)]
    rows = list(zip(FOUR.user_row, FOUR.movie_row, FOUR.rating, strict=True))
    to_user, to_movie = zip(
        *((stars - movie_level[movie], stars - user_level[user]) for user, movie, stars in rows), strict=True
    )
    expected = list(enumerate(zip(FOUR.user_row, FOUR.movie_row, to_user, to_movie, strict=True)))
    seen = known_four()
    assert content_of(seen.by_user) == [
        (link, user, movie, pytest.approx(one), pytest.approx(other)) for link, (user, movie, one, other) in expected
    ]
    assert content_of(seen.by_movie) == [
        (link, movie, user, pytest.approx(one), pytest.approx(other)) for link, (user, movie, one, other) in expected
    ]


def test_a_users_other_ratings_change_what_a_rating_tells_the_user_by_the_mean_of_all_alone():
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
    seen = known_four()
    assert seen.user_count.tolist() == [2, 2, 0, 0]
    assert seen.movie_count.tolist() == [2, 1, 1, 0, 0]
    assert seen.by_user.owner.tolist() == [0, 1]
    assert seen.by_movie.owner.tolist() == [0, 1, 2]


# Content.


def test_content_lies_by_row_and_by_feature_and_a_feature_counts_the_ratings_of_those_who_have_it():
    movies = bags_of((0, 0, 0.6), (0, 1, 0.8), (1, 1, 1), (3, 2, 1), num_features=4)
    seen = known_four(movie_content=movies)
    assert content_of(seen.movie_features) == [
        (link, row, feature, pytest.approx(value))
        for link, (row, feature, value) in enumerate([(0, 0, 0.6), (0, 1, 0.8), (1, 1, 1), (3, 2, 1)])
    ]
    assert [(link, row, feature) for link, feature, row, _ in content_of(seen.by_movie_feature)] == [
        row[:3] for row in content_of(seen.movie_features)
    ]
    # Movie 0 has 2 ratings, movie 1 has 1, movie 3 none; feature 3 is of no movie.
    assert seen.movie_feature_count.tolist() == [2, 2 + 1, 0, 0]
    assert seen.user_feature_count.tolist() == []


def test_content_of_users_stands_apart_from_that_of_movies():
    seen = known_four(user_content=bags_of((1, 0, 1), (2, 0, 1), num_features=1))
    assert [row[1] for row in content_of(seen.user_features)] == [1, 2]
    assert seen.user_feature_count.tolist() == [2 + 0]
    assert content_of(seen.movie_features) == []


# Users who are not in train.


def test_a_new_users_ratings_say_what_the_same_ratings_of_a_user_of_train_say():
    of_user_1 = FOUR.user_row == 1
    counts = np.float32([0.25, 1])
    links = new_user_links(
        damped_means(FOUR.movie_row, FOUR.rating, 4),
        np.int32([0, 0]),
        FOUR.movie_row[of_user_1],
        FOUR.rating[of_user_1],
        counts,
    )
    known_links = [row for row in content_of(known_four().by_user) if row[1] == 1]
    assert [row[2:4] for row in content_of(links)] == [row[2:4] for row in known_links]
    assert [row[4] for row in content_of(links)] == counts.tolist()


def test_a_new_users_rating_of_a_cold_movie_is_held_against_the_mean_of_all():
    links = new_user_links(
        damped_means(FOUR.movie_row, FOUR.rating, 4), np.int32([0]), np.int32([3]), np.float32([5]), np.float32([1])
    )
    assert content_of(links) == [(0, 0, 3, 5 - MEAN, 1)]


def test_the_latest_ratings_count_most_where_they_are_to():
    train = dataclasses.replace(FOUR, timestamp=np.int64([30, 20, 10, 20]))
    seen = build_interactions(train, 3, 4, NO_CONTENT, NO_CONTENT, is_recent_most=True)
    assert [row[-1] for row in content_of(seen.by_user)] == [1, 1, (1 / 2) ** 2, (1 / 2) ** 2]


def test_where_no_tower_looks_at_ratings_there_are_but_their_numbers():
    whole = known_four()
    bare = build_interactions(FOUR, 3, 4, NO_CONTENT, NO_CONTENT, has_ratings=False)
    assert content_of(bare.by_user) == content_of(bare.by_movie) == []
    np.testing.assert_array_equal(bare.user_count, whole.user_count)
    np.testing.assert_array_equal(bare.movie_count, whole.movie_count)


@pytest.mark.parametrize("length", [1, 1000, 10**6])
def test_arrays_begin_where_jax_takes_them_as_they_stand(length):
    array = aligned_empty(length, np.int32)
    assert (len(array), array.dtype) == (length, np.int32)
    assert array.ctypes.data % ALIGNMENT == 0


# What users wrote of movies that they have not rated.


def test_what_users_wrote_are_links_after_those_of_train_and_move_no_level():
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
