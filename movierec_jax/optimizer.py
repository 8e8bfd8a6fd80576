"""Adam with a learning rate that rises, then falls to zero."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int32

from movierec_jax.config import TrainConfig

# How much of the mean gradient and of the mean squared gradient stays from step to step, and what keeps a quotient
# finite: the values of Kingma, Ba 2015.
B1, B2, EPS = 0.9, 0.999, 1e-8


def learning_rate(config: TrainConfig, total_steps: int) -> optax.Schedule:
    """Step -> rate: a straight rise over the warm-up, then half a cosine down to 0 at the last step."""
    warmup_steps = int(config.warmup_fraction * total_steps)
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(total_steps, warmup_steps + 1),
    )


def adam(config: TrainConfig, total_steps: int) -> optax.GradientTransformation:
    """Adam (Kingma, Ba 2015) on the gradient of the objective plus `weight_decay` times the squared dense kernels."""
    return optax.chain(
        # The gradient of decay * w^2 is 2 * decay * w.
        optax.add_decayed_weights(2 * config.weight_decay, mask=is_kernel),
        optax.adam(learning_rate(config, total_steps), b1=B1, b2=B2, eps=EPS),
    )


class Adapted(NamedTuple):
    """Parameters with the means of their gradients and of these squared, as Adam has them."""

    param: Float[Array, "rows *features"]
    mean: Float[Array, "rows *features"]
    square: Float[Array, "rows *features"]


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


def is_kernel(params: optax.Params):
    """A mask of the dense layers' kernels among parameters, by the name that flax gives them."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)
