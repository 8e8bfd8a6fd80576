"""The order of each user's ratings against sorting by hand, and how much less they count the older they are."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from movierec_jax.data.arrays import history_positions
from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.features.rating_time import recency, recency_of


@hypothesis.given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=30))
def test_turns_sort_each_owners_ratings_by_time_and_those_of_one_time_by_place(rows):
    owner, timestamp = np.array(rows, np.int64).reshape(-1, 2).T
    position = history_positions(owner, timestamp)
    for one in set(owner.tolist()):
        mine = np.flatnonzero(owner == one)
        in_order = mine[np.argsort(position[mine])]
        assert in_order.tolist() == sorted(mine, key=lambda place: (timestamp[place], place))
        assert sorted(position[mine]) == list(range(len(mine)))


def test_the_last_rating_counts_1_and_each_before_it_less():
    assert [recency(position, 4) for position in range(4)] == [(1 / 4) ** 2, (2 / 4) ** 2, (3 / 4) ** 2, 1]


def test_ratings_count_by_their_turn_but_all_alike_where_their_owner_has_no_times():
    owner = np.array([0, 1, 0, 1, 2])
    weight = recency_of(owner, np.array([20, NO_TIMESTAMP, 10, NO_TIMESTAMP, 5]))
    assert weight.dtype == np.float32
    assert weight.tolist() == [1, 1, (1 / 2) ** 2, 1, 1]


def test_a_rating_without_a_time_is_older_than_those_that_have_one():
    assert recency_of(np.array([0, 0]), np.array([10, NO_TIMESTAMP])).tolist() == [1, (1 / 2) ** 2]
