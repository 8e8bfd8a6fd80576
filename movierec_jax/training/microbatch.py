"""Sums over pairs of rows of two tables, with their gradients, a microbatch of pairs at a time.

The gradient needs the activations of each pair's dense layers. For a whole batch they would be written to memory and
read back, which takes longer than the layers themselves. So each microbatch's gradient is computed while its
activations are in cache, and added up; only the tables and their gradients stay in memory ("gradient accumulation").
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int32

from movierec_jax.model.sharding import AXES, MOVIES, USERS, concat_columns, mesh_cells, on_each_device

# Trees of arrays: parameters; tables of equally many rows; columns of equally many pairs.
Params = Any

RowTree = Any

ColumnTree = Any

# (parameters, users' rows, movies' rows, columns of some pairs, key of all pairs) -> (sum to minimise, other sum).
Loss = Callable[[Params, RowTree, RowTree, ColumnTree, Array], tuple[Float[Array, ""], Float[Array, ""]]]

# Pairs at a time: what suits a CPU's caches, and what keeps an accelerator busy.
PAIRS_ON_CPU, PAIRS = 2**11, 2**17


def microbatch_size(platform: str) -> int:
    """Returns how many pairs at a time suit a kind of devices."""
    return PAIRS_ON_CPU if platform == "cpu" else PAIRS


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def sum_over_microbatches(
    loss: Loss,
    size: int,
    mesh: Mesh | None,
    params: Params,
    tables: tuple[RowTree, RowTree],
    rows: tuple[Int32[Array, " pairs"], Int32[Array, " pairs"]],
    columns: ColumnTree,
    key: Array,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Sums a loss over all pairs, `size` of them at a time; only the first sum has a gradient, in params and tables.

    rows: of each pair, in the tables of users and of movies. columns: what else the loss needs of each pair. The pairs
    that fill up the last microbatch have rows 0 and zeros in all columns, one of which must be a weight. Random numbers
    of the loss must be a function of the key and the columns, so that they do not depend on the microbatches. On a mesh
    the pairs of each cell stand together, equally many per cell, with rows counted within the cell.
    """
    return sum_with_gradients(loss, size, mesh, params, tables, rows, columns, key)[0]


def sum_with_gradients(loss, size, mesh, params, tables, rows, columns, key):
    """Returns the sums, and the gradients of the first one in params and tables."""
    if mesh is None:
        return sum_on_device(loss, size, params, tables, rows, columns, key)

    by_user, by_movie, *_ = mesh_cells(mesh)
    (users, split_users), (movies, split_movies) = map(concat_columns, tables)

    def sum_of_cell(params, tables, *pairs):
        tables = split_users(tables[0]), split_movies(tables[1])
        sums, (of_params, (of_users, of_movies)) = sum_on_device(loss, size, params, tables, *pairs)
        of_tables = by_user.reduce_scatter(of_users), by_movie.reduce_scatter(of_movies)
        return *jax.lax.psum((sums, of_params), AXES), *of_tables

    sums, of_params, *of_tables = on_each_device(
        sum_of_cell,
        mesh=mesh,
        in_specs=(P(), (P(USERS), P(MOVIES)), P(AXES), P(AXES), P()),
        out_specs=(P(), P(), by_user.owner_rows, by_movie.owner_rows),
    )(params, (users, movies), rows, columns, key)
    return sums, (of_params, tuple(of_tables))


def sum_on_device(loss, size, params, tables, rows, columns, key):
    """Returns the sums over the pairs of one device, and their gradients."""
    num_pairs = len(rows[0])
    size = min(size, num_pairs)
    num_microbatches = -(-num_pairs // size)
    gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)

    def in_microbatches(column):
        filled = jnp.pad(column, [(0, num_microbatches * size - num_pairs)] + [(0, 0)] * (column.ndim - 1))
        return filled.reshape(num_microbatches, size, *column.shape[1:])

    def add_microbatch(total, microbatch):
        rows, columns = microbatch
        encoded = (rows_at(table, row) for table, row in zip(tables, rows, strict=True))
        sums, (of_params, *of_rows) = gradient(params, *encoded, columns, key)
        total_sums, (total_params, total_rows) = total
        total_sums, total_params = jax.tree.map(jnp.add, (total_sums, total_params), (sums, of_params))
        total_rows = tuple(add_at(*side) for side in zip(total_rows, rows, of_rows, strict=True))
        return (total_sums, (total_params, total_rows)), None

    zeros = (jnp.zeros(()), jnp.zeros(())), jax.tree.map(jnp.zeros_like, (params, tables))
    return jax.lax.scan(add_microbatch, zeros, jax.tree.map(in_microbatches, (rows, columns)))[0]


def rows_at(table: RowTree, row: Int32[Array, " pairs"]) -> RowTree:
    """Returns the rows of a table, one for each pair."""
    return jax.tree.map(lambda array: array.at[row].get(mode="promise_in_bounds"), table)


def add_at(table: RowTree, row: Int32[Array, " pairs"], values: RowTree) -> RowTree:
    """Adds each pair's values to its row of a table."""
    return jax.tree.map(lambda array, value: array.at[row].add(value, mode="promise_in_bounds"), table, values)


def scale_gradients(loss, size, mesh, gradients, slopes):
    """Returns the gradients times that of the first sum."""
    params, tables = jax.tree.map(lambda gradient: (slopes[0] * gradient).astype(gradient.dtype), gradients)
    return params, tables, None, None, None


sum_over_microbatches.defvjp(sum_with_gradients, scale_gradients)
