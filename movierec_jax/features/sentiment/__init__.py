"""What texts say of films: a small model of its own, from words to the probability of praise.

`ngrams` takes texts apart, `model` adds up what their parts say, `predict` asks it on all cores, `fit` learns it from
labelled texts, `stored` keeps what was learnt, and `run` is the whole of a training run. `default` is what comes with
the package: a run on the reviews of Maas et al. 2011.
"""

from typing import Any

__all__ = ["Sentiment", "load_sentiment"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Loaded when first asked for, as with the package.
    from movierec_jax.features.sentiment import saved

    return getattr(saved, name)
