"""The mesh of devices, and where each array lives on it.

The table of ratings is cut into the cells of a grid, one per device (`grid.py`). Every array of users or movies
(tables, their Adam moments, what the towers compute of each row) is spread by rows over all devices. Only a sum over
ratings needs rows of other devices: it gathers the rows of its cell's range, sums over the ratings of its cell, adds up
over the cells that share the range, and leaves each device with its own rows:

    rows of the other side --all-gather--> range of the cell --sum over its links--> --reduce-scatter--> rows of owners

So no rating ever moves between devices, and everything else of a step is row by row. Two kinds of sums gather nothing:
content is summed where the rows that have it are, and the implicit-feedback score is trained where the rows of movies
are, for which each device holds the ratings of its own movies a second time, by user batches (`user_batch_cells`). One
device has neither mesh nor cells: both are None.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from movierec_jax.errors import InputError
from movierec_jax.model.grid import ALL_OF_ONE_CELL, ONE_CELL, Grid, Share
from movierec_jax.model.inputs import Interactions, Sequences, UserBatches
from movierec_jax.model.tables import ROWS_OF_TABLE

# Axes of the mesh: ranges of users lie along the first, of movies along the second.
USERS, MOVIES = AXES = ("data", "model")

# Tables with other rows, such as those of features, are whole on every device.
AXIS_OF_ROWS = {"users": USERS, "movies": MOVIES}

# Numbers that a TPU processes side by side. It scatters sums over rows only in multiples of them; other sums it gives
# to every device whole.
TPU_LANES = 128

# Runs a function on each device's part. Nobody differentiates it: sums over ratings define their own gradients.
on_each_device = functools.partial(jax.shard_map, check_vma=False)


def new_mesh(text: str | None = None, devices: Sequence[jax.Device] | None = None) -> Mesh | None:
    """Makes the mesh that a text such as "data:4,model:2" asks for; without it, of all devices along `data`.

    An axis that is not named has length 1. Returns None for one device. Raises InputError for other axes, and for more
    devices than there are.
    """
    devices = jax.devices() if devices is None else devices
    lengths = dict.fromkeys(AXES, 1) | (parse_axes(text) if text else {USERS: len(devices)})
    num_devices = int(np.prod(list(lengths.values())))
    if num_devices > len(devices):
        kind = devices[0].device_kind
        raise InputError(f"--mesh={text}: takes {num_devices} devices; {len(devices)} of kind {kind} can be used")
    if num_devices == 1:
        return None
    return jax.make_mesh(
        tuple(lengths.values()), AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices[:num_devices]
    )


def parse_axes(text: str) -> dict[str, int]:
    """Parses the length of each axis from a text such as "data:4,model:2". Raises InputError for any other text."""
    lengths = {}
    for part in text.split(","):
        name, _, length = part.partition(":")
        if name not in AXES or name in lengths or not length.isdecimal() or int(length) < 1:
            raise InputError(f"--mesh={text}: expected lengths of the axes {' and '.join(AXES)}, as in data:4,model:2")
        lengths[name] = int(length)
    return lengths


def grid_of(mesh: Mesh | None) -> Grid:
    """Returns the grid of cells of a mesh, one cell per device."""
    if mesh is None:
        return ONE_CELL
    is_tpu = mesh.devices.flat[0].platform == "tpu"
    return Grid(mesh.shape[USERS], mesh.shape[MOVIES], TPU_LANES if is_tpu else 1)


def share_of(mesh: Mesh | None) -> Share:
    """Returns what this process lays out of the grid of a mesh: the cells of its own devices."""
    if mesh is None:
        return ALL_OF_ONE_CELL
    grid, process = grid_of(mesh), jax.process_index()
    own = [cell for cell, device in enumerate(mesh.devices.flat) if device.process_index == process]
    # A single process also lays out what is compiled for devices of others.
    if jax.process_count() == 1 or len(own) == grid.num_cells:
        return Share.whole(grid)
    return Share.of_cells(
        grid,
        own,
        largest=lambda values: gather_from_processes(values).max(axis=0),
        total=lambda values: gather_from_processes(values).sum(axis=0, dtype=np.int64),
    )


def gather_from_processes(values: Any) -> np.ndarray:
    """Returns the integers, of at most 31 bits, that each process gives, stacked in the order of processes."""
    return multihost_utils.process_allgather(np.asarray(values, np.int32))


def rows_over(axis: str) -> P:
    """Returns the spec of rows whose ranges lie along an axis: the devices that share a range share out its rows."""
    return P((axis, *(other for other in AXES if other != axis)))


class Cells(NamedTuple):
    """How links from owners to others are spread: the axes along which ranges of either lie, () for no ranges."""

    mesh: Mesh
    owner: tuple[str, ...]
    other: tuple[str, ...]

    def num_ranges(self, axes: tuple[str, ...]) -> int:
        """Counts the ranges of rows along axes."""
        return math.prod(self.mesh.shape[axis] for axis in axes)

    def specs(self, links: Any) -> Any:
        """Returns the spec of each array of links, whose last axis counts segments."""
        axes = AXES if self.owner and self.other else self.owner + self.other
        return jax.tree.map(lambda array: P(*[None] * (array.ndim - 1), axes), links)

    @property
    def owner_rows(self) -> P:
        """Returns the spec of owners' rows: the devices that share a range share out its rows."""
        return P(self.owner + self.other) if self.owner else P()

    @property
    def other_rows(self) -> P:
        """Returns the spec of others' rows."""
        return P(self.other + self.owner) if self.other else P()

    def reduce_scatter(self, sums: Any) -> Any:
        """Called in a cell: adds up over the cells with the same owners, and keeps the device's own rows."""
        if not self.other:
            return sums
        if not self.owner:
            return jax.lax.psum(sums, self.other)
        table, split = concat_columns(sums)
        if self.mesh.devices.flat[0].platform != "cpu":
            return split(jax.lax.psum_scatter(table, self.other, tiled=True))
        # On CPUs of several processes `psum_scatter` gives wrong sums at times:
        # https://github.com/jax-ml/jax/issues/40830.
        num_rows = len(table) // self.num_ranges(self.other)
        first = jax.lax.axis_index(self.other) * num_rows
        return split(jax.lax.dynamic_slice_in_dim(jax.lax.psum(table, self.other), first, num_rows))


class LinkCells(NamedTuple):
    """How the links of `Interactions` are spread, field by field; None on one device."""

    by_user: Cells | None = None
    by_movie: Cells | None = None
    user_features: Cells | None = None
    by_user_feature: Cells | None = None
    movie_features: Cells | None = None
    by_movie_feature: Cells | None = None


def link_cells(mesh: Mesh | None) -> LinkCells:
    """Returns how links are spread over a mesh; all None without one."""
    return LinkCells() if mesh is None else LinkCells(*mesh_cells(mesh))


def mesh_cells(mesh: Mesh) -> list[Cells]:
    """Spreads links over a mesh, in the order of `LinkCells`: ratings by cells of the grid, content with its rows."""
    users, movies = (USERS, MOVIES), (MOVIES, USERS)
    ratings = (users[:1], movies[:1]), (movies[:1], users[:1])
    content = (users, ()), ((), users), (movies, ()), ((), movies)
    return [Cells(mesh, owner, other) for owner, other in ratings + content]


def user_batch_cells(mesh: Mesh | None) -> tuple[Cells | None, Cells | None]:
    """Spreads the links of `UserBatches`, from users to movies and back, with the movies, as content is."""
    cells = link_cells(mesh)
    return cells.by_movie_feature, cells.movie_features


def spec_of(path: Sequence[Any]) -> P:
    """Returns the spec of an array of the training state from its path in the tree; its first axis counts members."""
    names: Any = tuple(getattr(key, "key", getattr(key, "name", None)) for key in path[-2:])
    axis = AXIS_OF_ROWS.get(ROWS_OF_TABLE.get(names, ""))
    return P() if axis is None else P(None, *rows_over(axis))


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Returns the sharding of each array of a training state, or of parameters."""
    return jax.tree.map_with_path(lambda path, _: NamedSharding(mesh, spec_of(path)), state)


def constrain_state(state: Any, mesh: Mesh | None) -> Any:
    """Constrains a training state to its shardings, within a compiled function; without a mesh does nothing."""
    return state if mesh is None else jax.lax.with_sharding_constraint(state, state_shardings(state, mesh))


def interactions_shardings(interactions: Interactions, mesh: Mesh) -> Interactions:
    """Returns the sharding of each array of the interactions."""
    cells = mesh_cells(mesh)
    specs: list[Any] = [cell.specs(part) for cell, part in zip(cells, interactions[: len(cells)], strict=True)]
    *counts, sequences = interactions[len(cells) :]
    specs += [None if rows is None else rows_over(axis) for rows, axis in zip(counts, 2 * AXES, strict=True)]
    specs.append(jax.tree.map(lambda _: P(), sequences))
    return jax.tree.map(functools.partial(NamedSharding, mesh), Interactions(*specs))


def user_batches_shardings(user_batches: UserBatches | Sequences, mesh: Mesh) -> UserBatches | Sequences:
    """Returns the sharding of each array of the user batches; rows of sequences are spread over all devices."""
    if isinstance(user_batches, Sequences):
        return jax.tree.map(lambda _: NamedSharding(mesh, P(None, None, AXES)), user_batches)
    *_, by_movie_feature = mesh_cells(mesh)
    return jax.tree.map(functools.partial(NamedSharding, mesh), by_movie_feature.specs(user_batches))


def steps_shardings(steps: Any, mesh: Mesh) -> Any:
    """Returns the sharding of an epoch's steps: each device has the ratings of its cell, and everything else whole."""
    in_cells = jax.tree.map(lambda _: NamedSharding(mesh, P(None, AXES)), steps.batches)
    return replicated(steps, mesh)._replace(batches=in_cells)


def rows_sharding(mesh: Mesh | None) -> NamedSharding | None:
    """Returns the sharding of rows that `map_rows` takes; None without a mesh."""
    return None if mesh is None else NamedSharding(mesh, P(AXES))


def map_rows(function: Callable[..., Any], mesh: Mesh | None, shared: Any, *spread: Any) -> Any:
    """Applies a function on each device to what all devices share and to its part of the rows of the other arrays."""
    if mesh is None:
        return function(shared, *spread)
    specs = P(), *[P(AXES)] * len(spread)
    return on_each_device(function, mesh=mesh, in_specs=specs, out_specs=P(AXES))(shared, *spread)


def concat_columns(tables: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Joins the columns of all tables into one, which one collective moves; returns it and a function that splits it.

    The tables have the same number of rows, and any further axes. An empty tree stays as it is.
    """
    leaves, structure = jax.tree.flatten(tables)
    if not leaves:
        return tables, lambda nothing: nothing
    flat = [leaf.reshape(len(leaf), -1) for leaf in leaves]
    ends = np.cumsum([leaf.shape[1] for leaf in flat])

    def split(table: jax.Array) -> Any:
        parts = zip(jnp.split(table, ends[:-1], axis=1), leaves, strict=True)
        like = [part.reshape(len(table), *leaf.shape[1:]).astype(leaf.dtype) for part, leaf in parts]
        return jax.tree.unflatten(structure, like)

    return jnp.concatenate(flat, axis=1), split


def with_sharding(array: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """Returns the shape and dtype of an array, with a sharding if one is given."""
    return jax.ShapeDtypeStruct(np.shape(array), array.dtype, sharding=sharding)


def replicated(tree: Any, mesh: Mesh) -> Any:
    """Returns the sharding of arrays that every device has whole."""
    return jax.tree.map(lambda _: NamedSharding(mesh, P()), tree)


def put_sharded(tree: Any, shardings: Any) -> Any:
    """Puts host arrays on the devices of their shardings; each process puts what its own devices hold."""
    return jax.tree.map(
        lambda array, sharding: jax.make_array_from_callback(array.shape, sharding, lambda index: array[index]),
        tree,
        shardings,
    )


def constrain(tree: Any, mesh: Mesh | None, spec: P) -> Any:
    """Constrains arrays to a spec, within a compiled function; without a mesh does nothing."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, spec))


def zero_pad_init(init: Callable[..., jax.Array], num_rows: int) -> Callable[..., jax.Array]:
    """Makes an initializer that is `init` for the first `num_rows` rows, and 0 for those after them, which are filling.

    No gradient reaches filling, so it stays 0.
    """

    def padded_init(key, shape, dtype=jnp.float32) -> jax.Array:
        rows = init(key, shape, dtype)
        return rows if shape[0] == num_rows else jnp.where(jnp.arange(shape[0])[:, None] < num_rows, rows, 0)

    return padded_init
