"""`movierec compile_for` in a checkout; `movierec_jax/commands/compile_for.py` has the code."""

from movierec_jax.commands import compile_for

if __name__ == "__main__":
    compile_for.run()
