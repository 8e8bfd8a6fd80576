"""`movierec export` in a checkout; `movierec_jax/commands/export.py` has the code."""

from movierec_jax.commands import export

if __name__ == "__main__":
    export.run()
