"""`movierec serve` in a checkout; `movierec_jax/commands/serve.py` has the code."""

from movierec_jax.commands import serve

if __name__ == "__main__":
    serve.run()
