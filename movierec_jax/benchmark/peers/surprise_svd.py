"""Biased matrix factorisation by stochastic gradient descent: Surprise, defaults."""

from movierec_jax.benchmark.with_surprise import surprise_peer

PEER = surprise_peer("Surprise SVD", lambda surprise, seed: surprise.SVD(random_state=seed))
