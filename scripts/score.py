"""`movierec score` in a checkout; `movierec_jax/commands/score.py` has the code."""

from movierec_jax.commands import score

if __name__ == "__main__":
    score.run()
