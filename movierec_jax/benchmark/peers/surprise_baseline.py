"""Regularised biases by alternating least squares: Surprise, defaults."""

from movierec_jax.benchmark.with_surprise import surprise_peer

PEER = surprise_peer("Surprise BaselineOnly", lambda surprise, seed: surprise.BaselineOnly(verbose=False))
