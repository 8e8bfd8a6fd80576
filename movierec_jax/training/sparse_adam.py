"""Sparse Adam: a step reads and writes only the rows that its batch holds, with the outcome of dense Adam.

Without a gradient Adam still moves a row, by its fading means, in a way known in closed form. So a row that batches
skip is left alone, and catches up on the skipped steps when a batch holds it again. "Lazy" Adam (TensorFlow's
LazyAdamOptimizer, PyTorch's SparseAdam) skips without catching up.

    state -> gather_rows -> train_step -> scatter_rows -> state        for each batch, and `catch_up` after the last one

A step decays the rows of its batch by their ratings in it (`losses.decay`), which is the same in the mean over batches.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int32

from movierec_jax.model.inputs import BatchRows, Interactions
from movierec_jax.model.tables import OWN_TABLES, TOWERS
from movierec_jax.training.state import B1, B2, EPS, TrainingSetup, TrainState, empty_interactions, learning_rate


class AdamRows(NamedTuple):
    """Rows of a parameter, with Adam's running means of their gradients and of the squared gradients."""

    param: Float[Array, "rows *features"]
    mean: Float[Array, "rows *features"]
    square: Float[Array, "rows *features"]


class LastStep(NamedTuple):
    """The step up to which each row of the users' and of the movies' tables is trained."""

    user: Int32[Array, " users"]
    movie: Int32[Array, " movies"]


# The tables of a tower, by name; each member's, stacked.
TowerTables = dict[str, AdamRows]


def last_step_of_rows(state: TrainState, setup: TrainingSetup) -> LastStep:
    """Returns the state's step for every row."""
    return LastStep(*(jnp.full(n, state.step, jnp.int32) for n in (setup.model.num_users, setup.model.num_movies)))


def restrict_to_rows(
    setup: TrainingSetup, interactions: Interactions, rows: BatchRows
) -> tuple[TrainingSetup, Interactions]:
    """Returns the setup of a model that has these rows alone, and their numbers of ratings."""
    model = setup.model.clone(num_users=len(rows.user), num_movies=len(rows.movie))
    user_count, movie_count = (
        jnp.append(count.at[row].get(mode="fill", fill_value=0), 0)
        for count, row in zip(interactions.rating_weights, rows, strict=True)
    )
    interactions = empty_interactions(model)._replace(user_count=user_count, movie_count=movie_count)
    return dataclasses.replace(setup, model=model), interactions


def gather_rows(state: TrainState, rows: BatchRows, last_step: LastStep, setup: TrainingSetup) -> TrainState:
    """Returns the state of these rows alone, caught up with its step; rows beyond the tables are zero."""
    towers = [
        jax.tree.map(lambda table, row=row: table.at[:, row].get(mode="fill", fill_value=0), tables)
        for tables, row in zip(tables_of_towers(state), rows, strict=True)
    ]
    last_step = LastStep(
        *(steps.at[row].get(mode="fill", fill_value=0) for steps, row in zip(last_step, rows, strict=True))
    )
    return catch_up(replace_tables(state, towers), last_step, setup)


def scatter_rows(
    state: TrainState, local: TrainState, rows: BatchRows, last_step: LastStep
) -> tuple[TrainState, LastStep]:
    """Writes the rows of a local state, after its step, back; returns the whole state and every row's last step."""
    write: dict[str, Any] = {"mode": "drop", "unique_indices": True, "indices_are_sorted": True}
    towers = [
        jax.tree.map(lambda table, new, row=row: table.at[:, row].set(new, **write), tables, new)
        for tables, new, row in zip(tables_of_towers(state), tables_of_towers(local), rows, strict=True)
    ]
    last_step = LastStep(*(steps.at[row].set(local.step, **write) for steps, row in zip(last_step, rows, strict=True)))
    return replace_tables(local, towers), last_step


def catch_up(state: TrainState, last_step: LastStep, setup: TrainingSetup) -> TrainState:
    """Brings all rows from their last steps to the state's step."""
    rate = learning_rate(setup.config, setup.total_steps)

    def of_members(table: AdamRows, steps: Array) -> AdamRows:
        return jax.vmap(lambda member: skip_gradients(member, steps, state.step - steps, rate))(table)

    towers = [
        {name: of_members(table, steps) for name, table in tables.items()}
        for tables, steps in zip(tables_of_towers(state), last_step, strict=True)
    ]
    return replace_tables(state, towers)


def tables_of_towers(state: TrainState) -> list[TowerTables]:
    """Returns the tables of users and of movies, with Adam's means."""
    trees = (state.params, *(optax.tree_utils.tree_get(state.opt_state, name) for name in ("mu", "nu")))
    return [{name: AdamRows(*(tree[tower][name] for tree in trees)) for name in OWN_TABLES} for tower in TOWERS]


def replace_tables(state: TrainState, towers: list[TowerTables]) -> TrainState:
    """Returns the state with other tables of users and of movies."""

    def replaced(tree, field: str):
        new = {
            tower: tree[tower] | {name: getattr(table, field) for name, table in tables.items()}
            for tower, tables in zip(TOWERS, towers, strict=True)
        }
        return tree | new

    mean, square = (optax.tree_utils.tree_get(state.opt_state, name) for name in ("mu", "nu"))
    opt_state = optax.tree_utils.tree_set(state.opt_state, mu=replaced(mean, "mean"), nu=replaced(square, "square"))
    return dataclasses.replace(state, params=replaced(state.params, "param"), opt_state=opt_state)


def skip_gradients(
    rows: AdamRows, step: Int32[Array, " rows"], num_steps: Int32[Array, " rows"], rate: optax.Schedule
) -> AdamRows:
    """Takes `num_steps` (0 or more) steps of Adam at once, after `step` steps, in which no gradient reaches the rows.

    In each step the means fade by B1 and B2, and the row moves by their quotient: in all a geometric series of ratio
    B1 / sqrt(B2). Exact but for the learning rate and Adam's correction of the means for their start, which are those
    of the series' mean step. Most of the move is over within ten steps; where the rate bends within these, as in the
    last steps of a short run, it is off by some percent.
    """
    param, mean, square = rows
    ratio = B1 / B2**0.5
    left = ratio**num_steps
    series = ratio * (1 - left) / (1 - ratio)
    # The mean of 0 to n - 1 with the weights of the series.
    middle = step + ratio / (1 - ratio) - num_steps * left / jnp.maximum(1 - left, EPS)
    correction = jnp.sqrt(1 - B2 ** (middle + 1)) / (1 - B1 ** (middle + 1))
    by_row = rate(middle) * correction * series, B1**num_steps, B2**num_steps
    move, mean_fade, square_fade = (factor.reshape(-1, *[1] * (param.ndim - 1)) for factor in by_row)
    return AdamRows(param - move * mean / (jnp.sqrt(square) + EPS), mean_fade * mean, square_fade * square)
