"""`movierec prepare` in a checkout; `movierec_jax/commands/prepare.py` has the code."""

from movierec_jax.commands import prepare

if __name__ == "__main__":
    prepare.run()
