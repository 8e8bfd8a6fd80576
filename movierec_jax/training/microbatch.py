"""Sums over pairs of rows of two tables, with their gradients, some pairs at a time.

What the dense layers say of each pair is needed again for the gradient. Kept for a whole batch it would be written to
memory and read back, which takes longer than the layers themselves. So the gradient of some pairs is taken at once,
while all that it needs is near the processor, and added up: only the tables and their gradients stay.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int32

from movierec_jax.model.sharding import AXES, MOVIES, USERS, abreast, link_cells, on_each_device

# Trees of arrays: parameters; tables of as many rows each; columns of as many pairs each.
Params = Any

Table = Any

Columns = Any

# From the parameters, the rows of either side of some pairs, the pairs' columns and the random key of all pairs: what
# is summed, and what else is to be known of it.
Loss = Callable[[Params, Table, Table, Columns, Array], tuple[Float[Array, ""], Float[Array, ""]]]

# Pairs at a time: as many as leave their numbers in the caches of a CPU, and as keep an accelerator busy.
AT_ONCE_ON_CPU, AT_ONCE = 2**11, 2**17


def microbatch_size(platform: str) -> int:
    """As many pairs at a time as suit a kind of devices."""
    return AT_ONCE_ON_CPU if platform == "cpu" else AT_ONCE


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def sum_over_microbatches(
    loss: Loss,
    at_once: int,
    mesh: Mesh | None,
    params: Params,
    tables: tuple[Table, Table],
    places: tuple[Int32[Array, " pairs"], Int32[Array, " pairs"]],
    columns: Columns,
    key: Array,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The sums over all pairs of a loss and of what else is to be known of it.

    places: of each pair's rows in the tables; columns: what else there is of a pair. Pairs that fill up the last ones
    are at places 0 and have zeros in all columns, by one of which a loss must weigh. The first sum alone has a
    gradient, in the parameters and tables. What a loss leaves to chance must be a function of the key and the columns,
    so that it does not depend on which pairs are taken together. On a mesh, pairs of each of its cells stand together,
    as many as of any other, at places counted within the cell.
    """
    return with_gradients(loss, at_once, mesh, params, tables, places, columns, key)[0]


def with_gradients(loss, at_once, mesh, params, tables, places, columns, key):
    """The sums, and the gradients of the first one in parameters and tables."""
    if mesh is None:
        return of_device(loss, at_once, params, tables, places, columns, key)

    cells: Any = link_cells(mesh)
    (users, users_apart), (movies, movies_apart) = map(abreast, tables)

    def of_cell(params, tables, *pairs):
        tables = users_apart(tables[0]), movies_apart(tables[1])
        sums, (of_params, (of_users, of_movies)) = of_device(loss, at_once, params, tables, *pairs)
        of_tables = cells.by_user.add_up(of_users), cells.by_movie.add_up(of_movies)
        return *jax.lax.psum((sums, of_params), AXES), *of_tables

    sums, of_params, *of_tables = on_each_device(
        of_cell,
        mesh=mesh,
        in_specs=(P(), (P(USERS), P(MOVIES)), P(AXES), P(AXES), P()),
        out_specs=(P(), P(), cells.by_user.owner_rows, cells.by_movie.owner_rows),
    )(params, (users, movies), places, columns, key)
    return sums, (of_params, tuple(of_tables))


def of_device(loss, at_once, params, tables, places, columns, key):
    """The same of the pairs of one device."""
    num_pairs = len(places[0])
    at_once = min(at_once, num_pairs)
    count = -(-num_pairs // at_once)
    gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)

    def in_turns(column):
        filled = jnp.pad(column, [(0, count * at_once - num_pairs)] + [(0, 0)] * (column.ndim - 1))
        return filled.reshape(count, at_once, *column.shape[1:])

    def add(total, turn):
        places, columns = turn
        rows = (take(table, place) for table, place in zip(tables, places, strict=True))
        sums, (of_params, *of_rows) = gradient(params, *rows, columns, key)
        total_sums, (total_params, total_rows) = total
        total_sums, total_params = jax.tree.map(jnp.add, (total_sums, total_params), (sums, of_params))
        total_rows = tuple(add_at(*side) for side in zip(total_rows, places, of_rows, strict=True))
        return (total_sums, (total_params, total_rows)), None

    nothing = (jnp.zeros(()), jnp.zeros(())), jax.tree.map(jnp.zeros_like, (params, tables))
    return jax.lax.scan(add, nothing, jax.tree.map(in_turns, (places, columns)))[0]


def take(table: Table, place: Int32[Array, " pairs"]) -> Table:
    """The rows at these places."""
    return jax.tree.map(lambda array: array.at[place].get(mode="promise_in_bounds"), table)


def add_at(table: Table, place: Int32[Array, " pairs"], rows: Table) -> Table:
    """The table with rows added at these places."""
    return jax.tree.map(lambda array, row: array.at[place].add(row, mode="promise_in_bounds"), table, rows)


def backward(loss, at_once, mesh, gradients, slopes):
    """The gradients times that of the first sum."""
    params, tables = jax.tree.map(lambda gradient: (slopes[0] * gradient).astype(gradient.dtype), gradients)
    return params, tables, None, None, None


sum_over_microbatches.defvjp(with_gradients, backward)
