"""`movierec tune` in a checkout; `movierec_jax/commands/tune.py` has the code."""

from movierec_jax.commands import tune

if __name__ == "__main__":
    tune.run()
