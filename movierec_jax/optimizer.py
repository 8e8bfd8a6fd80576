"""Adam with a learning rate that rises, then falls to zero."""

import jax
import optax

from movierec_jax.config import TrainConfig


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
        optax.adam(learning_rate(config, total_steps)),
    )


def is_kernel(params: optax.Params):
    """A mask of the dense layers' kernels among parameters, by the name that flax gives them."""
    return jax.tree.map_with_path(lambda path, _: path[-1].key == "kernel", params)
