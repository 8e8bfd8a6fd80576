"""The same with each user's rated movies (Koren 2008): Surprise, defaults, ratings cached to make it faster."""

from movierec_jax.benchmark.with_surprise import surprise_peer

PEER = surprise_peer("Surprise SVD++", lambda surprise, seed: surprise.SVDpp(random_state=seed, cache_ratings=True))
