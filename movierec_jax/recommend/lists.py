"""Lists and what is asked for: records, and how users are taken a block at a time."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, Int64

from movierec_jax.config import ScoreConfig
from movierec_jax.data.arrays import csr_offsets, members_of_groups, stable_argsort
from movierec_jax.model.two_tower import TwoTowers

# Scores of a block that the host sorts, 64 MiB as float32.
HOST_ELEMENTS = 2**24


@dataclasses.dataclass(frozen=True)
class TopK:
    """The best movies of some users, best first; equal scores by movie row.

    movie_row: the number of movies marks an empty slot, where a user has fewer than k movies to choose from.
    score: what the list is ordered by, -inf in empty slots.
    predicted_rating: not clipped to the rating scale; NaN where the model has learnt from no ratings.
    """

    movie_row: Int32[np.ndarray, "users k"]
    score: Float32[np.ndarray, "users k"]
    predicted_rating: Float32[np.ndarray, "users k"]


@dataclasses.dataclass(frozen=True)
class SeenMovies:
    """Movies rated by each of a set of users, as CSR: user n rated `movie_row[start[n]:start[n + 1]]`."""

    start: Int64[np.ndarray, " users_and_one"]
    movie_row: Int32[np.ndarray, " ratings"]

    @classmethod
    def of(cls, user: Int[np.ndarray, " n"], movie_row: Int32[np.ndarray, " n"], num_users: int, num_movies: int):
        """From ratings by users 0 to num_users - 1; leaves out other users (-1) and unknown movies."""
        is_wanted = (user >= 0) & (movie_row < num_movies)
        user, movie_row = user[is_wanted], movie_row[is_wanted]
        return cls(csr_offsets(np.bincount(user, minlength=num_users)), movie_row[stable_argsort(user)])

    def of_users(self, users: Int[np.ndarray, " n"]) -> "SeenMovies":
        """Returns the movies of these users, in this order; -1 stands for a user who has rated nothing."""
        start, index = members_of_groups(self.start, users)
        return SeenMovies(start, self.movie_row[index])

    def of_user(self, user: int) -> Int32[np.ndarray, " _rated"]:
        """Returns the movies of one user."""
        return self.movie_row[self.start[user] : self.start[user + 1]]

    def mask(self, users: slice, shape: tuple[int, int]) -> Bool[np.ndarray, "users movies"]:
        """Returns whether each of a range of users has rated each movie; False in rows after the last of them."""
        start = self.start[users.start : users.stop + 1]
        mask = np.zeros(shape, bool)
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        mask[row, self.movie_row[start[0] : start[-1]]] = True
        return mask


@dataclasses.dataclass(frozen=True)
class ListRequest:
    """Which lists are wanted.

    user_row: rows of the scorer's users. seen: what each of them has rated, which lists leave out.
    k: movies in a list, at most as many as there are.
    is_listed: whether each user's list may hold each movie; one row stands for all users, None for all movies.
    diversity: 0 to below 1, how much similarity to movies above it counts against a movie.
    """

    user_row: Int32[np.ndarray, " users"]
    seen: SeenMovies
    k: int
    is_listed: Bool[np.ndarray, "users_or_one movies"] | None = None
    diversity: float = ScoreConfig.diversity

    def left_out(self, users: slice, shape: tuple[int, int]) -> Bool[np.ndarray, "users movies"]:
        """Returns whether the lists of a range of users have to leave out each movie."""
        is_left_out = self.seen.mask(users, shape)
        if self.is_listed is not None:
            is_left_out[: users.stop - users.start] |= ~(self.is_listed if self.is_for_all else self.is_listed[users])
        return is_left_out

    def listed_rows(self, users: slice) -> list[Int[np.ndarray, " _listed"]] | None:
        """Returns the rows of the movies that each list of a range of users may hold; None for all movies."""
        if self.is_listed is None:
            return None
        if self.is_for_all:
            return [np.flatnonzero(self.is_listed[0])] * (users.stop - users.start)
        return [np.flatnonzero(row) for row in self.is_listed[users]]

    @property
    def is_for_all(self) -> bool:
        """Whether one row of `is_listed` stands for all users."""
        return self.is_listed is not None and len(self.is_listed) == 1


def block_length(model: TwoTowers, tile: int, num_users: int) -> int:
    """Returns the number of users in a block: `num_users` or more, in whole tiles on every device."""
    step = tile * (1 if model.mesh is None else model.mesh.size)
    return -(-max(1, num_users) // step) * step


def ranges(num_users: int, length: int) -> Iterator[slice]:
    """Yields the users block by block, the last perhaps shorter; one empty range for no users."""
    for first in range(0, max(1, num_users), length):
        yield slice(first, min(first + length, num_users))


def one_ahead(jobs: Iterable) -> Iterator:
    """Yields the jobs in order, each after the next one has been started."""
    waiting = []
    for job in jobs:
        waiting.append(job)
        if len(waiting) == 2:
            yield waiting.pop(0)
    yield from waiting
