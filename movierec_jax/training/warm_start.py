"""Puts the parameters of an older run into a new state, row by row of its tables."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Float, Float32, Int

from movierec_jax.model.sharding import constrain_state, put_sharded, replicated, state_shardings
from movierec_jax.model.tables import ROWS_OF_TABLE
from movierec_jax.training.state import TrainState

# For each kind of rows in `ROWS_OF_TABLE`, the older run's row of each row of this run; -1 where it has none.
OldRows = Mapping[str, Int[np.ndarray, " _rows"]]


@dataclasses.dataclass(frozen=True)
class TakenRows:
    """Rows of an older table in the order of this run, made where they are indexed; NaN for those that it lacks.

    rows: the older row of each, -1 where there is none.
    """

    table: Float32[np.ndarray, "members old_rows width"]
    rows: Int[np.ndarray, " rows"]

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.table), len(self.rows), self.table.shape[2]

    def __getitem__(self, index: tuple[slice, slice, slice]) -> Float32[np.ndarray, "members rows width"]:
        rows = self.rows[index[1]]
        taken = np.full((len(self.table), len(rows), self.table.shape[2]), np.nan, np.float32)
        taken[:, rows >= 0] = self.table[:, rows[rows >= 0]]
        return taken[index[0], :, index[2]]


def warm_state(
    state: TrainState,
    old_params: optax.Params,
    old_log_strength: Float[np.ndarray, "members learnt_tables"],
    old_rows: OldRows,
    mesh: Mesh | None,
) -> TrainState:
    """Returns a state before its first step with the parameters and decays of an older run, given as NumPy arrays.

    Rows that the older run lacks stay as they are, and so do Adam's means.
    """

    def take(path: Any, fresh: jax.Array, old: np.ndarray) -> np.ndarray | TakenRows:
        rows = old_rows.get(ROWS_OF_TABLE.get(tuple(key.key for key in path[-2:]), ""))
        if rows is None:
            return old
        # Tables on a mesh have further rows; the movies' table of rating-time features has the first ones alone.
        rows = np.pad(rows, (0, max(0, fresh.shape[1] - len(rows))), constant_values=-1)[: fresh.shape[1]]
        return TakenRows(old, rows)

    taken = jax.tree.map_with_path(take, state.params, old_params)
    if mesh is None:
        taken = jax.tree.map(lambda old: old[:, :, :] if isinstance(old, TakenRows) else old, taken)
        log_strength = jnp.asarray(old_log_strength)
    else:
        # Each process makes what its devices hold.
        taken = put_sharded(taken, state_shardings(taken, mesh))
        log_strength = put_sharded(old_log_strength, replicated(old_log_strength, mesh))
    return dataclasses.replace(state, params=fill_rows(taken, state.params, mesh=mesh), log_strength=log_strength)


@functools.partial(jax.jit, static_argnames="mesh")
def fill_rows(taken: optax.Params, fresh: optax.Params, *, mesh: Mesh | None) -> optax.Params:
    """Returns parameters with fresh numbers in place of NaN."""
    filled = jax.tree.map(lambda old, new: jnp.where(jnp.isnan(old), new, old), taken, fresh)
    return constrain_state(filled, mesh)
