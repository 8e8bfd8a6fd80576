"""Sums of table rows over links, in time and memory linear in the number of links.

A user's history is the sum of a row for each movie they rated, a movie's content the sum of a row for each of its
features: products of a sparse matrix with a dense one. XLA adds row after row to scattered places slowly. So links are
laid out in segments of one length (`PaddedLinks`), and the sum walks along all of them at once, a gather and an addition for
each place in a piece; only one sum per piece is left to be brought to its owner. The gradient is a sum of the same kind
over the same links seen from the other side, which is why both sides are laid out.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int32

from movierec_jax.model.inputs import PaddedLinks
from movierec_jax.model.sharding import Cells, abreast, on_each_device


@typing.no_type_check  # JAX also makes trees of it with other things in place of the arrays.
@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["owner", "other", "weights", "counts"],
    meta_fields=["cells"],
)
@dataclasses.dataclass(frozen=True)
class WeightedLinks:
    """Links from owners to others, each with one weight per table that is summed; filling has weight 0 or none counts.

    owner rises; pieces of one owner stand side by side. weights: None in place of weights of 1. counts: which links
    count; None where all do. It stands apart from the weights since a step has its own, and other numbers as small take
    a quarter of the memory. cells: those in which the links lie, with rows counted from the first of each; None on one
    device.
    """

    owner: Int32[Array, " segments"]
    other: Int32[Array, "length segments"]
    weights: tuple[Float[Array, "length segments"] | None, ...]
    counts: Bool[Array, "length segments"] | None = None
    cells: Cells | None = None

    def at(self, place) -> tuple[Float[Array, "*index"], ...]:
        """The weights of the links at a place of every piece, or at all places `[:]`; 0 for those that do not count."""
        ones = jnp.ones(self.other[place].shape)
        counts = ones if self.counts is None else self.counts[place].astype(jnp.float32)
        return tuple(counts if weight is None else counts * weight[place] for weight in self.weights)


class BothWays(NamedTuple):
    """The same links with the same weights, by owner and by other."""

    forward: WeightedLinks
    backward: WeightedLinks


NO_CELLS = (None, None)


def both_ways(
    sides: tuple[PaddedLinks, PaddedLinks],
    weight: Float[Array, " links"],
    cells: tuple[Cells | None, Cells | None] = NO_CELLS,
) -> BothWays:
    """Links laid out by owner and by other, with a weight for each in the order in which they came.

    cells: those in which the links lie, and their weights.
    """

    def weighted(links: PaddedLinks, cells: Cells | None) -> WeightedLinks:
        # A link of -1, which is filling, so finds the last.
        weights = on_cells(lambda weight, link: jnp.append(weight, 0)[link], cells, weight, links.link)
        return WeightedLinks(links.owner, links.other, (weights,), cells=cells)

    return BothWays(*map(weighted, sides, cells))


def on_cells(function: Callable[..., Array], cells: Cells | None, *of_links: Array) -> Array:
    """What a function makes of arrays of the links of each cell, side by side along its last axis."""
    if cells is None:
        return function(*of_links)
    made = jax.eval_shape(function, *of_links)
    return on_each_device(function, mesh=cells.mesh, in_specs=cells.specs(of_links), out_specs=cells.specs(made))(
        *of_links
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def embedding_bag(
    tables: tuple[Float[Array, "others features"], ...], links: BothWays, num_owners: int
) -> Float[Array, "owners features"]:
    """For each owner the sum over its links and over the tables of weight times the row of the other.

    Differentiable in the tables alone.
    """
    return by_owner(summed, tables, links.forward, num_owners)


def bag_forward(tables, links, num_owners):
    """The sums, and what their gradient needs."""
    return embedding_bag(tables, links, num_owners), (links.backward, tables)


def bag_backward(num_owners, residuals, gradient):
    """The gradient in each table: for each other the sum over its owners of weight times their gradient."""
    backward, tables = residuals
    return by_owner(summed_apart, gradient, backward, len(tables[0])), None


embedding_bag.defvjp(bag_forward, bag_backward)


def summed(
    tables: tuple[Float[Array, "others features"], ...], links: WeightedLinks, num_owners: int
) -> Float[Array, "owners features"]:
    """What `embedding_bag` gives, of the links of one device."""
    return over_owners(over_segments(tables, links), links.owner, num_owners)


def summed_apart(
    table: Float[Array, "others features"], links: WeightedLinks, num_owners: int
) -> tuple[Float[Array, "owners features"], ...]:
    """For each owner the sums over its links of one device, once with each of the weights."""
    return tuple(over_owners(sums, links.owner, num_owners) for sums in over_segments_apart(table, links))


def num_links(links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
    """For each owner how many of its links count."""

    def count(_, links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
        counts = jnp.ones(links.other.shape, bool) if links.counts is None else links.counts
        return over_owners(jnp.sum(counts, axis=0, dtype=jnp.float32), links.owner, num_owners)

    return by_owner(count, (), links, num_owners)


def sum_of_squares(links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
    """For each owner the sum of the squares of its links' first weights."""

    def squares(_, links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
        return over_owners(jnp.sum(jnp.square(links.at(slice(None))[0]), axis=0), links.owner, num_owners)

    return by_owner(squares, (), links, num_owners)


def by_owner(
    function: Callable[[Any, WeightedLinks, int], Any], tables: Any, links: WeightedLinks, num_owners: int
) -> Any:
    """What a function makes for each owner of the rows of others and of the links of a device, added up over them."""
    cells = links.cells
    if cells is None:
        return function(tables, links, num_owners)
    num_in_range = num_owners // cells.num_ranges(cells.owner)
    table, apart = abreast(tables)
    return on_each_device(
        lambda table, links: cells.add_up(function(apart(table), links, num_in_range)),
        mesh=cells.mesh,
        in_specs=(P(cells.other), cells.specs(links)),
        out_specs=cells.owner_rows,
    )(table, links)


def of_links(
    values: Float[Array, " rows"], links: WeightedLinks, *, of_others: bool
) -> Float[Array, "#length segments"]:
    """For every link the value of its owner's row, the same along a piece, or of the other's."""
    cells = links.cells
    rows = links.other if of_others else links.owner[None]
    if cells is None:
        return values[rows]
    return on_each_device(
        lambda values, rows: values[rows],
        mesh=cells.mesh,
        in_specs=(P(cells.other if of_others else cells.owner), cells.specs(rows)),
        out_specs=cells.specs(rows),
    )(values, rows)


@jax.custom_batching.custom_vmap
def over_segments(
    tables: tuple[Float[Array, "others features"], ...], links: WeightedLinks
) -> Float[Array, "segments features"]:
    """For each piece the sum over its places and over the tables."""

    def add_place(place, total):
        rows = links.other[place]
        for table, weight in zip(tables, links.at(place), strict=True):
            total = total + weight[:, None] * table[rows]
        return total

    length, segments = links.other.shape
    return jax.lax.fori_loop(0, length, add_place, jnp.zeros((segments, tables[0].shape[1])))


@jax.custom_batching.custom_vmap
def over_segments_apart(
    table: Float[Array, "others features"], links: WeightedLinks
) -> tuple[Float[Array, "segments features"], ...]:
    """For each piece the sum over its places, once with each of the weights."""

    def add_place(place, totals):
        rows = table[links.other[place]]
        return tuple(total + weight[:, None] * rows for total, weight in zip(totals, links.at(place), strict=True))

    length, segments = links.other.shape
    nothing = jnp.zeros((segments, table.shape[1]))
    return jax.lax.fori_loop(0, length, add_place, tuple(nothing for _ in links.weights))


def side_by_side(function, axis_size, in_batched, tables, links):
    """The sums of many tables as those of one with all their features: rows are fetched once, not once per member.

    Where weights differ by member one comes after the other.
    """
    is_batched, links_batched = in_batched
    if any(jax.tree.leaves(links_batched)):
        every = jax.tree.map(
            lambda leaf, has_members: leaf if has_members else jnp.broadcast_to(leaf, (axis_size, *leaf.shape)),
            (tables, links),
            (is_batched, links_batched),
        )
        sums = jax.lax.map(lambda member: function(*member), every)
        return sums, jax.tree.map(lambda _: True, sums)
    wide = jax.tree.map(
        lambda table, has_members: jnp.moveaxis(
            table if has_members else jnp.broadcast_to(table, (axis_size, *table.shape)), 0, 1
        ).reshape(table.shape[-2], -1),
        tables,
        is_batched,
    )
    sums = function(wide, links)
    apart = jax.tree.map(
        lambda total: jnp.moveaxis(total.reshape(total.shape[0], axis_size, total.shape[1] // axis_size), 1, 0), sums
    )
    return apart, jax.tree.map(lambda _: True, sums)


over_segments.def_vmap(functools.partial(side_by_side, over_segments))

over_segments_apart.def_vmap(functools.partial(side_by_side, over_segments_apart))


def over_owners(
    sums: Float[Array, "segments *features"], owner: Int32[Array, " segments"], num_owners: int
) -> Float[Array, "owners *features"]:
    """The sums of an owner's pieces added up; 0 for an owner without any."""
    return jax.ops.segment_sum(sums, owner, num_segments=num_owners, indices_are_sorted=True)
