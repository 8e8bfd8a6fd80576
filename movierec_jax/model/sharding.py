"""The mesh of devices, and where each array lives on it.

The table of ratings is cut into the cells of a grid, one for each device (`grid.py`). Between the sums that run over
ratings every array of users or of movies is spread by rows over all devices: tables, their Adam moments, and what
towers say of each row. Such a sum gathers the rows of its cell's range, works on its cell alone, adds up over the cells
that share the range, and leaves each device with its own rows again:

    rows of the other side --all-gather--> range of the cell --sum over its links--> --reduce-scatter--> rows of owners

So no rating ever moves, nor do the rows of users where the mesh is all `data`, and everything else of a step is row by
row. Two kinds of sums need no cells and gather nothing: content is added up where the rows that have it are, and
exposure is told where the rows of movies are, for which each device has the ratings of its own movies once more, by
blocks of users (`user_batch_cells`). A mesh of one device has no cells: there None stands for it.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from movierec_jax.errors import InputError
from movierec_jax.model.grid import ONE_CELL, Grid
from movierec_jax.model.inputs import Interactions, UserBatches

# Axes of the mesh: ranges of users lie along the first, of movies along the second.
USERS, MOVIES = AXES = ("data", "model")

# Numbers that a TPU works on side by side. Sums over rows that are no multiple of them it does not scatter, but gives
# all of them to every device.
TPU_LANES = 128

# For each tower the tables that have a row for each of its own users or movies, and for each of the other side.
OWN_TABLES, OTHER_TABLES = ("embedding", "bias"), ("explicit", "implicit")

# The axis along which the rows of each table lie, by the last two names that lead to it.
AXIS_OF_TABLE = {
    **{
        (tower, table): axis
        for tower, axes in {"user_tower": (USERS, MOVIES), "movie_tower": (MOVIES, USERS)}.items()
        for axis, tables in zip(axes, (OWN_TABLES, OTHER_TABLES), strict=True)
        for table in tables
    },
    **{("exposure", table): MOVIES for table in ("rated", "movie", "bias")},
}


# What each device does with its part. Its gradient is never asked for: sums over ratings bring their own.
on_each_device = functools.partial(jax.shard_map, check_vma=False)


def new_mesh(text: str | None = None, devices: Sequence[jax.Device] | None = None) -> Mesh | None:
    """The mesh of devices that "data:4,model:2" asks for; all of them along `data` without it. None for one device.

    An axis that is not named has the length 1. Raises InputError for other axes, and for more devices than there are.
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
    """The length of each axis in a text such as "data:4,model:2". Raises InputError where it is none."""
    lengths = {}
    for part in text.split(","):
        name, _, length = part.partition(":")
        if name not in AXES or name in lengths or not length.isdecimal() or int(length) < 1:
            raise InputError(f"--mesh={text}: expected lengths of the axes {' and '.join(AXES)}, as in data:4,model:2")
        lengths[name] = int(length)
    return lengths


def grid_of(mesh: Mesh | None) -> Grid:
    """The grid of cells of a mesh, one for each device."""
    if mesh is None:
        return ONE_CELL
    is_tpu = mesh.devices.flat[0].platform == "tpu"
    return Grid(mesh.shape[USERS], mesh.shape[MOVIES], TPU_LANES if is_tpu else 1)


def rows_over(axis: str) -> P:
    """Where rows are whose ranges lie along an axis: each range is spread over the devices that share it."""
    return P((axis, *(other for other in AXES if other != axis)))


class Cells(NamedTuple):
    """Where the links from owners to others lie: along which axes ranges of either, () for all of them everywhere."""

    mesh: Mesh
    owner: tuple[str, ...]
    other: tuple[str, ...]

    def num_ranges(self, axes: tuple[str, ...]) -> int:
        """In how many ranges rows lie along axes."""
        return math.prod(self.mesh.shape[axis] for axis in axes)

    def specs(self, links: Any) -> Any:
        """Where each array of the links is, of which the last axis counts pieces."""
        axes = AXES if self.owner and self.other else self.owner + self.other
        return jax.tree.map(lambda array: P(*[None] * (array.ndim - 1), axes), links)

    @property
    def owner_rows(self) -> P:
        """Where rows of owners are: each of their ranges is spread over the devices that share it."""
        return P(self.owner + self.other) if self.owner else P()

    @property
    def other_rows(self) -> P:
        """Where rows of others are."""
        return P(self.other + self.owner) if self.other else P()

    def add_up(self, sums: Any) -> Any:
        """In a cell: the sums over all cells with the same owners, of which it keeps its own rows."""
        if not self.other:
            return sums
        if not self.owner:
            return jax.lax.psum(sums, self.other)
        table, apart = abreast(sums)
        if self.mesh.devices.flat[0].platform != "cpu":
            return apart(jax.lax.psum_scatter(table, self.other, tiled=True))
        # On CPUs that JAX has made known to other processes, `psum_scatter` gives wrong sums at times:
        # https://github.com/jax-ml/jax/issues/40830.
        num_rows = len(table) // self.num_ranges(self.other)
        first = jax.lax.axis_index(self.other) * num_rows
        return apart(jax.lax.dynamic_slice_in_dim(jax.lax.psum(table, self.other), first, num_rows))


class LinkCells(NamedTuple):
    """Where the links of `Interactions` lie, in their order there; None on one device."""

    by_user: Cells | None = None
    by_movie: Cells | None = None
    user_features: Cells | None = None
    by_user_feature: Cells | None = None
    movie_features: Cells | None = None
    by_movie_feature: Cells | None = None


def link_cells(mesh: Mesh | None) -> LinkCells:
    """Where they lie on a mesh: ratings in the cells of the grid, content with the rows that have it."""
    if mesh is None:
        return LinkCells()
    users, movies = (USERS, MOVIES), (MOVIES, USERS)
    ratings = (users[:1], movies[:1]), (movies[:1], users[:1])
    content = (users, ()), ((), users), (movies, ()), ((), movies)
    return LinkCells(*(Cells(mesh, owner, other) for owner, other in ratings + content))


def user_batch_cells(mesh: Mesh | None) -> tuple[Cells | None, Cells | None]:
    """Where the links of `UserBatches` lie, from users to movies and back: with the movies, as those of content do."""
    cells = link_cells(mesh)
    return cells.by_movie_feature, cells.movie_features


def spec_of(path: Sequence[Any]) -> P:
    """Where an array of the training state is, by the names that lead to it; its first axis counts members."""
    names: Any = tuple(getattr(key, "key", getattr(key, "name", None)) for key in path[-2:])
    axis = AXIS_OF_TABLE.get(names)
    return P() if axis is None else P(None, *rows_over(axis))


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """The sharding of each array of a training state, or of parameters."""
    return jax.tree.map_with_path(lambda path, _: NamedSharding(mesh, spec_of(path)), state)


def placed(state: Any, mesh: Mesh | None) -> Any:
    """The same training state, said to be where it is to be; nothing is said without a mesh."""
    return state if mesh is None else jax.lax.with_sharding_constraint(state, state_shardings(state, mesh))


def interactions_shardings(interactions: Interactions, mesh: Mesh) -> Interactions:
    """The sharding of all that the towers see."""
    cells: Any = link_cells(mesh)
    specs: list[Any] = [cell.specs(part) for cell, part in zip(cells, interactions[: len(cells)], strict=True)]
    specs += [rows_over(USERS), rows_over(MOVIES), P(), P(), P()]
    return jax.tree.map(functools.partial(NamedSharding, mesh), Interactions(*specs))


def user_batches_shardings(user_batches: UserBatches, mesh: Mesh) -> UserBatches:
    """The sharding of the blocks of users."""
    cells: Any = user_batch_cells(mesh)[0]
    return jax.tree.map(functools.partial(NamedSharding, mesh), cells.specs(user_batches))


def steps_shardings(steps: Any, mesh: Mesh) -> Any:
    """The sharding of the steps of an epoch: each device has the batches of its cell, and all else."""
    in_cells = jax.tree.map(lambda _: NamedSharding(mesh, P(None, AXES)), steps.batches)
    return replicated(steps, mesh)._replace(batches=in_cells)


def rows_sharding(mesh: Mesh | None) -> NamedSharding | None:
    """Where the rows of `map_rows` are; None without a mesh."""
    return None if mesh is None else NamedSharding(mesh, P(AXES))


def map_rows(function: Callable[..., Any], mesh: Mesh | None, shared: Any, *spread: Any) -> Any:
    """What a function makes of what all devices share, and of each device's part of the rows of the other arrays."""
    if mesh is None:
        return function(shared, *spread)
    specs = P(), *[P(AXES)] * len(spread)
    return on_each_device(function, mesh=mesh, in_specs=specs, out_specs=P(AXES))(shared, *spread)


def abreast(tables: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The columns of all tables as one table, which one collective moves, and what makes tables like these of such.

    The tables have as many rows each, and any further axes. Where there are none there is nothing.
    """
    leaves, structure = jax.tree.flatten(tables)
    if not leaves:
        return tables, lambda nothing: nothing
    flat = [leaf.reshape(len(leaf), -1) for leaf in leaves]
    ends = np.cumsum([leaf.shape[1] for leaf in flat])

    def apart(table: jax.Array) -> Any:
        parts = zip(jnp.split(table, ends[:-1], axis=1), leaves, strict=True)
        like = [part.reshape(len(table), *leaf.shape[1:]).astype(leaf.dtype) for part, leaf in parts]
        return jax.tree.unflatten(structure, like)

    return jnp.concatenate(flat, axis=1), apart


def replicated(tree: Any, mesh: Mesh) -> Any:
    """The sharding of arrays that every device has whole."""
    return jax.tree.map(lambda _: NamedSharding(mesh, P()), tree)


def put(tree: Any, shardings: Any) -> Any:
    """Arrays of the host where the shardings want them; of many processes each puts what its own devices have."""
    return jax.tree.map(
        lambda array, sharding: jax.make_array_from_callback(array.shape, sharding, lambda place: array[place]),
        tree,
        shardings,
    )


def held(tree: Any, mesh: Mesh | None, spec: P) -> Any:
    """The same arrays, said to be where the spec says, or everywhere; nothing is said without a mesh."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, spec))


def zero_pad_init(init: Callable[..., jax.Array], num_rows: int) -> Callable[..., jax.Array]:
    """The same initial values for so many rows, and 0 for those after them, which fill up a table.

    No gradient reaches these, so they stay 0. The others are the same whatever follows them.
    """

    def filled_up(key, shape, dtype=jnp.float32) -> jax.Array:
        rows = init(key, shape, dtype)
        return rows if shape[0] == num_rows else jnp.where(jnp.arange(shape[0])[:, None] < num_rows, rows, 0)

    return filled_up
