"""A step on the rows of its batch alone, with the outcome of one on all rows.

A batch holds few of the users and movies of large data, and no gradient reaches the others: what Adam does to them
can be made up for when a batch holds them again (`optimizer.without_gradient`). Its rows are taken from the tables, a
step is done on them as if they were all there are, and they are put back:

    state -> take -> train_step -> put -> state        for each batch, and `settle` after the last one

Decay is that of the rows in the batch, by their ratings in it (`objective.decay`): the same in the mean over batches.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int32

from movierec_jax.model.inputs import Interactions, Rows
from movierec_jax.model.sharding import OWN_TABLES
from movierec_jax.training.state import B1, B2, EPS, TrainingSetup, TrainState, empty_interactions, learning_rate

TOWERS = ("user_tower", "movie_tower")


class Adapted(NamedTuple):
    """Parameters with the means of their gradients and of these squared, as Adam has them."""

    param: Float[Array, "rows *features"]
    mean: Float[Array, "rows *features"]
    square: Float[Array, "rows *features"]


# Those of a tower, by name; each member's, stacked.
Tables = dict[str, Adapted]


def all_done(state: TrainState, setup: TrainingSetup) -> Rows:
    """For every row the state's step."""
    model = setup.model
    return Rows(*(jnp.full(num_rows, state.step, jnp.int32) for num_rows in (model.num_users, model.num_movies)))


def of_rows(setup: TrainingSetup, interactions: Interactions, rows: Rows) -> tuple[TrainingSetup, Interactions]:
    """The recipe for these rows alone, and what is known of them: their numbers of ratings."""
    model = setup.model.clone(num_users=len(rows.user), num_movies=len(rows.movie))
    user_count, movie_count = (
        jnp.append(count.at[row].get(mode="fill", fill_value=0), 0)
        for count, row in zip((interactions.user_count, interactions.movie_count), rows, strict=True)
    )
    interactions = empty_interactions(model)._replace(
        user_count=user_count, movie_count=movie_count, time_feature_count=interactions.time_feature_count
    )
    return dataclasses.replace(setup, model=model), interactions


def take(state: TrainState, rows: Rows, done: Rows, setup: TrainingSetup) -> TrainState:
    """The state of these rows alone, brought to the state's step; rows that no table has are zero."""
    sides = [
        jax.tree.map(lambda table, row=row: table.at[:, row].get(mode="fill", fill_value=0), tables)
        for tables, row in zip(tables_of(state), rows, strict=True)
    ]
    done = Rows(*(steps.at[row].get(mode="fill", fill_value=0) for steps, row in zip(done, rows, strict=True)))
    return settle(with_tables(state, sides), done, setup)


def put(state: TrainState, local: TrainState, rows: Rows, done: Rows) -> tuple[TrainState, Rows]:
    """The state after a step on these rows, and the steps up to which all rows are done now."""
    write = {"mode": "drop", "unique_indices": True, "indices_are_sorted": True}
    sides = [
        jax.tree.map(lambda table, new, row=row: table.at[:, row].set(new, **write), tables, new)
        for tables, new, row in zip(tables_of(state), tables_of(local), rows, strict=True)
    ]
    done = Rows(*(steps.at[row].set(local.step, **write) for steps, row in zip(done, rows, strict=True)))
    return with_tables(local, sides), done


def settle(state: TrainState, done: Rows, setup: TrainingSetup) -> TrainState:
    """The state with all of its rows brought from the steps up to which they are done to its own."""
    rate = learning_rate(setup.config, setup.total_steps)

    def of_members(table: Adapted, steps: Array) -> Adapted:
        return jax.vmap(lambda member: without_gradient(member, steps, state.step - steps, rate))(table)

    sides = [
        {name: of_members(table, steps) for name, table in tables.items()}
        for tables, steps in zip(tables_of(state), done, strict=True)
    ]
    return with_tables(state, sides)


def tables_of(state: TrainState) -> list[Tables]:
    """The tables of users and of movies."""
    trees = (state.params, *(optax.tree_utils.tree_get(state.opt_state, name) for name in ("mu", "nu")))
    return [{name: Adapted(*(tree[tower][name] for tree in trees)) for name in OWN_TABLES} for tower in TOWERS]


def with_tables(state: TrainState, sides: list[Tables]) -> TrainState:
    """The state with these tables of users and of movies in place of its own."""

    def replaced(tree, place: int):
        towers = {
            tower: tree[tower] | {name: table[place] for name, table in tables.items()}
            for tower, tables in zip(TOWERS, sides, strict=True)
        }
        return tree | towers

    mean, square = (optax.tree_utils.tree_get(state.opt_state, name) for name in ("mu", "nu"))
    opt_state = optax.tree_utils.tree_set(state.opt_state, mu=replaced(mean, 1), nu=replaced(square, 2))
    return dataclasses.replace(state, params=replaced(state.params, 0), opt_state=opt_state)


def without_gradient(
    adapted: Adapted, step: Int32[Array, " rows"], num_steps: Int32[Array, " rows"], rate: optax.Schedule
) -> Adapted:
    """Rows after steps of Adam in which no gradient has reached them.

    The means fade by B1 and B2 in each step, and the row goes on moving by their quotient, in all by a geometric
    series. So a row that few batches hold need not be touched by the others, as in "lazy" or "sparse" Adam, which
    however leave out what moves on. Exact but for the learning rate and the correction of the means for their start,
    which are those at the mean step of these moves: most of what moves does so within ten steps. Where the rate bends
    within these, as in the last steps of a short run, a move is off by some percent of it.

    step: the steps done before; num_steps: those without gradient, 0 or more.
    """
    param, mean, square = adapted
    ratio = B1 / B2**0.5
    left = ratio**num_steps
    series = ratio * (1 - left) / (1 - ratio)
    # The mean of 0 to n - 1 with the weights of the series.
    middle = step + ratio / (1 - ratio) - num_steps * left / jnp.maximum(1 - left, EPS)
    correction = jnp.sqrt(1 - B2 ** (middle + 1)) / (1 - B1 ** (middle + 1))
    by_row = rate(middle) * correction * series, B1**num_steps, B2**num_steps
    move, of_mean, of_square = (factor.reshape(-1, *[1] * (param.ndim - 1)) for factor in by_row)
    return Adapted(param - move * mean / (jnp.sqrt(square) + EPS), of_mean * mean, of_square * square)
