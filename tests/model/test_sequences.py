"""Rows of sequences hold each user's movies in order: whole ones end to end, or the last ones of each user uncut."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from movierec_jax.data.schema import NO_TIMESTAMP
from movierec_jax.model.inputs import Sequences
from movierec_jax.model.sequences import UserSequences, last_movies, pad_sequences, passes_end_to_end

# Users and times of ratings; the movie is the rating's position, and its deviation a tenth of that.
tables = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=60)


def columns(table):
    user, time = (np.array(column) for column in zip(*table, strict=True))
    movie = np.arange(len(table), dtype=np.int32)
    return user.astype(np.int32), movie, np.float32(movie / 10), time.astype(np.int64)


def in_order_of_time(table):
    """The movies of each user as a plain sort has them."""
    users = sorted({user for user, _ in table})
    of_user = {user: [n for n, (owner, _) in enumerate(table) if owner == user] for user in users}
    return {user: sorted(movies, key=lambda n: table[n][1]) for user, movies in of_user.items()}


def runs_of_users(sequences):
    """The user and movies of each stretch of slots of one user, row by row."""
    found = []
    for users, movies in zip(sequences.user, sequences.movie_row, strict=True):
        starts = np.flatnonzero(np.append(True, users[1:] != users[:-1]))
        for start, end in zip(starts, [*starts[1:], len(users)], strict=True):
            if users[start] >= 0:
                found.append((int(users[start]), movies[start:end].tolist()))
    return found


@hypothesis.given(table=tables, length=st.sampled_from([4, 8, 16]))
def test_the_last_movies_of_each_user_stand_together_in_one_row(table, length):
    sequences = last_movies(*columns(table), length=length)
    expected = {user: movies[-length:] for user, movies in in_order_of_time(table).items()}
    found = runs_of_users(sequences)
    assert dict(found) == expected
    assert len(found) == len(expected)
    is_slot = sequences.user >= 0
    np.testing.assert_array_equal(sequences.deviation, np.where(is_slot, np.float32(sequences.movie_row / 10), 0))


@hypothesis.given(
    table=tables,
    num_passes=st.integers(1, 3),
    steps=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    multiple=st.integers(1, 3),
    seed=st.integers(0, 2),
)
def test_each_pass_has_all_movies_in_order_cut_only_at_the_ends_of_rows(table, num_passes, steps, multiple, seed):
    sequences = passes_end_to_end(
        *columns(table), length=8, num_passes=num_passes, shape=steps, multiple=multiple, seed=seed
    )
    assert sequences.user.shape[:2] == steps
    assert sequences.user.shape[2] % multiple == 0
    rows = Sequences(*(column.reshape(-1, 8) for column in sequences))
    assert np.bincount(rows.movie_row[rows.user >= 0]).tolist() == [num_passes] * len(table)
    expected = in_order_of_time(table)
    for users, movies in zip(rows.user, rows.movie_row, strict=True):
        runs = runs_of_users(Sequences(users[None], movies[None], movies[None]))
        for number, (user, run) in enumerate(runs):
            first = expected[user].index(run[0])
            assert expected[user][first : first + len(run)] == run
            assert first == 0 or users[0] == user
            assert run[-1] == expected[user][-1] or (number == len(runs) - 1 and users[-1] == user)


def test_passes_and_seeds_put_users_in_different_orders():
    table = [(user, 0) for user in range(50)]
    first, second = (
        passes_end_to_end(*columns(table), length=64, num_passes=2, shape=(2, 1), seed=seed).user for seed in (0, 1)
    )
    passes = [[user for user in rows.flat if user >= 0] for rows in (first[0], first[1], second[0])]
    assert passes[0] != passes[1]
    assert passes[0] != passes[2]


def test_movies_watched_but_not_rated_deviate_by_nothing():
    user, movie, _, time = columns([(0, 1), (0, 2)])
    sequences = last_movies(user, movie, np.float32([np.nan, 2]), time, length=4)
    assert sequences.deviation[0, :2].tolist() == [0, 2]


def test_without_times_the_order_is_that_of_the_table():
    user, movie, deviation, time = columns([(0, 0)] * 5)
    sequences = last_movies(user, movie, deviation, np.full_like(time, NO_TIMESTAMP), length=4)
    assert runs_of_users(sequences) == [(0, [1, 2, 3, 4])]


def test_rows_that_are_added_are_empty():
    sequences = last_movies(*columns([(0, 0)]), length=4)
    padded = pad_sequences(sequences, 3)
    assert padded.user.tolist() == [[0, -1, -1, -1], [-1] * 4, [-1] * 4]


@hypothesis.given(table=tables, length=st.sampled_from([4, 8, 16]), chosen=st.sets(st.integers(0, 5), min_size=1))
def test_some_users_stand_in_their_places_among_all_users_and_in_nobody_elses(table, length, chosen):
    num_users = 6
    every = last_movies(*columns(table), length=length)
    users = np.array(sorted(chosen))
    some = UserSequences.of(*columns(table), num_users, length).lay_out(users)
    place = {user: (np.flatnonzero((every.user == user).any(axis=0))).tolist() for user in range(num_users)}
    of_all = dict(runs_of_users(every))
    for number, user in enumerate(users.tolist()):
        assert np.flatnonzero((some.user == number).any(axis=0)).tolist() == place[user]
    found = runs_of_users(some)
    assert {users[number]: movies for number, movies in found} == {
        user: movies for user, movies in of_all.items() if user in chosen
    }
    assert len(found) == len({number for number, _ in found})
