"""Judges what texts say of films, by a small linear model from words to the probability of praise.

`ngrams` takes texts apart, `model` adds up the weights of their n-grams, `predict` does so for many texts on all cores,
`fit` learns the weights from labelled texts, `saved` saves and loads them, and `train` is a whole training run. The
folder `default` holds the model that comes with the package, learnt from the reviews of Maas et al. 2011.
"""

from typing import Any

__all__ = ["Sentiment", "load_sentiment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Imported when first asked for: JAX must not be loaded with the package.
    from movierec_jax.features.sentiment import saved

    return getattr(saved, name)
