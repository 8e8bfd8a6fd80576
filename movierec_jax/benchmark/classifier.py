"""What a classifier is: a label, and one function from labelled texts to what tells others."""

import dataclasses
import importlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

# Texts -> the probability that each praises, or where it has none any number from 0 to 1, above 0.5 for praise.
Tell = Callable[[Sequence[str]], Float[np.ndarray, " texts"]]

# (texts, is_praise) -> what tells others.
Fit = Callable[[Sequence[str], Bool[np.ndarray, " texts"]], Tell]


@dataclasses.dataclass(frozen=True)
class Classifier:
    """What tells praise from blame, to compare with; `library` is what must be importable beside our dependencies."""

    label: str
    fit: Fit
    library: str | None = None
    has_probability: bool = True


def find_classifier(name: str) -> Classifier:
    """The classifier of a name in `config.CLASSIFIERS`."""
    return importlib.import_module(f"movierec_jax.benchmark.classifiers.{name}").CLASSIFIER
