"""Limits of the machine: matrix products, and copies through memory."""

import jax
import jax.numpy as jnp
import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed.timing import Timing, time_in_turn

SIZE = 2048

COPIED_NUMBERS = 2**26


def measure(config: BenchmarkConfig) -> list[Timing]:
    """Times a product of float32 matrices, and a copy, whose bytes are read and written."""
    matrix = jnp.ones((SIZE, SIZE), jnp.float32)
    product = jax.jit(jnp.matmul)
    source, target = np.ones(COPIED_NUMBERS, np.float32), np.empty(COPIED_NUMBERS, np.float32)
    on_host = np.asarray(matrix)
    products = {"XLA": lambda: product(matrix, matrix).block_until_ready(), "NumPy": lambda: on_host @ on_host}
    copies = {"NumPy": lambda: np.copyto(target, source)}
    return [
        Timing(
            f"product of matrices, {SIZE} x {SIZE}",
            2 * SIZE**3 / 1e9,
            "GFLOP",
            *time_in_turn(products, config.repeats),
        ),
        Timing("copy through memory", 2 * source.nbytes / 1e9, "GB", *time_in_turn(copies, config.repeats)),
    ]
