"""`movierec train` in a checkout; `movierec_jax/commands/train.py` has the code."""

from movierec_jax.commands import train

if __name__ == "__main__":
    train.run()
