"""What the towers see of users and movies besides their rows, what a step withholds of it, and how histories scale."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from movierec_jax.model.embedding_bag import BothWays, WeightedLinks, link_values, num_links
from movierec_jax.model.inputs import Interactions, PaddedLinks
from movierec_jax.model.sharding import Cells, link_cells

# A history of n ratings scales its bias by BIAS_GAIN / (n + BIAS_DAMPING): a mean, pulled to 0 where ratings are few.
BIAS_GAIN = 15.0

BIAS_DAMPING = 10.0


class TowerInputs(NamedTuple):
    """What a tower sees of its owners, users or movies, besides their rows.

    ratings: links to the other side, with two weights: the rating's deviation, and 1. num_ratings: of each owner.
    content: links to features, weighted by their values.
    has_row: 0 for owners whose own embedding is withheld, else 1.
    """

    ratings: BothWays
    num_ratings: Float[Array, " owners"]
    content: BothWays
    has_row: Float[Array, " owners"]


# Padded links, which of them count, and in which cells of a mesh they lie.
CountedLinks = tuple[PaddedLinks, Bool[Array, "_length _segments"], Cells | None]


def tower_inputs(
    interactions: Interactions,
    counts_by_user: Bool[Array, "user_length user_segments"],
    counts_by_movie: Bool[Array, "movie_length movie_segments"],
    mesh: Mesh | None = None,
) -> tuple[TowerInputs, TowerInputs]:
    """Returns what the towers see of all users and of all movies, given which links of either layout count."""

    def content(*sides: tuple[PaddedLinks, Cells | None]) -> BothWays:
        return BothWays(*(WeightedLinks(links.owner, links.other, links.values, cells=cells) for links, cells in sides))

    def inputs_of_side(
        value: int, own: CountedLinks, others: CountedLinks, content: BothWays, count: Float[Array, " owners"]
    ) -> TowerInputs:
        ratings = BothWays(
            *(
                WeightedLinks(links.owner, links.other, (links.values[value], None), counts, cells)
                for links, counts, cells in (own, others)
            )
        )
        return TowerInputs(ratings, num_links(ratings.forward, len(count)), content, jnp.ones_like(count))

    cells = link_cells(mesh)
    by_user = interactions.by_user, counts_by_user, cells.by_user
    by_movie = interactions.by_movie, counts_by_movie, cells.by_movie
    user_content = content(
        (interactions.user_features, cells.user_features), (interactions.by_user_feature, cells.by_user_feature)
    )
    movie_content = content(
        (interactions.movie_features, cells.movie_features), (interactions.by_movie_feature, cells.by_movie_feature)
    )
    return (
        inputs_of_side(0, by_user, by_movie, user_content, interactions.user_count),
        inputs_of_side(1, by_movie, by_user, movie_content, interactions.movie_count),
    )


def as_cold_start(
    inputs: TowerInputs,
    fraction: float,
    num_left: float,
    uniform: tuple[Float[Array, "_length _segments"], ...],
    key: Array,
) -> TowerInputs:
    """Treats a random fraction of the owners as cold-start: without a row of their own, and with few or no ratings.

    num_left: mean number of ratings that such an owner keeps. Each owner's is drawn from an exponential distribution,
        so that histories without any rating occur as well.
    uniform: a uniform random number in [0, 1) for each rating, in both layouts of `inputs.ratings`. Each call shifts
        them all by one random offset and keeps the ratings whose number is below the owner's kept share: to draw and
        lay out new numbers would cost more than the rest of the step.
    """
    which_key, left_key, shift_key = jax.random.split(key, 3)
    is_cold = jax.random.bernoulli(which_key, fraction, inputs.has_row.shape)
    left = num_left * jax.random.exponential(left_key, inputs.has_row.shape)
    kept_share = jnp.where(is_cold, left / jnp.maximum(inputs.num_ratings, 1), 1.0)
    uniform_forward, uniform_backward = ((numbers + jax.random.uniform(shift_key)) % 1 for numbers in uniform)
    forward, backward = inputs.ratings
    forward = keep_links(forward, uniform_forward < link_values(kept_share, forward, of_others=False))
    backward = keep_links(backward, uniform_backward < link_values(kept_share, backward, of_others=True))
    return inputs._replace(
        ratings=BothWays(forward, backward), num_ratings=num_links(forward, len(kept_share)), has_row=1.0 - is_cold
    )


def keep_links(links: WeightedLinks, is_kept: Bool[Array, "length segments"]) -> WeightedLinks:
    """Stops counting the links that are not kept."""
    return dataclasses.replace(links, counts=is_kept if links.counts is None else links.counts & is_kept)


def history_scale(num_ratings: Float[Array, " n"], width: int) -> Float[Array, "n width"]:
    """Returns the scale of each owner's sum over its n ratings: 1 / sqrt(n). The last column scales the bias."""
    factors = jax.lax.rsqrt(jnp.maximum(num_ratings, 1))[:, None]
    bias = (BIAS_GAIN / (num_ratings + BIAS_DAMPING))[:, None]
    return jnp.where(jnp.arange(width)[None, :] == width - 1, bias, factors)


def explicit_rows(table: Float[Array, "*members others features"]) -> Float[Array, "*members others features"]:
    """Returns the rows that count with the rating, from the learnt table, in whose last column 0 stands for "as it is".

    So the bias of a history of n ratings begins as the damped mean sum of deviations / (n + BIAS_DAMPING), and what is
    learnt of each row is how much more or less its ratings tell.
    """
    return table.at[..., -1].add(1 / BIAS_GAIN)
