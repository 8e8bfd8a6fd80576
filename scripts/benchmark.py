"""`movierec benchmark` in a checkout; `movierec_jax/commands/benchmark.py` has the code."""

from movierec_jax.commands import benchmark

if __name__ == "__main__":
    benchmark.run()
