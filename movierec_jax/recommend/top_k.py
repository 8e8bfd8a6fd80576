"""The best unseen movies for blocks of users, exact over the whole catalogue, streamed into a file.

The catalogue is every movie with a rating in train. Users are scored in tiles of one shape, however large the blocks
are, so that a user's list does not depend, to the last bit, on who else is scored. On a CPU few users have smaller
tiles, in which XLA gives the same bits.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, Int64

from movierec_jax.config import ScoreConfig
from movierec_jax.data.arrays import pad_rows, stable_argsort
from movierec_jax.model.sharding import map_rows, rows_sharding
from movierec_jax.model.two_tower import Encoded, Members, TwoTowers, mean_implicit_score, mean_rating, member_ratings
from movierec_jax.recommend.partial_sort import best_of_users
from movierec_jax.training.state import TrainingSetup

# Numbers in the widest array of one tile: users x movies x units of a dense layer, 8 MiB as float32. Arrays that do not
# stay near the processor, or for which the system is asked anew, take longer to write than to work out.
TILE_NUMBERS = 2**21

FEW_USERS = 8

# Over how much of the rating scale the chance of a relevant rating rises, by predicted stars: a logistic curve's scale.
LIKING_SCALE = 0.3

# Users whose exposure is one product of matrices: few would read the movies' vectors over and over.
IMPLICIT_SCORE_TILE = 32

# Scores of a block that the host picks from, 64 MiB as float32.
SCORE_NUMBERS = 2**24

# Keeps a movie without factors unlike every other.
SMALLEST_SIZE = 1e-12

# Movies that a diverse list is chosen from, or more if it is longer: the same whatever its length, so that a shorter
# list begins a longer one.
CANDIDATES = 500

# Pairs per program when single predictions are asked for.
BLOCK_PAIRS = 2**14


@dataclasses.dataclass(frozen=True)
class Order:
    """What lists are ordered by: the predicted rating alone, or the implicit-feedback score times the chance of liking.

    by: "stars", or "expected_hits" for both.
    relevant_rating: stars from which a rating is relevant; scale: of the chance of it, in stars.
    """

    by: str
    relevant_rating: float
    scale: float

    def score(self, implicit_score: Float[Array, "*pairs"], stars: Float[Array, "*pairs"]) -> Float[Array, "*pairs"]:
        """The number that a list falls by."""
        if self.by == "stars":
            return stars
        chance = jax.nn.sigmoid((stars - self.relevant_rating) / self.scale)
        # Below 0 stands what is even less likely to be watched than not at all; liking it would not help.
        return jnp.where(implicit_score > 0, implicit_score * chance, implicit_score)


def order_of(setup: TrainingSetup) -> Order:
    """The order that suits what a model has learnt."""
    lowest, highest = setup.rating_scale
    return Order(
        by="expected_hits" if setup.model.config.implicit_feedback_dim else "stars",
        relevant_rating=setup.relevant_rating,
        scale=LIKING_SCALE * (highest - lowest),
    )


@dataclasses.dataclass(frozen=True)
class TopK:
    """The best movies of some users, best first; equal scores by movie row.

    A user with fewer than k movies to choose from has the number of movies in the places that stay empty.
    score: what the list falls by, -inf in empty places; stars: before they are held to the rating scale.
    """

    movie_row: Int32[np.ndarray, "users k"]
    score: Float32[np.ndarray, "users k"]
    stars: Float32[np.ndarray, "users k"]


@dataclasses.dataclass(frozen=True)
class Rated:
    """The movies that each of a list of users has rated: those of user n are `movie_row[start[n]:start[n + 1]]`."""

    start: Int64[np.ndarray, " users_and_one"]
    movie_row: Int32[np.ndarray, " ratings"]

    @classmethod
    def of(cls, place: Int[np.ndarray, " n"], movie_row: Int32[np.ndarray, " n"], num_users: int, num_movies: int):
        """From ratings whose user has `place` in the list; those of others (-1) and of unknown movies are left out."""
        is_wanted = (place >= 0) & (movie_row < num_movies)
        place, movie_row = place[is_wanted], movie_row[is_wanted]
        start = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=num_users))])
        return cls(start=start.astype(np.int64), movie_row=movie_row[stable_argsort(place)])

    def of_users(self, users: Int[np.ndarray, " n"]) -> "Rated":
        """The same of some of the users, in their order; -1 stands for somebody who has rated nothing."""
        length = np.where(users >= 0, np.diff(self.start)[users], 0)
        start = np.concatenate([[0], np.cumsum(length)])
        place = np.arange(start[-1]) + np.repeat(self.start[users] - start[:-1], length)
        return Rated(start=start.astype(np.int64), movie_row=self.movie_row[place])

    def of_user(self, user: int) -> Int32[np.ndarray, " _rated"]:
        """The movies of one of the list."""
        return self.movie_row[self.start[user] : self.start[user + 1]]

    def mask(self, users: slice, shape: tuple[int, int]) -> Bool[np.ndarray, "users movies"]:
        """Whether each user of a part of the list has rated each movie; False in rows after the last of them."""
        start = self.start[users.start : users.stop + 1]
        mask = np.zeros(shape, bool)
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        mask[row, self.movie_row[start[0] : start[-1]]] = True
        return mask


def diversified(
    score: Float[Array, "users candidates"],
    direction: Float[Array, "users candidates features"],
    diversity: Float[Array, ""],
    k: int,
) -> Int32[Array, "users k"]:
    """The places of k candidates by maximal marginal relevance (Carbonell, Goldstein 1998), one after another.

    Each is the one with the most of (1 - diversity) x its share of the user's highest score - diversity x how much it
    is like the one most like it among those before: the product of their directions. Candidates of score -inf come
    last.
    """
    best = jnp.max(score, axis=1, keepdims=True)
    # Those that may not be listed still come before those that are.
    share = jnp.where(jnp.isneginf(score), jnp.finfo(score.dtype).min, score / jnp.where(best > 0, best, 1))

    def choose(carry, _):
        open_share, nearest = carry
        place = jnp.argmax((1 - diversity) * open_share - diversity * nearest, axis=1)
        chosen = jnp.arange(score.shape[1])[None] == place[:, None]
        of_chosen = jnp.take_along_axis(direction, place[:, None, None], axis=1)[:, 0]
        likeness = jnp.einsum("ucf,uf->uc", direction, of_chosen)
        return (jnp.where(chosen, -jnp.inf, open_share), jnp.maximum(nearest, likeness)), place.astype(jnp.int32)

    _, places = jax.lax.scan(choose, (share, jnp.zeros_like(share)), length=k)
    return places.T


def directions(movies: Encoded) -> Float[Array, "movies features"]:
    """The factors of each movie, the members' side by side, of length 1 or 0: products of them tell who is alike."""
    factors = jnp.concatenate(list(movies.factors), axis=1)
    return factors / jnp.maximum(jnp.linalg.norm(factors, axis=1, keepdims=True), SMALLEST_SIZE)


@functools.partial(jax.jit, static_argnames=("model", "order", "k", "tile", "is_diverse"))
def top_k_block(
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[Array, " users"],
    is_left_out: Bool[Array, "users movies"],
    diversity: Float[Array, ""],
    *,
    model: TwoTowers,
    order: Order,
    k: int,
    tile: int,
    is_diverse: bool,
) -> tuple[Int32[Array, "users k"], Float[Array, "users k"], Float[Array, "users k"]]:
    """Rows, scores and stars of each user's k best movies that are not left out; `users` is a multiple of `tile`.

    users, movies: encoded, `user_row` being places among the users.
    """
    num_candidates = min(max(CANDIDATES, k), model.num_movies) if is_diverse else k

    def of_rows(shared, user_row, is_left_out):
        *encoded, direction, diversity = shared

        def top_k_tile(score, stars, left_out):
            score, movie_row = jax.lax.top_k(jnp.where(left_out, -jnp.inf, score), num_candidates)
            if is_diverse:
                place = diversified(score, direction[movie_row], diversity, k)
                score, movie_row = (jnp.take_along_axis(column, place, axis=1) for column in (score, movie_row))
            return movie_row, score, jnp.take_along_axis(stars, movie_row, axis=1)

        lists = over_tiles(top_k_tile, *encoded, user_row, is_left_out, model=model, order=order, tile=tile)
        return tuple(column.reshape(-1, k) for column in lists)

    shared = head_of(params), users, movies, directions(movies), diversity
    return map_rows(of_rows, model.mesh, shared, user_row, is_left_out)


@functools.partial(jax.jit, static_argnames=("model", "order", "tile"), donate_argnames="spare", keep_unused=True)
def score_block(
    spare: tuple[Float[Array, "users movies"], ...],
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[Array, " users"],
    *,
    model: TwoTowers,
    order: Order,
    tile: int,
) -> tuple[Float[Array, "users movies"], ...]:
    """The scores of all movies and, where these are not the same, the stars, for users as `top_k_block` has them.

    spare: arrays of the same shapes that are done with. Their memory is written anew: to ask the system for as much, a
    page after another, would take longer than the scores.
    """

    def tables(score, stars):
        return (stars,) if order.by == "stars" else (score, stars)

    def of_rows(shared, user_row):
        found = over_tiles(tables, *shared, user_row, model=model, order=order, tile=tile)
        return tuple(table.reshape(-1, model.num_movies) for table in found)

    return map_rows(of_rows, model.mesh, (head_of(params), users, movies), user_row)


def head_of(params: Members) -> Members:
    """All parameters that are needed where users and movies are encoded."""
    return {"head": params["head"]}


def over_tiles(of_tile, params, users, movies, user_row, *tables, model: TwoTowers, order: Order, tile: int):
    """What is made of the scores and the stars of each tile of users, and of the rows of tables that are theirs."""
    catalogue = movies[:, None, : model.num_movies]
    if order.by == "stars":
        implicit_score = jnp.zeros((len(user_row), 1))
    else:
        # Implicit-feedback scores of the last rows is filled up to tiles of one shape as well.
        filled = jnp.pad(user_row, (0, -len(user_row) % IMPLICIT_SCORE_TILE)).reshape(-1, IMPLICIT_SCORE_TILE)
        # All rows of movies are multiplied, since to cut the last one off would copy the others.
        implicit_score = jax.lax.map(
            lambda rows: mean_implicit_score(users[:, rows], movies)[:, : model.num_movies], filled
        )
        implicit_score = implicit_score.reshape(-1, model.num_movies)[: len(user_row)]

    def tile_of(args):
        rows, implicit_score, *own = args
        stars = mean_rating(params, users[:, rows, None], catalogue, model=model)
        return of_tile(order.score(jnp.broadcast_to(implicit_score, stars.shape), stars), stars, *own)

    tiled = (table.reshape(-1, tile, table.shape[1]) for table in (implicit_score, *tables))
    return jax.lax.map(tile_of, (user_row.reshape(-1, tile), *tiled))


def tile_users(model: TwoTowers, num_members: int, num_users: int | None = None) -> int:
    """Users scored at once: a power of two that keeps the widest array of the head within bounds.

    num_users: where a CPU scores them. Few are then not filled up to as many as could be, for the same scores.
    """
    width = max((1, *model.config.hidden_dims))
    most = np.log2(TILE_NUMBERS / (model.num_movies * width * num_members))
    return 2 ** int(np.clip(most, 0, 6 if num_users is None or num_users > FEW_USERS else 3))


def top_k_blocks(
    model: TwoTowers,
    order: Order,
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[np.ndarray, " users"],
    seen: Rated,
    k: int,
    block_users: int = ScoreConfig.block_users,
    is_listed: Bool[np.ndarray, "users_or_one movies"] | None = None,
    diversity: float = ScoreConfig.diversity,
    on_host: bool | None = None,
    spare: list[tuple[Array, ...]] | None = None,
) -> Iterator[tuple[slice, TopK]]:
    """The best k unseen movies of a list of users, block after block, with each block's place in the list.

    is_listed: whether the list of each user, or of all, may hold each movie; without it all may be. diversity: as
    `diversified` has it.
    on_host: whether the host picks the best of all scores, which it cannot for diverse lists; by default where it is
    the device too. spare: memory for scores, taken from here and given back for the next lists. users, movies: as
    `model.encode` gives them. Gives one block at least, an empty one for no users.
    `k` is at most the number of movies. The device works on the next block while the host is at this one.
    """
    if on_host is None:
        on_host = diversity == 0 and jax.default_backend() == "cpu"
    num_movies = model.num_movies
    tile = tile_users(model, len(movies.bias), len(user_row) if on_host else None)
    most = max(1, min(block_users, len(user_row), SCORE_NUMBERS // num_movies if on_host else block_users))
    num_devices = 1 if model.mesh is None else model.mesh.size
    block = -(-most // (tile * num_devices)) * tile * num_devices
    settings = {"model": model, "order": order, "tile": tile}
    spare = [] if spare is None else spare

    def listed(place: slice) -> list[np.ndarray] | None:
        if is_listed is None:
            return None
        if len(is_listed) == 1:
            return [np.flatnonzero(is_listed[0])] * (place.stop - place.start)
        return [np.flatnonzero(row) for row in is_listed[place]]

    def start(first: int):
        place = slice(first, min(first + block, len(user_row)))
        rows = pad_rows(user_row[place], block)
        if on_host:
            # Two blocks are under way at a time.
            number = 1 if order.by == "stars" else 2
            arrays = taken(spare)
            if [array.shape for array in arrays] != [(block, num_movies)] * number:
                arrays = tuple(jnp.zeros((block, num_movies), device=rows_sharding(model.mesh)) for _ in range(number))
            return place, score_block(arrays, params, users, movies, rows, **settings)
        mask = seen.mask(place, (block, num_movies))
        if is_listed is not None:
            mask[: place.stop - place.start] |= ~(is_listed if len(is_listed) == 1 else is_listed[place])
        varied = {"k": k, "is_diverse": diversity > 0}
        return place, top_k_block(params, users, movies, rows, mask, np.float32(diversity), **settings, **varied)

    def finish(place: slice, result) -> tuple[slice, TopK]:
        if not on_host:
            movie_row, score, stars = (np.asarray(array)[: place.stop - place.start] for array in result)
            return place, TopK(np.where(np.isneginf(score), np.int32(num_movies), movie_row), score, stars)
        scores, stars = np.asarray(result[0]), np.asarray(result[-1])
        of_users = [seen.of_user(user) for user in range(place.start, place.stop)]
        movie_row = best_of_users(scores, of_users, k, listed(place))
        score, stars = (
            np.take_along_axis(table[: len(movie_row)], np.minimum(movie_row, num_movies - 1), axis=1)
            for table in (scores, stars)
        )
        spare.append(result)
        return place, TopK(movie_row, np.where(movie_row < num_movies, score, np.float32(-np.inf)), stars)

    try:
        for job in one_ahead(start(first) for first in range(0, max(1, len(user_row)), block)):
            yield finish(*job)
    finally:
        if block > tile:
            # Many lists are done with, and few are worth less memory.
            spare.clear()


def taken(spare: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    """One of the spare arrays, which no other thread then has; nothing where there is none."""
    try:
        return spare.pop()
    except IndexError:
        return ()


def one_ahead(jobs: Iterable) -> Iterator:
    """The same jobs, each handed out once the next has been started."""
    waiting = []
    for job in jobs:
        waiting.append(job)
        if len(waiting) == 2:
            yield waiting.pop(0)
    yield from waiting


@functools.partial(jax.jit, static_argnames="model")
def stars_block(
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[Array, " batch"],
    movie_row: Int32[Array, " batch"],
    time_features: Int32[Array, "batch time_features"],
    *,
    model: TwoTowers,
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """The mean and the spread over the members of the stars of each pair, not yet held to the scale."""
    stars = member_ratings(params, users[:, user_row], movies[:, movie_row], time_features, model=model)
    return jnp.mean(stars, axis=0), jnp.std(stars, axis=0)


def predict_ratings(
    model: TwoTowers,
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating_scale: tuple[float, float],
    time_features: Int32[np.ndarray, "ratings time_features"] | None = None,
) -> tuple[Float32[np.ndarray, " ratings"], Float32[np.ndarray, " ratings"]]:
    """Predicted stars of each pair of rows, within the scale, and how far the members are apart on them.

    users, movies: as `model.encode` gives them. The second is a standard deviation, 0 for a single member.
    moment: of each pair; without it, average ones.
    """
    time_features = np.zeros((len(user_row), 0), np.int32) if time_features is None else time_features
    stars, spread = (np.empty(len(user_row), np.float32) for _ in range(2))
    for first in range(0, len(user_row), BLOCK_PAIRS):
        place = slice(first, first + BLOCK_PAIRS)
        rows = [pad_rows(column[place], BLOCK_PAIRS) for column in (user_row, movie_row, time_features)]
        block = stars_block(params, users, movies, *rows, model=model)
        length = len(stars[place])
        stars[place], spread[place] = (np.asarray(array)[:length] for array in block)
    return np.clip(stars, *np.array(rating_scale, np.float32)), spread
