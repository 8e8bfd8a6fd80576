"""`movierec evaluate` in a checkout; `movierec_jax/commands/evaluate.py` has the code."""

from movierec_jax.commands import evaluate

if __name__ == "__main__":
    evaluate.run()
