"""Nearest neighbours around biases: Surprise, defaults."""

from movierec_jax.benchmark.with_surprise import surprise_peer

PEER = surprise_peer("Surprise KNNBaseline", lambda surprise, seed: surprise.KNNBaseline(verbose=False))
