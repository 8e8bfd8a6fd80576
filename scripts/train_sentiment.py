"""`movierec train_sentiment` in a checkout; `movierec_jax/commands/train_sentiment.py` has the code."""

from movierec_jax.commands import train_sentiment

if __name__ == "__main__":
    train_sentiment.run()
