"""How strong the decays are: learnt from ratings that the first epochs hold out.

A decay is right if ratings that training has not seen ask for rows neither smaller nor larger. So after each of the
first epochs the held-out ratings are predicted, once as the parameters are and once with the rows of each of
`LEARNT_TABLES` a little larger. The least-squares fit of the errors to these changes tells by which fraction each table
should grow. Where it should shrink, its decay becomes stronger:

    log strength -= RATE x fraction x (share of the fit that is not chance)

The fit is pulled to 0 by a normal prior on the fractions, so tables of which the held-out ratings tell little stay as
they are. The share is that of the positive-part James-Stein estimator (Efron, Morris 1973, "Stein's estimation rule and
its competitors"): 0 where the fit explains no more than chance would. The last epochs train on these ratings too.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, UInt32

from movierec_jax.data.schema import Ratings
from movierec_jax.model.history import TowerInputs, tower_inputs
from movierec_jax.model.inputs import Batch, Interactions
from movierec_jax.model.sharding import constrain, put_sharded, replicated
from movierec_jax.model.tables import LEARNT_TABLES, TOWERS
from movierec_jax.training import batches
from movierec_jax.training.keyed_steps import is_held_out
from movierec_jax.training.losses import DECAY_OF_TABLE, one_for_zero
from movierec_jax.training.state import TrainingSetup, TrainState

# Change of a log strength for each 1 by which the table should shrink. Chosen, as is PRIOR_FRACTION, on ratings carved
# out of the train parts of nine data sets.
RATE = 6.0

# Standard deviation of the prior on the fractions.
PRIOR_FRACTION = 0.05

# By which fraction tables are enlarged to see what changes.
ENLARGED = 0.1

# Least variance of standardised errors, which keeps quotients finite where every prediction is right.
LEAST_VARIANCE = 1e-6


# Which of the train ratings are held out: of each, or the keys of the order whose first ratings are.
HeldOut = Bool[Any, " ratings"] | UInt32[Any, " rounds"]


def held_out_inputs(train: Ratings, setup: TrainingSetup) -> tuple[Batch, HeldOut]:
    """Returns the held-out ratings as one batch, and which of the train ratings they are, on the devices."""
    held_out, mesh = setup.held_out, setup.model.mesh
    batch = jax.tree.map(lambda column: column[0], batches.stack_batches(train, held_out, len(held_out)))
    which = setup.held_out_order.keys
    if setup.held_out_order.is_shuffled:
        which = np.zeros(len(train), bool)
        which[held_out] = True
    inputs = batch, which
    return jax.device_put(inputs) if mesh is None else put_sharded(inputs, replicated(inputs, mesh))


@functools.partial(jax.jit, static_argnames="setup")
def learn_strengths(
    state: TrainState,
    held_out: Batch,
    which: HeldOut,
    interactions: Interactions,
    *,
    setup: TrainingSetup,
) -> TrainState:
    """Returns the state with stronger decays for the tables that held-out ratings ask to shrink, and weaker ones."""

    def counts(link: Array) -> Array:
        # Links from reviews have numbers after the last rating.
        if which.dtype == bool:
            return (link >= 0) & ~which.at[link].get(mode="fill", fill_value=False)
        return (link >= 0) & ~is_held_out(which, jnp.int32(setup.num_held_out), link, setup.config.num_ratings)

    inputs = tower_inputs(
        interactions, counts(interactions.by_user.link), counts(interactions.by_movie.link), setup.model.mesh
    )

    def learn(params: Any, log_strength: Float[Array, " learnt_tables"]) -> Float[Array, " learnt_tables"]:
        factors = jnp.concatenate([jnp.ones((1, len(LEARNT_TABLES))), 1 + ENLARGED * jnp.eye(len(LEARNT_TABLES))])
        errors, *enlarged = jax.lax.map(
            lambda factor: held_out_errors(enlarge(params, factor), *inputs, held_out, setup), factors
        )
        slopes = (jnp.stack(enlarged, axis=1) - errors[:, None]) / ENLARGED
        return log_strength - RATE * wanted_growth(errors, slopes, held_out.weight)

    return dataclasses.replace(state, log_strength=jax.vmap(learn)(state.params, state.log_strength))


def enlarge(params: Any, factor: Float[Array, " learnt_tables"]) -> Any:
    """Multiplies each of `LEARNT_TABLES`, in both towers, by its factor."""
    factor_of_table = dict(zip(LEARNT_TABLES, factor, strict=True))
    towers = {
        tower: {name: rows * factor_of_table.get(name, 1.0) for name, rows in params[tower].items()} for tower in TOWERS
    }
    return params | towers


def held_out_errors(
    params: Any, users: TowerInputs, movies: TowerInputs, held_out: Batch, setup: TrainingSetup
) -> Float[Array, " held_out"]:
    """Returns predicted less given rating, standardised, of a member."""
    apply = functools.partial(setup.model.apply, {"params": params})
    encoded = apply(users, movies, method="towers")
    pairs = encoded[0][held_out.user_row], encoded[1][held_out.movie_row]
    user, movie = apply(*constrain(pairs, setup.model.mesh, P()), method="add_hidden")
    user, movie = apply(user, movie, held_out.time_features, method="at_time")
    return (apply(user, movie, method="predict") - held_out.rating) / setup.model.rating_spread


def wanted_growth(
    errors: Float[Array, " ratings"], slopes: Float[Array, "ratings tables"], weight: Float[Array, " ratings"]
) -> Float[Array, " tables"]:
    """Returns by which fraction each table should grow, below 0 for shrinking; 0 where chance explains the fit.

    slopes: change of each error when a table grows by its own size. weight: how much each rating counts.
    """
    root = jnp.sqrt(weight)
    errors, slopes = root * errors, root[:, None] * slopes
    variance = jnp.maximum(jnp.sum(jnp.square(errors)) / one_for_zero(jnp.sum(weight)), LEAST_VARIANCE)
    precision = slopes.T @ slopes + variance / PRIOR_FRACTION**2 * jnp.eye(slopes.shape[1])
    growth = -jnp.linalg.solve(precision, slopes.T @ errors)
    explained = -growth @ (slopes.T @ errors) / variance
    return growth * jnp.maximum(0, 1 - 1 / jnp.maximum(explained, 1))


def decays_in_use(state: TrainState, setup: TrainingSetup) -> dict[str, float]:
    """Returns the decay of each of `LEARNT_TABLES` by its flag's name, in ratings; the geometric mean over members."""
    factors = np.exp(np.mean(np.asarray(state.log_strength), axis=0))
    return {
        flag: float(getattr(setup.config, flag) * factor)
        for flag, factor in zip((DECAY_OF_TABLE[name] for name in LEARNT_TABLES), factors, strict=True)
    }
