"""Sums of table rows over links, in time and memory linear in the number of links.

A user's history is the sum of a row for each movie they rated, a movie's content the sum of a row for each of its
features: products of a sparse matrix and a dense one ("embedding bags", sum pooling). XLA is slow at adding row after
row to scattered owners. So links come in segments of one length (`PaddedLinks`), and the sum walks along all segments
at once, one gather and one addition per slot; only one sum per segment is left to add to its owner. The gradient is a
sum of the same kind over the same links seen from the other side, which is why both sides are laid out.
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
from movierec_jax.model.sharding import Cells, concat_columns, on_each_device


@typing.no_type_check  # JAX also builds it with other leaves in place of the arrays.
@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["owner", "other", "weights", "counts"],
    meta_fields=["cells"],
)
@dataclasses.dataclass(frozen=True)
class WeightedLinks:
    """Links from owners to others, each with one weight per table that is summed.

    owner: rises; the segments of one owner stand side by side.
    weights: None stands for weights of 1. Filling has weight 0, or does not count.
    counts: which links count; None where all do. Apart from the weights, since each step has its own and booleans take
        a quarter of the memory.
    cells: how links are spread over a mesh, with rows counted from the first of each cell; None on one device.
    """

    owner: Int32[Array, " segments"]
    other: Int32[Array, "length segments"]
    weights: tuple[Float[Array, "length segments"] | None, ...]
    counts: Bool[Array, "length segments"] | None = None
    cells: Cells | None = None

    def weights_at(self, slot) -> tuple[Float[Array, "*index"], ...]:
        """Returns the weights at one slot of every segment, or at all slots `[:]`; 0 for links that do not count."""
        ones = jnp.ones(self.other[slot].shape)
        counts = ones if self.counts is None else self.counts[slot].astype(jnp.float32)
        return tuple(counts if weight is None else counts * weight[slot] for weight in self.weights)


class BothWays(NamedTuple):
    """The same links laid out from either side: by owner, and for the gradient by other."""

    forward: WeightedLinks
    backward: WeightedLinks


NO_CELLS = (None, None)


def weigh_both_ways(
    sides: tuple[PaddedLinks, PaddedLinks],
    weight: Float[Array, " links"],
    cells: tuple[Cells | None, Cells | None] = NO_CELLS,
) -> BothWays:
    """Gives each link, in both layouts, its weight: `weight[n]` for the links that `link` numbers n.

    cells: how the links, and their weights, are spread over a mesh.
    """

    def weighted(links: PaddedLinks, cells: Cells | None) -> WeightedLinks:
        # Filling, of link -1, takes the appended 0.
        weights = map_cells(lambda weight, link: jnp.append(weight, 0)[link], cells, weight, links.link)
        return WeightedLinks(links.owner, links.other, (weights,), cells=cells)

    return BothWays(*map(weighted, sides, cells))


def map_cells(function: Callable[..., Array], cells: Cells | None, *of_links: Array) -> Array:
    """Applies a function to the links' arrays of each cell, and joins the results along their last axis."""
    if cells is None:
        return function(*of_links)
    result = jax.eval_shape(function, *of_links)
    specs = {"in_specs": cells.specs(of_links), "out_specs": cells.specs(result)}
    return on_each_device(function, mesh=cells.mesh, **specs)(*of_links)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def embedding_bag(
    tables: tuple[Float[Array, "others features"], ...], links: BothWays, num_owners: int
) -> Float[Array, "owners features"]:
    """Sums, for each owner, weight x row of the other over its links and over the tables.

    Differentiable in the tables alone.
    """
    return sum_by_owner(sum_links, tables, links.forward, num_owners)


def bag_forward(tables, links, num_owners):
    """Returns the sums, and what their gradient needs."""
    return embedding_bag(tables, links, num_owners), (links.backward, tables)


def bag_backward(num_owners, residuals, gradient):
    """Returns each table's gradient: for each other, the sum of weight x gradient over its owners."""
    backward, tables = residuals
    return sum_by_owner(sum_links_per_weight, gradient, backward, len(tables[0])), None


embedding_bag.defvjp(bag_forward, bag_backward)


def sum_links(
    tables: tuple[Float[Array, "others features"], ...], links: WeightedLinks, num_owners: int
) -> Float[Array, "owners features"]:
    """Computes `embedding_bag` over the links of one device."""
    return segments_to_owners(sum_segments(tables, links), links.owner, num_owners)


def sum_links_per_weight(
    table: Float[Array, "others features"], links: WeightedLinks, num_owners: int
) -> tuple[Float[Array, "owners features"], ...]:
    """Sums, for each owner, one table over the links of one device, once with each of the weights."""
    return tuple(segments_to_owners(sums, links.owner, num_owners) for sums in sum_segments_per_weight(table, links))


def num_links(links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
    """Counts the links of each owner that count."""

    def count(_, links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
        counts = jnp.ones(links.other.shape, bool) if links.counts is None else links.counts
        return segments_to_owners(jnp.sum(counts, axis=0, dtype=jnp.float32), links.owner, num_owners)

    return sum_by_owner(count, (), links, num_owners)


def sum_of_squares(links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
    """Sums, for each owner, the squares of its links' first weights."""

    def squares(_, links: WeightedLinks, num_owners: int) -> Float[Array, " owners"]:
        def add_slot(slot, total):
            return total + jnp.square(links.weights_at(slot)[0])

        # Slot by slot, since the order in which XLA sums an axis depends on how many segments there are.
        length, segments = links.other.shape
        of_segments = jax.lax.fori_loop(0, length, add_slot, jnp.zeros(segments))
        return segments_to_owners(of_segments, links.owner, num_owners)

    return sum_by_owner(squares, (), links, num_owners)


def sum_by_owner(
    function: Callable[[Any, WeightedLinks, int], Any], tables: Any, links: WeightedLinks, num_owners: int
) -> Any:
    """Sums over all cells what a function computes for each owner from others' rows and a device's links."""
    cells = links.cells
    if cells is None:
        return function(tables, links, num_owners)
    num_in_range = num_owners // cells.num_ranges(cells.owner)
    table, split = concat_columns(tables)
    return on_each_device(
        lambda table, links: cells.reduce_scatter(function(split(table), links, num_in_range)),
        mesh=cells.mesh,
        in_specs=(P(cells.other), cells.specs(links)),
        out_specs=cells.owner_rows,
    )(table, links)


def link_values(
    values: Float[Array, " rows"], links: WeightedLinks, *, of_others: bool
) -> Float[Array, "#length segments"]:
    """Returns for every link the value of its other's row, or of its owner's, which is the same along a segment."""
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
def sum_segments(
    tables: tuple[Float[Array, "others features"], ...], links: WeightedLinks
) -> Float[Array, "segments features"]:
    """Sums, for each segment, over its slots and over the tables."""

    def add_slot(slot, total):
        rows = links.other[slot]
        for table, weight in zip(tables, links.weights_at(slot), strict=True):
            total = total + weight[:, None] * table[rows]
        return total

    length, segments = links.other.shape
    return jax.lax.fori_loop(0, length, add_slot, jnp.zeros((segments, tables[0].shape[1])))


@jax.custom_batching.custom_vmap
def sum_segments_per_weight(
    table: Float[Array, "others features"], links: WeightedLinks
) -> tuple[Float[Array, "segments features"], ...]:
    """Sums, for each segment, one table over its slots, once with each of the weights."""

    def add_slot(slot, totals):
        rows = table[links.other[slot]]
        return tuple(
            total + weight[:, None] * rows for total, weight in zip(totals, links.weights_at(slot), strict=True)
        )

    length, segments = links.other.shape
    zeros = jnp.zeros((segments, table.shape[1]))
    return jax.lax.fori_loop(0, length, add_slot, tuple(zeros for _ in links.weights))


def sum_members(function, axis_size, in_batched, tables, links):
    """Batches a sum over members: their tables become one with all their features, so each row is fetched once.

    Where weights differ by member, the members come one after another.
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
    of_members = jax.tree.map(
        lambda total: jnp.moveaxis(total.reshape(total.shape[0], axis_size, total.shape[1] // axis_size), 1, 0), sums
    )
    return of_members, jax.tree.map(lambda _: True, sums)


sum_segments.def_vmap(functools.partial(sum_members, sum_segments))

sum_segments_per_weight.def_vmap(functools.partial(sum_members, sum_segments_per_weight))


def segments_to_owners(
    sums: Float[Array, "segments *features"], owner: Int32[Array, " segments"], num_owners: int
) -> Float[Array, "owners *features"]:
    """Adds up the sums of each owner's segments; 0 for an owner without any."""
    return jax.ops.segment_sum(sums, owner, num_segments=num_owners, indices_are_sorted=True)
