"""The best unseen movies for blocks of users, exact over the whole catalogue, streamed into a file.

The catalogue is every movie with a rating in train. Users are scored in tiles of one shape, however large the blocks
are, so that a user's list does not depend, to the last bit, on who else is scored.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32, Int64

from movierec_jax.config import ScoreConfig
from movierec_jax.model import Encoded, Members, TwoTowers, mean_exposure, mean_stars, member_stars
from movierec_jax.train import Recipe

# Numbers in the widest array of one tile: users x movies x units of a dense layer, 32 MiB as float32.
TILE_NUMBERS = 2**23
# Over how much of the rating scale the chance of a relevant rating rises, by predicted stars: a logistic curve's scale.
LIKING_SCALE = 0.3
# Users whose exposure is one product of matrices: few would read the movies' vectors over and over.
EXPOSURE_TILE = 32
# Keeps a movie without factors unlike every other.
SMALLEST_SIZE = 1e-12
# Movies that a diverse list is chosen from, or more if it is longer: the same whatever its length, so that a shorter
# list begins a longer one.
CANDIDATES = 500
# Pairs per program when single predictions are asked for.
BLOCK_PAIRS = 2**14


@dataclasses.dataclass(frozen=True)
class Order:
    """What lists are ordered by: exposure, stars, or the one times the chance that the other is relevant.

    by: "expected_hits" for both, "exposure" or "stars".
    relevant_rating: stars from which a rating is relevant; scale: of the chance of it, in stars.
    """

    by: str
    relevant_rating: float
    scale: float

    def score(self, exposure: Float[Array, "*pairs"], stars: Float[Array, "*pairs"]) -> Float[Array, "*pairs"]:
        """The number that a list falls by."""
        if self.by == "stars":
            return stars
        if self.by == "exposure":
            return exposure
        chance = jax.nn.sigmoid((stars - self.relevant_rating) / self.scale)
        # Below 0 stands what is even less likely to be watched than not at all; liking it would not help.
        return jnp.where(exposure > 0, exposure * chance, exposure)


def order_of(recipe: Recipe) -> Order:
    """The order that suits what a model has learnt."""
    by = "expected_hits" if recipe.config.hit == "rated" else "exposure"
    lowest, highest = recipe.rating_scale
    return Order(
        by=by if recipe.model.config.exposure_dim else "stars",
        relevant_rating=recipe.relevant_rating,
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
        return cls(start=start.astype(np.int64), movie_row=movie_row[np.argsort(place, kind="stable")])

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
    catalogue = movies[:, None, : model.num_movies]

    num_candidates = min(max(CANDIDATES, k), model.num_movies) if is_diverse else k
    direction = directions(movies)

    def exposure_tile(rows):
        return mean_exposure(users[:, rows], movies[:, : model.num_movies])

    # Exposure of the last rows is filled up to tiles of one shape as well.
    filled = jnp.pad(user_row, (0, -len(user_row) % EXPOSURE_TILE)).reshape(-1, EXPOSURE_TILE)
    exposure = jax.lax.map(exposure_tile, filled).reshape(-1, model.num_movies)[: len(user_row)]

    def top_k_tile(rows, left_out, exposure):
        stars = mean_stars(params, users[:, rows, None], catalogue, model=model)
        score = order.score(exposure, stars)
        score, movie_row = jax.lax.top_k(jnp.where(left_out, -jnp.inf, score), num_candidates)
        if is_diverse:
            place = diversified(score, direction[movie_row], diversity, k)
            score, movie_row = (jnp.take_along_axis(column, place, axis=1) for column in (score, movie_row))
        return movie_row, score, jnp.take_along_axis(stars, movie_row, axis=1)

    tables = (table.reshape(-1, tile, model.num_movies) for table in (is_left_out, exposure))
    tiles = (user_row.reshape(-1, tile), *tables)
    lists = jax.lax.map(lambda args: top_k_tile(*args), tiles)
    return tuple(column.reshape(-1, k) for column in lists)


def tile_users(model: TwoTowers, num_members: int) -> int:
    """Users scored at once: a power of two that keeps the widest array of the head within bounds."""
    width = max((1, *model.config.hidden_dims))
    return 2 ** int(np.clip(np.log2(TILE_NUMBERS / (model.num_movies * width * num_members)), 0, 6))


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
    is_listed: Bool[np.ndarray, " movies"] | None = None,
    diversity: float = ScoreConfig.diversity,
) -> Iterator[tuple[slice, TopK]]:
    """The best k unseen movies of a list of users, block after block, with each block's place in the list.

    is_listed: whether lists may hold each movie; without it all may be. diversity: as `diversified` has it.
    users, movies: as `model.encode` gives them. Gives one block at least, an empty one for no users. `k` is at most the
    number of movies. The next block's mask is built while the device works on this one.
    """
    tile = tile_users(model, len(movies.bias))
    block = -(-max(1, min(block_users, len(user_row))) // tile) * tile

    def start(first: int):
        place = slice(first, min(first + block, len(user_row)))
        rows = fill(user_row[place], block)
        mask = seen.mask(place, (block, model.num_movies))
        if is_listed is not None:
            mask |= ~is_listed
        settings = {"model": model, "order": order, "k": k, "tile": tile, "is_diverse": diversity > 0}
        return place, top_k_block(params, users, movies, rows, mask, np.float32(diversity), **settings)

    def finish(place: slice, result) -> tuple[slice, TopK]:
        movie_row, score, stars = (np.asarray(array)[: place.stop - place.start] for array in result)
        is_empty = np.isneginf(score)
        return place, TopK(np.where(is_empty, np.int32(model.num_movies), movie_row), score, stars)

    for job in one_ahead(start(first) for first in range(0, max(1, len(user_row)), block)):
        yield finish(*job)


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
    moment: Int32[Array, "batch moments"],
    *,
    model: TwoTowers,
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """The mean and the spread over the members of the stars of each pair, not yet held to the scale."""
    stars = member_stars(params, users[:, user_row], movies[:, movie_row], moment, model=model)
    return jnp.mean(stars, axis=0), jnp.std(stars, axis=0)


def predict_stars(
    model: TwoTowers,
    params: Members,
    users: Encoded,
    movies: Encoded,
    user_row: Int32[np.ndarray, " ratings"],
    movie_row: Int32[np.ndarray, " ratings"],
    rating_scale: tuple[float, float],
    moment: Int32[np.ndarray, "ratings moments"] | None = None,
) -> tuple[Float32[np.ndarray, " ratings"], Float32[np.ndarray, " ratings"]]:
    """Predicted stars of each pair of rows, within the scale, and how far the members are apart on them.

    users, movies: as `model.encode` gives them. The second is a standard deviation, 0 for a single member.
    moment: of each pair; without it, average ones.
    """
    moment = np.zeros((len(user_row), 0), np.int32) if moment is None else moment
    stars, spread = (np.empty(len(user_row), np.float32) for _ in range(2))
    for first in range(0, len(user_row), BLOCK_PAIRS):
        place = slice(first, first + BLOCK_PAIRS)
        rows = [fill(column[place], BLOCK_PAIRS) for column in (user_row, movie_row, moment)]
        block = stars_block(params, users, movies, *rows, model=model)
        length = len(stars[place])
        stars[place], spread[place] = (np.asarray(array)[:length] for array in block)
    return np.clip(stars, *np.array(rating_scale, np.float32)), spread


def fill(rows: Int32[np.ndarray, "n *columns"], length: int) -> Int32[np.ndarray, "length *columns"]:
    """Rows followed by zeros up to a length."""
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), np.int32)])
