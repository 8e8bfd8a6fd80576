"""What the towers see of users and movies besides their rows, and what a training step withholds of it."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from movierec_jax.model.embedding_bag import BothWays, WeightedLinks, num_links, of_links
from movierec_jax.model.inputs import Interactions, PaddedLinks
from movierec_jax.model.sharding import Cells, link_cells


class TowerInputs(NamedTuple):
    """What a tower sees of its owners besides their rows.

    ratings: links to the other side, weighted by the value of each rating and by 1; num_ratings: of each owner.
    content: links to features, weighted by their values.
    has_row: 0 for owners whose own embedding does not count, else 1.
    """

    ratings: BothWays
    num_ratings: Float[Array, " owners"]
    content: BothWays
    has_row: Float[Array, " owners"]


# Links, which of them count, and where they lie.
Layout = tuple[PaddedLinks, Bool[Array, "_length _segments"], Cells | None]


def seen(
    interactions: Interactions,
    by_user: Bool[Array, "user_length user_pieces"],
    by_movie: Bool[Array, "movie_length movie_pieces"],
    mesh: Mesh | None = None,
) -> tuple[TowerInputs, TowerInputs]:
    """What the towers see of all users and of all movies, by those ratings that count as either layout says."""

    def content(*layouts: tuple[PaddedLinks, Cells | None]) -> BothWays:
        return BothWays(
            *(WeightedLinks(links.owner, links.other, links.values, cells=cells) for links, cells in layouts)
        )

    def side(value: int, own: Layout, others: Layout, content: BothWays, count: Float[Array, " owners"]) -> TowerInputs:
        ratings = BothWays(
            *(
                WeightedLinks(links.owner, links.other, (links.values[value], None), counts, cells)
                for links, counts, cells in (own, others)
            )
        )
        return TowerInputs(ratings, num_links(ratings.forward, len(count)), content, jnp.ones_like(count))

    cells = link_cells(mesh)
    of_user, of_movie = (
        (interactions.by_user, by_user, cells.by_user),
        (interactions.by_movie, by_movie, cells.by_movie),
    )
    user_content = content(
        (interactions.user_features, cells.user_features), (interactions.by_user_feature, cells.by_user_feature)
    )
    movie_content = content(
        (interactions.movie_features, cells.movie_features), (interactions.by_movie_feature, cells.by_movie_feature)
    )
    return (
        side(0, of_user, of_movie, user_content, interactions.user_count),
        side(1, of_movie, of_user, movie_content, interactions.movie_count),
    )


def as_cold_start(
    seen: TowerInputs, share: float, num_left: float, uniform: tuple[Float[Array, "_length _segments"], ...], key: Array
) -> TowerInputs:
    """The same with a share of the owners, drawn by chance, known as new ones will be: without a row of their own.

    num_left: ratings that are left of such an owner's history, by chance, in the mean; how many is drawn from an
        exponential distribution, so that none at all is met as well.
    uniform: a random number from 0 to 1 for each rating, in both layouts of `seen.ratings`. All are moved round by
        chance, and the ratings whose number is below the share that is left are those left: drawing and laying out new
        numbers would cost more than the rest.
    """
    which, how_many, how_far = jax.random.split(key, 3)
    is_new = jax.random.bernoulli(which, share, seen.has_row.shape)
    left = num_left * jax.random.exponential(how_many, seen.has_row.shape)
    kept = jnp.where(is_new, left / jnp.maximum(seen.num_ratings, 1), 1.0)
    uniform_forward, uniform_backward = ((numbers + jax.random.uniform(how_far)) % 1 for numbers in uniform)
    forward, backward = seen.ratings
    forward = thinned(forward, uniform_forward < of_links(kept, forward, of_others=False))
    return seen._replace(
        ratings=BothWays(forward, thinned(backward, uniform_backward < of_links(kept, backward, of_others=True))),
        num_ratings=num_links(forward, len(kept)),
        has_row=1.0 - is_new,
    )


def thinned(links: WeightedLinks, is_kept: Bool[Array, "length segments"]) -> WeightedLinks:
    """The same, of which only those that are kept count."""
    return dataclasses.replace(links, counts=is_kept if links.counts is None else links.counts & is_kept)
