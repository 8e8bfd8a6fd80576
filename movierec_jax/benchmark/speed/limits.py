"""What the machine can do at most: products of matrices, and copies through memory."""

import jax
import jax.numpy as jnp
import numpy as np

from movierec_jax.benchmark.config import BenchmarkConfig
from movierec_jax.benchmark.speed.timing import Figure, take_turns

SIZE = 2048

COPIED_NUMBERS = 2**26


def measure(config: BenchmarkConfig) -> list[Figure]:
    """Floating point operations of a product of float32 matrices, and bytes read and written by a copy."""
    matrix = jnp.ones((SIZE, SIZE), jnp.float32)
    product = jax.jit(jnp.matmul)
    source, target = np.ones(COPIED_NUMBERS, np.float32), np.empty(COPIED_NUMBERS, np.float32)
    on_host = np.asarray(matrix)
    ways = {"XLA": lambda: product(matrix, matrix).block_until_ready(), "NumPy": lambda: on_host @ on_host}
    name = f"product of matrices, {SIZE} x {SIZE}"
    products = Figure(name, 2 * SIZE**3 / 1e9, "GFLOP", *take_turns(ways, config.repeats))
    copies = take_turns({"NumPy": lambda: np.copyto(target, source)}, config.repeats)
    return [products, Figure("copy through memory", 2 * source.nbytes / 1e9, "GB", *copies)]
